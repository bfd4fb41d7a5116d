"""Looks of successive halving: what the first spends, what the next need not do again, who goes on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from recommender.config import Rung
from recommender.data.dataset import Dataset
from recommender.data.split import folds
from recommender.errors import DataError, UserError
from recommender.evaluation.effort import EffortLog
from recommender.experiment import looks, tuning
from recommender.models import RECOMMENDERS
from recommender.models.item_knn import ItemKNN
from recommender.models.space import MostTaken
from tests.helpers.formula import EASE, KNN, Formula, data, scenario
from tests.helpers.small import Row, dataset

ALS = {"name": "als", "recommender": "als"}
BAD = {"regularization": 5000.0}


def tuned(folder: Path, *entries: dict[str, Any], trials: int = 25) -> list[dict[str, Any]]:
    chosen = scenario(*entries, tune={"trials": trials})
    return [r.params for r in tuning.tune(data(), chosen, folder, EffortLog(), lambda _: None).ladder]


def n_users(values: list[np.ndarray]) -> list[int]:
    return [len(v) for v in values]


def test_the_first_look_asks_few_users_of_a_cheaper_fit(
    formula: type[Formula], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "FEW", 7)
    rung, chosen = Rung(**ALS), scenario(ALS)
    runners = looks.validation_runners(data(), chosen, EffortLog())
    assert n_users(list(looks.looks(rung, {"alpha": 2.0}, runners))) == [7, *(len(r.fold.first) for r in runners)]
    assert [p for _, p, _ in formula.calls] == [{"alpha": 2.0, "iterations": 3}, {"alpha": 2.0}, {"alpha": 2.0}]
    assert [o for _, _, o in formula.calls] == [runners[n].fold.origin for n in (0, 0, 1)]


def test_what_costs_most_has_two_cheaper_looks_and_the_second_asks_all(
    formula: type[Formula], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "FEW", 7)
    rung, setting = Rung(name="lightfm", recommender="lightfm"), {"epochs": 20}
    runners = looks.validation_runners(data(), scenario(ALS), EffortLog())
    n_asked = n_users(list(looks.looks(rung, setting, runners)))
    assert [p["epochs"] for _, p, _ in formula.calls] == [2, 6, 20, 20]
    assert n_asked == [7, *(len(runners[n].fold.first) for n in (0, 0, 1))]
    assert looks.n_looks(rung, setting, runners) == 4


def test_a_setting_that_learns_few_items_anyway_has_its_looks_where_others_have_theirs(
    formula: type[Formula], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RECOMMENDERS["ease"], "cheaper", MostTaken("item_cap", 10))
    runners = looks.validation_runners(data(), scenario(EASE), EffortLog())
    for setting in ({}, {"item_cap": 5}, {"item_cap": 20}):
        formula.calls.clear()
        list(looks.looks(Rung(**EASE), setting, runners))
        assert [o for _, _, o in formula.calls] == [runners[n].fold.origin for n in (0, 0, 1)]
        assert looks.n_looks(Rung(**EASE), setting, runners) == 3


@pytest.mark.parametrize(
    "split",
    [
        {"validation": [0.3, 0.4, 0.5, 0.6, 0.7]},
        {"validation": [0.5]},
        {"validation": [0.2], "retrain_days": "auto", "test": 0.9},
        {"validation": [0.2], "retrain_days": 0.4, "test": 0.9},
        {"kind": "random"},
    ],
)
@pytest.mark.parametrize("repeats", [True, False])
def test_about_three_origins_are_searched_evenly_spread_and_the_latest_first(
    formula: type[Formula], split: dict[str, Any], repeats: bool
) -> None:
    chosen = scenario(KNN, split={"min_train": 20} | split, eligibility={"repeats": repeats})
    *validation, _ = (fold.origin for fold in folds(data(), chosen.split, chosen.eligibility))
    searched = [r.fold.origin for r in looks.validation_runners(data(), chosen, EffortLog())]
    assert searched == validation[:: -max(1, round(len(validation) / 3))]


def test_no_search_sees_the_test_where_a_random_split_has_fewer_parts_than_planned() -> None:
    rows: list[Row] = [(f"u{n}", item, None) for n in range(3) for item in "abcd"]
    fewer = 0
    for seed in range(40):
        chosen = scenario(KNN, split={"kind": "random", "seed": seed, "min_train": 1})
        try:
            n_folds = len(list(folds(dataset(rows), chosen.split, chosen.eligibility)))
        except DataError:
            continue
        fewer += n_folds <= chosen.split.most_origins
        runners = looks.validation_runners(dataset(rows), chosen, EffortLog())
        assert {r.fold.split for r in runners} <= {"validation"}
    assert fewer


def test_a_rung_without_a_cheaper_fit_and_with_few_users_has_a_look_per_origin(formula: type[Formula]) -> None:
    runners = looks.validation_runners(data(), scenario(KNN), EffortLog())
    assert len(list(looks.looks(Rung(**KNN), {}, runners))) == looks.n_looks(Rung(**KNN), {}, runners) == len(runners)


def test_what_the_first_look_fitted_in_full_is_not_fitted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    rung, setting, fits = Rung(**KNN), {"K": 7}, []
    runners = looks.validation_runners(data(), scenario(KNN), EffortLog())
    as_one = list(looks.looks(rung, setting, runners))
    fit = ItemKNN.fit

    def counted(self: ItemKNN, train: Dataset) -> ItemKNN:
        fits.append(train)
        return fit(self, train)

    monkeypatch.setattr(ItemKNN, "fit", counted)
    monkeypatch.setattr(looks, "FEW", 7)
    few, *whole = looks.looks(rung, setting, runners)
    assert len(few) == 7
    assert len(fits) == len(runners)
    assert all((a == b).all() for a, b in zip(whole, as_one, strict=True))


def test_one_trial_in_four_goes_on_and_the_rungs_own_settings_always_do(tmp_path: Path, formula: type[Formula]) -> None:
    given = [{}, BAD, {"regularization": 4000.0}, {"regularization": 9000.0}]
    tuned(tmp_path, ALS | {"candidates": given})
    settings = [tuple((n, v) for n, v in p.items() if n != "iterations") for _, p, _ in formula.calls]
    n_looks = {setting: settings.count(setting) for setting in settings}
    of_ladder, drawn = list(n_looks.values())[: len(given)], list(n_looks.values())[len(given) :]
    assert of_ladder == [3] * len(given)
    assert len(drawn) == 25 - len(given)
    assert sum(n > 1 for n in drawn) <= len(drawn) / 2  # a quarter, and early ones that were the best so far
    assert sum(n > 1 for n in drawn) > 0


@pytest.mark.parametrize("in_first_look", [True, False])
def test_a_setting_that_cannot_be_fitted_is_a_trial_that_ends(
    tmp_path: Path, formula: type[Formula], monkeypatch: pytest.MonkeyPatch, in_first_look: bool
) -> None:
    measure = formula.measure

    def fail(self: Formula, rung: Rung, params: dict[str, Any], tuning: bool, fitted: object = None) -> SimpleNamespace:
        if params.get("alpha", 1) > 10 and (len(self.fold.first) == 7) == in_first_look:
            failed.append(params)
            raise UserError("als: the factors became non-finite while fitting.")
        return measure(self, rung, params, tuning)

    failed: list[dict[str, Any]] = []
    monkeypatch.setattr(looks, "FEW", 7)
    monkeypatch.setattr(formula, "measure", fail)
    (setting,) = tuned(tmp_path, ALS)
    assert failed
    assert setting.get("alpha", 1) <= 10
    assert Formula.worth(setting) > Formula.worth({})


def test_an_own_setting_that_cannot_be_fitted_is_reported(
    tmp_path: Path, formula: type[Formula], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> SimpleNamespace:
        raise UserError("als: the factors became non-finite while fitting.")

    monkeypatch.setattr(formula, "measure", fail)
    with pytest.raises(UserError, match="non-finite"):
        tuned(tmp_path, ALS)


@pytest.mark.parametrize("after", [1, 4, 9, 16, 23])
def test_a_search_that_was_stopped_between_two_looks_ends_as_one_without_a_break(
    tmp_path: Path, formula: type[Formula], after: int
) -> None:
    whole = tuned(tmp_path / "whole", ALS, EASE, trials=12)
    calls = [*formula.calls]
    formula.calls.clear()
    formula.stop_after = after
    with pytest.raises(KeyboardInterrupt):
        tuned(tmp_path / "stopped", ALS, EASE, trials=12)
    done, formula.stop_after = [*formula.calls], None
    formula.calls.clear()
    assert tuned(tmp_path / "stopped", ALS, EASE, trials=12) == whole
    under_way = len(done) + len(formula.calls) - len(calls)
    assert 0 <= under_way <= 2  # looks of the trial that was stopped, had again
    assert done[: len(done) - under_way] + formula.calls == calls


def test_trials_of_other_code_are_not_found(
    tmp_path: Path, formula: type[Formula], monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned(tmp_path, EASE, trials=3)
    n = len(formula.calls)
    monkeypatch.setattr(tuning, "code_digest", lambda: "another")
    tuned(tmp_path, EASE, trials=3)
    assert len(formula.calls) == 2 * n
    assert len(list(tmp_path.iterdir())) == 2
