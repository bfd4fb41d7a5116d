"""Queries: who is to get a list, when, and what they had taken before."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
import scipy.sparse as sp

from recommender.data.dataset import NO_TIME, Table
from recommender.data.times import US_PER_DAY

BUCKET_STARTS = np.array([0, 1, 3, 10])


def bucket(counts: np.ndarray) -> np.ndarray:
    """Warmth bucket of each count as a position in ``USER_BUCKETS``, int64, same shape."""
    return np.searchsorted(BUCKET_STARTS, counts, side="right") - 1


@dataclass(frozen=True)
class History:
    """What each query's user took before it, oldest first; ragged: query q owns ``indptr[q]:indptr[q + 1]``."""

    indptr: np.ndarray  # int64 (n_queries + 1,)
    item_idx: np.ndarray  # int64 (n,): rows of the Items table that goes with the queries
    timestamp: np.ndarray  # int64 microseconds (n,); NO_TIME where not stated

    @cached_property
    def lengths(self) -> np.ndarray:
        return np.diff(self.indptr)

    @property
    def row(self) -> np.ndarray:
        """Query of each entry, int64 (n,)."""
        return np.repeat(np.arange(len(self.indptr) - 1), self.lengths)

    def position(self) -> np.ndarray:
        """0 for the latest interaction of each query, 1 for the one before ...; int64 (n,)."""
        return np.asarray(self.indptr[1:][self.row] - 1 - np.arange(len(self.item_idx)))

    def take(self, rows: np.ndarray) -> History:
        """Those of the queries with these row numbers; of a stretch of them, without a copy."""
        if len(rows) and rows[-1] - rows[0] + 1 == len(rows) and bool((np.diff(rows) == 1).all()):
            indptr = self.indptr[rows[0] : rows[-1] + 2]
            entries = slice(indptr[0], indptr[-1])
            return History(indptr - indptr[0], self.item_idx[entries], self.timestamp[entries])
        lengths = self.lengths[rows]
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        entries = np.arange(indptr[-1]) + np.repeat(self.indptr[:-1][rows] - indptr[:-1], lengths)
        return History(indptr, self.item_idx[entries], self.timestamp[entries])


@dataclass(frozen=True)
class Queries:
    """A batch of queries; ``users`` has one row per query (ids and features), in the same order."""

    users: Table
    as_of: np.ndarray  # int64 microseconds (n,); NO_TIME where the data has no times
    history: History

    def __len__(self) -> int:
        return len(self.as_of)

    @property
    def ids(self) -> pl.Series:
        return self.users.ids

    @cached_property
    def buckets(self) -> np.ndarray:
        """Position in ``USER_BUCKETS`` of each query, int64 (n,)."""
        return bucket(self.history.lengths)

    @cached_property
    def away_days(self) -> np.ndarray:
        """Days since the user's last interaction, float64 (n,).

        inf without history, or with one that is only known to lie before all stated times; NaN, neither
        back nor in a visit, where the time of the query itself is not stated.
        """
        last = np.full(len(self), NO_TIME)
        some = self.history.lengths > 0
        last[some] = self.history.timestamp[self.history.indptr[1:][some] - 1]
        stated = (last != NO_TIME) & (self.as_of != NO_TIME)
        days = np.where(stated, (self.as_of - np.where(stated, last, 0)) / US_PER_DAY, np.inf)
        return np.where(self.as_of == NO_TIME, np.nan, days)

    def take(self, rows: np.ndarray) -> Queries:
        """The queries with these row numbers; themselves where these are all, in order."""
        if len(rows) == len(self) and rows.dtype != bool and (rows == np.arange(len(self))).all():
            return self
        return Queries(self.users.take(rows), self.as_of[rows], self.history.take(rows))

    def age_days(self) -> np.ndarray:
        """Age of each history entry at the query, float32 (n,); NaN where a time is not stated."""
        at, taken = self.as_of[self.history.row], self.history.timestamp
        known = (at != NO_TIME) & (taken != NO_TIME)
        return np.where(known, (at - np.where(known, taken, at)) / US_PER_DAY, np.nan).astype(np.float32)

    def history_matrix(self, columns: np.ndarray, n_columns: int, values: np.ndarray | None = None) -> sp.csr_matrix:
        """Histories as a sparse matrix (n_queries, n_columns), float32.

        columns: int64 (n_items,), where each item goes (a model's own item numbers); -1 leaves it out.
        values: float32 (n,) per history entry; 1 by default. Repeats of an item add up.
        """
        column = columns[self.history.item_idx]
        in_model = column >= 0
        data = np.ones(len(column), np.float32) if values is None else values.astype(np.float32)
        indptr = np.append(0, np.cumsum(in_model))[self.history.indptr]
        matrix = sp.csr_matrix((data[in_model], column[in_model], indptr), shape=(len(self), n_columns))
        matrix.sum_duplicates()
        return matrix
