"""What a recommender says that it reads is what it reads: else its control would be left out, or be itself."""

from __future__ import annotations

import inspect
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest

from recommender import config
from recommender.config import Scenario
from recommender.data.dataset import Dataset
from recommender.data.gate import from_frames
from recommender.data.split import Fold, folds
from recommender.experiment.controls import FEATURES, TIMES, uses, without_features, without_times
from recommender.models import RECOMMENDERS
from tests.helpers import worlds

FAST = {"iterations": 3, "epochs": 2, "factors": 8, "no_components": 8, "min_df": 1, "half_life_share": 0.2, "seed": 0}


def scenario() -> Scenario:
    problem = {"what": "", "for_whom": "", "target": 0.1, "cost_of_error": ""}
    split = {"validation": [0.5], "test": 0.7, "min_train": 5}
    return config.parse(
        {"name": "x", "problem": problem, "split": split, "ladder": [{"name": "a", "recommender": "als"}]}
    )


def world() -> Dataset:
    """Many users of two tastes, unequally active, some of them late, and items that state no availability."""
    rng = np.random.default_rng(0)
    tastes = {"a": ["r1", "r2", "r3", "r4", "x1"], "b": ["f1", "f2", "f3", "f4", "x2"]}
    taken = {f"{t}{n}": list(rng.permutation(tastes[t])[: rng.integers(2, 5)]) for t in tastes for n in range(40)}
    items = worlds.items_table(worlds.ITEMS)
    undated = type(items)(items.frame.drop("available_from"), items.roles, items.key)
    shop = worlds.dataset(taken, undated, worlds.users_table(tuple(taken)))
    late = pl.col("user_id").str.slice(1).cast(pl.Int64) >= 30
    times = pl.col("timestamp") + pl.when(late).then(pl.duration(days=8)).otherwise(pl.duration(days=0))
    return replace(shop, interactions=shop.interactions.with_columns(times).sort("timestamp", maintain_order=True))


@pytest.fixture(scope="module")
def fold() -> Fold:
    return list(folds(world(), scenario().split, scenario().eligibility))[-1]


@cache
def fold_of_members(symmetric: bool) -> Fold:
    """Links between sixty members, for what reads only those."""
    rng = np.random.default_rng(0)
    ends = np.unique(rng.integers(0, 60, (300, 2)), axis=0)
    ends = ends[ends[:, 0] < ends[:, 1]]
    days = pl.Series(rng.permutation(len(ends)))
    links = pl.DataFrame(
        {"user_id": ends[:, 0], "item_id": ends[:, 1], "timestamp": days.cast(pl.Int64) * 86400 + 1.6e9}
    )
    members = pl.DataFrame({"user_id": np.arange(60), "contact_key": [f"k{n}" for n in range(60)]})
    books = members.with_columns(contacts=pl.Series([[f"k{n * 7 % 60}"] for n in range(60)]))
    spec = {"relation": {"symmetric": symmetric}}
    data = from_frames(links, books.select(pl.col("user_id").alias("item_id")), books, spec)
    return list(folds(data, scenario().split, scenario().eligibility))[-1]


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_a_recommender_has_the_controls_of_what_it_reads_and_no_others(name: str, fold: Fold) -> None:
    if getattr(RECOMMENDERS[name], "needs_relation", False):
        fold = fold_of_members(symmetric=not getattr(RECOMMENDERS[name], "needs_direction", False))
    known = inspect.signature(RECOMMENDERS[name]).parameters
    params: dict[str, Any] = {key: value for key, value in FAST.items() if key in known}
    kinds = uses(RECOMMENDERS[name](**params), scenario())
    for kind, changed in ((FEATURES, without_features(fold, scenario())), (TIMES, without_times(fold, scenario()))):
        plain, other = (RECOMMENDERS[name](**params).fit(f.train).score(f.queries, f.items) for f in (fold, changed))
        if kind in kinds:
            assert not np.array_equal(plain, other, equal_nan=True), f"{name} declares {kind}, which changes nothing"
        else:
            np.testing.assert_allclose(plain, other, rtol=1e-4, atol=1e-5, err_msg=f"{name} does not declare {kind}")


def test_popularity_has_the_controls_of_its_parameters() -> None:
    make = RECOMMENDERS["popularity"]
    assert uses(make(), scenario()) == []
    assert uses(make(half_life_share=0.1), scenario()) == [TIMES]
    assert uses(make(segment=["city"]), scenario()) == [FEATURES]


def test_where_the_split_is_not_in_time_no_control_is_of_times() -> None:
    random = scenario().model_copy(update={"split": config.Split(kind="random")})
    assert uses(RECOMMENDERS["user_ease"](), random) == [FEATURES]


def test_a_control_asks_the_same_of_the_same_users(fold: Fold) -> None:
    for changed in (without_features(fold, scenario()), without_times(fold, scenario())):
        assert changed.queries.ids.equals(fold.queries.ids)
        assert changed.items.ids.equals(fold.items.ids)
        assert (changed.truth != fold.truth).nnz == 0
        assert set(changed.train.interactions["user_id"]) == set(fold.train.interactions["user_id"])
        np.testing.assert_array_equal(changed.item_counts, fold.item_counts)


def test_shuffled_features_are_the_same_in_training_and_in_what_is_asked(fold: Fold) -> None:
    changed = without_features(fold, scenario())
    assert not changed.items.frame["title"].equals(fold.items.frame["title"])
    for trained, queried in ((changed.train.items, changed.items), (changed.train.users, changed.queries.users)):
        both = trained.frame.join(queried.frame.unique(), on=queried.key, suffix="_asked")
        assert both.height > 0
        for column in trained.roles:
            assert both[column].equals(both[f"{column}_asked"], null_equal=True), column


def test_what_a_rule_reads_stays_with_its_item(fold: Fold) -> None:
    ruled = scenario().model_copy(update={"eligibility": config.Eligibility(editorial_column="title")})
    changed = without_features(fold, ruled)
    assert changed.items.frame["title"].equals(fold.items.frame["title"])
    assert not changed.items.frame["genre"].equals(fold.items.frame["genre"])
