"""A fingerprint of a data set, so that runs on the same data can be found years later."""

from __future__ import annotations

import hashlib

import pandas as pd
import polars as pl

from recommender.data.dataset import Dataset


def digest(data: Dataset) -> str:
    """16 hex digits of SHA-256 over every table's columns and values; row order counts."""
    state = hashlib.sha256()
    for frame in (data.interactions, data.items.frame, data.users.frame, data.signals):
        state.update(repr(frame.schema).encode())
        for column in frame.get_columns():
            state.update(
                column.name.encode() + pd.util.hash_array(_text(column).to_numpy(), categorize=False).tobytes()
            )
    return state.hexdigest()[:16]


def _text(column: pl.Series) -> pl.Series:
    """Every value as text; null apart from the empty string."""
    if column.dtype == pl.Struct:
        column = column.struct.json_encode()
    elif column.dtype == pl.List:
        column = column.cast(pl.List(pl.String)).list.join("\x1f")
    return column.cast(pl.String).fill_null("\x00")
