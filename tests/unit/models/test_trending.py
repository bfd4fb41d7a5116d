"""Trending: votes against age, and no age where none is stated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recommender.models.trending import Trending
from tests.helpers.small import Row, ask, dataset, table, times

ROWS: list[Row] = [("u", "a", 10), ("v", "a", 20), ("u", "b", 40)]


def published(*hours: float | None) -> Any:
    return table("item_id", ["a", "b", "new", "bare"][: len(hours)], available_from=times(hours))


def scores(items: Any, as_of: float | None = 50, **params: Any) -> np.ndarray:
    known = items.take(np.arange(2))
    return (
        Trending(**{"gravity": 1.8, **params}).fit(dataset(ROWS, known)).score(ask([[]], items, as_of=as_of), items)[0]
    )


def test_dated_items_follow_the_formula_of_hacker_news() -> None:
    values = scores(published(0, 30, 49, None))
    expected = [3**0.8 / 52**1.8, 2**0.8 / 22**1.8, 1 / 3**1.8]
    np.testing.assert_allclose(np.exp(values[:3]), expected, rtol=1e-5)
    assert np.isnan(values[3])  # nothing is known of it


def test_where_one_taken_item_has_no_date_all_are_ranked_on_one_scale() -> None:
    values = scores(published(0, None, 49))
    np.testing.assert_allclose(values[:2], scores(table("item_id", ["a", "b"])))
    assert np.isnan(values[2])  # no interaction tells of it


def test_items_without_a_date_fill_no_more_of_the_lists_than_their_share() -> None:
    """Two hundred alike items, of which some lost their date: they stand as high as before."""
    rng = np.random.default_rng(0)
    names = [f"i{n}" for n in range(200)]
    began = rng.integers(0, 500, 200).astype(float)
    rows: list[Row] = [
        (f"u{n}", f"i{i}", float(rng.uniform(began[i], 1000))) for n, i in enumerate(rng.integers(0, 200, 4000))
    ]
    undated = rng.random(200) < 0.4
    stated = [None if gone else hour for gone, hour in zip(undated, began, strict=True)]
    items = table("item_id", names, available_from=times(stated))
    values = Trending().fit(dataset(rows, items)).score(ask([[]], items, as_of=1000), items)[0]
    top = np.argsort(-values)[:50]
    assert 0.2 < undated[top].mean() < 0.6


def test_its_powers_can_be_set() -> None:
    values = scores(published(0, 30), gravity=1, points_power=2)
    np.testing.assert_allclose(np.exp(values), [9 / 52, 4 / 22], rtol=1e-5)


def test_items_without_a_date_are_ranked_by_interactions_that_fade() -> None:
    values = scores(table("item_id", ["a", "b", "new"]))
    points = [32**-1.8 + 22**-1.8, 2**-1.8]  # the last interaction was at hour 40
    np.testing.assert_allclose(np.exp(values[:2]), np.power(points, 0.8), rtol=1e-5)
    assert np.isnan(values[2])


def test_without_a_time_of_query_no_age_is_used() -> None:
    np.testing.assert_allclose(scores(published(0, 30), as_of=None), scores(table("item_id", ["a", "b"])), rtol=1e-6)


def test_an_item_published_since_training_can_trend() -> None:
    values = scores(published(-1000, -1000, 49.9))
    assert values.argmax() == 2


def test_an_item_is_not_younger_than_new() -> None:
    values = scores(published(0, 0, 60))
    assert np.exp(values[2]) == pytest.approx(1 / 2**1.8, rel=1e-5)


def test_by_default_an_item_without_votes_does_not_outrank_a_popular_one_of_some_weeks() -> None:
    weeks = 24.0 * 21
    items = table("item_id", ["hit", "new"], available_from=times([0, weeks - 1]))
    rows: list[Row] = [(f"u{n}", "hit", 10 + n) for n in range(100)]
    values = Trending().fit(dataset(rows, items.take(np.arange(1)))).score(ask([[]], items, as_of=weeks), items)[0]
    assert values[0] > values[1]
