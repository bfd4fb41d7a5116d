"""Serving: a fitted router with the data it knows answers queries, for known and unknown users and items."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import polars as pl

from recommender.config import Eligibility, Scoring
from recommender.data.dataset import NO_TIME, Dataset, Table
from recommender.data.findings import short
from recommender.data.queries import History, Queries
from recommender.errors import DataError
from recommender.ranking.asker import HERE, Asker
from recommender.ranking.candidates import Candidates, completion_order, recent_popularity
from recommender.ranking.router import Routed, Router
from recommender.serving.known import Known
from recommender.serving.new_rows import extended, query_ids, renamed, times

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bundle:
    """What ``make recommend`` and the MLflow model load: persisted whole by ``serving/persistence.py``.

    eligibility: a config.Eligibility, as plain values. popularity: ``recent_popularity`` of the known items.
    forgotten: users who have been removed since it was fitted (``forget.py``).
    """

    router: Router
    known: Known
    eligibility: dict[str, object]
    popularity: np.ndarray
    forgotten: int = 0

    @classmethod
    def of(cls, router: Router, data: Dataset, eligibility: Eligibility) -> Self:
        """data: everything known when the router was fitted."""
        return cls(router, Known.of(data), eligibility.model_dump(), recent_popularity(data))

    @property
    def data(self) -> Dataset:
        """Items, users and what was said of their files, without interactions."""
        return self.known.data

    @cached_property
    def candidates(self) -> Candidates:
        """Every known item; with what is read of them once, for all requests."""
        return self.to_choose(self.data.items)

    def to_choose(self, items: Table) -> Candidates:
        rules = Eligibility.model_validate(self.eligibility)
        order = completion_order(self.popularity, self.data.items, items, rules.editorial_column)
        every = Candidates(items, rules, order, members=self.data.relation is not None)
        return every if len(items) <= Scoring().full_up_to else every.generated(self.known.dataset())


def serve(
    bundle: Bundle,
    queries: pl.DataFrame,
    k: int = 10,
    *,
    candidates: pl.Series | None = None,
    items: pl.DataFrame | None = None,
    users: pl.DataFrame | None = None,
    interactions: pl.DataFrame | None = None,
    asker: Asker = HERE,
) -> pl.DataFrame:
    """The k best items for each query, from the model as fitted.

    queries: user_id and optionally as_of (UTC). The history and the seen-filter are all known rows of
    the user at or before as_of; without as_of all rows, and availability is judged at the latest time
    that the data knows of (an interaction, or an item published or moderated by now). candidates: item ids that may
    be shown (None: all). items, users, interactions: rows, in the standard columns, that the model has
    not seen; they replace known rows of the same id. Interactions without an event count as positive. asker: makes the
    lists.

    Returns user_id, rank (1 = best), item_id, score (null where the list was completed), source.
    Fewer than k rows only where fewer items are eligible, with a logged warning.
    Raises DataError for malformed queries or rows.
    """
    queries = renamed(queries, bundle.data, "interactions", ["user_id"])
    known, to_choose = bundle.known, bundle.candidates
    if not (items is None and users is None and interactions is None):
        known = Known.of(extended(known.dataset(), items, users, interactions))
        to_choose = bundle.to_choose(known.data.items)
    data = known.data
    asking = as_queries(queries, known, data.reading.times)
    if candidates is not None:
        to_choose = to_choose.only(allowed_items(candidates, data))
    routed = asker.route(bundle.router, asking, to_choose, k, Scoring())
    warn_of_gaps(routed, k)
    shown = routed.lists.item_idx >= 0
    row, place = np.nonzero(shown)
    return pl.DataFrame({
        "user_id": queries["user_id"][row],
        "rank": place + 1,
        "item_id": data.items.ids[routed.lists.item_idx[shown]],
        "score": pl.Series(routed.lists.score[shown], nan_to_null=True),
        "source": routed.source[shown],
    })  # fmt: skip


def warn_of_gaps(routed: Routed, k: int) -> None:
    """Logs how many lists are shorter than ``k``, and how many are empty."""
    shown = routed.lists.item_idx >= 0
    if short := int((shown.sum(axis=1) < k).sum()):
        log.warning("%d of %d queries have fewer than %d eligible items; they get all there are", short, len(shown), k)
    if nothing := int((~shown.any(axis=1)).sum()):
        reason = "every item that may be shown is expired, not yet published, shut out by a rule, or taken before"
        log.warning("%d of %d queries get nothing: at their as_of %s", nothing, len(shown), reason)


def as_queries(frame: pl.DataFrame, known: Known, formats: Mapping[str, str] | None = None) -> Queries:
    """Queries of what is known: histories are the user's rows at or before as_of (all rows where it is null).

    A user_id that the type of the data's ids cannot hold is a new user. formats: time column -> stated format.
    """
    if "user_id" not in frame.columns:
        raise DataError(f"queries: no column user_id (found {', '.join(frame.columns)}). Name it user_id.")
    if not frame.height:
        raise DataError("queries: there are no rows. Give one for each user who is to get a list.")
    if nulls := frame["user_id"].null_count():
        rows = f"{nulls:,} row{'s are' if nulls > 1 else ' is'} null"
        raise DataError(f"queries.user_id: {rows}. Give every query a user_id, known or not.")
    ids = query_ids(frame["user_id"], known.data.users.ids, "queries")
    as_of = _as_of(frame, formats or {})
    _warn_too_early(as_of, known.first)
    return queries_of(ids, as_of, known)


def queries_of(ids: pl.Series, as_of: np.ndarray, known: Known) -> Queries:
    """Queries of users by ids in the data's own type; as_of: int64 microseconds, NO_TIME for the latest known time."""
    number = known.data.users.lookup(ids)
    query, item, taken = known.taken(ids, number)
    past = (as_of[query] == NO_TIME) | (taken <= as_of[query])
    length = np.bincount(query[past], minlength=len(number))
    history = History(np.append(0, np.cumsum(length)), item[past], taken[past])
    return Queries(known.described(ids, number), np.where(as_of == NO_TIME, known.latest(), as_of), history)


def allowed_items(candidates: pl.Series, data: Dataset) -> np.ndarray:
    """Bool (n_items,). Raises DataError for no ids and unknown ones."""
    if not len(candidates):
        raise DataError("candidates: there are no rows, so nothing could be shown. Leave CANDIDATES out for all items.")
    rows = data.items.lookup(query_ids(candidates, data.items.ids, "candidates"))
    if unknown := int((rows < 0).sum()):
        some = ", ".join(map(short, candidates.filter(pl.Series(rows < 0)).head(3).to_list()))
        message = f"candidates: {unknown:,} of {len(rows):,} item_ids are unknown to the model (e.g. {some})."
        raise DataError(f"{message} Give their rows by ITEMS=<file>, or leave them out.")
    allowed = np.zeros(len(data.items), bool)
    allowed[rows] = True
    return allowed


def _as_of(frame: pl.DataFrame, formats: Mapping[str, str]) -> np.ndarray:
    if "as_of" not in frame.columns:
        return np.full(frame.height, NO_TIME)
    return times(frame["as_of"], "queries", formats).dt.epoch("us").fill_null(NO_TIME).to_numpy()


def _warn_too_early(as_of: np.ndarray, first: int) -> None:
    early = (as_of != NO_TIME) & (as_of < first)
    if early.any():
        start, earliest = (np.datetime64(int(t), "us").astype("datetime64[s]") for t in (first, as_of[early][0]))
        log.warning("%d queries have an as_of (e.g. %s) before all data (from %s)", early.sum(), earliest, start)
