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
        self.points_ = train.item_counts.astype(np.float64)
        faded = (train.age_days * 24 + 2) ** -self.gravity
        self.faded_ = np.bincount(train.item_idx, weights=faded, minlength=len(train.items))
        return self

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        """Items published since the origin have 0 points but a young age, so they can trend."""
        own = self.items_.lookup(items.ids)
        points = np.concatenate([self.points_, [0.0]])[own]
        published = items.times("available_from")
        stated = (published != NO_TIME) & (queries.as_of[:, None] != NO_TIME)
        hours = np.maximum(queries.as_of[:, None] - np.where(published == NO_TIME, 0, published), 0) / _US_PER_HOUR
        dated = (points + 1) ** self.points_power * (hours + 2) ** -self.gravity
        undated = np.broadcast_to(self.faded_**self.points_power, (len(queries), len(self.faded_)))
        return np.where(stated, dated, spread(undated, own)).astype(np.float32)
