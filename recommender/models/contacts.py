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
        whole, rows = items.taken_from
        column = np.full(len(whole), -1)
        column[slice(None) if rows is None else rows] = np.arange(len(items))
        keys, books = self.listed(whole)
        users = queries.users.frame
        if self.direction != "theirs":
            mine = entries(users, "contacts")
            entry, match = keys.met(mine["value"])
            since = mine["since"].to_numpy()[entry]
            _count(scores, queries, mine["row"].to_numpy()[entry], column[keys.row[match]], since)
        if self.direction != "mine":
            address_keys = entries(users, CONTACT_KEY)
            entry, match = books.met(address_keys["value"])
            _count(scores, queries, address_keys["row"].to_numpy()[entry], column[books.row[match]], books.since[match])
        themselves = items.lookup(queries.ids)
        scores[np.flatnonzero(themselves >= 0), themselves[themselves >= 0]] = 0
        scores[scores == 0] = np.nan
        return scores

    @per_table
    def listed(self, members: Table) -> tuple[Listed, Listed]:
        """Keys of the members, and the entries of their address books."""
        return Listed.of(members, CONTACT_KEY), Listed.of(members, "contacts")


@dataclass(frozen=True)
class Listed:
    """Entries of a column of members, by 64 bits of their value: that two of a million keys share them, by a chance of
    one in ten million, would show a stranger, no more. hashed: uint64, ascending. row: of the member. since: as of
    ``entries``."""

    hashed: np.ndarray
    row: np.ndarray
    since: np.ndarray

    @classmethod
    def of(cls, members: Table, column: str) -> Self:
        listed = entries(members.frame, column)
        hashed = _hashed(listed["value"])
        order = np.argsort(hashed, kind="stable")
        return cls(hashed[order], listed["row"].to_numpy()[order], listed["since"].to_numpy()[order])

    def met(self, value: pl.Series) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of equal values, int64 (n_pairs,) twice: the place in ``value``, and that in the arrays here."""
        wanted = _hashed(value)
        start, stop = (np.searchsorted(self.hashed, wanted, side=side) for side in ("left", "right"))
        return np.repeat(np.arange(len(wanted)), stop - start), _ranges(start, stop)


def _ranges(start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """start[q], ..., stop[q] - 1 of each q, one after the other."""
    n = stop - start
    return np.asarray(np.arange(n.sum()) + np.repeat(start - np.cumsum(n) + n, n))


def _hashed(value: pl.Series) -> np.ndarray:
    hashed: np.ndarray = value.cast(pl.String).hash().to_numpy()
    return hashed


def _count(scores: np.ndarray, queries: Queries, query: np.ndarray, item: np.ndarray, since: np.ndarray) -> None:
    """Adds 1, in place, for each pair of query and item of which an entry holds at the query. item -1: no candidate."""
    now = (item >= 0) & holds(since, queries.as_of[query])
    pairs = np.unique(query[now] * scores.shape[1] + item[now])
    scores.ravel()[pairs] += 1
