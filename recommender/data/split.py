"""Rolling origins -> train, queries and truth, honest in time.

A fold's models see only rows before its origin. Each user of the window asks at their first event, and
again at their first event in every further warmth bucket that they reach before the horizon ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import scipy.sparse as sp

from recommender import config
from recommender.config.split import RANDOM_PARTS
from recommender.data.dataset import NO_TIME, Dataset, Table
from recommender.data.horizon import Horizon, grades_of, horizon, truth_of
from recommender.data.horizon import available as available
from recommender.data.kernels import gather, grouped
from recommender.data.origins import iso, origins
from recommender.data.origins import to_datetime as to_datetime
from recommender.data.queries import History, Queries
from recommender.data.times import to_microseconds
from recommender.errors import ConfigError, DataError, Problem

RANDOM = "random-"  # names folds of random splits, with their number


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
        train_item = self.train.items.lookup(self.items.ids)
        return np.where(train_item >= 0, self.train.item_totals[np.maximum(train_item, 0)], 0)

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
    published, used = data.items.times("available_from"), np.zeros(len(data.items), bool)
    used[data.item_idx[:known]] = True
    if data.everyone is not None:
        used |= data.everyone.before(end_us).counts(data.items) > 0
    listed = used | ((published != NO_TIME) & (published < end_us))
    items = data.items.take(listed)
    after = horizon(data, items, np.where(listed, np.cumsum(listed) - 1, -1), start_us, end_us)
    return _checked(Fold(split, iso(origin), iso(end), train, items, **vars(after)))


def without_confirmed_spam(fold: Fold, column: str) -> Fold:
    """The fold without the answers that moderators confirm to break the rules, before its window ends.

    To show them is no success, whoever took them; among those are the fake accounts that push them, which any
    rung that learns from spam would serve perfectly. Hindsight that only measures: rungs do not see it. What a
    validation window chooses must not know what is confirmed after it; the test window ends with the data.
    """
    after = Horizon(fold.queries, fold.first, fold.truth, fold.outside, fold.grades)
    return _checked(replace(fold, **vars(after.only(unconfirmed(fold, column)))))


def unconfirmed(fold: Fold, column: str) -> np.ndarray:
    """Items that moderators do not confirm to break the rules before the fold's window ends, bool (n_items,)."""
    confirmed = fold.items.times(column)
    return np.asarray((confirmed == NO_TIME) | (confirmed >= _window_end(fold)))


def _window_end(fold: Fold) -> int:
    """int64 microseconds; the largest where the window ends with the data, or is not in time."""
    try:
        return to_microseconds(datetime.fromisoformat(fold.end))
    except ValueError:
        return int(np.iinfo(np.int64).max)


def _checked(fold: Fold) -> Fold:
    """Queries without a truth go; a window in which everyone or everything is new is an error."""
    answerable = Horizon(fold.queries, fold.first, fold.truth, fold.outside, fold.grades).answerable()
    fold, users = replace(fold, **vars(answerable)), answerable.queries.ids
    drawn = fold.origin.startswith(RANDOM)
    other = "Draw others (SET='split.seed=1')" if drawn else "Choose other origins (SET='split.test=...')"
    advice = f"{other} or bring more data."
    where = f"the {fold.split} window from {fold.origin}"
    problems = []
    if not len(users):
        problems.append(Problem("interactions", None, f"no query with an answer in {where}", 0, (), advice))
    else:
        shown = tuple(map(str, users.head(3)))
        if (fold.train.users.lookup(users) < 0).all():
            problems.append(Problem("users", "user_id", f"all users are new in {where}", len(users), shown, advice))
        if not fold.item_counts[fold.truth.indices].any():
            ids = tuple(map(str, fold.items.ids[fold.truth.indices[:3]]))
            problems.append(
                Problem("items", "item_id", f"all items taken are new in {where}", fold.truth.nnz, ids, advice)
            )
    if problems:
        raise DataError(problems)
    return fold


def _random_folds(data: Dataset, split: config.Split) -> Iterator[Fold]:
    """Per-interaction random splits: not honest in time, for data without times only.

    Validation asks one half of the users for each of their rows once, in ``RANDOM_PARTS`` parts (cross-validation), the
    test the other half for a random share. Were the same users asked, what the test holds out would be no history, no
    answer and yet a candidate in validation, and a model there would learn from far fewer rows than in service: both
    flatter popularity (experiments/LOG.md). A symmetric link between the halves is always learned from. A part that
    cannot be asked, as of very small data, is left out; DataError where that is all of them.
    """
    n, share = len(data.user_idx), 1 - split.test if split.unit == "quantiles" else 0.2
    rng = np.random.default_rng(split.seed)
    half = rng.random(len(data.users)) < 0.5
    mine = half[data.user_idx]
    theirs = half[data.users.lookup(data.items.ids)][data.item_idx] if data.symmetric else mine
    test = mine & theirs & (rng.random(n)[data.links] < share)  # both rows of a link on one side
    if (~test).sum() < split.min_train:
        raise DataError(
            f"interactions: {int((~test).sum()):,} rows of '{data.name}' are left to learn from beside the test's, "
            f"split.min_train asks for {split.min_train:,}. Bring more data, or lower split.min_train."
        )
    part = rng.integers(0, RANDOM_PARTS, n)[data.links]
    error: DataError | None = None
    n_validation = 0
    for number in range(split.most_origins):
        held = ~mine & ~theirs & (part == number)
        try:
            fold = random_fold(data, "validation", number, ~test & ~held, held)
        except DataError as unusable:
            error = unusable
            continue
        n_validation += 1
        yield fold
    if error and not n_validation:
        raise error
    yield random_fold(data, "test", RANDOM_PARTS, ~test, test)


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
    truth = truth_of(taken, np.ones(len(taken.item_idx), bool), len(items))
    name = f"{RANDOM}{number}"
    known = np.flatnonzero(given | held)
    order, start = grouped(data.user_idx[known], len(data.users))
    grades = grades_of(data, (known[order], start), askers, column, truth)
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
