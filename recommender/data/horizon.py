"""Who asks after an origin, when, and what they then took: whole, or block of users by block."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numba
import numpy as np
import scipy.sparse as sp

from recommender.data.dataset import NO_TIME, Dataset, Table
from recommender.data.kernels import first_in_buckets, gather, grouped, latest_of_pairs
from recommender.data.queries import BUCKET_STARTS, History, Queries

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Horizon:
    """Queries between two times. The fields are those of ``split.py::Fold``."""

    queries: Queries
    first: np.ndarray
    truth: sp.csr_matrix
    outside: int
    grades: sp.csr_matrix | None = None

    def only(self, shown: np.ndarray) -> Horizon:
        """Without the answers that are none of the items ``shown``, bool (n_items,); they count as outside."""
        truth = self.truth.tocoo()
        stay = shown[truth.col]

        def remaining(answers: sp.csr_matrix) -> sp.csr_matrix:
            return sp.csr_matrix((answers.data[stay], (truth.row[stay], truth.col[stay])), shape=truth.shape)

        grades = None if self.grades is None else remaining(self.grades)
        outside = self.outside + int((~stay).sum())
        return replace(self, truth=remaining(self.truth), grades=grades, outside=outside)

    def answerable(self) -> Horizon:
        """The queries with an answer. A user whose first query had none asks first where the next one has."""
        rows = np.flatnonzero(np.diff(self.truth.indptr) > 0)
        narrower = self
        if len(rows) < len(self.queries):
            grades = None if self.grades is None else self.grades[rows]
            narrower = replace(self, queries=self.queries.take(rows), truth=self.truth[rows], grades=grades)
        return replace(narrower, first=narrower.queries.ids.is_first_distinct().to_numpy())


def horizon(
    data: Dataset, items: Table, column: np.ndarray, start_us: int, end_us: int, graded: bool | None = None
) -> Horizon:
    """Queries, histories and answers of the users of ``data`` between two times, int64 microseconds.

    items: the catalogue. column: int64, its number of each of the data's items; -1: none. graded: whether answers
    differ in weight; None: as they do here.
    """
    known = int(np.searchsorted(data.timestamps, end_us))  # they ascend
    order, start = grouped(data.user_idx[:known], len(data.users))
    item, time = data.item_idx[order], data.timestamps[order]
    user, at, before = first_in_buckets(start, time, start_us, BUCKET_STARTS)
    now = start[user] + before
    taken = ragged(now, start[user + 1], item, column, time)
    allowed = available(time[at][taken.row], items, taken.item_idx)
    truth, outside = truth_of(taken, allowed, len(items)), int((~allowed).sum())
    grades = grades_of(data, (order, start), user, column, truth, graded)
    first = np.diff(user, prepend=-1) > 0
    answered = np.flatnonzero(np.diff(truth.indptr) > 0)  # histories are long: only of those who stay
    if len(answered) < len(user):
        user, at, now, first, truth = user[answered], at[answered], now[answered], first[answered], truth[answered]
        grades = None if grades is None else grades[answered]
    queries = Queries(data.users.take(user), time[at], ragged(start[user], now, item, column, time))
    return Horizon(queries, first, truth, outside, grades)


def available(as_of: np.ndarray, items: Table, rows: np.ndarray | None = None, *, expired: bool = False) -> np.ndarray:
    """Whether items are published and (unless ``expired``) not expired at a time; where nothing is stated, they are.

    Returns bool (n_times, n_items), or (n,) for ``rows`` of ``items`` (int64 (n,)), one per time.
    """
    start, stop, dated = _shown_between(items, expired)
    if rows is not None:
        return np.asarray((as_of == NO_TIME) | ((start[rows] <= as_of) & (as_of < stop[rows])))
    available = np.ones((len(as_of), len(items)), bool)
    if dated:
        _available(as_of, start, stop, available)
    return available


def _shown_between(items: Table, expired: bool) -> tuple[np.ndarray, np.ndarray, bool]:
    """From when and until when each item may be shown, int64 microseconds, and whether anything is stated."""
    key = f"shown between, {expired}"
    if key not in items._memo:
        start, stop = items.times("available_from"), items.times("expires_at")
        stop = np.where((stop == NO_TIME) | expired, _NEVER, stop)
        dated = bool(start.max(initial=NO_TIME) > NO_TIME or stop.min(initial=_NEVER) < _NEVER)
        items._memo[key] = start, stop, dated
    between: tuple[np.ndarray, np.ndarray, bool] = items._memo[key]
    return between


@numba.njit(cache=True, nogil=True)
def _available(as_of, start, stop, available):  # type: ignore[no-untyped-def]
    """In one pass: this is made for every list of every rung."""
    for q in range(len(as_of)):
        if as_of[q] != NO_TIME:
            for i in range(len(start)):
                available[q, i] = start[i] <= as_of[q] and as_of[q] < stop[i]


def ragged(start: np.ndarray, stop: np.ndarray, item: np.ndarray, column: np.ndarray, time: np.ndarray) -> History:
    """Rows start[q]:stop[q] for every query, each ``item`` as its ``column``."""
    indptr = np.concatenate([[0], np.cumsum(stop - start)])
    return History(indptr, column[gather(start, stop, item)], gather(start, stop, time))


def truth_of(taken: History, allowed: np.ndarray, n_items: int) -> sp.csr_matrix:
    """Answers that may be shown, bool csr (n_queries, n_items). allowed: bool, one per entry of ``taken``."""
    shape = (len(taken.indptr) - 1, n_items)
    truth = sp.csr_matrix((np.ones(allowed.sum(), bool), (taken.row[allowed], taken.item_idx[allowed])), shape=shape)
    truth.sum_duplicates()
    return truth


def grades_of(
    data: Dataset,
    known: tuple[np.ndarray, np.ndarray],
    user: np.ndarray,
    column: np.ndarray,
    truth: sp.csr_matrix,
    graded: bool | None = None,
) -> sp.csr_matrix | None:
    """float32, non-zeros as ``truth``: the weight of the user's (latest) interaction with the item.

    known: the interactions before the end of the horizon, as ``grouped`` gives them; no later one may be read.
    user: int64 (n_queries,), rows of the data's users. column: int64, the catalogue's number of each of its items.
    graded: whether weights differ; None: as they do here.
    """
    order, start = known
    weights = data.weights[order]
    if not (np.ptp(weights) if graded is None else graded):
        return None
    items = column[data.item_idx[order]]
    grades = latest_of_pairs(user, truth.indptr, truth.indices, start, items, weights, truth.shape[1])
    return sp.csr_matrix((grades, truth.indices, truth.indptr), shape=truth.shape)
