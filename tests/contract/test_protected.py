"""Protected attributes never choose what anyone is shown: no recommender, rule or re-ranker reads them."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from recommender import config
from recommender.config import Eligibility
from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.errors import ConfigError
from recommender.models import RECOMMENDERS
from recommender.ranking import rerankers
from recommender.ranking.candidates import Candidates
from recommender.ranking.lists import RUNG, Lists
from recommender.ranking.rerankers import RERANKERS
from tests.helpers import worlds

FAST = {"iterations": 3, "epochs": 2, "factors": 8, "no_components": 8, "min_df": 1, "seed": 0}
PARAMS: dict[str, dict[str, Any]] = {
    "calibrated": {"column": "genre"},
    "demote": {"column": "pay"},
    "discount": {"column": "shown"},
    "fair": {"column": "pay"},
    "pins": {"column": "pay"},
    "spread": {"column": "pay", "free": 1},
}
REACH = {"user": "place", "item": "place", "max_km": 100}


def world(seed: int) -> Dataset:
    """Users and items of random groups, told by a category, a text and a number that are protected."""
    data, rng = worlds.two_tastes(), np.random.default_rng(seed)

    def regrouped(table: Table) -> Table:
        group = pl.Series(rng.choice(["women", "men", "others"], len(table)))
        groups = {"gender": group, "belief": "a believer of " + group, "age": group.str.len_chars().cast(pl.Float64)}
        row = pl.int_range(pl.len()).cast(pl.Float64)
        frame = table.frame.with_columns(**groups, place=pl.struct(lat=row, lon=pl.lit(0.0)), pay=row / 10)
        protected = dict.fromkeys(groups, "protected")
        return replace(table, frame=frame, roles={**table.roles, **protected, "place": "location", "pay": "numeric"})

    return replace(data, items=regrouped(data.items), users=regrouped(data.users))


ONE, OTHER = world(0), world(1)


def queries_of(data: Dataset) -> Queries:
    return worlds.ask({"a1": ["r1"], "b2": ["f1", "f2"], "a3": []}, data.items, data.users.take(np.array([0, 6, 2])))


def test_the_groups_differ() -> None:
    assert not ONE.users.frame["gender"].equals(OTHER.users.frame["gender"])
    assert ONE.users.frame["city"].equals(OTHER.users.frame["city"])


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_no_recommender_scores_by_a_protected_column(name: str) -> None:
    known = inspect.signature(RECOMMENDERS[name]).parameters
    params: dict[str, Any] = {key: value for key, value in FAST.items() if key in known}
    one, other = (RECOMMENDERS[name](**params).fit(d).score(queries_of(d), d.items) for d in (ONE, OTHER))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", RERANKERS)
def test_no_re_ranker_orders_by_a_protected_column(name: str) -> None:
    entry = {"name": "it", "reranker": name, "params": PARAMS.get(name, {})}
    rows = np.repeat(np.arange(len(ONE.items))[None], 3, axis=0)
    lists = Lists(rows, -rows.astype(np.float32), np.full(rows.shape, RUNG, np.int8))
    one, other = (
        rerankers.make(scenario(rerank=[entry]))[0].fit(d).order(lists, queries_of(d), d.items) for d in (ONE, OTHER)
    )
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "rules",
    [
        {"blocked_column": "age"},
        {"holds_column": "age"},
        {"moderated_column": "age"},
        {"reach": REACH | {"item": "belief"}},
        {"reach": REACH | {"user": "belief"}},
        {"reach": REACH | {"willing": "gender"}},
        {"seniority": {"user": "gender", "item": "city", "order": ["men", "women"]}},
    ],
)
def test_no_rule_may_read_a_protected_column(rules: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="is protected"):
        Candidates(ONE.items, Eligibility(**rules), np.arange(len(ONE.items))).eligible(queries_of(ONE))


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("demote", {"column": "age"}),
        ("pins", {"column": "age"}),
        ("spread", {"column": "age"}),
        ("fair", {"column": "age"}),
        ("discount", {"column": "gender"}),
        ("mmr", {"columns": ["belief"]}),
        ("calibrated", {"column": "gender"}),
    ],
)
def test_no_re_ranker_may_read_a_protected_column(name: str, params: dict[str, Any]) -> None:
    entry = {"name": "it", "reranker": name, "params": params}
    assert "protected" in rerankers.unsupported(scenario(rerank=[entry]), ONE)["it"]


def scenario(**parts: Any) -> config.Scenario:
    problem = {"what": "", "for_whom": "", "target": 0.1, "cost_of_error": ""}
    ladder = [{"name": "a", "recommender": "popularity"}]
    rules = {"reach": REACH | {"hard": False}}
    return config.parse({"name": "x", "problem": problem, "ladder": ladder, "eligibility": rules, **parts})
