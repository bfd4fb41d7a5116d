"""Interactions in the order of time, with little memory beside them."""

from __future__ import annotations

import numpy as np
import polars as pl


def by_time(columns: list[pl.DataFrame]) -> pl.DataFrame:
    """Sorted by timestamp, nulls first, stable. columns: a frame of each.

    They are taken out of the list one by one, so that few stand twice in memory. Frames, not series: a column of one
    value (events and weights that the file does not have) takes no memory in a frame.
    """
    times = next(column for column in columns if column.columns == ["timestamp"]).to_series()
    order = None if times.is_sorted(nulls_last=False) else pl.Series(_order(times))
    del times
    ordered = []
    while columns:
        column = columns.pop(0)
        ordered.append(column if order is None else column.select(pl.all().gather(order)))
    return pl.concat(ordered, how="horizontal")


def _order(times: pl.Series) -> np.ndarray:
    from recommender.data.radix import ascending  # compiles: not for those whose rows are in order

    stated = times.to_physical()
    return ascending(stated.fill_null(int(stated.min()) - 1).to_numpy())  # type: ignore[arg-type]
