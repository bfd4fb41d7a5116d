"""Gains as money a week and harms as cost, by hand; what is not stated stays so."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from recommender import config
from recommender.config import ProblemStatement
from recommender.errors import ConfigError
from recommender.experiment import rungs
from recommender.experiment.consistency import contradictions
from recommender.experiment.facts import SCHEMA
from recommender.experiment.value import NOT_STATED, costs, tolerable, value_rows, worth
from tests.helpers.small import scenario

STATED: dict[str, Any] = {
    "what": "", "for_whom": "", "target": 0.1, "users_per_week": 2000, "value_per_point": [3, 5],
    "cost_of_error": {"what": "a seeker leaves", "per_1000": {"out_of_reach_at_10": [1, 2]}},
}  # fmt: skip
GAIN = {"topic": "gain", "bucket": "all", "what": "router", "over": "popularity", "metric": "ndcg_at_10", "n": 9,
        "split": "test", "value": 0.02, "low": 0.01, "high": 0.03, "verdict": "gain"}  # fmt: skip
HARM = GAIN | {"topic": "harm", "over": "", "metric": "out_of_reach_at_10", "value": 0.1, "low": 0.05, "high": 0.2}


def problem(**changes: Any) -> ProblemStatement:
    return ProblemStatement.model_validate({**STATED, **changes})


def test_a_gain_is_worth_the_corners_of_its_interval_and_of_the_stated_value() -> None:
    # 2 points x 4 a point and 1,000 users x 2,000 users; 1 point x 3; 3 points x 5
    assert worth(problem(), (0.02, 0.01, 0.03)) == pytest.approx((16, 6, 30))
    assert worth(problem(), (-0.01, -0.02, 0.01)) == pytest.approx((-8, -20, 10))


def test_a_harm_costs_by_the_places_that_have_it() -> None:
    assert costs(problem(), "out_of_reach_at_10", (0.1, 0.05, 0.2)) == pytest.approx((3, 1, 8))
    assert costs(problem(), "spam_at_10", (0.1, 0.05, 0.2)) is None


def test_an_error_is_tolerable_up_to_where_it_costs_what_the_gain_is_surely_worth() -> None:
    assert tolerable(problem(), "out_of_reach_at_10", (0.02, 0.01, 0.03)) == pytest.approx(6 / 40)
    assert tolerable(problem(), "out_of_reach_at_10", (0.02, -0.01, 0.03)) is None
    assert tolerable(problem(value_per_point=[3000, 5000]), "out_of_reach_at_10", (0.02, 0.01, 0.03)) == 1.0


def test_what_is_silent_is_not_stated() -> None:
    silent = problem(value_per_point=None, cost_of_error="a seeker leaves")
    assert silent.cost_of_error.what == "a seeker leaves"
    rows = list(value_rows(silent, [GAIN, HARM]))
    assert [(r["topic"], r["verdict"]) for r in rows] == [("value", NOT_STATED), ("error cost", NOT_STATED)]
    assert all(r.get("value") is None and "is not stated" in r["reason"] for r in rows)


def test_a_gain_and_its_worth_cannot_say_different_things() -> None:
    def facts(*rows: dict[str, Any]) -> pl.DataFrame:
        return pl.DataFrame([{**dict.fromkeys(SCHEMA), "site": "x", "reason": "", **r} for r in rows], schema=SCHEMA)

    (value,) = value_rows(problem(), [GAIN])
    assert contradictions(facts(GAIN, value)) == []
    assert any("worth something else" in f for f in contradictions(facts(GAIN | {"verdict": "open"}, value)))
    assert any("interval says" in f for f in contradictions(facts(GAIN, value | {"low": -1.0})))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"value_per_point": [5, 3]}, "the lower end first"),
        ({"value_per_point": [0, 3]}, "greater than 0"),
        ({"users_per_week": None}, "users_per_week is missing"),
        ({"cost_of_error": {"per_1000": {"out_of_reach_at_10": [-1, 2]}}}, "per_1000.out_of_reach_at_10"),
        ({"cost_of_error": {"per_100": {}}}, "did you mean 'per_1000'"),
    ],
)
def test_values_that_cannot_be_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        scenario(problem={**STATED, **changes})
    assert message in str(error.value)
    assert len(str(error.value)) < 300


def test_a_harm_that_no_metric_measures_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown harm 'spam'; did you mean 'spam_at_10'"):
        rungs.check(scenario(problem={**STATED, "cost_of_error": {"per_1000": {"spam": [1, 2]}}}))


@pytest.mark.parametrize("name", config.scenarios())
def test_shipped_scenarios_state_value_and_users(name: str) -> None:
    shipped = config.load(name).problem
    assert shipped.value_per_point
    assert shipped.users_per_week
    assert shipped.objective
    assert shipped.business_metric
