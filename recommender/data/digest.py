"""A fingerprint of a data set, so that runs on the same data can be found years later."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from recommender.data.dataset import Dataset
from recommender.hashing import of_values, sha256

_AT_ONCE = 2**20  # values that are hashed: texts of all at once would be the peak of the memory


def digest(data: Dataset) -> str:
    """16 hex digits of SHA-256 over every table's columns and values; row order counts."""
    return sha256(_content(data))[:16]


def _content(data: Dataset) -> Iterator[bytes]:
    for frame in (data.interactions, data.items.frame, data.users.frame, data.signals):
        yield repr(frame.schema).encode()
        for column in frame.get_columns():
            yield column.name.encode()
            for start in range(0, len(column), _AT_ONCE):
                yield _hashes(column.slice(start, _AT_ONCE)).tobytes()


def _hashes(column: pl.Series) -> np.ndarray:
    """uint64, one for each value; of whole numbers and times, each distinct one is hashed once."""
    if not (column.dtype.is_integer() or column.dtype.is_temporal()) or column.null_count():
        return of_values(_text(column))
    import pandas as pd  # a fifth of a second, which one served list would wait for

    code, distinct = pd.factorize(column.to_physical().to_numpy())
    return of_values(_text(pl.Series(distinct).cast(column.dtype)))[code]


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
