"""Serving: a fitted router with the data it knows answers queries, for known and unknown users and items."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Self

import numpy as np
import polars as pl

from recommender.config import Eligibility, Scoring
from recommender.data.dataset import NO_TIME, Dataset, Table
from recommender.data.findings import short
from recommender.data.forms import misfits, to_form
from recommender.data.gate import Tables, build, tables_of
from recommender.data.ids import as_ids, is_spoilt, unfit
from recommender.data.queries import History, Queries
from recommender.data.spec import STANDARD, within
from recommender.data.times import parse_times, within_calendar
from recommender.errors import DataError, nearest
from recommender.ranking.candidates import Candidates, completion_order, recent_popularity
from recommender.ranking.router import Router
from recommender.serving.known import Known, positive_event

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
) -> pl.DataFrame:
    """The k best items for each query, from the model as fitted.

    queries: user_id and optionally as_of (UTC). The history and the seen-filter are all known rows of
    the user at or before as_of; without as_of all rows, and availability is judged at the latest time
    that the data knows of (an interaction, or an item published or moderated by now). candidates: item ids that may
    be shown (None: all). items, users, interactions: rows, in the standard columns, that the model has
    not seen; they replace known rows of the same id. Interactions without an event count as positive.

    Returns user_id, rank (1 = best), item_id, score (null where the list was completed), source.
    Fewer than k rows only where fewer items are eligible, with a logged warning.
    Raises DataError for malformed queries or rows.
    """
    queries = _renamed(queries, bundle.data, "interactions", ["user_id"])
    known, to_choose = bundle.known, bundle.candidates
    if not (items is None and users is None and interactions is None):
        known = Known.of(extended(known.dataset(), items, users, interactions))
        to_choose = bundle.to_choose(known.data.items)
    data = known.data
    asking = as_queries(queries, known, data.reading.times)
    if candidates is not None:
        to_choose = to_choose.only(_allowed(candidates, data))
    routed = bundle.router.recommend(asking, to_choose, k, Scoring())
    shown = routed.lists.item_idx >= 0
    short = int((shown.sum(axis=1) < k).sum())
    if short:
        log.warning("%d of %d queries have fewer than %d eligible items; they get all there are", short, len(asking), k)
    if nothing := int((~shown.any(axis=1)).sum()):
        reason = "every item that may be shown is expired, not yet published, shut out by a rule, or taken before"
        log.warning("%d of %d queries get nothing: at their as_of %s", nothing, len(asking), reason)
    row, place = np.nonzero(shown)
    return pl.DataFrame({
        "user_id": queries["user_id"][row],
        "rank": place + 1,
        "item_id": data.items.ids[routed.lists.item_idx[shown]],
        "score": pl.Series(routed.lists.score[shown], nan_to_null=True),
        "source": routed.source[shown],
    })  # fmt: skip


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
    ids = _ids(frame["user_id"], known.data.users.ids, "queries")
    as_of = _as_of(frame, formats or {})
    _warn_too_early(as_of, known.first)
    number = known.data.users.lookup(ids)
    entries, query = known.entries(number)
    item, taken = known.histories.item_idx[entries].astype(np.int64), known.histories.timestamp[entries]
    past = (as_of[query] == NO_TIME) | (taken <= as_of[query])
    length = np.bincount(query[past], minlength=len(number))
    history = History(np.append(0, np.cumsum(length)), item[past], taken[past])
    return Queries(known.described(ids, number), np.where(as_of == NO_TIME, known.latest(), as_of), history)


def extended(
    data: Dataset, items: pl.DataFrame | None, users: pl.DataFrame | None, interactions: pl.DataFrame | None
) -> Dataset:
    """``data`` with further rows, through the same gate; a new row replaces a known one of the same id."""
    if items is None and users is None and interactions is None:
        return data
    known = tables_of(data)
    if interactions is not None:  # as in a data set without these columns
        interactions = _renamed(interactions, data, "interactions", STANDARD["interactions"])
        timed = known.interactions.height > 0 and not known.interactions["timestamp"].has_nulls()
        _require(interactions, "interactions", ["user_id", "item_id", *(["timestamp"] if timed else [])])
        given = {"event": positive_event(data), "weight": within(data.reading.weight)}
        absent = [pl.lit(value).alias(c) for c, value in given.items() if c not in interactions.columns]
        interactions = interactions.with_columns(absent)
    if items is not None:
        _require(items := _renamed(items, data, "items", STANDARD["items"]), "items", ["item_id"])
    if users is not None:
        _require(users := _renamed(users, data, "users", STANDARD["users"]), "users", ["user_id"])
    spec = known.spec.model_copy(
        update={"repairs": {**known.spec.repairs, "duplicates": "keep_first", "link_times": "keep_first"}}
    )
    frames: dict[str, pl.DataFrame] = {}
    place: dict[str, Callable[[int], str]] = {}
    for name, old, new, key in (
        ("interactions", known.interactions, interactions, None),
        ("items", known.items, _formed(items, data.items, "items"), "item_id"),
        ("users", known.users, _formed(users, data.users, "users"), "user_id"),
    ):
        frames[name] = _joined(old, new, key, name, data.reading.times)
        place[name] = partial(_place, 0 if new is None else frames[name].height - new.height)
    tables = Tables(data.name, frames["interactions"], frames["items"], frames["users"], spec)
    return build(replace(tables, place=place, repairable=False), require_interactions=False)


def _place(n_known: int, row: int) -> str:
    """Where a row of known and new rows stands: the known ones come first."""
    return f"row {row - n_known} of the rows to add" if row > n_known else f"row {row} of the model's data"


def _renamed(new: pl.DataFrame, data: Dataset, table: str, columns: Sequence[str]) -> pl.DataFrame:
    """The standard names in place of those that the files of the model's data have; no time beyond the calendar."""
    new = new.with_columns(within_calendar(column) for column in new.get_columns())
    names = data.reading.columns.get(table, {})
    return new.rename({
        names[c]: c for c in columns if c in names and c not in new.columns and names[c] in new.columns
    })  # fmt: skip


