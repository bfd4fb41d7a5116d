"""A table as read from one file: its values, what was noted while reading, and where each row stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

from recommender.data.spec import Read

_INTEGER = r"^(0|-?[1-9]\d{0,18})$"  # a leading zero means a code such as a zip, not a number
_NUMBER = r"(?i)^-?((0|[1-9]\d{0,14})(\.\d*)?|\.\d+)(e[+-]?\d+)?$|^[+-]?(nan|inf|infinity)$"
_BOOLEAN = r"(?i)^(true|false)$"


def row_place(row: int) -> str:
    """Where a row stands in a file without lines."""
    return f"row {row}"


@dataclass
class TableFile:
    """place: row (from 1) -> words such as "line 7"."""

    frame: pl.DataFrame
    notes: list[str] = field(default_factory=list)
    place: Callable[[int], str] = row_place


def typed(column: pl.Series, read: Read, exact: bool) -> pl.Series:
    """A text column as Int64, Float64 or Boolean where all its values are; "" is null.

    exact: integers only, and those only where every value is written as an integer is, so that the text comes back.
    """
    column = column.set(column == "", None)
    known = column.drop_nulls()
    if not len(known):
        return column
    if bool(known.str.contains(_INTEGER).all()):
        whole = column.cast(pl.Int64, strict=False)  # 19 digits may be too large
        if whole.null_count() == column.null_count():
            return whole
    if exact:
        return column
    number = plain_numbers(column, read)
    if bool(number.drop_nulls().str.contains(_NUMBER).all()):
        return number.cast(pl.Float64)
    if bool(known.str.contains(_BOOLEAN).all()):
        return column.str.to_lowercase() == "true"
    return column


def plain_numbers(column: pl.Series, read: Read) -> pl.Series:
    """Text numbers without the stated mark between thousands, and with a point for the stated decimal mark."""
    if read.thousands is not None:
        column = column.str.replace_all(read.thousands, "", literal=True)
    if read.decimal != ".":
        column = column.str.replace(read.decimal, ".", literal=True)
    return column
