"""Congestion: a posting with one vacancy is not shown to everyone."""

from __future__ import annotations

from typing import Self

import numpy as np

from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.features.columns import numbers
from recommender.hashing import GOLDEN, mixed
from recommender.models.base import above, at_least
from recommender.ranking.lists import Lists
from recommender.ranking.rerankers.base import by_places


class Spread:
    """Items that stand in the first ``first`` places of too many lists for their vacancies (``column``; null = no
    bound; no column: all alike, as members of a network) move down, for some users more than for others.

    Too many: more than ``times`` an item's fair share, the places of all lists in proportion to vacancies, and more
    than ``free`` lists. Each item has a price in places, raised while it is over its bound and lowered while below
    (tâtonnement, as in assignment by auction; Bertsekas 1988). For one user it moves down by the price times a number
    in 0..2 that is fixed for the pair, a hash of both ids: so some go on seeing it at its place, and who they are
    depends neither on the order of the queries nor on chance. Of the rounds the one with the fewest places above the
    bounds is kept; without any price counts as one, so it never makes the crowding worse.
    It spreads what is asked together, a night's mailing or an evaluation; a list asked for alone stays as it is.
    """

    def __init__(
        self, column: str | None = None, times: float = 10.0, free: int = 10, first: int = 10, rounds: int = 30
    ) -> None:
        above(1, times=times)
        at_least(1, free=free, first=first, rounds=rounds)
        self.column, self.times, self.free, self.first, self.rounds = column, times, free, first, rounds

    def check(self, items: Table, users: Table) -> None:
        self._capacity(items)

    def _capacity(self, items: Table) -> np.ndarray:
        """float64 (n_items,): vacancies of each item; NaN where none are stated."""
        return np.ones(len(items)) if self.column is None else numbers(items, self.column, "spread.column")

    def fit(self, train: Dataset) -> Self:
        return self

    def order(self, lists: Lists, queries: Queries, items: Table) -> np.ndarray:
        shown, entry = np.unique(lists.item_idx, return_inverse=True)
        entry = entry.reshape(lists.item_idx.shape)
        vacancies = self._capacity(items)[shown]
        wanted = np.nan_to_num(np.maximum(vacancies, 0), nan=1.0) * (shown >= 0)
        places = (lists.item_idx[:, : self.first] >= 0).sum()
        bound = np.maximum(self.free, self.times * places * wanted / max(wanted.sum(), 1))
        bound[np.isnan(vacancies) | (shown < 0)] = np.inf
        part = _uniform(queries.users.id_hash[:, None], items.id_hash[lists.item_idx]) * 2
        price, step = np.zeros(len(shown)), lists.item_idx.shape[1] / 4
        best, fewest = by_places(lists, np.zeros(entry.shape)), np.inf
        for _ in range(self.rounds):
            order = by_places(lists, price[entry] * part)
            top = np.take_along_axis(entry, order[:, : self.first], axis=1)
            exposed = np.bincount(top.ravel(), minlength=len(shown))
            above_bound = float(np.maximum(exposed - bound, 0).sum())
            if above_bound < fewest:
                best, fewest = order, above_bound
            if not above_bound:
                break
            price = np.clip(price + step * np.clip(exposed / bound - 1, -1, 1), 0, lists.item_idx.shape[1])
            step *= 0.9
        return best


def _uniform(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A pseudo-random number in [0, 1) for each pair of uint64."""
    return np.asarray(mixed(a ^ (b * GOLDEN)) >> np.uint64(11), np.float64) / 2**53
