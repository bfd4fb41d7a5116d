"""Tuning: what is tried, what is kept, what a stopped train leaves. Most tests measure by a formula, not a model."""

from __future__ import annotations

import fcntl
import logging
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from recommender.config import Rung, Scenario
from recommender.data.dataset import Dataset
from recommender.errors import ConfigError, DataError
from recommender.evaluation.effort import SEARCH_CPU, SEARCH_GAIN, SEARCHED, TRIALS_TO_1PCT, EffortLog
from recommender.experiment import ladder, tuning
from recommender.experiment.refit_for_serving import refit_for_serving
from recommender.features.memo import of_fits
from tests.helpers.formula import EASE, KNN, POPULARITY, RANDOM, Formula, data, scenario


def tuned(chosen: Scenario, folder: Path, effort: EffortLog | None = None, given: Dataset | None = None) -> Scenario:
    return tuning.tune(given or data(), chosen, folder, effort or EffortLog(), lambda _: None)


def params(chosen: Scenario) -> dict[str, dict[str, Any]]:
    return {r.name: r.params for r in chosen.ladder}


def test_nothing_is_tuned_unless_asked_for(tmp_path: Path, formula: type[Formula]) -> None:
    for off in (scenario(EASE, tune={"search": 0}), scenario(EASE, day_zero=True)):
        assert tuned(off, tmp_path / "tuning") is off
    assert not formula.calls
    assert not (tmp_path / "tuning").exists()


def test_a_better_setting_replaces_the_entry_and_its_candidates(tmp_path: Path, formula: type[Formula]) -> None:
    scenario_tuned = tuned(scenario(EASE | {"candidates": [{}, {"regularization": 2000.0}]}), tmp_path)
    (rung,) = scenario_tuned.ladder
    assert not rung.candidates
    assert abs(np.log10(rung.params["regularization"] / 100)) < abs(np.log10(5))  # better than 500, the default


def test_parameters_outside_the_search_stay_as_given(tmp_path: Path, formula: type[Formula]) -> None:
    (rung,) = tuned(scenario(EASE | {"params": {"item_cap": 20}}), tmp_path).ladder
    assert rung.params["item_cap"] == 20
    assert {p["item_cap"] for _, p, _ in formula.calls} == {20}


@pytest.mark.parametrize("gain", [0.0, 0.001])
def test_a_gain_within_one_standard_error_replaces_nothing(
    tmp_path: Path, formula: type[Formula], monkeypatch: pytest.MonkeyPatch, gain: float
) -> None:
    def measure(self: Formula, rung: Rung, params: dict[str, Any], tuning: bool, fitted: None) -> SimpleNamespace:
        """Settings differ by noise; the third looks better by ``gain``, far below what the noise may do."""
        formula.calls.append((rung.name, dict(params), self.fold.origin))
        trial = len(formula.calls) // 2
        noise = np.random.default_rng(trial).normal(0, 1, len(self.fold.first))
        noise -= noise.mean() - gain * (trial == 2)
        return SimpleNamespace(outcome=SimpleNamespace(values={"ndcg_at_10": noise}), model=None)

    monkeypatch.setattr(formula, "measure", measure)
    assert tuned(scenario(EASE | {"params": {"regularization": 70.0}}), tmp_path).ladder[0].params == {
        "regularization": 70.0
    }


@pytest.mark.parametrize(
    ("more", "n_periods"),
    [
        ({}, [8]),  # four of each origin
        ({"decision": {"periods": 0}}, [1]),
        ({"split": {"kind": "random"}}, [1]),  # draws of one
        (
            {"split": {"min_train": 20, "validation": [0.2], "test": 0.9, "retrain_days": 1.0}},
            [3],
        ),  # each horizon is one
    ],
)
def test_a_gain_is_judged_over_the_periods_that_the_ladder_counts(
    tmp_path: Path, formula: type[Formula], monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], n_periods: list[int]
) -> None:
    counted, choice = [], tuning.simplest_of_best

    def choose(values: list[np.ndarray], periods: np.ndarray) -> int:
        assert [len(v) for v in values] == [len(periods)] * 2
        counted.append(len(set(periods.tolist())))
        return choice(values, periods)

    monkeypatch.setattr(tuning, "simplest_of_best", choose)
    tuned(scenario(EASE, **({"tune": {"trials": 2}} | more)), tmp_path)
    assert counted == n_periods


