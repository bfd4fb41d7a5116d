"""What a data set may ask of others: the truth that made it, and counts over users that are not at hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from recommender.data.dataset import Table


class Truth(Protocol):
    """What made a simulated data set: for controls, never for a rung."""

    def scores(self, users: pl.Series, items: pl.Series, as_of: np.ndarray) -> np.ndarray:
        """The oracle's: float32 (n_users, n_items), higher is more likely to be taken. users, items: ids.
        as_of: int64 microseconds (n_users,). NaN for unknown ids."""

    def spam(self, items: pl.Series) -> np.ndarray:
        """Which items break the rules, whether anybody finds out or not: bool (n_items,); unknown ids do not."""


class Weigher(Protocol):
    """What an interaction counts by its age: a dataclass whose fields are its parameters."""

    def faded(self, ages: np.ndarray, oldest: float) -> np.ndarray:
        """float64, as ``ages`` (days). oldest: the largest age of all interactions, days."""
        ...


class UserWeigher(Protocol):
    """What a user counts by the number of items taken: a dataclass whose fields are its parameters."""

    def weights(self, lengths: np.ndarray) -> np.ndarray:
        """int64, as ``lengths``."""
        ...


class Everyone(Protocol):
    """The interactions of all users, counted where they lie; those at hand are a sample of them."""

    def before(self, end: int) -> Everyone:
        """Those before a time, int64 microseconds."""
        ...

    def once(self) -> Everyone:
        """Only the earliest of each user with each item."""
        ...

    def counts(self, items: Table) -> np.ndarray:
        """How many each item has, int64 (n_items,)."""
        ...

    @property
    def users(self) -> Table:
        """All users whom the data describe."""
        ...

    def faded(
        self, items: Table, weigher: Weigher, segment: np.ndarray | None = None, n_segments: int = 1
    ) -> np.ndarray:
        """What they count together for each item, float64 (n_segments, n_items); summed in the order of time.

        segment: int64, one of each of ``users``, -1: in none. None: one segment of all, whom the data describe or not.
        """
        ...

    def takers(self, items: Table) -> np.ndarray:
        """How many users took each item, int64 (n_items,)."""
        ...

    def pairs(self, items: Table, weigher: UserWeigher | None = None) -> Sequence[tuple[np.ndarray, np.ndarray]]:
        """How many users took both items of each pair, whole numbers, in parts that are read when they are asked for.

        weigher: what a user counts; None: 1. Each part: numbers of items, int64 (m,), every item in one part, and their
        counts with all, (m, n_items).
        """
        ...

    def quantiles(self, shares: Sequence[float]) -> list[int]:
        """The time (microseconds) below which each share of all stated times lies: an order statistic
        (``np.quantile(..., method="lower")``). Empty where none is stated."""
        ...
