"""The contract of a re-ranker, and the steps that they share."""

from __future__ import annotations

from typing import Protocol, Self, runtime_checkable

import numpy as np

from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.ranking.lists import Lists


class Reranker(Protocol):
    """Re-orders the router's lists; what is in them stays.

    Parameters and fitted state as those of a recommender (``models/base.py``). Scores of different rungs
    cannot be compared, and completed places have none, so a re-ranker weighs *places*: what moves an item
    down by five lets the next five pass.
    """

    def check(self, items: Table, users: Table) -> None:
        """Raises ConfigError where the columns that it reads are not there or hold something else."""
        ...

    def fit(self, train: Dataset) -> Self: ...

    def order(self, lists: Lists, queries: Queries, items: Table) -> np.ndarray:
        """Places of the lists' entries, the best first: int64 (n_queries, width), each row a permutation.
        Entries without an item (-1) stay last. Does not depend on the order of the queries."""
        ...


@runtime_checkable
class Chooser(Reranker, Protocol):
    """One that also wants items in the lists which no rung chose: up to ``n``, the best by ``score``, where NaN is
    not wanted. Hard rules hold for them."""

    n: int

    def score(self, queries: Queries, items: Table) -> np.ndarray: ...


def by_places(lists: Lists, down: np.ndarray) -> np.ndarray:
    """The order in which each entry has moved ``down`` so many places (float (n_queries, width); NaN = 0), those that
    then stand at the same place in their old order."""
    place = np.arange(lists.item_idx.shape[1]) + np.nan_to_num(down, nan=0.0)
    return np.argsort(np.where(lists.item_idx < 0, np.inf, place), axis=1, kind="stable")


def relevance(width: int) -> np.ndarray:
    """1 for the first place, falling evenly to 1 / width for the last; float64 (width,)."""
    return 1 - np.arange(width) / max(width, 1)
