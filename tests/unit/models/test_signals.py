"""Signals: what they count, and that the two ways to read them, pair by pair and weighed, are one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.data.stated import Match
from recommender.models.ease import EASE
from recommender.models.item_knn import ItemKNN
from recommender.models.signals import SHARES, Signals
from tests.helpers.small import Row, ask, dataset, table, times

DAY = 24.0
ROWS: list[Row] = [("u", "a", 0), ("v", "a", 0), ("v", "b", 5 * DAY), ("w", "b", 10 * DAY), ("u", "c", 10 * DAY)]
COLOURS = {"a": "red", "b": "blue", "c": "blue", "new": "red"}
WORDS = ("red fox", "blue sea", "red sun", "sea", "")


def items(ids: str = "abc", *more: str, **columns: Any) -> Table:
    names = [*ids, *more]
    born = times([20 * DAY if i == "new" else -2 * DAY for i in names])
    return table(
        "item_id", names, {"colour": "category"}, colour=[COLOURS[i] for i in names], available_from=born, **columns
    )


def signals(**inputs: Any) -> Signals:
    return Signals(inputs, half_life_positions=1).fit(dataset(ROWS, items()))


def at(rung: Signals, queries: Queries, catalogue: Table) -> np.ndarray:
    """Signals of all pairs, (n_queries, n_items, n)."""
    pairs = np.indices((len(queries), len(catalogue))).reshape(2, -1)
    return rung.at(queries, catalogue, *pairs).reshape(len(queries), len(catalogue), rung.n)


def test_item_signals_are_counted_by_hand() -> None:
    """Popularity at each half-life, new or not, days since published, popularity of the colour."""
    catalogue = items("abc", "new")
    values = signals().of_items(catalogue)
    age = np.array([10.0, 10.0, 5.0, 0.0, 0.0])[:, None]  # of the interactions with a, a, b, b, c
    worth = 0.5 ** (age / (10 * np.array(SHARES)))
    popularity = np.stack([worth[:2].sum(axis=0), worth[2:4].sum(axis=0), worth[4], 0 * worth[4]])
    np.testing.assert_allclose(values[:, : len(SHARES)], np.log1p(popularity), rtol=1e-6)
    assert values[:, len(SHARES)].tolist() == [0, 0, 0, 1]
    np.testing.assert_allclose(values[:, len(SHARES) + 1], np.log1p([12, 12, 12, 0]), rtol=1e-6)
    red, blue = popularity[0, 2], popularity[1:3, 2].sum()  # at the middle half-life
    np.testing.assert_allclose(values[:, -1], np.array([red, blue, blue, red]) / np.hypot(red, blue), rtol=1e-5)


def test_the_likeness_to_a_history_fades_with_each_step_back() -> None:
    catalogue = items("abc", "new")
    rung = signals()
    likeness = at(rung, ask([["a", "b"], ["b"], []], catalogue), catalogue)[:, :, rung.n_item]
    red, blue = np.array([0.5, 1]) / np.hypot(0.5, 1)  # a was taken one step before b
    np.testing.assert_allclose(likeness, [[red, blue, blue, red], [0, 1, 1, 0], [0, 0, 0, 0]], atol=1e-6)


def test_inputs_are_scores_over_the_best_of_the_query_and_nothing_where_they_cannot_tell() -> None:
    catalogue = items("abc", "new")
    rung = signals(ease=EASE(regularization=1))
    queries = ask([["a"], []], catalogue)
    raw = rung.inputs["ease"].score(queries, catalogue)
    assert np.isnan(raw[1]).all()
    values = at(rung, queries, catalogue)[:, :, -2:]
    scaled = np.nan_to_num(raw[0]) / np.nanmax(np.abs(raw[0]))
    np.testing.assert_allclose(values[0, :, 0], scaled, rtol=1e-6)
    np.testing.assert_allclose(values[0, :, 1], np.sign(scaled) * np.sqrt(np.abs(scaled)), rtol=1e-6)
    assert (values[1] == 0).all()


def matched(ids: list[str]) -> Table:
    return table("user_id", ids, {"wants": "text", "likes": "category"}, wants=["red fox"] * len(ids),
                 likes=["blue"] * len(ids))  # fmt: skip


def test_a_user_column_that_is_missing_leaves_the_other_matches_in_their_place() -> None:
    pairs = (Match("wants", "title"), Match("likes", "colour"))
    catalogue = items(title=["red fox", "sea", "sun"])
    catalogue = Table(catalogue.frame, {**catalogue.roles, "title": "text"}, "item_id")
    rung = Signals({}, 1).fit(dataset(ROWS, catalogue, matched(["u", "v", "w"]), pairs))
    whole = matched(["q"])
    partly = Table(whole.frame.drop("wants"), whole.roles, "user_id")
    full, part = (at(rung, ask([[]], catalogue, users), catalogue)[0] for users in (whole, partly))
    wants, likes = rung.n_item + 2, rung.n_item + 3
    assert full[0, wants] == pytest.approx(1)
    assert full[:, likes].tolist() == pytest.approx([0, 1, 1])
    np.testing.assert_array_equal(part[:, wants], 0)
    np.testing.assert_array_equal(np.delete(part, wants, axis=1), np.delete(full, wants, axis=1))
    weights = np.arange(1, rung.n + 1, dtype=np.float32)[None]
    for users, pair in ((whole, full), (partly, part)):
        weighed = rung.weighed(ask([[]], catalogue, users), catalogue, weights)
        np.testing.assert_allclose(weighed[0], pair @ weights[0], rtol=1e-5)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Dataset, Table, Queries]:
    """A few users and items, with any feature missing; candidates that training did not see."""
    n_items, n_users = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    ids = [f"i{n}" for n in range(n_items)]
    users = [f"u{n}" for n in range(n_users)]
    word = st.sampled_from([*WORDS, None])

    def catalogue(names: list[str]) -> Table:
        titles = draw(st.lists(word, min_size=len(names), max_size=len(names)))
        prices = draw(st.lists(st.one_of(st.none(), st.floats(0, 9)), min_size=len(names), max_size=len(names)))
        columns = {"title": table("k", names, title=titles).frame["title"].cast(str), "price": prices}
        return table("item_id", names, {"title": "text", "price": "numeric"}, **columns)

    def people(names: list[str]) -> Table:
        wants = draw(st.lists(word, min_size=len(names), max_size=len(names)))
        frame = table("k", names, wants=wants).frame["wants"].cast(str)
        return table("user_id", names, {"wants": "text"}, wants=frame)

    row = st.tuples(st.sampled_from(users), st.sampled_from(ids), st.floats(0, 99))
    rows: list[Row] = draw(st.lists(row, min_size=1, max_size=20))
    train = dataset(rows, catalogue(ids), people(users), (Match("wants", "title"),))
    candidates = catalogue([*ids, "late"])
    histories = draw(st.lists(st.lists(st.sampled_from([*ids, "late"]), max_size=5), min_size=1, max_size=4))
    asking = people([f"q{n}" for n in range(len(histories))])
    return train, candidates, ask(histories, candidates, asking)


@settings(max_examples=60, deadline=None)
@given(worlds(), st.integers(0, 2**32 - 1), st.booleans())
def test_weighed_is_the_sum_of_all_signals_times_the_weights_of_the_query(
    world: tuple[Dataset, Table, Queries], seed: int, with_inputs: bool
) -> None:
    train, catalogue, queries = world
    inputs: dict[str, Any] = {"item_knn": ItemKNN(), "ease": EASE(regularization=5)} if with_inputs else {}
    rung = Signals(inputs, half_life_positions=2).fit(train)
    weights = np.random.default_rng(seed).normal(size=(len(queries), rung.n)).astype(np.float32)
    pairs = at(rung, queries, catalogue)
    expected = np.einsum("qin,qn->qi", pairs.astype(np.float64), weights)
    values = rung.weighed(queries, catalogue, weights)
    assert values.dtype == np.float32
    assert np.isfinite(pairs).all()
    np.testing.assert_allclose(values, expected, atol=1e-4)
