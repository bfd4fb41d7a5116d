"""EASE with user features: the closed form on [history | features | 1], and what it can and cannot tell."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.errors import UserError
from recommender.models import ease
from recommender.models.ease import EASE
from recommender.models.item_knn import ItemKNN
from recommender.models.side_features import SideFeatures
from recommender.models.user_ease import UserEASE
from tests.helpers.small import Row, ask, dataset, table

DAY = 24.0


def world(n_users: int = 30, n_items: int = 8, seed: int = 0) -> Dataset:
    """Users of two cities; in each another half of the items is taken more often."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for user in range(n_users):
        liking = np.where(np.arange(n_items) % 2 == user % 2, 5.0, 1.0)
        for item in rng.choice(n_items, rng.integers(1, 5), replace=False, p=liking / liking.sum()):
            rows.append((f"u{user:02}", f"i{item}", float(rng.uniform(0, 30 * DAY))))
    rows += [("u00", "i0", 0.0), ("u00", "i1", 30 * DAY)]  # the training period is whole
    users = table(
        "user_id", [f"u{n:02}" for n in range(n_users)], {"city": "category", "sex": "protected"},
        city=["xy"[n % 2] for n in range(n_users)], sex=["fm"[n // 2 % 2] for n in range(n_users)],
    )  # fmt: skip
    return dataset(rows, table("item_id", [f"i{n}" for n in range(n_items)]), users)


def people(*cities: str | None) -> Table:
    ids = [f"q{n}" for n in range(len(cities))]
    return table("user_id", ids, {"city": "category"}, city=list(cities))


def ridge(rows: np.ndarray, regularization: float) -> np.ndarray:
    """Each column from all the others by regularised least squares, column by column, in float64."""
    n = rows.shape[1]
    weights = np.zeros((n, n))
    for target in range(n):
        others = np.delete(np.arange(n), target)
        x = rows[:, others]
        weights[others, target] = np.linalg.solve(x.T @ x + regularization * np.eye(n - 1), x.T @ rows[:, target])
    return weights


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 100), st.sampled_from([1.0, 20.0, 400.0]), st.sampled_from([0.0, 0.5, 2.0]))
def test_weights_are_those_of_a_ridge_regression_from_history_features_and_one(
    seed: int, regularization: float, feature_weight: float
) -> None:
    train = world(seed=seed)
    model = UserEASE(regularization, feature_weight, half_life_share=None).fit(train)
    features = SideFeatures(5).fit(train.users, np.arange(len(train.users))).transform(train.users).toarray()
    rows = np.column_stack([train.matrix().toarray(), feature_weight * features, np.ones(len(train.users))])
    expected = ridge(rows.astype(np.float64), regularization)[:, train.item_counts.nonzero()[0]]
    np.testing.assert_allclose(model.weights_, expected, atol=2e-4)


def test_without_features_and_decay_it_is_ease_with_a_column_of_ones() -> None:
    train = world()
    model = UserEASE(regularization=10, feature_weight=0, half_life_share=None).fit(train)
    with_ones = sp.hstack([train.matrix(), np.ones((len(train.users), 1), np.float32)], format="csr")
    plain = ease.closed_form(with_ones, 10)[:, : len(train.items)]
    np.testing.assert_allclose(np.delete(model.weights_, [-3, -2], axis=0), plain, atol=1e-6)  # two cities
    queries = ask([["i0", "i3"], []], train.items, people("x", "y"))
    scores = model.score(queries, train.items)
    np.testing.assert_allclose(scores[0], plain[0] + plain[3] + plain[-1], atol=1e-5)
    assert np.isnan(scores[1]).all()  # of whom a feature that weighs nothing is known


def test_a_user_without_history_gets_what_users_like_them_take() -> None:
    train = world(200)
    model = UserEASE(regularization=10).fit(train)
    scores = model.score(ask([[], [], []], train.items, people("x", "y", None)), train.items)
    even = np.arange(len(train.items)) % 2 == 0
    assert ((scores[0] > scores[1]) == even).all()
    assert np.isnan(scores[2]).all()


