"""A floor of good opportunities in every list, whoever asks."""

from __future__ import annotations

from typing import Self

import numpy as np

from recommender.config import Favourable
from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.features.columns import numbers
from recommender.models import base
from recommender.ranking.favourable import favourable, threshold
from recommender.ranking.lists import Lists


class Fair:
    """At least ``at_least`` of the first ``first`` places hold favourable items, spread evenly over them: among the
    first t places at least floor(t * at_least / first), as far as the list holds so many (the ranked group
    fairness of FA*IR, Zehlike et al. 2017, with a plain quota in place of its binomial one).

    favourable: the highest ``top_share`` of ``column`` among the items known at the origin. The rule is the same for
    every user and reads no protected column. It raises the impact ratio because the groups that get fewest
    favourable items lack most to the floor.
    """

    def __init__(self, column: str, top_share: float = 0.33, at_least: int = 3, first: int = 10) -> None:
        base.above(0, top_share=top_share)
        base.at_least(1, at_least=at_least, first=first)
        if top_share >= 1 or at_least > first:
            raise ValueError(f"top_share={top_share} must be below 1, at_least={at_least} at most first={first}")
        self.column, self.top_share, self.at_least, self.first = column, top_share, at_least, first

    def check(self, items: Table, users: Table) -> None:
        numbers(items, self.column, "fair.column")

    def fit(self, train: Dataset) -> Self:
        self.threshold_ = threshold(train.items, Favourable(column=self.column, top_share=self.top_share))
        return self

    def order(self, lists: Lists, queries: Queries, items: Table) -> np.ndarray:
        good = np.append(favourable(items, self.column, self.threshold_), False)[lists.item_idx]
        n, width = good.shape
        turn = np.where(lists.item_idx < 0, width, 0) + np.arange(width, dtype=float)  # inf once it is placed
        rows, had = np.arange(n), np.zeros(n, np.int64)
        placed = np.empty((n, min(self.first, width)), np.int64)
        for t in range(placed.shape[1]):
            short = had < (t + 1) * self.at_least // self.first
            short &= (good & np.isfinite(turn)).any(axis=1)
            placed[:, t] = np.where(short[:, None] & ~good, np.inf, turn).argmin(axis=1)
            turn[rows, placed[:, t]] = np.inf
            had += good[rows, placed[:, t]]
        rest = np.argsort(turn, axis=1, kind="stable")[:, : width - placed.shape[1]]
        return np.concatenate([placed, rest], axis=1)