def _require(new: pl.DataFrame, table: str, columns: Sequence[str]) -> None:
    if missing := [c for c in columns if c not in new.columns]:
        hint = nearest(missing[0], new.columns).removesuffix(".")
        message = f"{table}: no column {', '.join(missing)} in the rows to add{hint}"
        raise DataError(f"{message}. Name it so, or as in the files of the model's data.")


def _formed(new: pl.DataFrame | None, known: Table, table: str) -> pl.DataFrame | None:
    """The rows to add in the types of the known ones: a list written as text becomes a list, as in the gate."""
    if new is None:
        return None
    for c in (c for c in new.columns if c in known.roles and c in known.frame.columns):
        formed = to_form(new[c], known.roles[c])
        if formed is not None and known.roles[c] == "multi" and new[c].dtype == pl.String:
            formed = _known_words(new[c], formed, known.frame[c])
        listed = isinstance(known.frame[c].dtype, pl.List)
        if formed is not None and listed and not isinstance(formed.dtype, pl.List):
            formed = to_form(formed, "multi")
        elif formed is not None and known.roles[c] == "text" and not listed and isinstance(formed.dtype, pl.List):
            formed = formed.list.join(" . ")
        if formed is None:
            wrong = new[c].filter(misfits(new[c], known.roles[c])) if new[c].dtype == pl.String else new[c].drop_nulls()
            some = ", ".join(map(short, wrong.head(3).to_list()))
            raise DataError(
                f"{table}.{c}: {len(wrong):,} values of type {new[c].dtype} (e.g. {some}) cannot be read as the "
                f"{known.frame[c].dtype} that the model knows (role {known.roles[c]}). Write them as in its data."
            )
        new = new.with_columns(formed.alias(c))
    return new


def _known_words(texts: pl.Series, lists: pl.Series, known: pl.Series) -> pl.Series:
    """``lists``, but a text that is one known word stays whole: "Sci-Fi, Space" where bars separate in training."""
    whole = texts.str.strip_chars()
    words = known.explode(empty_as_null=False).drop_nulls().unique()
    one = whole.is_in(words.implode()).fill_null(False)
    return pl.select(pl.when(one).then(whole.reshape((-1, 1)).arr.to_list()).otherwise(lists)).to_series()


