"""Impression discounting: what a user was shown again and again and never took moves down."""

from __future__ import annotations

from typing import Self

import numpy as np
import polars as pl

from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.data.relation import entries, holds
from recommender.errors import ConfigError
from recommender.features.columns import read_column
from recommender.models.base import at_least
from recommender.ranking.lists import Lists
from recommender.ranking.rerankers.base import by_places


class Discount:
    """Each time that an item was shown to the user moves it down by ``places`` (Lee et al. 2014, "Modeling impression
    discounting in large-scale recommender systems").

    column: user column with the list of item ids shown so far, one entry for each time; beside it ``<column>_since``,
    the times of showing, where the data have them: what was shown after the query is not known. Items that were taken
    are left out of lists anyway.
    """

    def __init__(self, column: str, places: float = 5.0) -> None:
        at_least(0, places=places)
        self.column, self.places = column, places

    def check(self, items: Table, users: Table) -> None:
        read_column(users, self.column, "discount.column")
        if not isinstance(users.frame[self.column].dtype, pl.List | pl.Null):
            raise ConfigError(f"discount.column: users.{self.column} must hold lists of item ids.")

    def fit(self, train: Dataset) -> Self:
        return self

    def order(self, lists: Lists, queries: Queries, items: Table) -> np.ndarray:
        shown = entries(queries.users.frame, self.column)
        row, item = shown["row"].to_numpy(), items.lookup(shown["value"]) if shown.height else np.zeros(0, np.int64)
        counted = (item >= 0) & holds(shown["since"].to_numpy(), queries.as_of[row])
        n = len(items)
        known, times = np.unique(np.append(row[counted] * n + item[counted], -1), return_counts=True)  # -1: no pair
        pair = np.arange(len(queries))[:, None] * n + lists.item_idx
        at = np.searchsorted(known, pair).clip(max=len(known) - 1)
        return by_places(lists, self.places * np.where((known[at] == pair) & (lists.item_idx >= 0), times[at], 0))