def test_what_fits_of_a_rung_share_goes_with_it(
    tmp_path: Path, formula: type[Formula], monkeypatch: pytest.MonkeyPatch
) -> None:
    measure, trains = formula.measure, list[Dataset]()

    def fit(self: Formula, rung: Rung, *args: Any, **more: Any) -> SimpleNamespace:
        trains.append(self.fold.train)
        assert of_fits(self.fold.train, "parts", rung.name, lambda: rung.name) == rung.name
        assert list(vars(self.fold.train)["_fits"]) == ["parts"]
        return measure(self, rung, *args, **more)

    monkeypatch.setattr(formula, "measure", fit)
    for n, tune in enumerate(({"trials": 2}, {"search": 1})):
        trains.clear()
        tuned(scenario(EASE, KNN, tune=tune), tmp_path / str(n))
        assert trains
        assert not any(vars(train)["_fits"] for train in trains)


def test_the_entries_settings_are_tried_first_and_in_order(tmp_path: Path, formula: type[Formula]) -> None:
    candidates = [{"regularization": r} for r in (4000.0, 9000.0, 3000.0)]
    tuned(scenario(EASE | {"candidates": candidates}), tmp_path)
    tried = list(dict.fromkeys(p["regularization"] for _, p, _ in formula.calls))
    assert tried[:3] == [4000.0, 9000.0, 3000.0]


def test_a_budget_smaller_than_the_entries_settings_tries_them_all(tmp_path: Path, formula: type[Formula]) -> None:
    candidates = [{"regularization": r} for r in (400.0, 300.0, 100.0)]
    (rung, _) = tuned(scenario(EASE | {"candidates": candidates}, KNN, tune={"trials": 2}), tmp_path).ladder
    assert rung.params == {"regularization": 100.0, "trend": 0.0, "half_life_positions": None}
    tried = {n: len({str(p) for name, p, _ in formula.calls if name == n}) for n in ("ease", "knn")}
    assert tried == {"ease": 3, "knn": 2}


def test_every_rung_with_a_space_gets_the_same_budget_and_no_setting_twice(
    tmp_path: Path, formula: type[Formula]
) -> None:
    scenario_tuned = tuned(scenario(RANDOM, POPULARITY, EASE, KNN), tmp_path)
    tried = {n: {str(p) for name, p, _ in formula.calls if name == n} for n in params(scenario_tuned)}
    assert {n: len(s) for n, s in tried.items()} == {"random": 0, "popularity": 8, "ease": 8, "knn": 8}
    assert len({(n, str(p), o) for n, p, o in formula.calls}) == len(formula.calls)


def test_bad_trials_are_cut_short_and_the_entries_own_never(tmp_path: Path, formula: type[Formula]) -> None:
    given = [{"regularization": r} for r in (100.0, 110.0, 90.0, 120.0, 80.0, 5000.0)]
    tuned(scenario(EASE | {"candidates": given}, tune={"trials": 25}), tmp_path)
    origins: dict[float, int] = {}
    for _, p, _ in formula.calls:
        origins[p["regularization"]] = origins.get(p["regularization"], 0) + 1
    assert [origins[s["regularization"]] for s in given] == [2] * 6
    assert 1 in origins.values()
    assert all(80 < r < 120 for r, n in origins.items() if n == 2 and {"regularization": r} not in given)


def test_a_space_that_is_exhausted_ends_the_search(tmp_path: Path, formula: type[Formula]) -> None:
    entry = RANDOM | {"candidates": [{}, {"seed": 5}]}
    tuned(scenario(entry, EASE, tune={"minutes": 100}, ladder=[entry]), tmp_path)
    assert len(formula.calls) == 4


def test_a_budget_in_minutes_tries_at_least_the_entry_itself(tmp_path: Path, formula: type[Formula]) -> None:
    scenario_tuned = tuned(scenario(EASE, tune={"minutes": 1e-9}), tmp_path)
    assert [p.get("regularization", 500.0) for _, p, _ in formula.calls] == [500.0, 500.0]
    assert params(scenario_tuned) == {"ease": {}}


def test_equal_seeds_try_equal_settings_and_others_do_not(tmp_path: Path, formula: type[Formula]) -> None:
    seen = []
    for n, seed in enumerate((3, 3, 4)):
        tuned(scenario(POPULARITY, KNN, seed=seed), tmp_path / str(n))
        seen.append([p for _, p, _ in formula.calls])
        formula.calls.clear()
    assert seen[0] == seen[1] != seen[2]


