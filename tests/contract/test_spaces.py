"""What tuning searches, checked against every recommender."""

from __future__ import annotations

import inspect
from typing import Any

import optuna
import pytest

from recommender import config
from recommender.config import Rung, Scenario
from recommender.experiment import rungs
from recommender.experiment.search import spread
from recommender.experiment.search_spaces import answers, draw, space, suggest
from recommender.models import RECOMMENDERS
from recommender.models.space import Float, OneOf

PROBLEM = {"what": "", "for_whom": "", "target": 0.1, "cost_of_error": ""}


def scenario(rung: Rung) -> Scenario:
    return config.parse({"name": "small", "problem": PROBLEM, "ladder": [rung.model_dump()]})


def study(seed: int = 0) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed))


def ladders() -> list[Any]:
    """Every rung of the scenarios that ship."""
    return [
        pytest.param(rung, id=f"{s}-{rung.name}") for s in config.scenarios() for rung in config.load(s).ladder
    ]  # fmt: skip


@pytest.mark.parametrize("name", list(RECOMMENDERS))
def test_what_is_searched_are_parameters_of_the_recommender(name: str) -> None:
    assert set(RECOMMENDERS[name].space) <= set(inspect.signature(RECOMMENDERS[name]).parameters)
    for p in RECOMMENDERS[name].space.values():
        assert len(p.values) > 1 if isinstance(p, OneOf) else 0 < p.low < p.high


def test_only_what_has_a_space_is_drawn_from() -> None:
    drawn = {name for name, recommender in RECOMMENDERS.items() if getattr(recommender, "draws", 0)}
    assert {"item_knn", "als", "bpr", "ease"} <= drawn <= {n for n, r in RECOMMENDERS.items() if r.space}


@pytest.mark.parametrize("name", list(RECOMMENDERS))
def test_defaults_need_no_wider_space(name: str) -> None:
    rung = Rung(name=name, recommender=name)
    assert space(rung, [{}]) == RECOMMENDERS[name].space


@pytest.mark.parametrize("rung", ladders())
def test_whatever_is_suggested_makes_a_recommender(rung: Rung) -> None:
    searched, trials = space(rung, rungs.settings(rung)), study()
    for _ in range(30):
        rungs.make(rung, {**rung.params, **suggest(trials.ask(), searched)}, scenario(rung))
    for point in [*spread(30, len(searched), 0), [0.0] * len(searched), [1 - 1e-9] * len(searched)]:
        drawn = draw(searched, point)
        assert set(drawn) == set(searched)
        rungs.make(rung, {**rung.params, **drawn}, scenario(rung))


@pytest.mark.parametrize("rung", ladders())
def test_a_setting_of_the_ladder_is_suggested_as_told(rung: Rung) -> None:
    starts = rungs.settings(rung)
    searched, trials = space(rung, starts), study()
    defaults = {n: p.default for n, p in inspect.signature(RECOMMENDERS[rung.recommender]).parameters.items()}
    for setting in starts:
        trials.enqueue_trial(answers(rung, setting, searched))
        drawn_setting = suggest(trials.ask(), searched)
        whole = {**defaults, **setting}
        assert set(drawn_setting) == set(searched)
        assert {n: list(v) if isinstance(v, list) else v for n, v in drawn_setting.items()} == {
            n: list(whole[n]) if isinstance(whole[n], list | tuple) else whole[n] for n in searched
        }


def test_a_space_widens_to_the_settings_that_are_given() -> None:
    rung = Rung(name="als", recommender="als")
    searched = space(rung, [{"factors": 4, "alpha": 500.0}, {"regularization": 0}])
    factors, alpha, regularization = (searched[n] for n in ("factors", "alpha", "regularization"))
    assert isinstance(factors, Float)
    assert (factors.low, factors.high) == (4, 128)
    assert isinstance(alpha, Float)
    assert (alpha.low, alpha.high) == (0.3, 500)
    assert isinstance(regularization, Float)
    assert regularization.also == (0,)  # a range in logarithms has no zero
    assert searched["iterations"] == RECOMMENDERS["als"].space["iterations"]


def test_what_only_the_candidates_vary_is_searched_among_their_values() -> None:
    rung = Rung(name="p", recommender="popularity", params={"prior": 5.0})
    searched = space(rung, [{"prior": 5.0}, {"prior": 5.0, "segment": ["city"]}, {"prior": 5.0, "window_days": 7}])
    assert searched["segment"] == OneOf(((), ["city"]))
    assert searched["window_days"] == OneOf((None, 7))
    assert "prior" not in searched
    segments = {str(suggest(trial, searched)["segment"]) for trial in (study(seed).ask() for seed in range(20))}
    assert segments == {"[]", "['city']"}
