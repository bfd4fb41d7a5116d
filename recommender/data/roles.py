"""Roles of feature columns, guessed where not stated: from name, type and values; what misleads is left out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from recommender.data import column_names
from recommender.data.forms import DECIMAL_COMMA, PLACE, numbers
from recommender.data.list_text import BRACKETS, looks_listed, mark_between, parse_list
from recommender.data.times import parse_times

TEXT_NAMES = {"title", "name", "headline", "description", "caption", "summary", "text", "abstract"}
CODE_ENDINGS = ("_id", "_code", "zip", "postcode", "postal")
_DAY_FIRST = r"^\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}([ T]\d{1,2}:\d{2}.*)?$"
_MONEY = r"[$€£¥₹₽%]|\d[,'\x{00a0} ]\d{3}\b|USD|EUR|GBP"
_MANY = 20  # rows from which "nearly every row has a value of its own" says something
_OWN = 0.95


class Guess(NamedTuple):
    """reason: what whoever brought the data should know of the guess; "" where it is plain. instead: the role that
    most likely overrides it."""

    role: str
    reason: str = ""
    instead: str = "category"


def guess_roles(frame: pl.DataFrame, stated: Mapping[str, str], table: str = "users") -> dict[str, Guess]:
    """Role of every column of ``frame`` that ``stated`` does not name.

    ``frame`` holds feature columns only (no ids, no availability), in the order of the file. Names that denote
    protected groups (gender, race ...) are guessed ``protected``, so that none becomes a feature by oversight; row
    numbers, times, totals counted later and codes of one row each are guessed ``ignore``.
    """
    return {c: _guess(c, frame[c], table) for c in frame.columns if c not in stated}


def _guess(name: str, column: pl.Series, table: str) -> Guess:
    values, dtype = column.drop_nulls(), column.dtype
    if column_names.is_protected(name, table):
        return Guess("protected", "its name denotes a protected group, so it serves audits only")
    if not len(values):
        return Guess("ignore", "it has no values")
    if dtype.is_temporal():
        return _time(name, table)
    if dtype == pl.Boolean:
        return Guess("category")
    if dtype.is_numeric():
        return _guess_number(name, column, table)
    if isinstance(dtype, pl.List | pl.Array):
        return _guess_list(column)
    if isinstance(dtype, pl.Struct):
        placed = {f.name for f in dtype.fields} >= {"lat", "lon"}
        return Guess("location") if placed else Guess("ignore", "it holds objects; give the field that counts a column")
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return _guess_string(name, values.cast(pl.String), table)
    return Guess("ignore", f"a value of type {dtype} tells a model nothing")


def _time(name: str, table: str) -> Guess:
    """When something happened is no property; as a feature it easily gives the answer away."""
    offered = table == "items" and column_names.is_start(name)
    way = (
        f"; if it says when an item went on offer, state 'columns: {{available_from: {column_names.in_yaml(name)}}}'"
        if offered
        else ""
    )
    return Guess("ignore", f"it holds times{way}")


def _guess_number(name: str, column: pl.Series, table: str) -> Guess:
    values = column.drop_nulls()
    if column_names.is_row_number(name) or _counts_rows(column):
        return Guess("ignore", "it numbers the rows, so it tells the order of the file", "numeric")
    if column_names.is_total(name):
        reason = "a total or average of what users did is counted after the fact, so it gives answers away"
        return Guess("ignore", reason, "numeric")
    if column_names.is_time(name) and _is_time_number(values):
        return _time(name, table)
    if name.lower().endswith(CODE_ENDINGS):
        unique = len(values) >= _MANY and values.n_unique() / len(values) > _OWN
        return Guess("ignore", "nearly every row has a code of its own") if unique else Guess("category")
    return Guess("numeric")


def _counts_rows(column: pl.Series) -> bool:
    """0, 1, 2 ... or 1, 2, 3 ... in the order of the file."""
    if len(column) < 10 or column.null_count() or column[0] not in (0, 1) or not column.dtype.is_integer():
        return False
    return bool((column.diff().drop_nulls() == 1).all())


def _is_time_number(values: pl.Series) -> bool:
    low, high = float(values.min() or 0), float(values.max() or 0)  # type: ignore[arg-type]
    return any(a <= low and high <= b for a, b in ((6.3e8, 4.2e9), (6.3e11, 4.2e12), (19000101, 21001231)))


def _guess_list(column: pl.Series) -> Guess:
    lists = column.drop_nulls()
    lists = lists.arr.to_list() if isinstance(lists.dtype, pl.Array) else lists
    inner = lists.explode(empty_as_null=False).drop_nulls()
    if inner.dtype.is_float():
        return Guess("embedding")
    if isinstance(inner.dtype, pl.Struct) and "name" in {f.name for f in inner.dtype.fields}:
        return Guess("multi", "lists of objects: each counts by its field 'name'", "ignore")
    if not len(inner):
        return Guess("ignore", "its lists are empty")
    if inner.dtype.is_nested() or inner.dtype in (pl.Binary, pl.Object, pl.Duration):
        return Guess("ignore", f"lists of {inner.dtype} tell a model nothing")
    if inner.dtype != pl.String:
        return Guess("multi")
    return Guess("text" if _words(inner) > 2.5 else "multi")


def _guess_string(name: str, values: pl.Series, table: str) -> Guess:
    if name.lower() in TEXT_NAMES:
        return Guess("text")
    if not name.strip() or name.startswith("Unnamed: "):
        return Guess("ignore", "it has no name")
    if bool(values.str.contains(BRACKETS).all()):
        return _guess_bracketed(values)
    if bool(values.str.contains(PLACE).all()):
        return Guess("location")
    if bool(values.str.contains(r"^https?://").all()):
        return Guess("ignore", "addresses tell a model nothing")
    if _are_times(values):
        return _time(name, table)
    if (number := _guess_number_text(values)) is not None:
        return number
    if looks_listed(values):
        mark = mark_between(values)
        return Guess("multi", "" if mark == "|" else f"read as lists with '{mark}' between")
    distinct, words = values.n_unique() / len(values), _words(values)
    if words > 3 or (distinct > 0.5 and words > 1.3):
        return Guess("text")
    if distinct > _OWN and len(values) >= _MANY:
        return Guess("ignore", "nearly every row has a value of its own")
    return Guess("category")


def _guess_bracketed(values: pl.Series) -> Guess:
    if bool(values.str.contains(r"^[\s\[\]\d,.+\-eEnNaAiIfF]*$").all()) and bool(values.str.contains(r"\d").any()):
        return Guess("embedding")
    if any(parse_list(text) is None for text in values.unique(maintain_order=True).to_list()):
        return Guess("ignore", "texts in brackets that are no lists of words; mend them, or state 'text'")
    objects = bool(values.str.contains(r"^\s*\[\s*\{").any())
    return Guess("multi", "lists of objects: each counts by its name", "ignore") if objects else Guess("multi")


def _guess_number_text(values: pl.Series) -> Guess | None:
    """Texts that are numbers as people write them, or numbers beside up to three words for a missing one."""
    known = numbers(values)
    others = values.filter(known.is_null()).unique(maintain_order=True)
    marked = bool(values.str.contains(_MONEY).any())
    if not len(others):
        if marked:
            return Guess("numeric", "money, percent or marks between thousands are read as numbers")
        comma = bool(values.str.contains(DECIMAL_COMMA).any())
        return Guess("numeric", "commas are read as decimal points", "multi") if comma else None
    share = float(known.is_not_null().mean() or 0)  # type: ignore[arg-type]
    if share < 0.5 or not (marked or (len(others) <= 3 and not bool(values.str.contains(r"[,|;]|\d/\d").any()))):
        return None
    way = f"'read: {{null_values: {json.dumps([o[:30] for o in others.head(3)], ensure_ascii=False)}}}'"
    return Guess("category", f"{share:.0%} of it look like numbers, which needs {way} too", "numeric")


def _are_times(values: pl.Series) -> bool:
    first = values.head(50)
    if not bool(first.str.contains(r"^\s*\d").all()) or bool(first.str.contains(r"^\s*\d+(\.\d+)?\s*$").any()):
        return False
    if bool(values.str.contains(_DAY_FIRST).all()):
        return True
    times = parse_times(first)
    if times is None or bool(times.unparsable.any()):
        return False
    times = parse_times(values)
    return times is not None and float(times.unparsable.mean() or 0) < 0.05  # type: ignore[arg-type]


def _words(values: pl.Series) -> float:
    return float(values.str.count_matches(r"\S+").mean() or 0)  # type: ignore[arg-type]
