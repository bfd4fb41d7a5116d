"""Contacts: members in the address book of the asking member, and those who have the asking member in theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
import polars as pl

from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.data.relation import CONTACT_KEY, entries, holds
from recommender.errors import ConfigError, nearest
from recommender.features.memo import forget, per_table
from recommender.models.space import Space

DIRECTIONS = ("both", "mine", "theirs")


@dataclass(eq=False)
class Contacts:
    """1 for a member whose key stands in the asking member's imported address book, 1 for one in whose book the asking
    member's key stands, 2 for both; equal scores keep the fallback order, the popular first.

    direction: only the asking member's book (mine), only the others' (theirs), or both. The reverse contacts are what
    is known of a member who has just signed up and imported nothing.

    It learns nothing: books and keys (list column ``contacts``, column ``contact_key``) are read of the asking members
    and of the candidates, as they stand at the query. Keys are keyed hashes (``make contacts-hash``); addresses never
    get here. NaN: whoever stands in no book.
    """

    colour = "#AA4499"
    person_days = (3, 8)
    needs_interactions = True  # ranks nobody for most members, so day zero begins with another rung
    needs_relation = True
    space: ClassVar[Space] = {}

    direction: Literal["both", "mine", "theirs"] = "both"

    def __post_init__(self) -> None:
        if self.direction not in DIRECTIONS:
            raise ConfigError(f"contacts: unknown direction '{self.direction}'{nearest(self.direction, DIRECTIONS)}")

    @property
    def needs_user_columns(self) -> Sequence[str]:
        return ("contacts", CONTACT_KEY)

    def fit(self, train: Dataset) -> Self:
        forget(self)
        return self

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        scores = np.zeros((len(queries), len(items)), np.float32)
        keys, books = self.listed(items)
        users = queries.users.frame
        if self.direction != "theirs":
            met = entries(users, "contacts").join(keys, on="value").unique(["row", "item"])
            _count(scores, queries, met, "since")
        if self.direction != "mine":
            met = entries(users, CONTACT_KEY).join(books, on="value").sort("since_right")
            _count(scores, queries, met.unique(["row", "item"], keep="first", maintain_order=True), "since_right")
        own = items.lookup(queries.ids)
        scores[np.flatnonzero(own >= 0), own[own >= 0]] = 0
        scores[scores == 0] = np.nan
        return scores

    @per_table
    def listed(self, items: Table) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Keys of the candidates, and the entries of their address books: item (a row of ``items``), value, since."""
        keys, books = (entries(items.frame, column).rename({"row": "item"}) for column in (CONTACT_KEY, "contacts"))
        return keys, books


def _count(scores: np.ndarray, queries: Queries, met: pl.DataFrame, since: str) -> None:
    """Adds 1 for each pair of query (``row``) and item whose entry holds at the query, in place."""
    query, item = met["row"].to_numpy(), met["item"].to_numpy()
    now = holds(met[since].to_numpy(), queries.as_of[query])
    scores[query[now], item[now]] += 1
