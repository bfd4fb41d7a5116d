"""Trending: items ranked by votes against age, as Hacker News does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from recommender.data.dataset import NO_TIME, Dataset, Table
from recommender.data.queries import Queries
from recommender.models.base import at_least, to_catalogue
from recommender.models.space import Float, Space
from recommender.models.vocabulary import ids_only

_US_PER_HOUR = 3_600_000_000


@dataclass(eq=False)
class Trending:
    """``(points + 1)^points_power / (age_hours + 2)^gravity`` (news.arc, 2008).

    gravity: how fast age outweighs votes. Hacker News uses 1.8, for stories that live a day: there an item
        published since the origin, with 0 points, outranks everything that is days old, and on job postings
        and videos that scores like random. .5 stays within 30% of the best of nine values on each of seven data
        sets; the best ranges from .1 (catalog) to .8 (short video): ``candidates: [{}, {gravity: .8}, {gravity: .2}]``.
    points_power: below 1, each further vote counts less.

    An item's age runs from its stated availability to the query. Where an item that training saw taken states none,
    no item is dated by that (a first use would give the answer away, and two scales in one order put nearly all
    undated items on top): each interaction of each item then decays by its own age, and the points of the formula
    are their sum. Items without a date, or without an interaction in the second case, are NaN.
    """

    needs_times = True
    colour = "#999933"
    person_days = (1, 2)
    needs_interactions = True
    space: ClassVar[Space] = {"gravity": Float(0.05, 2, log=True)}

    gravity: float = 0.5
    points_power: float = 0.8

    def __post_init__(self) -> None:
        at_least(0, gravity=self.gravity, points_power=self.points_power)

    def fit(self, train: Dataset) -> Self:
        self.items_ = ids_only(train.items)
        points = train.item_totals.astype(np.float64)
        self.dated_ = bool((train.items.times("available_from")[points > 0] != NO_TIME).all())
        self.points_ = (self.points_power * np.log(points + 1)).astype(np.float32)
        faded = train.faded(self)
        with np.errstate(divide="ignore"):  # without interactions: never above anything that has some
            self.faded_ = np.where(points > 0, self.points_power * np.log(faded), np.nan).astype(np.float32)
        return self

    def faded(self, ages: np.ndarray, oldest: float) -> np.ndarray:
        """What an interaction counts by its age; see ``Weigher``."""
        return np.asarray((ages * 24 + 2) ** -self.gravity)

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        """The logarithm of the formula: the same order, in float32.

        Items published since the origin have 0 points but a young age, so they can trend.
        """
        known = self.items_.lookup(items.ids)
        by_use = np.repeat(to_catalogue(self.faded_[None], known), len(queries), axis=0)
        if not self.dated_:
            return by_use
        points = np.append(self.points_, np.float32(0))[known]  # -1, unknown, reads the zero at the end
        published = items.times("available_from")
        hours = ((queries.as_of[:, None] - published) / _US_PER_HOUR).astype(np.float32)
        by_publication = points - np.float32(self.gravity) * np.log(np.maximum(hours, 0) + 2)
        by_publication[:, published == NO_TIME] = np.nan
        return np.where(queries.as_of[:, None] == NO_TIME, by_use, by_publication)
