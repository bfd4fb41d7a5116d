"""A fingerprint of a data set, so that runs on the same data can be found years later."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from recommender.data.dataset import Dataset
from recommender.hashing import of_values, sha256


def digest(data: Dataset) -> str:
    """16 hex digits of SHA-256 over every table's columns and values; row order counts."""
    return sha256(_content(data))[:16]


def _content(data: Dataset) -> Iterator[bytes]:
    for frame in (data.interactions, data.items.frame, data.users.frame, data.signals):
        yield repr(frame.schema).encode()
        for column in frame.get_columns():
            yield column.name.encode() + of_values(_text(column)).tobytes()


def _text(column: pl.Series) -> pl.Series:
    """Every value as text; null apart from the empty string."""
    try:
        if column.dtype == pl.Struct:
            column = column.struct.json_encode()
        elif column.dtype == pl.List:
            column = column.cast(pl.List(pl.String)).list.join("\x1f")
        text = column.cast(pl.String)
    except pl.exceptions.PolarsError:  # bytes, durations, lists of lists: ignored columns, which count all the same
        text = pl.Series([None if v is None else repr(v) for v in column.to_list()], dtype=pl.String)
    return text.fill_null("\x00")
