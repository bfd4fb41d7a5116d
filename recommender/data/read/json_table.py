"""JSON: one object per line (.jsonl, .ndjson), or a list of objects (.json); integers stay exact."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from recommender.data.read.table_file import TableFile
from recommender.errors import DataError


def read_json_table(path: Path, content: bytes, by_line: bool) -> TableFile:
    """Raises DataError with the line, or the number of the object, of what cannot be read."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no UTF-8 text ({error}). JSON is always UTF-8.") from None
    rows, lines = _by_line(path, text) if by_line else (_list(path, text), [])
    columns = list(dict.fromkeys(key for row in rows for key in row))
    if not columns:
        raise DataError(f'{path}: the file is empty. It needs objects such as {{"item_id": 1}}.')
    frame = pl.DataFrame([_column(name, [row.get(name) for row in rows]) for name in columns])
    return TableFile(frame, [], (lambda row: f"line {lines[row - 1]}") if by_line else (lambda row: f"object {row}"))


def _by_line(path: Path, text: str) -> tuple[list[dict[str, Any]], list[int]]:
    rows, lines = [], []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            row = _loads(path, line, f"line {number}")
            if not isinstance(row, dict):
                raise DataError(f"{path}: line {number}: expected one object {{...}} per line, found {line[:60]!r}.")
            rows.append(row)
            lines.append(number)
    return rows, lines


def _list(path: Path, text: str) -> list[dict[str, Any]]:
    tree = _loads(path, text, "")
    by_column = isinstance(tree, dict) and all(isinstance(v, list) for v in tree.values())
    if by_column and len({len(v) for v in tree.values()}) == 1:
        return [dict(zip(tree, values, strict=True)) for values in zip(*tree.values(), strict=True)]
    if not isinstance(tree, list) or not all(isinstance(row, dict) for row in tree):
        raise DataError(f"{path}: expected a list of objects, [{{...}}, {{...}}]. One object per line is .jsonl.")
    return tree


def _loads(path: Path, text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        place = f"{where}: " if where else ""
        raise DataError(f"{path}: {place}cannot be read as JSON ({str(error)[:120]}).") from None


def _column(name: str, values: list[Any]) -> pl.Series:
    """One type for all: where they differ, texts, with integers as they are written."""
    kinds = {type(v) for v in values if v is not None}
    if kinds == {int} and all(-(2**63) <= v < 2**63 for v in values if v is not None):
        return pl.Series(name, values, pl.Int64)
    for kind, dtype in ((str, pl.String), (bool, pl.Boolean), (float, pl.Float64)):
        if kinds <= {kind}:
            return pl.Series(name, values, dtype)
    if kinds == {int, float} and all(abs(v) <= 2**53 for v in values if v is not None):
        return pl.Series(name, values, pl.Float64, strict=False)
    if kinds in ({list}, {dict}):
        try:
            return pl.Series(name, values)
        except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
            pass
    texts = [v if v is None or isinstance(v, str) else json.dumps(v) for v in values]
    return pl.Series(name, texts, pl.String)
