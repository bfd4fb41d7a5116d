"""Faults of the data as the watched series show them, on days that are otherwise alike."""

from __future__ import annotations

import numpy as np
import polars as pl

from recommender.data.dataset import Dataset
from recommender.operate.advice import DATA, NOTHING, advise
from recommender.operate.aging import Aging
from recommender.operate.daily import Span, data_streams
from recommender.operate.stream import Watched, threshold, watch
from tests.helpers.small import at, dataset, table

SHIPPED, DAYS = 70, 110
NOTHING_FITTED = Aging(None, None, None, None)


def world(*, alive: float = 1.0, salary_times: float = 1.0) -> tuple[Dataset, Dataset]:
    """About 40 interactions a day with items that are published eight a day; from day 90 on, only the share ``alive``
    arrives, and new items state another salary."""
    rng = np.random.default_rng(0)
    per_day = rng.poisson([40 * (alive if d >= 90 else 1) for d in range(DAYS)])
    rows = []
    for d, n in enumerate(per_day):
        item = rng.integers(max(0, 8 * d - 80), 8 * d + 8, n)
        rows += [(f"u{rng.integers(600)}", f"i{i}", 24 * d + 23 * rng.random()) for i in item]
    published = np.repeat(np.arange(DAYS), 8)
    salary = rng.lognormal(3, 0.4, 8 * DAYS) * np.where(published >= 90, salary_times, 1)
    items = table("item_id", [f"i{n}" for n in range(8 * DAYS)], {"salary": "numeric"}, salary=salary,
                  available_from=pl.Series([at(24 * int(d)) for d in published]))  # fmt: skip
    data = dataset(rows, items)
    return data, data.before(at(24 * SHIPPED))


def seen(data: Dataset, known: Dataset) -> dict[str, Watched]:
    span = Span.of(data, int(known.timestamps.max()), 60)
    streams = data_streams(data, known, span)
    return {s.name: watch(s, threshold(len(streams), 0.1)) for s in streams}


def alarms(watched: dict[str, Watched]) -> set[str]:
    return {name for name, w in watched.items() if w.alarm is not None}


def test_nothing_is_an_alarm_where_nothing_changed() -> None:
    watched = seen(*world())
    assert alarms(watched) == set()
    assert {"interactions", "new_users", "popularity", "items.salary"} <= set(watched)
    assert advise(list(watched.values()), NOTHING_FITTED, None).action == NOTHING


def test_a_feed_that_loses_rows_is_an_alarm_within_days() -> None:
    watched = seen(*world(alive=0.4))
    one = watched["interactions"]
    first = one.stream.shipped - SHIPPED + 90
    assert one.alarm is not None
    assert first < one.alarm <= first + 5
    advice = advise(list(watched.values()), NOTHING_FITTED, None)
    assert (advice.action, advice.where) == (DATA, ("interactions",))


def test_another_unit_is_an_alarm_that_names_the_column() -> None:
    watched = seen(*world(salary_times=12))
    assert alarms(watched) == {"items.salary"}
    assert advise(list(watched.values()), NOTHING_FITTED, None).where == ("items.salary",)
