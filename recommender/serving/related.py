"""Related items: the rungs of a model asked by somebody who took one item."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from recommender.config import Scoring
from recommender.data.dataset import NO_TIME, Dataset, Table
from recommender.data.queries import History, Queries
from recommender.evaluation.statistics import ClusteredValues, estimates
from recommender.models.base import Recommender
from recommender.names import USER_BUCKETS
from recommender.ranking.candidates import Candidates
from recommender.ranking.lists import FALLBACK, Lists
from recommender.ranking.recommend import recommend
from recommender.ranking.router import Router

VISIT_US = 30 * 60 * 1_000_000  # two takes of one user that are no further apart are of one visit
RESAMPLES = 1_000
DEPTH = 10


@dataclass(frozen=True)
class Related:
    """item_idx: rows of the items, best first. sources: the rung, or ``fallback``."""

    item_idx: np.ndarray
    score: np.ndarray
    sources: list[str]


def related(router: Router, candidates: Candidates, users: Table, item: int, k: int, as_of: int) -> Related:
    """The k items most related to a row of the items, available at ``as_of`` (int64 microseconds).

    The rung is the first, from the users of one interaction upwards, whose scores depend on what was taken; where none
    does, the one for these users. Masks are those of any list: what is expired, unpublished or shut out is not shown.
    users: the table of users, for its columns: nobody is asked for.
    """
    queries = _taking(users, [item], as_of)
    name = chosen(router, queries, candidates.items)
    lists = _lists(router.rungs[name], queries, candidates, np.array([item]), k)
    shown = lists.item_idx[0] >= 0
    sources = ["fallback" if code == FALLBACK else name for code in lists.source_code[0][shown]]
    return Related(lists.item_idx[0][shown], lists.score[0][shown], sources)


def chosen(router: Router, queries: Queries, items: Table) -> str:
    """The name of the rung that ``related`` asks."""
    names = list(dict.fromkeys(router.routes[bucket] for bucket in USER_BUCKETS[1:]))
    for name in names:
        if depends_on_history(router.rungs[name], queries, items):
            return name
    return names[0]


def depends_on_history(model: Recommender, queries: Queries, items: Table) -> bool:
    """Whether some item gets another score without the history."""
    empty = np.zeros(0, np.int64)
    without = Queries(queries.users, queries.as_of, History(np.zeros(len(queries) + 1, np.int64), empty, empty))
    return not np.array_equal(model.score(queries, items), model.score(without, items), equal_nan=True)


def measured(router: Router, candidates: Candidates, data: Dataset) -> pl.DataFrame:
    """How often related lists of ten hold the next item that the same user took in the same visit.

    data: interactions that the model was not trained on; its items are those of the candidates. Two takes of a user at
    most 30 minutes apart are of one visit. Returns list ("related", and "fallback": one for every item), n (pairs),
    hit_rate_at_10 and its 95% interval, users resampled. No rows where there is no such pair.
    """
    user, item, following, when = pairs(data)
    if not len(user):
        return pl.DataFrame()
    queries = _taking(data.users, item.tolist(), 0, when)
    name = chosen(router, queries.take(np.arange(1)), candidates.items)
    rows = []
    for label, model in (("related", router.rungs[name]), ("fallback", _Silent())):
        lists = _lists(model, queries, candidates, item, DEPTH)
        hit = (lists.item_idx == following[:, None]).any(axis=1).astype(float)
        (interval,) = estimates([ClusteredValues(user, hit[:, None])], data.users.id_hash, RESAMPLES, seed=0)
        low, high = interval.low[0], interval.high[0]
        rows.append({"list": label, "n": len(hit), "hit_rate_at_10": hit.mean(), "ci_low": low, "ci_high": high})
    return pl.DataFrame(rows)


def pairs(data: Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """User, item, the different item that they took next in the visit, and the time of the first: int64 (n,) each."""
    order = np.lexsort((data.timestamps, data.user_idx))
    user, item, when = data.user_idx[order], data.item_idx[order], data.timestamps[order]
    near = (when[:-1] != NO_TIME) & (np.diff(np.maximum(when, 0)) <= VISIT_US)
    follows = (user[1:] == user[:-1]) & (item[1:] != item[:-1]) & near
    return user[:-1][follows], item[:-1][follows], item[1:][follows], when[:-1][follows]


def _taking(users: Table, items: list[int], as_of: int, when: np.ndarray | None = None) -> Queries:
    """A query of nobody for each item, which is its history."""
    n = len(items)
    times = np.full(n, as_of) if when is None else when
    stranger = pl.Series(users.key, [None] * n, users.ids.dtype).fill_null(-1 if users.ids.dtype.is_integer() else "")
    frame = users.frame.clear(n).with_columns(stranger)
    return Queries(Table(frame, users.roles, users.key), times, History(np.arange(n + 1), np.array(items), times))


def _lists(model: Recommender, queries: Queries, candidates: Candidates, item: np.ndarray, k: int) -> Lists:
    """Lists without the item itself, also where items may be taken again."""
    lists = recommend(model, queries, candidates, k + 1, Scoring())
    return lists.only(lists.item_idx != item[:, None]).close_gaps().head(k)


class _Silent:
    """Has no score for anything, so that the fallback order makes the lists."""

    def fit(self, train: Dataset) -> _Silent:
        return self

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        return np.full((len(queries), len(items)), np.nan, np.float32)
