"""Several kinds of feedback as one strength, and what popularity and ALS make of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.data.dataset import Dataset
from recommender.features.feedback import feedback, strengths
from recommender.models.als import ALS
from recommender.models.popularity import Popularity
from tests.helpers.small import Row, ask, at, dataset, times

ROWS: list[Row] = [("u", "a", 0), ("v", "a", 24), ("v", "b", 48)]


def heard(rows: list[Row], signals: list[tuple[Any, Any, float | None, str]], **weights: float) -> Dataset:
    data = dataset(rows)
    signals_table = pl.DataFrame(
        {
            "user_id": [s[0] for s in signals],
            "item_id": [s[1] for s in signals],
            "timestamp": times([s[2] for s in signals]),
            "event": [s[3] for s in signals],
            "weight": pl.Series([1.0] * len(signals), dtype=pl.Float32),
        },
        schema_overrides={"user_id": pl.String, "item_id": pl.String, "event": pl.String},
    )
    return replace(data, signals=signals_table, event_weights=weights)


SIGNALS: list[tuple[Any, Any, float | None, str]] = [
    ("u", "a", 1, "like"),
    ("u", "a", 2, "like"),
    ("u", "b", 3, "hate"),
    ("v", "b", None, "like"),
    ("v", "a", 30, "shrug"),
    ("nobody", "a", 30, "like"),
    ("u", "unknown", 30, "like"),
]


def test_strengths_add_the_worth_of_each_kind_of_event_once() -> None:
    matrix = strengths(heard(ROWS, SIGNALS, like=2, hate=-3)).toarray()
    np.testing.assert_array_equal(matrix, [[3, -3], [1, 3]])  # u, v x a, b


def test_the_interaction_itself_can_be_weighed() -> None:
    matrix = strengths(heard(ROWS, SIGNALS, take=0.5, like=2)).toarray()
    np.testing.assert_array_equal(matrix, [[2.5, 0], [0.5, 2.5]])


def test_without_weights_signals_say_nothing() -> None:
    data = heard(ROWS, SIGNALS)
    np.testing.assert_array_equal(strengths(data).toarray(), data.matrix().toarray())
    assert feedback(data).weight.tolist() == [1, 1, 1]


def test_signals_have_their_own_age_and_those_without_a_time_that_of_the_oldest() -> None:
    table = feedback(heard(ROWS, SIGNALS, like=2))
    assert table.age_days[:3].tolist() == [2, 1, 0]
    np.testing.assert_allclose(np.sort(table.age_days[3:]), [46 / 24, 47 / 24, 2])


def test_a_signal_after_the_origin_weighs_nothing() -> None:
    data = heard([*ROWS, ("w", "a", 100)], [("v", "a", 25, "like"), ("v", "a", 99, "hate")], like=2, hate=-9)
    assert strengths(data.before(at(60)))[1, 0] == 3


def test_popularity_counts_likes_and_subtracts_dislikes_down_to_nothing() -> None:
    data = heard(ROWS, [("v", "b", 48, "like"), ("u", "a", 48, "hate")], like=2, hate=-9)
    scores = Popularity().fit(data).score(ask([[]], data.items), data.items)
    np.testing.assert_allclose(scores, [[0, 1]])


def test_trusted_popularity_weighs_signals_too() -> None:
    data = heard(ROWS, [("v", "b", 48, "like")], like=2)
    scores = Popularity(trusted=True).fit(data).score(ask([[]], data.items), data.items)
    assert (
        scores[0, 1]
        > Popularity(trusted=True).fit(replace(data, event_weights={})).score(ask([[]], data.items), data.items)[0, 1]
    )


@pytest.mark.parametrize(("confidence", "shape"), [("weight", [2, 6, 4]), ("log_weight", np.log1p([2, 6, 4]))])
def test_the_weight_of_a_pair_counts_as_confidence_around_one(confidence: Any, shape: Any) -> None:
    data = dataset([*ROWS, ("v", "a", 72)])  # played again: its weights add up
    plays = pl.Series([2, 5, 4, 1], dtype=pl.Float32)  # u a, v a, v b, v a
    data = replace(data, interactions=data.interactions.with_columns(weight=plays))
    wanted = np.array(shape) / np.mean(shape)
    matrix = strengths(data, confidence)
    np.testing.assert_allclose(matrix.toarray(), [[wanted[0], 0], [wanted[1], wanted[2]]], rtol=1e-6)
    hated = replace(data, signals=heard(ROWS, [("u", "b", 3, "hate")]).signals, event_weights={"hate": -3})
    np.testing.assert_allclose(strengths(hated, confidence)[0].toarray(), [[wanted[0], -3]], rtol=1e-6)


def test_als_trusts_a_pair_of_large_weight_more() -> None:
    rows: list[Row] = [("u", "a", 0), ("u", "b", 1), ("v", "b", 2), ("w", "a", 3)]
    data = dataset(rows)

    def of_a(weight: float) -> float:
        heavy = data.interactions.with_columns(weight=pl.Series([weight, 1, 1, weight], dtype=pl.Float32))
        model = ALS(factors=2, iterations=3, seed=1, confidence="weight", regularization=1)
        scores = model.fit(replace(data, interactions=heavy)).score(ask([["b"]], data.items), data.items)
        return float(scores[0, data.items.lookup(pl.Series(["a"]))[0]])

    assert of_a(50) != of_a(1)
    assert (
        of_a(1)
        == ALS(factors=2, iterations=3, seed=1, regularization=1)
        .fit(data)
        .score(ask([["b"]], data.items), data.items)[0, data.items.lookup(pl.Series(["a"]))[0]]
    )


def test_als_scores_what_is_hated_below_what_is_unknown() -> None:
    """Two tastes; everyone of the first hates item h, which the second takes."""
    first = [(f"a{n}", i, float(n)) for n in range(8) for i in ("r1", "r2", "r3") if i != f"r{n % 3 + 1}"]
    second = [(f"b{n}", i, float(n)) for n in range(8) for i in ("f1", "f2", "h")]
    hates = [(f"a{n}", "h", 9.0, "hate") for n in range(7)]

    def of_hated(**weights: float) -> float:
        data = heard([*first, *second], hates, **weights)
        scores = ALS(factors=8, seed=1).fit(data).score(ask([["r1", "r2", "f1"]], data.items), data.items)
        return float(scores[0, data.items.lookup(pl.Series(["h"]))[0]])

    assert of_hated(hate=-20) < of_hated()


pairs = st.tuples(st.sampled_from("uv"), st.sampled_from("ab"), st.floats(0, 48), st.sampled_from(["like", "hate"]))


@settings(deadline=None)  # a busy machine
@given(st.lists(pairs, max_size=8), st.floats(0, 5), st.floats(-5, 0))
def test_strengths_are_what_feedback_sums_to_where_nothing_repeats(signals: Any, like: float, hate: float) -> None:
    once = list({(s[0], s[1], s[3]): s for s in signals}.values())
    data = heard(ROWS, once, like=like, hate=hate)
    assert strengths(data).sum() == pytest.approx(feedback(data).weight.sum(), abs=1e-4)
