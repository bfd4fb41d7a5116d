"""Lists that stand in one text: JSON, as Python prints them, or words with marks between."""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from typing import Any

import polars as pl

BRACKETS = r"(?s)^\s*\[.*\]\s*$"
_MARKS = ("|", ";", ",", "/")
_NAMES = ("name", "title", "label", "value", "text")  # the field of an object that stands for it
_PRINTED = re.compile(r"""(['"])\s+(?=['"])""")  # NumPy prints arrays without commas
_LONGEST = 100_000  # characters of one list


def parse_list(text: str) -> list[str] | None:
    """The words of a text in brackets; None where it is no list of words.

    Objects give their field ``name`` (or title, label, value, text). Raises nothing.
    """
    tree = _tree(text)
    if not isinstance(tree, list | tuple | set):
        return None
    out = [_word(value) for value in tree if value is not None]
    return None if any(word is None for word in out) else [word for word in out if word]


def _tree(text: str) -> Any:
    if len(text) > _LONGEST:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(_PRINTED.sub(r"\1, ", text.strip()))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        pass
    inner = text.strip()[1:-1]
    return None if re.search(r"""[\[\]{}"']""", inner) else [part.strip() for part in inner.split(",")]


def _word(value: Any) -> str | None:
    if isinstance(value, dict):
        value = next((value[name] for name in _NAMES if isinstance(value.get(name), str)), None)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).strip() if isinstance(value, str | int | float) else None


def mark_between(values: pl.Series) -> str | None:
    """The mark that separates the words of a column's texts: bars, else semicolons, else commas, else slashes."""
    plain = values.filter(~values.str.contains(BRACKETS))
    return next((mark for mark in _MARKS if bool(plain.str.contains(mark, literal=True).any())), None)


def split_texts(column: pl.Series) -> tuple[pl.Series, pl.Series]:
    """(lists of words, List(String); mask of values in brackets that are no list of words) of a text column."""
    known = column.drop_nulls()
    mark = mark_between(known) or "|"
    parse = cache(parse_list)
    bracketed = column.str.contains(BRACKETS).fill_null(False)
    if not bool(bracketed.any()):
        return column.str.split(mark), bracketed
    lists = [
        None if text is None else parse(text) if inside else text.split(mark)
        for text, inside in zip(column.to_list(), bracketed.to_list(), strict=True)
    ]
    out = pl.Series(column.name, lists, pl.List(pl.String))
    return out, bracketed & out.is_null()


def looks_listed(values: pl.Series) -> bool:
    """Whether texts (not null) are short words with one mark between, some of them shared by several rows."""
    mark = mark_between(values)
    if mark is None:
        return False
    holding = _mean(values.str.contains(mark, literal=True))
    per_part = _mean(values.str.count_matches(r"\S+")) / (1 + _mean(values.str.count_matches(mark, literal=True)))
    if mark == "|":
        return per_part < 4
    parts = values.str.split(mark).explode(empty_as_null=False).str.strip_chars()
    shared = parts.n_unique() < len(parts)
    return holding >= 0.2 and per_part <= (3 if mark == ";" else 1.6) and shared and _mean(parts == "") <= 0.1


def _mean(values: pl.Series) -> float:
    return float(values.mean() or 0)  # type: ignore[arg-type]
