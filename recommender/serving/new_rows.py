"""Rows that a served model has not seen: of items, users and interactions, through the same gate as its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import polars as pl

from recommender.data.dataset import Dataset, Table
from recommender.data.findings import short
from recommender.data.forms import misfits, to_form
from recommender.data.gate import Tables, build, tables_of
from recommender.data.ids import as_ids, is_spoilt, unfit
from recommender.data.spec import STANDARD
from recommender.data.threshold import within
from recommender.data.times import parse_times, within_calendar
from recommender.errors import DataError, nearest
from recommender.serving.known import positive_event

log = logging.getLogger(__name__)


def extended(
    data: Dataset, items: pl.DataFrame | None, users: pl.DataFrame | None, interactions: pl.DataFrame | None
) -> Dataset:
    """``data`` with further rows, through the same gate; a new row replaces a known one of the same id."""
    if items is None and users is None and interactions is None:
        return data
    known = tables_of(data)
    if interactions is not None:  # as in a data set without these columns
        interactions = renamed(interactions, data, "interactions", STANDARD["interactions"])
        timed = known.interactions.height > 0 and not known.interactions["timestamp"].has_nulls()
        _require(interactions, "interactions", ["user_id", "item_id", *(["timestamp"] if timed else [])])
        given = {"event": positive_event(data), "weight": within(data.reading.weight)}
        absent = [pl.lit(value).alias(c) for c, value in given.items() if c not in interactions.columns]
        interactions = interactions.with_columns(absent)
    if items is not None:
        _require(items := renamed(items, data, "items", STANDARD["items"]), "items", ["item_id"])
    if users is not None:
        _require(users := renamed(users, data, "users", STANDARD["users"]), "users", ["user_id"])
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


def renamed(new: pl.DataFrame, data: Dataset, table: str, columns: Sequence[str]) -> pl.DataFrame:
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
            new = new.with_columns(times(new[column], table, formats).alias(column))
    if key:
        known = known.join(new.select(key), on=key, how="anti")
    try:
        return pl.concat([known, new], how="diagonal_relaxed")
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{table}: the rows to add have other types than those known: {error}") from None


def query_ids(column: pl.Series, known: pl.Series, table: str) -> pl.Series:
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
    ids = query_ids(column, known, table)
    rows = (ids.is_null() & column.is_not_null()).arg_true()
    if len(rows):
        some = ", ".join(f"{short(column[i])} in row {i + 1}" for i in rows.head(3))
        which = "id is no integer" if len(rows) == 1 else "ids are no integers"
        message = f"{table}.{column.name}: {len(rows):,} {which} of 64 bits (e.g. {some}), as this model's are."
        raise DataError(f"{message} Give such rows integer ids, or train again on data that has both.")
    return ids


def times(column: pl.Series, table: str, formats: Mapping[str, str]) -> pl.Series:
    """Datetime us UTC; null stays null."""
    times = parse_times(column, formats.get(column.name))
    bad = column.is_not_null() if times is None else times.faulty
    if times is None or bad.any():
        some = ", ".join(map(short, column.filter(bad).head(3).to_list()))
        message = f"{table}.{column.name}: {bad.sum():,} values are no times, or none after 1990 (e.g. {some})."
        raise DataError(f"{message} Use UTC times such as 2026-01-31 08:00:00, or numbers since 1970.")
    return times.values
