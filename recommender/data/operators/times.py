"""Operators on times: shorter lives of items, coarser times or none."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import polars as pl

from recommender.data.dataset import Dataset
from recommender.data.operators.chance import pairs, uniform
from recommender.errors import DataError

_EVERY = {"hour": "1h", "day": "1d", "week": "1w", "month": "1mo"}


def lifetime(data: Dataset, seed: int = 0, *, days: float | None = None, share: float | None = None) -> Dataset:
    """Items expire sooner: ``days`` after they were published, or after a ``share`` of their stated life.

    Interactions and signals with an item that has expired could not have happened, so they go. Raises ValueError
    unless one of the two is given and in range, DataError where the items do not state what is needed.
    """
    if (days is None) == (share is None):
        raise ValueError("give either days or share")
    if (days is not None and days <= 0) or (share is not None and not 0 < share <= 1):
        raise ValueError("days must be above 0, share above 0 and at most 1")
    frame = data.items.frame
    needed = ["available_from"] if days is not None else ["available_from", "expires_at"]
    if absent := [c for c in needed if c not in frame.columns or not frame[c].count()]:
        raise DataError(f"items: '{data.name}' states no {', '.join(absent)}, so lives cannot be shortened.")
    begin = pl.col("available_from")
    stated = pl.col("expires_at") if "expires_at" in frame.columns else pl.lit(None, frame["available_from"].dtype)
    sooner = begin + (
        pl.duration(microseconds=int((days or 0) * 86_400e6)) if share is None else (stated - begin) * share
    )
    items = frame.with_columns(expires_at=pl.min_horizontal(stated, sooner.cast(frame["available_from"].dtype)))

    def live(rows: pl.DataFrame) -> pl.DataFrame:
        if not rows.width:
            return rows
        until = rows.join(items.select("item_id", "expires_at"), on="item_id", how="left", maintain_order="left")
        gone = (until["timestamp"] >= until["expires_at"]).fill_null(False)
        return rows.filter(~gone)

    return replace(
        data,
        interactions=live(data.interactions),
        signals=live(data.signals),
        items=replace(data.items, frame=items),
    )


def timestamps(
    data: Dataset, seed: int = 0, *, to: Literal["hour", "day", "week", "month"] = "day", remove: bool = False
) -> Dataset:
    """Times known only ``to`` the hour, day, week or month (the start of it, UTC), or not at all (``remove``).

    Rows of one time stand in random order, since their old one told which was earlier. Availability is coarsened
    with them (expiry upwards), so that nothing is taken before it is published.
    """
    every, kind = _EVERY[to], pl.Datetime("us", "UTC")

    def rows(frame: pl.DataFrame) -> pl.DataFrame:
        if not frame.width:
            return frame
        time = pl.lit(None, kind) if remove else pl.col("timestamp").dt.truncate(every)
        place = pl.Series("place", uniform(pairs(frame), seed, "timestamps"))
        coarse = frame.with_columns(time.alias("timestamp"), place).sort(
            "timestamp", "place", nulls_last=False, maintain_order=True
        )
        return coarse.drop("place")

    items = data.items.frame
    if not remove:
        begin, end = pl.col("available_from").dt.truncate(every), pl.col("expires_at").dt.truncate(every)
        up = pl.when(end < pl.col("expires_at")).then(end.dt.offset_by(every)).otherwise(end)
        there = {"available_from": begin, "expires_at": up}
        items = items.with_columns(e.alias(c) for c, e in there.items() if c in items.columns)
    return replace(
        data,
        interactions=rows(data.interactions),
        signals=rows(data.signals),
        items=replace(data.items, frame=items),
    )
