"""Trending: items ranked by votes against age, as Hacker News does."""

from __future__ import annotations

from typing import Self

import numpy as np

from recommender.data.dataset import NO_TIME, Dataset, Table
from recommender.models.base import spread
from recommender.query import Queries

_US_PER_HOUR = 3_600_000_000


class Trending:
    """``(points + 1)^points_power / (age_hours + 2)^gravity`` (news.arc, 2008: powers .8 and 1.8).

    An item's age runs from its stated availability to the query. Items that state none are dated by
    nothing (their first use would give the answer away): instead each of their interactions decays
    by its own age, and the points of the formula are that sum.
    """

    needs_times = True

    def __init__(self, gravity: float = 1.8, points_power: float = 0.8) -> None:
        self.gravity = gravity
        self.points_power = points_power

    def fit(self, train: Dataset) -> Self:
        self.items_ = train.items
        faded = (train.age_days * 24 + 2) ** -self.gravity
        points = train.item_counts.astype(np.float64)
        summed = np.bincount(train.item_idx, weights=faded, minlength=len(train.items))
        self.points_ = (self.points_power * np.log(points + 1)).astype(np.float32)
        with np.errstate(divide="ignore"):  # without interactions: never above anything that has some
            self.faded_ = np.where(points > 0, self.points_power * np.log(summed), np.nan).astype(np.float32)
        return self

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        """The logarithm of the formula: the same order, in float32.

        Items published since the origin have 0 points but a young age, so they can trend.
        """
        own = self.items_.lookup(items.ids)
        points = np.append(self.points_, np.float32(0))[own]  # -1, unknown, reads the zero at the end
        published = items.times("available_from")
        undated = spread(np.broadcast_to(self.faded_, (1, len(self.faded_))), own)
        hours = ((queries.as_of[:, None] - published) / _US_PER_HOUR).astype(np.float32)
        dated = points - np.float32(self.gravity) * np.log(np.maximum(hours, 0) + 2)
        known = (published != NO_TIME) & (queries.as_of[:, None] != NO_TIME)
        return np.where(known, dated, undated)
