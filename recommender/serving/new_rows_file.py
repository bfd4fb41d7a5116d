"""Rows of items and users that a running server was given, kept beside its log for the next start."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from recommender.data.dataset import Dataset, Table
from recommender.errors import DataError

FOLDER = "rows"


def saved_rows(folder: Path, data: Dataset, version: str) -> Iterator[tuple[pl.DataFrame | None, pl.DataFrame | None]]:
    """Items and users of each file, oldest first. A model of another version may know newer rows of the same ids: to it
    only those go whose ids it lacks. Raises DataError where a file is damaged."""
    for file in sorted((folder / FOLDER).glob("*.json")):
        try:
            rows = json.loads(file.read_text(encoding="utf-8"))
            frames = [pl.DataFrame(rows[name], infer_schema_length=None) for name in ("items", "users")]
        except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
            raise DataError(f"{file} is damaged ({error}). Restore it from a copy, or move it away.") from None
        if rows.get("version") != version:
            frames = [_unknown(frame, table) for frame, table in zip(frames, (data.items, data.users), strict=True)]
        items, users = (frame if frame.height else None for frame in frames)
        yield items, users


def _unknown(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    return frame.filter(pl.Series(table.lookup(frame[table.key]) < 0)) if table.key in frame.columns else frame
