"""The search of a plain train: what is measured, what is kept, what it may see."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from recommender.config import Rung, Scenario
from recommender.data.dataset import Dataset
from recommender.data.split import folds
from recommender.errors import DataError, UserError
from recommender.evaluation.effort import SEARCH_GAIN, SEARCHED, TRIALS_TO_1PCT, EffortLog
from recommender.experiment import looks, search
from recommender.experiment.fold_runner import FoldRunner
from recommender.models import RECOMMENDERS
from recommender.models.space import MostTaken
from tests.helpers.formula import EASE, KNN, POPULARITY, RANDOM, Formula, data, scenario

DRAWS = {name: getattr(recommender, "draws", 0) for name, recommender in RECOMMENDERS.items()}


def searched(chosen: Scenario, given: Dataset | None = None, effort: EffortLog | None = None) -> list[Rung]:
    return search.search(given or data(), chosen, effort or EffortLog(), lambda _: None).ladder


def plain(*entries: dict[str, Any], **more: Any) -> Scenario:
    return scenario(*entries, **({"tune": {}} | more))


def test_each_rung_measures_its_own_settings_and_as_many_draws_as_its_recommender_states(
    formula: type[Formula],
) -> None:
    entry = EASE | {"candidates": [{}, {"regularization": 9000.0}]}
    searched(plain(RANDOM, POPULARITY, KNN, entry))
    tried = {n: list(dict.fromkeys(str(p) for m, p, _ in formula.calls if m == n)) for n in ("knn", "ease")}
    assert len(tried["knn"]) == 1 + DRAWS["item_knn"]
    assert len(tried["ease"]) == 2 + DRAWS["ease"]
    assert tried["ease"][:2] == ["{}", "{'regularization': 9000.0}"]
    assert {name for name, _, _ in formula.calls} == {"knn", "ease"}


def test_the_best_third_is_measured_at_every_origin_and_the_rest_at_the_latest_only(formula: type[Formula]) -> None:
    searched(plain(KNN))
    origins = [fold.origin for fold in folds(data(), plain(KNN).split, plain(KNN).eligibility)][:2]
    counts = {o: sum(origin == o for _, _, origin in formula.calls) for o in origins}
    n = 1 + DRAWS["item_knn"]
    assert counts[origins[1]] == n
    assert n / 3 - 1 <= counts[origins[0]] <= n / 3 + 2


def test_of_a_first_look_at_fewer_items_the_best_third_is_fitted_in_full(
    formula: type[Formula], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RECOMMENDERS["ease"], "cheaper", MostTaken("item_cap", 10))
    monkeypatch.setattr(RECOMMENDERS["ease"], "draws", 8)
    given: list[dict[str, Any]] = [{"regularization": 1e5}, {"regularization": 2e5}]
    searched(plain(EASE | {"candidates": given}))
    looks = [p for _, p, _ in formula.calls[:10]]
    whole = [p for _, p, o in formula.calls[10:] if o == formula.calls[0][2]]
    assert {p["item_cap"] for p in looks} == {10}
    assert whole[:2] == given  # of the ladder, whatever the first look says
    best = sorted(map(Formula.worth, looks), reverse=True)[:3]
    assert sorted(map(Formula.worth, whole[2:]), reverse=True) == best
    assert not any("item_cap" in p for _, p, _ in formula.calls[10:])


def test_fewer_passes_leave_nothing_out(formula: type[Formula]) -> None:
    searched(plain({"name": "als", "recommender": "als", "params": {"iterations": 10}}))
    latest = formula.calls[0][2]
    assert sum(o == latest for _, _, o in formula.calls) == 1 + DRAWS["als"]
    assert formula.calls[0][1] == {"iterations": 10}


def test_the_winner_stands_behind_the_entrys_own_first_setting(formula: type[Formula]) -> None:
    (rung,) = searched(plain(EASE | {"params": {"item_cap": 20}, "candidates": [{}, {"regularization": 9000.0}]}))
    first, winner = rung.candidates
    assert first == {"item_cap": 20}
    assert winner["item_cap"] == 20
    assert Formula.worth(winner) == max(Formula.worth(p) for _, p, _ in formula.calls)


def test_where_the_first_setting_is_best_it_is_the_only_one(formula: type[Formula]) -> None:
    (rung,) = searched(plain(EASE | {"params": {"regularization": 100.0}}))
    assert (rung.params, rung.candidates) == ({"regularization": 100.0}, [])


def test_a_budget_of_zero_and_twice_the_rows_draw_less(formula: type[Formula]) -> None:
    chosen = plain(KNN)
    (knn,) = chosen.ladder
    assert [search.n_draws(knn, plain(KNN, tune={"search": s})) for s in (0, 1, 2.5)] == [0, 10, 25]
    assert search.n_draws(knn, chosen, 2 * search.ROWS) == 5
    assert search.search(data(), plain(KNN, tune={"search": 0}), EffortLog(), lambda _: None).ladder == chosen.ladder
    assert not formula.calls


def test_effort_tells_what_was_measured_and_gained(formula: type[Formula]) -> None:
    effort = EffortLog()
    searched(plain(EASE), effort=effort)
    noted = {measure: value for measure, value, _ in effort.noted}
    assert noted[SEARCHED + "ease"] == 1 + DRAWS["ease"]
    worths = [Formula.worth(p) for _, p, _ in formula.calls]
    assert noted[SEARCH_GAIN + "ease"] == pytest.approx(max(worths) - Formula.worth({}))
    assert 1 <= noted[TRIALS_TO_1PCT + "ease"] <= noted[SEARCHED + "ease"]
    assert effort.frame()["stage"].unique().to_list() == ["tune"]


@pytest.mark.parametrize("error", [DataError("nobody took two items"), UserError("not positive definite")])
def test_a_setting_that_cannot_be_fitted_is_left_out(
    formula: type[Formula], monkeypatch: pytest.MonkeyPatch, error: UserError
) -> None:
    measure = formula.measure

    def fail(self: Formula, rung: Rung, params: dict[str, Any], tuning: bool) -> SimpleNamespace:
        if "regularization" in params and abs(np.log10(params["regularization"] / 100)) < 0.5:
            raise error
        return measure(self, rung, params, tuning)

    monkeypatch.setattr(formula, "measure", fail)
    (rung,) = searched(plain(EASE))
    assert all(abs(np.log10(c.get("regularization", 500) / 100)) >= 0.5 for c in rung.candidates)


def test_a_finalist_that_an_earlier_origin_cannot_fit_is_left_out_and_the_others_go_on(
    formula: type[Formula], monkeypatch: pytest.MonkeyPatch
) -> None:
    (_, best), measure, effort = searched(plain(EASE))[0].candidates, formula.measure, EffortLog()
    latest = formula.calls[0][2]
    n = len(formula.calls)

    def fail(self: Formula, rung: Rung, params: dict[str, Any], tuning: bool) -> SimpleNamespace:
        if params == best and self.fold.origin != latest:
            raise DataError("nobody took two items")
        return measure(self, rung, params, tuning)

    monkeypatch.setattr(formula, "measure", fail)
    (rung,) = searched(plain(EASE), effort=effort)
    assert len(formula.calls) == 2 * n - 1
    assert rung.candidates[0] == {}
    assert formula.worth({}) < formula.worth(rung.candidates[1]) < formula.worth(best)
    assert SEARCHED + "ease" in [measure for measure, _, _ in effort.noted]


def test_a_rung_whose_first_setting_cannot_be_fitted_is_left_to_the_ladder(
    formula: type[Formula], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> SimpleNamespace:
        raise DataError("nobody took two items")

    monkeypatch.setattr(formula, "measure", fail)
    assert searched(plain(EASE)) == plain(EASE).ladder


def test_without_times_nothing_is_drawn_that_needs_them() -> None:
    timed, random = plain(KNN), plain(KNN, split={"kind": "random"})
    drawn = [search.draws(chosen.ladder[0], [{}], 10, data(), chosen) for chosen in (timed, random)]
    assert [len(settings) for settings in drawn] == [10, 10]
    assert ["half_life_positions" in settings[0] for settings in drawn] == [True, False]


def test_points_fill_every_side_evenly() -> None:
    for width in (1, 3, 6):
        points = search.spread(60, width, seed=1)
        assert points.shape == (60, width)
        thirds = np.stack([np.bincount((side * 3).astype(int), minlength=3) for side in points.T])
        assert thirds.min() >= 15
    assert (search.spread(5, 2, 1) == search.spread(9, 2, 1)[:5]).all()


def test_a_sample_has_each_users_first_query_with_its_answers() -> None:
    fold = next(iter(folds(data(), plain(EASE).split, plain(EASE).eligibility)))
    some = looks.sample_queries(fold, looks.SAMPLE)
    assert some.first.all()
    assert some.queries.ids.to_list() == fold.queries.ids.filter(fold.first).to_list()  # few enough: all users
    assert (some.truth != fold.truth[fold.first]).nnz == 0


# With real models


def test_a_search_repeats_exactly_and_does_not_see_what_comes_after_its_origins() -> None:
    # With repeats, as the first interactions of what is mutated would be others, and so would the origins.
    chosen, given = plain(EASE, KNN, eligibility={"repeats": True}), data()
    origin = given.interactions["timestamp"].quantile(chosen.split.test, "lower")
    later = pl.col("timestamp") >= origin
    shuffled = given.interactions.with_columns(item_id=pl.when(later).then(pl.lit("i0")).otherwise("item_id"))
    mutated = Dataset(given.name, shuffled, given.items, given.users, given.match)
    assert FoldRunner.__module__ == looks.FoldRunner.__module__  # no formula
    assert searched(chosen) == searched(chosen) == searched(chosen, mutated)