def test_a_rung_with_too_little_to_learn_from_is_left_to_the_ladder(
    tmp_path: Path, formula: type[Formula], monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = formula.measure

    def fail(self: Formula, rung: Rung, params: dict[str, Any], tuning: bool, fitted: None) -> SimpleNamespace:
        if rung.name == "knn":
            raise DataError("knn: nobody took two items.")
        return measure(self, rung, params, tuning)

    monkeypatch.setattr(formula, "measure", fail)
    knn, ease = tuned(scenario(KNN | {"candidates": [{"K": 5}, {"K": 9}]}, EASE), tmp_path).ladder
    assert knn.candidates == [{"K": 5}, {"K": 9}]
    assert ease.params


# A train that was stopped


@pytest.mark.parametrize("after", [0, 1, 8, 15])
def test_a_stopped_search_goes_on_where_it_was(tmp_path: Path, formula: type[Formula], after: int) -> None:
    chosen = scenario(KNN, EASE | {"candidates": [{}, {"regularization": 70.0}]}, tune={"trials": 8})
    whole, effort = tuned(chosen, tmp_path / "whole"), EffortLog()
    calls, formula.stop_after = [*formula.calls], after
    formula.calls.clear()
    with pytest.raises(KeyboardInterrupt):
        tuned(chosen, tmp_path / "stopped")
    done, formula.stop_after = [*formula.calls], None
    formula.calls.clear()
    assert params(tuned(chosen, tmp_path / "stopped", effort)) == params(whole)
    # The same trials, in the same order.
    assert [*dict.fromkeys(map(str, [*done, *formula.calls]))] == [*map(str, calls)]
    again = {(n, str(p)) for n, p, _ in done} & {(n, str(p)) for n, p, _ in formula.calls}
    assert len(again) <= 1  # at most the one that was under way
    assert effort.frame().filter(pl.col("stage") == "tune").height == len(calls)  # what was spent before counts too


def test_finished_trials_are_not_repeated_and_a_larger_budget_adds_to_them(
    tmp_path: Path, formula: type[Formula]
) -> None:
    first = tuned(scenario(EASE), tmp_path)
    formula.calls.clear()
    assert params(tuned(scenario(EASE), tmp_path)) == params(first)
    assert not formula.calls
    tuned(scenario(EASE, tune={"trials": 10}), tmp_path)
    assert len({str(p) for _, p, _ in formula.calls}) == 2
    formula.calls.clear()
    assert params(tuned(scenario(EASE), tmp_path)) == params(first)  # the later trials are not of this budget
    assert not formula.calls


@pytest.mark.parametrize(
    "change",
    [
        {"scoring": {"k": 30}},
        {"split": {"min_train": 20, "test": 0.9}},
        {"eligibility": {"repeats": True}},
        {"seed": 1},
        {"data": {"event_weights": {"like": 2}}},
        {"data": {"train_differences": [{"volume": {"share": 0.9}}]}},
    ],
)
def test_trials_of_another_question_are_not_used(
    tmp_path: Path, formula: type[Formula], change: dict[str, Any]
) -> None:
    tuned(scenario(EASE), tmp_path)
    formula.calls.clear()
    tuned(scenario(EASE, **change), tmp_path)
    assert formula.calls
    assert len(list(tmp_path.glob("small-small-*.log"))) == 2


def test_a_rung_that_changes_leaves_the_others_trials_alone(tmp_path: Path, formula: type[Formula]) -> None:
    tuned(scenario(KNN, EASE), tmp_path)
    formula.calls.clear()
    tuned(scenario(KNN, EASE | {"params": {"item_cap": 25}}, POPULARITY), tmp_path)
    assert {n for n, _, _ in formula.calls} == {"ease", "popularity"}


def test_a_line_cut_off_by_a_kill_loses_one_trial_only(tmp_path: Path, formula: type[Formula]) -> None:
    whole = tuned(scenario(EASE), tmp_path)
    (journal,) = tmp_path.glob("*.log")
    journal.write_bytes(journal.read_bytes()[:-5])
    formula.calls.clear()
    assert params(tuned(scenario(EASE), tmp_path)) == params(whole)
    assert len({str(p) for _, p, _ in formula.calls}) == 1
    formula.calls.clear()
    tuned(scenario(EASE), tmp_path)
    assert not formula.calls


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_journal_is_named_put_aside_and_made_again(
    tmp_path: Path, formula: type[Formula], caplog: pytest.LogCaptureFixture, seed: int
) -> None:
    whole = tuned(scenario(EASE), tmp_path)
    (journal,) = tmp_path.glob("*.log")
    content = bytearray(journal.read_bytes())
    places = np.random.default_rng(seed).choice(len(content) - 1, 1 + 9 * (seed > 1), replace=False)
    for place in places:
        content[place] ^= 1 + seed * 63
    journal.write_bytes(content)
    formula.calls.clear()
    assert params(tuned(scenario(EASE), tmp_path)) == params(whole)
    assert formula.calls
    assert f"{journal} is damaged" in caplog.text
    assert sorted(p.name for p in tmp_path.iterdir()) == [journal.name, f"{journal.name}.damaged"]
    formula.calls.clear()
    tuned(scenario(EASE), tmp_path)
    assert not formula.calls


def test_a_train_that_waited_for_a_journal_that_was_put_aside_goes_on_in_the_new_one(
    tmp_path: Path, formula: type[Formula]
) -> None:
    tuned(scenario(EASE), tmp_path)
    (path,) = tmp_path.glob("*.log")
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        second = threading.Thread(target=tuned, args=(scenario(EASE), tmp_path))
        second.start()
        second.join(0.5)
        path.rename(tmp_path / "aside")
    second.join(30)
    assert not second.is_alive()
    assert path.read_bytes().count(b'"setting"') == (tmp_path / "aside").read_bytes().count(b'"setting"') > 0


def test_a_second_train_of_the_same_waits_for_the_trials_of_the_first(
    tmp_path: Path, formula: type[Formula], caplog: pytest.LogCaptureFixture
) -> None:
    tuned(scenario(EASE), tmp_path)
    formula.calls.clear()
    (journal,) = tmp_path.glob("*.log")
    with journal.open("ab") as file, caplog.at_level(logging.INFO, "recommender"):
        fcntl.flock(file, fcntl.LOCK_EX)
        second = threading.Thread(target=tuned, args=(scenario(EASE), tmp_path))
        second.start()
        second.join(0.5)
        assert second.is_alive()
        assert "Another train is tuning the same" in caplog.text
        fcntl.flock(file, fcntl.LOCK_UN)
        second.join(30)
    assert not second.is_alive()
    assert not formula.calls


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "tuning").write_text("a file")
    with pytest.raises(ConfigError, match=r"tuning/small-small-\w+\.log: cannot be written .*tune\.trials=0"):
        tuned(scenario(EASE), tmp_path / "tuning")


