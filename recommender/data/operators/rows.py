"""Operators on which rows there are: less data, fewer kinds of event, an older end, held-out items and users."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
import polars as pl

from recommender.data.dataset import NO_TIME, Dataset
from recommender.data.operators.chance import pairs, uniform
from recommender.data.split import to_datetime
from recommender.data.times import US_PER_DAY
from recommender.errors import ConfigError, DataError, nearest
from recommender.hashing import of_values

By = Literal["events", "users", "items", "time"]


def volume(
    data: Dataset, seed: int = 0, *, share: float = 1.0, by: By = "events", per_user: int | None = None
) -> Dataset:
    """Less data; a smaller size is a subset of a larger one of the same seed.

    share: of what is kept. by: ``events`` (interactions of everyone, a user and item together), ``users``
    (with all that is theirs), ``items`` (a smaller catalogue), or ``time`` (the latest share of the period:
    collecting began later; not point-in-time). per_user: only the first so many interactions of each user.
    Raises ValueError out of range, DataError where times are needed and absent.
    """
    _share(share, "share")
    if per_user is not None:
        data = _first_of_each_user(data, per_user)
    if share == 1:
        return data
    if by == "time":
        first, last = _period(data, "volume by time")
        return _rows(data, lambda rows: _us(rows) >= last - share * (last - first))
    if by == "events":
        return _rows(data, lambda rows: uniform(pairs(rows, data.symmetric), seed, "volume events") < share)
    table = data.users if by == "users" else data.items
    remaining = table.take(uniform(of_values(table.ids), seed, f"volume {by}") < share)
    thinned = _rows(data, lambda rows: uniform(of_values(rows[table.key]), seed, f"volume {by}") < share)
    return replace(thinned, users=remaining) if by == "users" else replace(thinned, items=remaining)


def signals(data: Dataset, seed: int = 0, *, keep: list[str] | None = None, weights: bool = True) -> Dataset:
    """Fewer kinds of signal (events that are no take). ``keep``: those that stay; None: all. ``weights`` False:
    ratings and other weights become 1. Raises ConfigError for a kind that the data does not have."""
    there = data.signals["event"].unique().sort().to_list() if data.signals.width else []
    for event in keep or ():
        if event not in there:
            raise ConfigError(f"signals.keep: the data has no signal '{event}'{nearest(event, there)}")
    if keep is not None and data.signals.width:
        data = replace(data, signals=data.signals.filter(pl.col("event").is_in(keep)))
    if not weights:
        one = pl.lit(1, pl.Float32).alias("weight")
        signs = data.signals.with_columns(one) if data.signals.width else data.signals
        data = replace(data, interactions=data.interactions.with_columns(one), signals=signs)
    return data


def drift(data: Dataset, seed: int = 0, *, days: float = 0.0, share: float = 0.0) -> Dataset:
    """The data as it stood ``days``, or a ``share`` of its period, before its last interaction.

    For training data: a model that was last fitted so long ago. Raises ValueError out of range, DataError
    where the data state no times.
    """
    if days < 0 or not 0 <= share < 1:
        raise ValueError(f"days must be at least 0 and share from 0 to below 1, got {days:g} and {share:g}")
    first, last = _period(data, "drift")
    back = int(days * US_PER_DAY + share * (last - first))
    return data.before(to_datetime(last - back)) if back else data


def cold(data: Dataset, seed: int = 0, *, items: float = 0.0, users: float = 0.0) -> Dataset:
    """No interaction of a share of the items, and of the users, drawn at random.

    For training data: they are asked for and asked as new ones, which gives new items and users in any number
    (Kula 2015 holds out 20% of the items so). Raises ValueError out of range.
    """
    for name, value in (("items", items), ("users", users)):
        if not 0 <= value < 1:
            raise ValueError(f"{name} must be from 0 to below 1, got {value:g}")

    def warm(rows: pl.DataFrame) -> np.ndarray:
        warm_item = uniform(of_values(rows["item_id"]), seed, "cold items") >= items
        return np.asarray(warm_item & (uniform(of_values(rows["user_id"]), seed, "cold users") >= users))

    left = data.only(warm(data.interactions), listed=data.items.times("available_from") != NO_TIME)
    return replace(left, signals=data.signals.filter(pl.Series(warm(data.signals)))) if data.signals.width else left


def _first_of_each_user(data: Dataset, n: int) -> Dataset:
    if n < 1:
        raise ValueError(f"per_user must be at least 1, got {n}")
    number = pl.int_range(pl.len()).over("user_id")
    time = pl.col("timestamp").dt.epoch("us").fill_null(NO_TIME)
    last = data.interactions.filter(number == n - 1).select("user_id", full=time)
    remaining = data.interactions.filter(number < n)
    if not data.signals.width:
        return replace(data, interactions=remaining)
    until = pl.col("full").is_null() | (time <= pl.col("full"))  # null: this user never had so many
    signs = data.signals.join(last, on="user_id", how="left", maintain_order="left").filter(until).drop("full")
    return replace(data, interactions=remaining, signals=signs)


def _rows(data: Dataset, remaining: Callable[[pl.DataFrame], np.ndarray]) -> Dataset:
    """Interactions and signals for which ``kept`` says so. Raises DataError where no interaction is left."""
    interactions = data.interactions.filter(pl.Series(remaining(data.interactions)))
    if data.interactions.height and not interactions.height:
        raise DataError(f"interactions: this data difference leaves none of '{data.name}'. Choose a larger share.")
    signs = data.signals.filter(pl.Series(remaining(data.signals))) if data.signals.width else data.signals
    return replace(data, interactions=interactions, signals=signs)


def _us(rows: pl.DataFrame) -> np.ndarray:
    return rows["timestamp"].dt.epoch("us").fill_null(NO_TIME).to_numpy()


def _period(data: Dataset, what: str) -> tuple[int, int]:
    stated = data.timestamps[data.timestamps != NO_TIME]
    if not len(stated):
        raise DataError(f"{what}: the interactions of '{data.name}' state no times.")
    return int(stated.min()), int(stated.max())


def _share(value: float, name: str) -> None:
    if not 0 < value <= 1:
        raise ValueError(f"{name} must be above 0 and at most 1, got {value:g}")
