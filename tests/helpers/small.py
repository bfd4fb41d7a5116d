"""Data sets and queries of a few rows, with times in hours, for tests that count by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from recommender import config
from recommender.data.dataset import NO_TIME, Dataset, Table
from recommender.data.queries import History, Queries
from recommender.data.stated import Match
from recommender.data.times import to_microseconds

START = datetime(2026, 1, 1, tzinfo=UTC)
TIME = pl.Datetime("us", "UTC")
Row = tuple[Any, Any, float | None]  # user, item, hour (None: no time)


def scenario(**parts: Any) -> config.Scenario:
    """A scenario of one rung, popularity, and whatever else is given."""
    problem = {"what": "", "for_whom": "", "target": 0.1, "cost_of_error": ""}
    ladder = [{"name": "popularity", "recommender": "popularity"}]
    return config.parse({"name": "x", "problem": problem, "ladder": ladder, **parts})


def at(hour: float) -> datetime:
    return START + timedelta(hours=hour)


def us(hour: float | None) -> int:
    return NO_TIME if hour is None else to_microseconds(at(hour))


def times(hours: Sequence[float | None]) -> pl.Series:
    return pl.Series([None if h is None else at(h) for h in hours], dtype=TIME)


def table(key: str, ids: Sequence[Any], roles: Mapping[str, str] | None = None, **columns: Any) -> Table:
    return Table(pl.DataFrame({key: list(ids), **columns}), roles or {}, key)


def dataset(
    rows: Sequence[Row], items: Table | None = None, users: Table | None = None, match: Sequence[Match] = ()
) -> Dataset:
    """Sorted by time, rows without one first, as the gate leaves them."""
    ordered = sorted(rows, key=lambda r: us(r[2]))
    interactions = pl.DataFrame({
        "user_id": [r[0] for r in ordered],
        "item_id": [r[1] for r in ordered],
        "timestamp": times([r[2] for r in ordered]),
    }).with_columns(event=pl.lit("take"), weight=pl.lit(1, pl.Float32))  # fmt: skip
    items = items or table("item_id", sorted({r[1] for r in rows}))
    users = users or table("user_id", sorted({r[0] for r in rows}))
    return Dataset("small", interactions, items, users, tuple(match))


def ask(
    histories: Sequence[Sequence[Any]],
    items: Table,
    users: Table | None = None,
    as_of: Sequence[float | None] | float | None = 100.0,
) -> Queries:
    """One query per history, its entries oldest first and an hour apart; the last an hour before the query."""
    n = len(histories)
    hours = list(as_of) if isinstance(as_of, Sequence) else [as_of] * n
    taken = [i for h in histories for i in h]
    stamps = [
        us(None if hours[q] is None else hours[q] - back) for q in range(n) for back in range(len(histories[q]), 0, -1)
    ]
    indptr = np.concatenate([[0], np.cumsum([len(h) for h in histories])]).astype(np.int64)
    rows = items.lookup(pl.Series(taken, dtype=items.ids.dtype))
    users = users or table("user_id", [f"u{q}" for q in range(n)])
    return Queries(users, np.array([us(h) for h in hours]), History(indptr, rows, np.array(stamps, dtype=np.int64)))