def test_protected_columns_are_never_read() -> None:
    train = world()
    other = train.users.frame.with_columns(sex=train.users.frame["sex"].reverse())
    turned = Dataset("turned", train.interactions, train.items, Table(other, train.users.roles, "user_id"))
    np.testing.assert_array_equal(UserEASE().fit(train).weights_, UserEASE().fit(turned).weights_)


def test_an_interaction_counts_the_root_of_its_decay_and_of_repeats_the_latest_counts() -> None:
    rows: list[Row] = [("u", "a", 0), ("u", "b", 10 * DAY), ("u", "a", 20 * DAY), ("v", "a", 0), ("w", "c", 30 * DAY)]
    train = dataset(rows)
    matrix = UserEASE(half_life_share=0.5)._history(train, np.arange(3)).toarray()  # half every 15 of 30 days
    worth = {day: 0.5 ** ((30 - day) / 15 / 2) for day in (0, 10, 20)}
    np.testing.assert_allclose(matrix, [[worth[20], worth[10], 0], [worth[0], 0, 0], [0, 0, 1]], rtol=1e-6)
    plain = UserEASE(half_life_share=None)._history(train, np.arange(3)).toarray()
    np.testing.assert_array_equal(plain, train.matrix().toarray())


@pytest.mark.parametrize("make", [partial(EASE, 1.0), partial(UserEASE, 1.0), ItemKNN])
def test_a_trend_multiplies_scores_by_a_power_of_the_recent_share(make: Any) -> None:
    """Half every 15 of 30 days: a has 1 + .5, b has .25 + .25, c has .25."""
    rows: list[Row] = [("u", "a", 30 * DAY), ("v", "a", 15 * DAY), ("u", "b", 0), ("v", "b", 0), ("w", "c", 0)]
    train, histories = dataset(rows), [["a"], ["b"], ["a", "c"]]
    plain = make().fit(train).score(ask(histories, train.items), train.items)
    values = make(trend=0.5, trend_share=0.5).fit(train).score(ask(histories, train.items), train.items)
    shares = np.array([1, 0.5 / 1.5, 0.25 / 1.5]) + 0.01
    np.testing.assert_allclose(values, plain * shares**0.5, rtol=1e-5)


def test_a_history_fades_by_position() -> None:
    train = world()
    both, last = (EASE(half_life_positions=p).fit(train) for p in (1.0, None))
    items = train.items
    alone = [last.score(ask([[i]], items), items)[0] for i in ("i0", "i1")]
    np.testing.assert_allclose(both.score(ask([["i0", "i1"]], items), items)[0], alone[0] / 2 + alone[1], atol=1e-6)
    faded, users = UserEASE(half_life_positions=1.0).fit(train), people("x", "x", "x", "x")
    before, first, second, scores = faded.score(ask([[], ["i0"], ["i1"], ["i0", "i1"]], items, users), items)
    np.testing.assert_allclose(scores - before, (first - before) / 2 + second - before, atol=1e-6)


def test_what_a_cap_leaves_out_is_unknown_and_the_rest_is_learned_without_it() -> None:
    train = world()
    popular = set(np.argsort(-train.item_counts, kind="stable")[:4].tolist())
    scores = UserEASE(item_cap=4).fit(train).score(ask([["i0"]], train.items, people("x")), train.items)
    assert set(np.flatnonzero(np.isfinite(scores[0])).tolist()) == popular


def test_queries_that_come_without_the_feature_columns_are_served_by_their_history() -> None:
    train = world()
    model = UserEASE().fit(train)
    bare: Queries = ask([["i0"], []], train.items, table("user_id", ["q0", "q1"]))
    scores = model.score(bare, train.items)
    assert np.isfinite(scores[0]).all()
    assert np.isnan(scores[1]).all()


@pytest.mark.parametrize("params", [{"memory_mb": 0.0005}, {"memory_mb": 0.0005, "item_cap": 7}])
def test_more_columns_than_fit_in_memory_are_refused_with_a_way_out(params: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"user_ease: .*memory_mb=0\.0005.*item_cap="):
        UserEASE(**params).fit(world())
