"""Per-query candidates, where there are too many items to score all of them for everyone.

A query is scored on what lies two hops away (links of its links; in a catalogue, what those took who took the same),
on members of its address book and those who have it in theirs, on the latest who linked to it where links have a
direction, on the most popular items with the same value of a matched column (company, city), and on the most popular of
all. What that misses is measured: ``recall``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numba
import numpy as np
import polars as pl
import scipy.sparse as sp

from recommender.data.dataset import Dataset, Table
from recommender.data.kernels import gather
from recommender.data.queries import Queries
from recommender.data.relation import CONTACT_KEY, entries

HOPS = 60  # latest links that are followed from the query, and from each of those
SAME, POPULAR = 100, 200  # most popular items of one value, and of all


@dataclass(frozen=True)
class Generator:
    """Sparse candidates of a query, whatever the size of the catalogue.

    forth: what each user took, latest last; csr (n_users, n_items). back: users reached from an item: who took it, in
    a relation the member itself; csr (n_items, n_users). order: item rows, the most popular first. match: pairs of
    (user column, item column). toward: who linked to each member, latest last, csr (n_items, n_items); no row where
    links hold both ways, since ``forth`` has them.
    """

    items: Table
    forth: sp.csr_matrix
    back: sp.csr_matrix
    order: np.ndarray
    match: tuple[tuple[str, str], ...]
    toward: sp.csr_matrix

    @classmethod
    def after(cls, train: Dataset, items: Table, order: np.ndarray) -> Self:
        """The generator that knows the links of ``train``. order: int64 (n_items,), rows of items, best first."""
        item = items.lookup(train.items.ids)[train.item_idx]
        shape = (len(train.users), len(items))
        forth, toward = _ragged(train.user_idx, item, shape), sp.csr_matrix((len(items), len(items)), dtype=bool)
        if train.relation is None:
            back = _ragged(item, train.user_idx, shape[::-1])
        else:
            member_item = items.lookup(train.users.ids)
            cells = (member_item, np.arange(len(member_item)))
            back = sp.csr_matrix((np.ones(len(member_item), bool), cells), shape=shape[::-1])
            if not train.symmetric:
                toward = _ragged(item, member_item[train.user_idx], toward.shape)
        match = tuple((m.user, m.item) for m in train.match if items.roles.get(m.item) in ("category", "multi"))
        return cls(items, forth, back, order, match, toward)

    def rows(self, queries: Queries) -> sp.csr_matrix:
        """Which items each query is scored on: bool csr (n_queries, n_items); without what it took."""
        query, item = [np.repeat(np.arange(len(queries)), min(POPULAR, len(self.order)))], []
        item.append(np.tile(self.order[:POPULAR], len(queries)))
        for pairs in (self._two_hops(queries), self._toward(queries), *self._by_value(queries)):
            query.append(pairs[0])
            item.append(pairs[1])
        q, i = np.concatenate(query), np.concatenate(item)
        candidates = sp.csr_matrix((np.ones(len(q), bool), (q, i)), shape=(len(queries), len(self.items)))
        candidates.sum_duplicates()
        return candidates

    def recall(self, queries: Queries, truth: sp.csr_matrix, batch: int = 512) -> float:
        """Share of the answers that are among the generated candidates; NaN without answers."""
        hits = 0
        for start in range(0, len(queries), batch):
            part = np.arange(start, min(start + batch, len(queries)))
            hits += int(self.rows(queries.take(part)).multiply(truth[part]).nnz)
        return hits / truth.nnz if truth.nnz else np.nan

    def _two_hops(self, queries: Queries) -> tuple[np.ndarray, np.ndarray]:
        history = queries.history
        parts = (self.back.indptr, self.back.indices, self.forth.indptr, self.forth.indices)
        counted = _hops(history.indptr, history.item_idx, *parts, HOPS, np.zeros(0, np.int64), np.zeros(0, np.int64))
        query, item = np.empty(counted, np.int64), np.empty(counted, np.int64)
        _hops(history.indptr, history.item_idx, *parts, HOPS, query, item)
        return query, item

    def _toward(self, queries: Queries) -> tuple[np.ndarray, np.ndarray]:
        """The latest who linked to the asking member."""
        themselves = self.items.lookup(queries.ids)
        known = np.flatnonzero(themselves >= 0)
        stop = self.toward.indptr[themselves[known] + 1].astype(np.int64)
        start = np.maximum(self.toward.indptr[themselves[known]], stop - HOPS)
        return np.repeat(known, stop - start), gather(start, stop, self.toward.indices)

    def _by_value(self, queries: Queries) -> list[tuple[np.ndarray, np.ndarray]]:
        """Members of address books, both ways, and the most popular items of each value that the user has."""
        met = (entries(queries.users.frame, mine).join(listed, on="value") for mine, listed in self._listed)
        return [(m["row"].to_numpy(), m["item"].to_numpy()) for m in met]

    @cached_property
    def _listed(self) -> list[tuple[str, pl.DataFrame]]:
        """User column -> item and value of each entry that it can meet."""
        place = np.empty(len(self.order), np.int64)
        place[self.order] = np.arange(len(self.order))
        listed = [("contacts", self._entries(CONTACT_KEY)), (CONTACT_KEY, self._entries("contacts"))]
        for mine, theirs in self.match:
            values = self._entries(theirs)
            best = values.with_columns(place=pl.Series(place).gather(values["item"])).sort("place")
            listed.append((mine, best.group_by("value", maintain_order=True).head(SAME).drop("place")))
        return listed

    def _entries(self, column: str) -> pl.DataFrame:
        return entries(self.items.frame, column).rename({"row": "item"}).select("item", "value")


def _ragged(row: np.ndarray, column: np.ndarray, shape: tuple[int, int]) -> sp.csr_matrix:
    """csr with the entries of a row in the order given (times ascend), repeats kept."""
    order = np.argsort(row, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=shape[0]))])
    return sp.csr_matrix((np.ones(len(row), bool), column[order], indptr), shape=shape)


@numba.njit(cache=True, nogil=True)
def _hops(indptr, taken, back_ptr, back, forth_ptr, forth, most, query, item):  # type: ignore[no-untyped-def]
    """Writes query and item of each path history -> user -> item, the latest ``most`` at each step; returns how many.
    Empty outputs are only counted."""
    n = 0
    for q in range(len(indptr) - 1):
        for h in range(max(indptr[q], indptr[q + 1] - most), indptr[q + 1]):
            first = taken[h]
            for b in range(max(back_ptr[first], back_ptr[first + 1] - most), back_ptr[first + 1]):
                user = back[b]
                for f in range(max(forth_ptr[user], forth_ptr[user + 1] - most), forth_ptr[user + 1]):
                    if len(query):
                        query[n], item[n] = q, forth[f]
                    n += 1
    return n
