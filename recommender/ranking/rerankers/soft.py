"""Re-rankers that move unfit or suspicious items down, by a number of places that configuration states."""

from __future__ import annotations

from typing import Self

import numpy as np

from recommender.config import Eligibility
from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.errors import ConfigError
from recommender.features.columns import numbers
from recommender.models.base import at_least
from recommender.ranking.eligibility import distances, level_gap
from recommender.ranking.lists import Lists
from recommender.ranking.rerankers.base import by_places


class Fit:
    """The soft form of the rules ``reach`` and ``seniority``, whose settings name the columns.

    An item moves down by ``places_per_100_km`` for its distance (0 where it is remote or the user would move) and by
    ``places_per_level`` for each level between it and the user.

    Raises ConfigError where ``rules`` (eligibility) describe neither.
    """

    def __init__(self, rules: Eligibility, places_per_100_km: float = 5.0, places_per_level: float = 5.0) -> None:
        at_least(0, places_per_100_km=places_per_100_km, places_per_level=places_per_level)
        self.rules = rules.model_dump()
        self.places_per_100_km = places_per_100_km
        self.places_per_level = places_per_level

    def check(self, items: Table, users: Table) -> None:
        rules = Eligibility.model_validate(self.rules)
        if rules.reach is None and rules.seniority is None:
            raise ConfigError("fit: eligibility describes neither reach nor seniority. Add one (hard: false).")
        nobody = users.take(np.zeros(0, np.int64))
        if rules.reach is not None:
            distances(nobody, items, rules.reach)
        if rules.seniority is not None:
            level_gap(nobody, items, rules.seniority)

    def fit(self, train: Dataset) -> Self:
        return self

    def order(self, lists: Lists, queries: Queries, items: Table) -> np.ndarray:
        rules = Eligibility.model_validate(self.rules)
        row, place = np.nonzero(lists.item_idx >= 0)
        pairs = row, lists.item_idx[row, place]
        down = np.zeros(lists.item_idx.shape)
        if rules.reach is not None:
            away = distances(queries.users, items, rules.reach, pairs) / 100
            down[row, place] += np.nan_to_num(away, nan=0.0) * self.places_per_100_km
        if rules.seniority is not None:
            gap = level_gap(queries.users, items, rules.seniority, pairs)
            down[row, place] += np.nan_to_num(gap, nan=0.0) * self.places_per_level
        return by_places(lists, down)


class Demote:
    """Suspicious items move down: ``places`` for a suspicion of 1, in proportion below. column: a numeric item
    column from 0 (no suspicion, as a missing value) to 1."""

    def __init__(self, column: str, places: float = 30.0) -> None:
        at_least(0, places=places)
        self.column, self.places = column, places

    def check(self, items: Table, users: Table) -> None:
        numbers(items, self.column, "demote.column")

    def fit(self, train: Dataset) -> Self:
        return self

    def order(self, lists: Lists, queries: Queries, items: Table) -> np.ndarray:
        return demoted(lists, numbers(items, self.column, "demote.column"), self.places)


def demoted(lists: Lists, suspicion: np.ndarray, places: float) -> np.ndarray:
    """The order (as ``Reranker.order``) after each item moved down by ``places`` x its suspicion.

    suspicion: float (n_items,), 0 to 1, NaN = 0; what lies outside is cut off.
    """
    known = np.clip(np.nan_to_num(suspicion, nan=0.0), 0, 1)
    return by_places(lists, places * known[np.maximum(lists.item_idx, 0)])
