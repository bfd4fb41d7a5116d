"""What lists are chosen from: items, the rules for them, and the order that completes lists."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numba
import numpy as np
import polars as pl

from recommender.config import Eligibility
from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.data.split import available
from recommender.errors import ConfigError
from recommender.ranking.eligibility import HardRules
from recommender.ranking.generator import Generator


@dataclass(frozen=True)
class Candidates:
    """Items with everything that decides which of them a query may be shown.

    fallback: int64 (n_items,), rows of the items, best first: completes lists and breaks ties.
    allowed: bool (n_items,), items that may be shown at all; None: every one.
    members: the items are the users, so nobody is shown themselves.
    generator: chooses the items that each query is scored on; None: all of them.
    """

    items: Table
    rules: Eligibility
    fallback: np.ndarray
    allowed: np.ndarray | None = None
    members: bool = False
    generator: Generator | None = None

    @classmethod
    def after(cls, train: Dataset, items: Table, rules: Eligibility, allowed: np.ndarray | None = None) -> Candidates:
        """Candidates whose fallback order is that of the end of ``train``. Raises ConfigError as ``fallback_order``."""
        order = fallback_order(train, items, rules.editorial_column)
        return cls(items, rules, order, allowed, members=train.relation is not None)

    def generated(self, train: Dataset) -> Candidates:
        """These candidates, each query scored on what a ``Generator`` that knows ``train`` chooses for it."""
        return replace(self, generator=Generator.after(train, self.items, self.fallback))

    def at(self, columns: np.ndarray) -> Candidates:
        """These candidates with a few of the items. columns: int64, ascending rows of the items."""
        order = np.argsort(self._place[columns], kind="stable")
        allowed = None if self.allowed is None else self.allowed[columns]
        return Candidates(self.items.take(columns), self.rules, order, allowed, self.members)

    @cached_property
    def _place(self) -> np.ndarray:
        """Place of each item in the fallback order, int64 (n_items,)."""
        place = np.empty(len(self.fallback), np.int64)
        place[self.fallback] = np.arange(len(self.fallback))
        return place

    def only(self, which: np.ndarray) -> Candidates:
        """These candidates with fewer items that may be shown. which: bool (n_items,)."""
        return replace(self, allowed=which if self.allowed is None else which & self.allowed)

    @cached_property
    def _hard(self) -> HardRules:
        """Item columns are read once here, not for every batch of queries."""
        return HardRules(self.items, self.rules)

    def eligible(self, queries: Queries) -> np.ndarray:
        """Which items each query may be shown, bool (n_queries, n_items).

        Published and (unless ``rules.expired``) not expired at ``as_of``, where stated; not shut out by a hard rule
        (``eligibility.RULES``); not taken before, unless the scenario allows repeats; in ``allowed``; not the asking
        member. Raises
        ConfigError where a column of a rule does not exist or holds something else: a hard rule is never skipped.
        """
        mask = available(queries.as_of, self.items, expired=self.rules.expired)
        for shut in self._hard.shut(queries):
            mask &= ~shut
        if self.allowed is not None:
            mask &= self.allowed
        if not self.rules.repeats:
            _shut_taken(mask, queries.history.indptr, queries.history.item_idx)
        if self.members:
            themselves = self.items.lookup(queries.ids)
            mask[np.flatnonzero(themselves >= 0), themselves[themselves >= 0]] = False
        return mask


@numba.njit(cache=True, nogil=True)
def _shut_taken(mask, indptr, item_idx):  # type: ignore[no-untyped-def]
    for q in range(len(mask)):
        for at in range(indptr[q], indptr[q + 1]):
            mask[q, item_idx[at]] = False


def fallback_order(train: Dataset, items: Table, editorial: str | None = None) -> np.ndarray:
    """``completion_order`` by the recent popularity in ``train``."""
    return completion_order(recent_popularity(train), train.items, items, editorial)


def recent_popularity(train: Dataset) -> np.ndarray:
    """Interactions of each item, float64 (n_items,), which count half after a tenth of the training period."""
    return train.faded(_Recent())


@dataclass(frozen=True)
class _Recent:
    """Half after a tenth of the training period."""

    def faded(self, ages: np.ndarray, oldest: float) -> np.ndarray:
        return np.asarray(0.5 ** (ages / max(oldest / 10, 1e-9)))


def completion_order(popularity: np.ndarray, known: Table, items: Table, editorial: str | None = None) -> np.ndarray:
    """Rows of ``items``, int64 (n_items,), best first: by popularity, then the ``editorial`` column (lowest first,
    null last), then newest by stated availability (those that state none last), then by hash.

    popularity: float64, one for each of the items ``known``. The row order of the items table must not matter (it may
    tell when an item was first used), hence the hash of the id at the end.
    Raises ConfigError where there is no such numeric column.
    """
    popular = np.append(popularity, 0.0)[known.lookup(items.ids)]  # -1, unknown, reads the zero at the end
    newest = items.times("available_from")
    pinned = np.full(len(items), np.inf)
    if editorial is not None:
        if editorial not in items.frame.columns or not items.frame[editorial].dtype.is_numeric():
            raise ConfigError(f"eligibility.editorial_column: items have no numeric column '{editorial}'.")
        pinned = items.frame[editorial].cast(pl.Float64).fill_null(np.inf).to_numpy()
    return np.lexsort((items.id_hash, -newest.astype(float), pinned, -popular))
