"""Trending: items ranked by votes against age, as Hacker News does."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from recommender.data.dataset import NO_TIME, Dataset, Table
from recommender.data.queries import Queries
from recommender.models.base import at_least, spread
from recommender.models.space import Float, Space

_US_PER_HOUR = 3_600_000_000


class Trending:
    """``(points + 1)^points_power / (age_hours + 2)^gravity`` (news.arc, 2008).

    gravity: how fast age outweighs votes. Hacker News uses 1.8, for stories that live a day: there an item
        published since the origin, with 0 points, outranks everything that is days old, and on job postings
        and videos that scores like random. .5 stays within 30% of the best of nine values on each of seven data
        sets; the best ranges from .1 (catalog) to .8 (short video): ``candidates: [{}, {gravity: .8}, {gravity: .2}]``.
    points_power: below 1, each further vote counts less.

    An item's age runs from its stated availability to the query. Items that state none are dated by
    nothing (their first use would give the answer away): instead each of their interactions decays
    by its own age, and the points of the formula are that sum.
    """

    needs_times = True
    colour = "#999933"
    person_days = (1, 2)
    needs_interactions = True
    space: ClassVar[Space] = {"gravity": Float(0.05, 2, log=True)}

    def __init__(self, gravity: float = 0.5, points_power: float = 0.8) -> None:
        at_least(0, gravity=gravity, points_power=points_power)
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