def _joined(
    known: pl.DataFrame | None, new: pl.DataFrame | None, key: str | None, table: str, formats: Mapping[str, str]
) -> pl.DataFrame:
    if new is None or known is None:
        return known if new is None and known is not None else pl.DataFrame(new)
    if unread := [c for c in new.columns if c not in known.columns and c not in STANDARD[table]]:
        log.info("%s: the model reads no column %s of the rows to add", table, ", ".join(unread))
        new = new.drop(unread)
    for column in ("user_id", "item_id"):
        if column in new.columns and column in known.columns:
            new = new.with_columns(_new_ids(new[column], known[column], table).alias(column))
    for column in ("timestamp", "available_from", "expires_at"):
        if column in new.columns:
            new = new.with_columns(_times(new[column], table, formats).alias(column))
    if key:
        known = known.join(new.select(key), on=key, how="anti")
    try:
        return pl.concat([known, new], how="diagonal_relaxed")
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{table}: the rows to add have other types than those known: {error}") from None


def _allowed(candidates: pl.Series, data: Dataset) -> np.ndarray:
    if not len(candidates):
        raise DataError("candidates: there are no rows, so nothing could be shown. Leave CANDIDATES out for all items.")
    rows = data.items.lookup(_ids(candidates, data.items.ids, "candidates"))
    if unknown := int((rows < 0).sum()):
        some = ", ".join(map(short, candidates.filter(pl.Series(rows < 0)).head(3).to_list()))
        message = f"candidates: {unknown:,} of {len(rows):,} item_ids are unknown to the model (e.g. {some})."
        raise DataError(f"{message} Give their rows by ITEMS=<file>, or leave them out.")
    allowed = np.zeros(len(data.items), bool)
    allowed[rows] = True
    return allowed


def _ids(column: pl.Series, known: pl.Series, table: str) -> pl.Series:
    """Asked ids in the type of the known ones, exactly: null where they cannot be among them."""
    column = within_calendar(column)
    if (advice := unfit(column)) is not None:
        some = ", ".join(map(short, column.head(3).to_list()))
        raise DataError(f"{table}.{column.name}: {len(column):,} values (e.g. {some}). {advice}")
    spoilt = column.filter(is_spoilt(column))
    if len(spoilt) and not bool(as_ids(spoilt, known.dtype).is_in(known.implode()).fill_null(False).all()):
        some = ", ".join(map(short, spoilt.head(3).to_list()))
        message = f"{table}.{column.name}: {len(spoilt):,} ids that a spreadsheet or pandas changed (e.g. {some})."
        raise DataError(f"{message} Write the ids as they are in the model's data: as integers or text.")
    return as_ids(column, known.dtype)


def _new_ids(column: pl.Series, known: pl.Series, table: str) -> pl.Series:
    """Ids of rows to add; one that the model's type of id cannot hold is an error."""
    ids = _ids(column, known, table)
    rows = (ids.is_null() & column.is_not_null()).arg_true()
    if len(rows):
        some = ", ".join(f"{short(column[i])} in row {i + 1}" for i in rows.head(3))
        message = (
            f"{table}.{column.name}: {len(rows):,} ids are no integers of 64 bits (e.g. {some}), as this model's are."
        )
        raise DataError(f"{message} Give such rows integer ids, or train again on data that has both.")
    return ids


def _as_of(frame: pl.DataFrame, formats: Mapping[str, str]) -> np.ndarray:
    if "as_of" not in frame.columns:
        return np.full(frame.height, NO_TIME)
    return _times(frame["as_of"], "queries", formats).dt.epoch("us").fill_null(NO_TIME).to_numpy()


def _warn_too_early(as_of: np.ndarray, first: int) -> None:
    early = (as_of != NO_TIME) & (as_of < first)
    if early.any():
        start, earliest = (np.datetime64(int(t), "us").astype("datetime64[s]") for t in (first, as_of[early][0]))
        log.warning("%d queries have an as_of (e.g. %s) before all data (from %s)", early.sum(), earliest, start)


def _times(column: pl.Series, table: str, formats: Mapping[str, str]) -> pl.Series:
    """Datetime us UTC; null stays null."""
    times = parse_times(column, formats.get(column.name))
    bad = column.is_not_null() if times is None else times.faulty
    if times is None or bad.any():
        some = ", ".join(map(short, column.filter(bad).head(3).to_list()))
        message = f"{table}.{column.name}: {bad.sum():,} values are no times, or none after 1990 (e.g. {some})."
        raise DataError(f"{message} Use UTC times such as 2026-01-31 08:00:00, or numbers since 1970.")
    return times.values
