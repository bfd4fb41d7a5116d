"""Operators that add rows which no taste explains: slips of the finger, and accounts that push items."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from recommender.data.dataset import NO_TIME, Dataset, Table
from recommender.data.operators.chance import pairs, uniform
from recommender.data.split import available
from recommender.errors import DataError
from recommender.hashing import GOLDEN, mixed

SPAM = "spam"  # begins the ids of fake accounts; ids that are numbers go on counting


def noise(data: Dataset, seed: int = 0, *, share: float) -> Dataset:
    """A ``share`` of the interactions brings a false one: its user takes, at the same time, a random other item.

    The item is drawn evenly from those that anybody took before, and must be available. Raises ValueError out of
    range. For training data: in test data false rows become truths.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must be from 0 to 1, got {share:g}")
    rows = data.interactions
    keys = pairs(rows)
    _, first = np.unique(data.item_idx, return_index=True)
    first.sort()  # rows where an item is met for the first time
    met = np.searchsorted(first, np.arange(rows.height))  # items met before each row
    slips = np.flatnonzero((uniform(keys, seed, "noise") < share) & (met > 0))
    number = (uniform(mixed(keys + GOLDEN), seed, "noise item")[slips] * met[slips]).astype(np.int64)
    item = data.item_idx[first[number]]
    open_ = available(data.timestamps[slips], data.items, item)
    false = (
        rows[slips]
        .with_columns(item_id=data.items.ids.gather(item), weight=pl.lit(1, pl.Float32))
        .filter(pl.Series(open_))
    )
    both = pl.concat([rows, false]).sort("timestamp", nulls_last=False, maintain_order=True)
    return replace(data, interactions=both)


def spam(
    data: Dataset, seed: int = 0, *, accounts: int = 100, items: int = 5, cover: int = 5, at: float = 0.75
) -> Dataset:
    """A ring of fake ``accounts`` that take the same few ``items`` within an hour, each after ``cover`` popular ones.

    at: when, as a quantile of the interactions' times. Pushed are items of the lower half by interactions until
    then that are available. Not point-in-time. Raises ValueError out of range, DataError where no item qualifies.
    """
    if accounts < 1 or items < 1 or cover < 0 or not 0 < at <= 1:
        raise ValueError("accounts and items must be at least 1, cover at least 0, at above 0 and at most 1")
    stated = data.timestamps[data.timestamps != NO_TIME]
    if not len(stated):
        raise DataError(f"spam: the interactions of '{data.name}' state no times.")
    when = int(np.quantile(stated, at, method="lower"))
    rng = np.random.default_rng(seed)
    counts = np.bincount(data.item_idx[data.timestamps <= when], minlength=len(data.items))
    open_ = available(np.array([when]), data.items)[0]
    low = np.flatnonzero((counts > 0) & open_ & (counts <= np.median(counts[counts > 0])))
    if len(low) < items:
        raise DataError(f"spam: only {len(low)} items of '{data.name}' can be pushed at that time, not {items}.")
    pushed = rng.choice(low, items, replace=False)
    odds = counts * open_ / max((counts * open_).sum(), 1)
    covers = rng.choice(len(counts), (accounts, cover), p=odds) if cover else np.zeros((accounts, 0), np.int64)
    taken = np.concatenate([covers, np.tile(pushed, (accounts, 1))], axis=1)
    late = np.sort(rng.integers(0, 3_600_000_000, taken.shape), axis=1)
    ids = _new_users(data.users, accounts)
    fake = pl.DataFrame({
        "user_id": ids.gather(np.repeat(np.arange(accounts), taken.shape[1])),
        "item_id": data.items.ids.gather(taken.ravel()),
        "timestamp": pl.Series((when + late).ravel()).cast(pl.Datetime("us", "UTC")),
        "event": pl.Series(np.full(taken.size, data.interactions["event"].mode().sort()[0])),
        "weight": pl.Series(np.ones(taken.size, np.float32)),
    })  # fmt: skip
    both = pl.concat([data.interactions, fake.cast(dict(data.interactions.schema))])  # type: ignore[arg-type]
    users = pl.concat([data.users.frame, ids.alias("user_id").to_frame()], how="diagonal")
    return replace(
        data,
        interactions=both.sort("timestamp", nulls_last=False, maintain_order=True),
        users=replace(data.users, frame=users),
    )


def _new_users(users: Table, n: int) -> pl.Series:
    if users.ids.dtype.is_integer():
        start = int(users.ids.max() or 0) + 1  # type: ignore[arg-type]
        return pl.Series(np.arange(start, start + n)).cast(users.ids.dtype)
    return pl.Series([f"{SPAM}-{number:05}" for number in range(n)])
