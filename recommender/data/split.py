"""Rolling origins -> train, queries and truth, honest in time.

A fold's models see only rows before its origin. Each user of the window asks at their first event, and
again at their first event in every further warmth bucket that they reach before the horizon ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import numba
import numpy as np
import scipy.sparse as sp

from recommender import config
from recommender.data.dataset import NO_TIME, Dataset, Table
from recommender.data.kernels import first_in_buckets, gather, grouped, latest_of_pairs
from recommender.data.origins import iso, origins
from recommender.data.origins import to_datetime as to_datetime
from recommender.data.queries import BUCKET_STARTS, History, Queries
from recommender.data.times import to_microseconds
from recommender.errors import ConfigError, DataError, Problem

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Fold:
    """One origin: what models may see, who asks when, and what they took then."""

    split: str  # validation | test
    origin: str  # ISO time, or "random-<n>" where the data state no times
    end: str
    train: Dataset
    items: Table  # the catalogue: everything known before the end of the horizon
    queries: Queries
    first: np.ndarray  # bool (n_queries,): the user's first query; rows for all users use only these
    truth: sp.csr_matrix  # bool (n_queries, n_items)
    outside: int  # taken, but not among the candidates of the query; counted and reported
    grades: sp.csr_matrix | None = None  # weight (a rating, say) of each answer, as truth; None where all weigh alike
    spam: np.ndarray | None = None  # bool (n_items,), known of simulated items only: breaks the rules, found or not

    @property
    def item_counts(self) -> np.ndarray:
        """Train interactions of each catalogue item, int64 (n_items,)."""
        own = self.train.items.lookup(self.items.ids)
        return np.where(own >= 0, self.train.item_totals[np.maximum(own, 0)], 0)

    @property
    def name(self) -> str:
        return f"{self.split} {self.origin}"


def folds(data: Dataset, split: config.Split, eligibility: config.Eligibility) -> Iterator[Fold]:
    """Validation folds, oldest first, then the test fold. Made one by one, to bound memory.

    Raises ConfigError where times are needed and absent, DataError where an origin has too little data.
    """
    data = data if eligibility.repeats else data.first_interactions()
    quantiles = [*split.validation, split.test] if split.unit == "quantiles" else []
    if not all(0 < q < 1 for q in quantiles):
        raise ConfigError(f"split: quantiles lie between 0 and 1, got {quantiles}. With days, set split.unit=days.")
    if split.kind == "random":
        if split.retrain_days is not None:
            raise ConfigError("split.retrain_days needs times, and split.kind=random has none. Set one of them only.")
        yield from _random_folds(data, split)
        return
    if not data.has_times:
        raise ConfigError(
            f"Data set '{data.name}' states no times, so no split can be honest in time. "
            "SET='split.kind=random' accepts that: every result then carries a warning."
        )
    if len(data.user_idx) < split.min_train:  # before the origins, which may then fall together
        raise DataError(
            f"interactions: '{data.name}' has {len(data.user_idx):,} rows, and split.min_train asks for "
            f"{split.min_train:,} before the first origin alone. Bring more data, or lower split.min_train."
        )
    starts = origins(data, split)
    for origin, end in zip(starts, [*starts[1:], None], strict=True):
        fold = time_fold(data, "test" if end is None else "validation", origin, end, split.min_train)
        yield (
            fold if eligibility.moderated_column is None else without_confirmed_spam(fold, eligibility.moderated_column)
        )


def time_fold(data: Dataset, split: str, origin: datetime, end: datetime | None, min_train: int) -> Fold:
    """The fold of one origin; its horizon ends before ``end`` (None: with the data)."""
    start_us = to_microseconds(origin)
    end_us = np.iinfo(np.int64).max if end is None else to_microseconds(end)
    train = data.before(origin)
    _require(data, split, origin, len(train.user_idx), min_train)
    known = int(np.searchsorted(data.timestamps, end_us))  # they ascend
    order, start = grouped(data.user_idx[:known], len(data.users))
    item, time = data.item_idx[order], data.timestamps[order]
    user, at, before = first_in_buckets(start, time, start_us, BUCKET_STARTS)

    published, used = data.items.times("available_from"), np.zeros(len(data.items), bool)
    used[item] = True
    if data.everyone is not None:
        used |= data.everyone.before(end_us).counts(data.items) > 0
    listed = used | ((published != NO_TIME) & (published < end_us))
    column = np.where(listed, np.cumsum(listed) - 1, -1)
    items = data.items.take(listed)
    now = start[user] + before
    taken = _ragged(now, start[user + 1], item, column, time)
    allowed = available(time[at][taken.row], items, taken.item_idx)
    truth, outside = _truth(taken, allowed, len(items)), int((~allowed).sum())
    grades = _grades(data, (order, start), user, column, truth)
    first = np.diff(user, prepend=-1) > 0
    asked = np.flatnonzero(np.diff(truth.indptr) > 0)  # histories are long: only of those who stay
    if len(asked) < len(user):
        user, at, now, first, truth = user[asked], at[asked], now[asked], first[asked], truth[asked]
        grades = None if grades is None else grades[asked]
    queries = Queries(data.users.take(user), time[at], _ragged(start[user], now, item, column, time))
    return _checked(Fold(split, iso(origin), iso(end), train, items, queries, first, truth, outside, grades))


def without_confirmed_spam(fold: Fold, column: str) -> Fold:
    """The fold without the answers that moderators confirm to break the rules, before its window ends.

    To show them is no success, whoever took them; among those are the fake accounts that push them, which any
    rung that learns from spam would serve perfectly. Hindsight that only measures: rungs do not see it. What a
    validation window chooses must not know what is confirmed after it; the test window ends with the data.
    """
    truth, confirmed = fold.truth.tocoo(), fold.items.times(column)
    shown = ((confirmed == NO_TIME) | (confirmed >= _window_end(fold)))[truth.col]

    def remaining(answers: sp.csr_matrix) -> sp.csr_matrix:
        return sp.csr_matrix((answers.data[shown], (truth.row[shown], truth.col[shown])), shape=truth.shape)

    grades = None if fold.grades is None else remaining(fold.grades)
    outside = fold.outside + int((~shown).sum())
    return _checked(replace(fold, truth=remaining(fold.truth), grades=grades, outside=outside))


def _window_end(fold: Fold) -> int:
    """int64 microseconds; the largest where the window ends with the data, or is not in time."""
    try:
        return to_microseconds(datetime.fromisoformat(fold.end))
    except ValueError:
        return int(np.iinfo(np.int64).max)


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


def _ragged(start: np.ndarray, stop: np.ndarray, item: np.ndarray, column: np.ndarray, time: np.ndarray) -> History:
    """Rows start[q]:stop[q] for every query, each ``item`` as its ``column``."""
    indptr = np.concatenate([[0], np.cumsum(stop - start)])
    return History(indptr, column[gather(start, stop, item)], gather(start, stop, time))


def _truth(taken: History, allowed: np.ndarray, n_items: int) -> sp.csr_matrix:
    shape = (len(taken.indptr) - 1, n_items)
    truth = sp.csr_matrix((np.ones(allowed.sum(), bool), (taken.row[allowed], taken.item_idx[allowed])), shape=shape)
    truth.sum_duplicates()
    return truth


def _grades(
    data: Dataset, known: tuple[np.ndarray, np.ndarray], user: np.ndarray, column: np.ndarray, truth: sp.csr_matrix
) -> sp.csr_matrix | None:
    """float32, non-zeros as ``truth``: the weight of the user's (latest) interaction with the item.

    known: the interactions before the end of the horizon, as ``grouped`` gives them; no later one may be read.
    user: int64 (n_queries,), rows of the data's users. column: int64, the catalogue's number of each of its items.
    """
    order, start = known
    weights = data.weights[order]
    if not np.ptp(weights):
        return None
    items = column[data.item_idx[order]]
    grades = latest_of_pairs(user, truth.indptr, truth.indices, start, items, weights, truth.shape[1])
    return sp.csr_matrix((grades, truth.indices, truth.indptr), shape=truth.shape)


def _checked(fold: Fold) -> Fold:
    """Queries without a truth go; a window in which everyone or everything is new is an error."""
    answerable = np.flatnonzero(np.diff(fold.truth.indptr) > 0)
    # A user whose first query had no truth among the candidates asks first where the next one has.
    users = fold.queries.users.frame[answerable][fold.queries.users.key]
    first = users.is_first_distinct().to_numpy()
    if len(answerable) < len(fold.queries):
        grades = None if fold.grades is None else fold.grades[answerable]
        fold = replace(fold, queries=fold.queries.take(answerable), truth=fold.truth[answerable], grades=grades)
    fold = replace(fold, first=first)
    advice = "Choose other origins (SET='split.test=...') or bring more data."
    where = f"the {fold.split} window from {fold.origin}"
    problems = []
    if not len(answerable):
        problems.append(Problem("interactions", None, f"no query with an answer in {where}", 0, (), advice))
    else:
        shown = tuple(map(str, users.head(3)))
        if (fold.train.users.lookup(users) < 0).all():
            problems.append(
                Problem("users", "user_id", f"all users are new in {where}", len(answerable), shown, advice)
            )
        if not fold.item_counts[fold.truth.indices].any():
            ids = tuple(map(str, fold.items.ids[fold.truth.indices[:3]]))
            problems.append(
                Problem("items", "item_id", f"all items taken are new in {where}", fold.truth.nnz, ids, advice)
            )
    if problems:
        raise DataError(problems)
    return fold


def _random_folds(data: Dataset, split: config.Split) -> Iterator[Fold]:
    """Per-interaction random splits: not honest in time, for data without times only."""
    n, share = len(data.user_idx), 1 - split.test if split.unit == "quantiles" else 0.2
    rng = np.random.default_rng(split.seed)
    test = rng.random(n)[data.links] < share  # both rows of a link on one side
    _require(data, "test", None, int((~test).sum()), split.min_train)
    for number in range(len(split.validation)):
        held = ~test & (rng.random(n)[data.links] < share)
        yield random_fold(data, "validation", number, ~test & ~held, held)
    yield random_fold(data, "test", len(split.validation), ~test, test)


def random_fold(data: Dataset, split: str, number: int, given: np.ndarray, held: np.ndarray) -> Fold:
    """The fold that trains on the interactions ``given`` and asks every user of ``held`` for those (bool, each)."""
    nothing = np.zeros(len(data.items), bool)
    train, items = data.only(given, nothing), data.only(given | held, nothing).items
    column = items.lookup(data.items.ids)
    order = np.argsort(data.user_idx, kind="stable")
    user, item = data.user_idx[order], column[data.item_idx[order]]
    askers = np.unique(user[held[order]])
    history = _of_users(askers, user, item, given[order])
    taken = _of_users(askers, user, item, held[order])
    queries = Queries(data.users.take(askers), np.full(len(askers), NO_TIME), history)
    truth = _truth(taken, np.ones(len(taken.item_idx), bool), len(items))
    name = f"random-{number}"
    known = np.flatnonzero(given | held)
    order, start = grouped(data.user_idx[known], len(data.users))
    grades = _grades(data, (known[order], start), askers, column, truth)
    return _checked(Fold(split, name, name, train, items, queries, np.ones(len(askers), bool), truth, 0, grades))


def _of_users(users: np.ndarray, user: np.ndarray, item: np.ndarray, rows: np.ndarray) -> History:
    user, item = user[rows], item[rows]
    start, stop = np.searchsorted(user, users), np.searchsorted(user, users, side="right")
    indptr = np.concatenate([[0], np.cumsum(stop - start)])
    return History(indptr, gather(start, stop, item), np.full(indptr[-1], NO_TIME))


def _require(data: Dataset, split: str, origin: datetime | None, available: int, needed: int) -> None:
    if available < needed:
        raise DataError(
            f"interactions: {available:,} rows of '{data.name}' lie before the {split} origin"
            f"{iso(origin) and ' ' + iso(origin)}, split.min_train asks for {needed:,}. Bring more data, "
            "set later origins (SET='split.validation=[0.8] split.test=0.9') or lower split.min_train."
        )
