"""Editorial pins: chosen items stand on top, whatever the rungs think of them."""

from __future__ import annotations

from typing import Self

import numpy as np

from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.features.columns import numbers
from recommender.models.base import at_least
from recommender.ranking.lists import Lists
from recommender.ranking.rerankers.base import by_places


class Pins:
    """The ``n`` items with the lowest numbers in ``column`` come first, in that order; null or negative = no pin.

    Hard rules hold for pins too: one that a user may not see, or took already, gives its place to the next.
    Numbers are read as they stand now: a history of editorial choices would need a column of times.
    """

    def __init__(self, column: str, n: int = 3) -> None:
        at_least(1, n=n)
        self.column, self.n = column, n

    def check(self, items: Table, users: Table) -> None:
        numbers(items, self.column, "pins.column")

    def fit(self, train: Dataset) -> Self:
        return self

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        """Pins by rank, the same for everyone: float32 (n_queries, n_items); NaN = not pinned."""
        return np.broadcast_to(-self._ranks(items).astype(np.float32), (len(queries), len(items)))

    def order(self, lists: Lists, queries: Queries, items: Table) -> np.ndarray:
        rank = np.append(self._ranks(items), np.nan)[lists.item_idx]  # -1, no item, reads the end
        rank = np.where(np.isnan(rank), np.inf, rank)
        turn = np.argsort(np.argsort(rank, axis=1, kind="stable"), axis=1)
        top = np.isfinite(rank) & (turn < self.n)
        return by_places(lists, np.where(top, turn - self.n - np.arange(rank.shape[1]), 0.0))

    def _ranks(self, items: Table) -> np.ndarray:
        stated = numbers(items, self.column, "pins.column")
        return np.where(stated >= 0, stated, np.nan)