# Effort, progress, honesty; with real models


def test_effort_tells_what_was_tried_and_gained_and_when_one_percent_was_reached(
    tmp_path: Path, formula: type[Formula]
) -> None:
    effort = EffortLog()
    given = [{"regularization": r} for r in (500.0, 200.0, 100.5, 100.0)]
    tuned(scenario(RANDOM, EASE | {"candidates": given}, tune={"trials": 4}), tmp_path, effort)
    took = float(effort.frame().filter(pl.col("stage") == "tune")["cpu_s"].sum())
    assert effort.noted == [
        (f"{SEARCHED}ease", 4, "settings"),
        (f"{SEARCH_GAIN}ease", pytest.approx(np.log10(5)), "ndcg_at_10"),
        (f"{SEARCH_CPU}ease", pytest.approx(took), "s"),
        (f"{TRIALS_TO_1PCT}ease", 3, "trials"),
    ]


@pytest.mark.parametrize("budget", [{"trials": 3}, {"minutes": 0.001}, {}])
def test_progress_never_passes_its_end(tmp_path: Path, budget: dict[str, Any]) -> None:
    chosen, messages = scenario(RANDOM, POPULARITY | {"candidates": [{}, {"window_days": 1}]}, KNN, tune=budget), []
    given, effort = data(), EffortLog()
    scenario_tuned = tuning.tune(given, chosen, tmp_path, effort, messages.append)
    results = ladder.run(given, scenario_tuned, effort, messages.append, lambda _: None)
    refit_for_serving(given, results.decision, scenario_tuned, effort, messages.append)
    assert 0 < len(messages) <= tuning.n_steps(chosen)
    assert results.parameters["knn"] == scenario_tuned.ladder[2].params or not budget


def test_what_happens_after_the_validation_origins_changes_no_parameter(tmp_path: Path) -> None:
    # With repeats, as the first interactions of what is mutated would be others, and so would the origins.
    chosen, given = scenario(POPULARITY, KNN, tune={"trials": 5}, eligibility={"repeats": True}), data()
    origin = given.interactions["timestamp"].quantile(chosen.split.test, "lower")
    later = pl.col("timestamp") >= origin
    shuffled = given.interactions.with_columns(item_id=pl.when(later).then(pl.lit("i0")).otherwise("item_id"))
    mutated = Dataset(given.name, shuffled, given.items, given.users, given.match)
    assert params(tuned(chosen, tmp_path / "a", given=mutated)) == params(tuned(chosen, tmp_path / "b", given=given))
    assert len({p.name for p in tmp_path.glob("*/*.log")}) == 2  # both were searched: the digests differ


def test_only_settings_that_the_data_allow_are_tried(tmp_path: Path, formula: type[Formula]) -> None:
    segments: list[dict[str, Any]] = [{}, {"segment": ["city"]}]  # nobody's city is known
    tuned(scenario(POPULARITY | {"candidates": segments}), tmp_path)
    assert len({str(p) for _, p, _ in formula.calls}) == 8
    assert not any(p.get("segment") for _, p, _ in formula.calls)
