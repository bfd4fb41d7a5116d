"""What is read off the cells of a study: curves, forecasts, ages, variances, transfers. On numbers made by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.study import sentences
from recommender.api.flow import with_staleness
from recommender.errors import DataError
from recommender.evaluation.statistics import ClusteredValues, replicates
from recommender.hashing import mixed
from recommender.names import ALL
from recommender.studies import data_volume, summary
from recommender.studies.analyses import ANALYSES
from recommender.studies.data_volume import Forecast, back_test, coverage, errors, widening
from recommender.studies.effort_to_goal import reached
from recommender.studies.engine import powerlaw
from recommender.studies.engine.curves import crossings, curves, overtakes
from recommender.studies.engine.finding import FILE, NOT_ENOUGH, Finding
from recommender.studies.engine.plan import cells
from recommender.studies.engine.run import run
from recommender.studies.staleness import STALE_DAYS, lasts, losses, measured_days
from recommender.studies.uncertainty import AXES, components
from tests.helpers.small import scenario
from tests.helpers.studies import SIZES, curves_of, measured, source, study

# --- where a rung overtakes


def test_a_rung_overtakes_where_its_gain_rises_above_zero_for_good() -> None:
    x = np.arange(4.0)
    gain = np.array([[-1, -1, 1, 2], [1, 1, 1, 1], [1, 1, 1, -1], [1, -1, -3, 1], [-2, -2, -1, 0]], float)
    assert overtakes(x, gain).tolist() == [1.5, -np.inf, np.inf, 2.75, np.inf]


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=7))
@settings(max_examples=80)
def test_a_crossing_lies_between_the_last_size_behind_and_the_next(gains: list[float]) -> None:
    x = np.arange(float(len(gains)))
    (at,) = overtakes(x, np.array([gains]))
    behind = [n for n, g in enumerate(gains) if g <= 0]
    if not behind:
        assert at == -np.inf
    elif behind[-1] == len(gains) - 1:
        assert at == np.inf
    else:
        assert behind[-1] <= at <= behind[-1] + 1


def test_a_crossing_is_against_the_best_simpler_rung_with_an_interval() -> None:
    curve = curves_of(popularity=[0.1] * 5, content=[0.12] * 5, als=[0.02, 0.06, 0.1, 0.14, 0.18])
    content, als = crossings(curve, ALL)
    assert (content.at, content.high) == (-np.inf, -np.inf)
    assert als.over == "content"
    assert 4000 < als.low < als.at < als.high < 8000
    assert als.at == pytest.approx(np.sqrt(4000 * 8000))  # half way, in the logarithm


def test_a_rung_that_stays_below_does_not_cross() -> None:
    (als,) = crossings(curves_of(popularity=[0.1] * 5, als=[0.02, 0.03, 0.04, 0.05, 0.06]), ALL)
    assert (als.at, als.share) == (np.inf, 0)


def test_curves_come_from_the_cells_with_their_sizes_samples_and_queries(tmp_path: Any) -> None:
    axes = {
        "size": {f"{s}": {"data.train_differences": [{"volume": {"share": s}}]} for s in (0.4, 0.7, 1.0)},
        "seed": {f"{s}": {"seed": s} for s in (0, 1)},
    }
    runs = measured(study(grid=axes), tmp_path)
    fitted = curves(runs, resamples=100)
    assert fitted.n_seeds == 2
    assert list(fitted.size) == sorted(fitted.size)
    full = [r for r in runs if r.labels["size"] == "1.0"]
    for rung in fitted.rungs:
        segment = dict(metric="ndcg_at_10", user_bucket="all", item_bucket="all", slice="all", rung=rung)
        means = [r.metrics.filter(**segment)["value"][0] for r in full]
        assert fitted.mean[rung, ALL][-1] == pytest.approx(np.mean(means), abs=1e-6)
        low, high = fitted.interval((rung, ALL))
        assert (low <= fitted.mean[rung, ALL]).all()
        assert (fitted.mean[rung, ALL] <= high).all()
    with pytest.raises(DataError, match="two sizes"):
        curves(full)


def test_replicates_vary_as_the_mean_of_as_many_users_does() -> None:
    values = np.random.default_rng(0).normal(3, 1, (400, 1))
    drawn = replicates(ClusteredValues(np.arange(400), values), mixed(np.arange(400, dtype=np.uint64)), 500, 0)
    assert drawn.mean() == pytest.approx(values.mean(), abs=0.02)
    assert drawn.std() == pytest.approx(values.std() / 20, rel=0.2)


# --- forecasts


@given(st.floats(0.1, 0.9), st.floats(0.01, 0.09), st.floats(0.1, 1.5))
@settings(max_examples=30, deadline=None)
def test_a_power_law_is_found_again(c: float, a: float, b: float) -> None:
    truth = c - a * (SIZES / SIZES[-1]) ** -b
    fitted = powerlaw.fit(SIZES, truth[None])
    assert fitted.at(8000)[0] == pytest.approx(truth[3], abs=2e-3)
    assert fitted.at(24_000)[0] == pytest.approx(c - a * 1.5**-b, abs=4e-3)


def test_a_curve_that_falls_is_forecast_to_stay_at_its_mean() -> None:
    fitted = powerlaw.fit(SIZES, np.array([[0.5, 0.4, 0.3, 0.2, 0.1]]))
    assert fitted.at(1e6)[0] == pytest.approx(0.3)
    assert fitted.needs(0.4)[0] == np.inf


def test_what_a_goal_needs_is_where_the_curve_reaches_it_or_never() -> None:
    fitted = powerlaw.fit(SIZES, (0.5 - 0.2 * (SIZES / 16000) ** -0.5)[None])
    assert fitted.at(fitted.needs(0.35)[0])[0] == pytest.approx(0.35)
    assert fitted.needs(0.9)[0] == np.inf


def test_a_goal_is_told_by_how_surely_the_curve_gets_there() -> None:
    rising = curves_of(popularity=[0.1] * 5, als=[0.10, 0.12, 0.14, 0.16, 0.18])

    def first_sentence(target: float, reached: list[str]) -> str:
        return data_volume.goal(rising, "ndcg_at_10", target, 1.0, reached)

    assert (
        first_sentence(0.05, ["als"])
        == "The goal, NDCG@10 0.05, is reached with today's data by als, without re-rankers."
    )
    assert (
        first_sentence(0.05, [])
        == f"{NOT_ENOUGH} that the goal, NDCG@10 0.05, is reached or missed with today's data by als."
    )
    assert re.search(r"the best rung today \(als\) needs 1\.\dx to \d\.\dx of today's", first_sentence(0.19, []))
    assert "levels out below it, or needs more than 10x today's data" in first_sentence(0.9, [])


def test_a_forecast_widened_twice_is_twice_as_wide_about_the_same_middle() -> None:
    curve = curves_of(als=[0.02, 0.06, 0.09, 0.11, 0.12])
    given = curve.size, curve.mean["als", ALL], curve.replicates["als", ALL]
    point, low, high = powerlaw.forecast(*given, 32_000, 1.0, 0)
    wide = powerlaw.forecast(*given, 32_000, 2.0, 0)
    assert low < point < high
    assert (wide[2] - wide[1]) == pytest.approx(2 * (high - low))


def test_a_back_test_forecasts_only_from_sizes_up_to_half() -> None:
    tests = back_test("here", curves_of(als=[0.02, 0.06, 0.09, 0.11, 0.12]))
    assert [f.size for f in tests] == [16_000]
    assert tests[0].unchanged == 0.11
    assert tests[0].observed == 0.12
    assert back_test("here", curves_of(als=[0.02, 0.06, 0.09])) == []


def test_intervals_that_cover_too_little_are_widened_until_they_would_have() -> None:
    good = Forecast("a", "als", 1.0, 0.5, 0.4, 0.6, 0.55, 0.5)
    bad = Forecast("a", "als", 1.0, 0.5, 0.4, 0.6, 0.8, 0.5)
    assert coverage([good] * 9 + [bad]) == 0.9
    assert errors([good, bad]) == pytest.approx((0.175, 0.175))
    assert all(np.isnan(e) for e in errors([]))
    assert widening([good] * 9 + [bad]) == 1
    assert widening([bad] * 4) == pytest.approx(3)
    assert widening([]) == 1


def test_a_goal_is_reached_where_the_curve_stays_above_it() -> None:
    curve = curves_of(als=[0.02, 0.06, 0.1, 0.14, 0.18], content=[0.2] * 5, bpr=[0.01] * 5)
    first, low, high = reached(curve, "als", 0.12)
    assert first == pytest.approx(np.sqrt(4000 * 8000))
    assert low <= first <= high
    assert reached(curve, "content", 0.12)[0] == -np.inf
    assert reached(curve, "bpr", 0.12) == (np.inf, np.inf, np.inf)


# --- ages, variances


def test_a_model_lasts_until_its_loss_exceeds_what_is_tolerated() -> None:
    ages = np.array([10.0, 20, 40])
    assert lasts(ages, np.array([0.02, 0.04, 0.08]), 0.06) == pytest.approx(30)
    assert lasts(ages, np.array([0.02, 0.03, 0.04]), 0.05) == np.inf
    assert lasts(ages, np.array([0.1, 0.1, 0.1]), 0.05) == pytest.approx(5)


def test_variance_is_found_in_the_axis_that_has_it() -> None:
    rng = np.random.default_rng(0)
    for axis, name in enumerate(AXES):
        shape = [1, 1, 1]
        shape[axis] = 40
        sizes = [3, 3, 3]
        sizes[axis] = 40
        level = rng.normal(0, 1, shape)
        fitted = components(level + rng.normal(0, 0.1, sizes))
        assert fitted[name] == pytest.approx(level.var(ddof=1), rel=0.1)
        assert sum(v for k, v in fitted.items() if k != name) < 0.05


def test_what_seeds_do_differently_in_every_sample_and_origin_is_of_the_seed() -> None:
    fitted = components(np.random.default_rng(0).normal(0, 1, (8, 12, 12)))
    assert fitted["seed"] == pytest.approx(1, rel=0.1)
    assert sum(v for k, v in fitted.items() if k != "seed") < 0.1


def test_constant_values_have_no_variance() -> None:
    assert components(np.full((2, 2, 2), 0.3)) == {**dict.fromkeys(AXES, 0.0), "rest": 0.0}


# --- whole analyses, on small cells


def test_data_volume_tells_crossings_forecasts_and_how_far_to_trust_them(tmp_path: Any) -> None:
    shares = (0.2, 0.3, 0.5, 1.0)
    axes = {
        "size": {f"{s}": {"data.train_differences": [{"volume": {"share": s}}]} for s in shares},
        "seed": {"0": {}, "1": {"seed": 1}},
    }
    given = study(grid=axes, analysis="data_volume")
    site, trust = ANALYSES["data_volume"].findings(given, measured(given, tmp_path))
    sentence = " ".join(site.sentences)
    assert "content" in sentence
    assert "wice the data" in sentence
    assert len(site.charts[0].table) == len(shares) * 3
    assert "forecasts of NDCG@10" in trust.sentences[0]


def test_staleness_tells_how_often_to_train_again(tmp_path: Any) -> None:
    model: dict[str, Any] = {"fresh": {}}
    for s in (0.2, 0.5):
        model[f"older {s}"] = {"data.train_differences": [{"drift": {"share": s}}]}
        model[f"updated {s}"] = {**model[f"older {s}"], "data.updated": True}
        model[f"shorter {s}"] = {"data.train_differences": [{"volume": {"share": 1 - s, "by": "time"}}]}
    given = study(grid={"model": model}, analysis="staleness")
    runs = measured(given, tmp_path)
    (finding,) = ANALYSES["staleness"].findings(given, runs)
    updates = losses(runs).filter(kind="updated")
    assert set(updates["age_days"]) == {0}
    assert updates.filter(rung="item_knn")["loss"].to_list() == [0, 0]  # counts of pairs add up exactly
    assert sum("brought up to date" in s for s in finding.sentences) == len(updates["rung"].unique())
    assert all("days" in s for s in finding.sentences[:3])
    older = losses(runs).filter(pl.col("kind") == "older").partition_by("rung")
    first = min(lasts(part["age_days"].to_numpy(), part["loss"].to_numpy(), 0.05) for part in older)
    assert finding.values == ({STALE_DAYS: first} if np.isfinite(first) else {})
    (finding,) = ANALYSES["staleness"].findings(given, runs[1:])
    assert finding.sentences[0].startswith(NOT_ENOUGH)


def test_the_days_that_a_model_lasts_are_read_of_the_data_that_they_were_measured_on(tmp_path: Any) -> None:
    assert measured_days("jobs on simulated", tmp_path) is None
    (tmp_path / "staleness").mkdir()
    file = tmp_path / "staleness" / FILE
    findings = [Finding("jobs on simulated", ["x"], values={STALE_DAYS: 2.5}), Finding("jobs on mine", ["y"])]
    file.write_text(json.dumps(sentences(findings, final=True)))
    assert measured_days("jobs on simulated", tmp_path) == 2.5
    assert measured_days("jobs on mine", tmp_path) is None
    assert measured_days("ugc on simulated", tmp_path) is None
    file.write_text(json.dumps(sentences(findings)))  # a first look
    assert measured_days("jobs on simulated", tmp_path) is None
    file.write_text("[1]")
    with pytest.raises(DataError, match="damaged"):
        measured_days("jobs on simulated", tmp_path)


def test_a_train_takes_the_measured_days_where_none_are_stated(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    auto, stated = (scenario(split={"retrain_days": "auto", "stale_days": d}) for d in (None, 7))
    assert with_staleness(auto, "simulated") == auto
    (tmp_path / "studies/staleness").mkdir(parents=True)
    here = Finding(f"{auto.name} on simulated", values={STALE_DAYS: 2.5})
    Path("studies/staleness", FILE).write_text(json.dumps(sentences([here], final=True)))
    assert with_staleness(auto, "simulated").split.stale_days == 2.5
    assert with_staleness(auto, "elsewhere") == auto
    assert with_staleness(stated, "simulated") == stated
    assert with_staleness(scenario(), "simulated") == scenario()


def test_uncertainty_needs_two_levels_of_every_axis(tmp_path: Any) -> None:
    axes = {
        "seed": {"0": {}, "1": {"seed": 1}},
        "sample": {s: {"data.train_differences": [{"volume": {"share": 0.8, "seed": n}}]} for n, s in enumerate("ab")},
        "origin": {"0.7": {"split.test": 0.7}, "0.8": {}},
    }
    given = study(grid=axes, analysis="uncertainty")
    runs = measured(given, tmp_path)
    (finding,) = ANALYSES["uncertainty"].findings(given, runs)
    assert "must differ by" in finding.sentences[1]
    (finding,) = ANALYSES["uncertainty"].findings(given, runs[:-1])
    assert finding.sentences[0].startswith(NOT_ENOUGH)


def test_transfer_uses_every_recipe_in_every_scenario(tmp_path: Any) -> None:
    given = study(analysis="transfer", mode="ladder")
    first, _ = run(cells(given, ["catalog", "skills"], None), tmp_path, source(), lambda _: None)
    more = ANALYSES["transfer"].more(given, first)
    assert [(c.labels["scenario"], c.labels["recipe"]) for c in more] == [
        (to, source) for to in ("catalog", "skills") for source in ("catalog", "skills")
    ]
    second, failures = run(more, tmp_path, source(), lambda _: None)
    assert not failures
    assert ANALYSES["transfer"].more(given, [*first, *second]) == []
    (finding,) = ANALYSES["transfer"].findings(given, [*first, *second])
    in_catalog, in_skills = finding.sentences
    assert in_catalog.startswith("The recipe of skills")
    assert "of the NDCG@10 of its own recipe" in in_catalog  # each scenario is measured in what it decides by
    assert "of the acceptance@10 of its own recipe" in in_skills
    by_site = {s.site: s.metric for s in summary.recipes(given, [*first, *second])}
    assert by_site == {"catalog": "ndcg_at_10", "skills": "acceptance_at_10"}
    (finding,) = ANALYSES["transfer"].findings(given, first)
    assert finding.sentences[0].startswith(NOT_ENOUGH)


def test_effort_to_goal_tells_data_seconds_and_trials(tmp_path: Any) -> None:
    sizes = {f"{s}": {"data.train_differences": [{"volume": {"share": s}}]} for s in (0.4, 1.0)}
    axes = {"size": sizes, "seed": {"0": {}, "1": {"seed": 1}}}
    given = study(grid=axes, analysis="effort_to_goal", rungs=["popularity", "bpr"], options={"trials": 2})
    first = measured(given, tmp_path)
    more = ANALYSES["effort_to_goal"].more(given, first)
    assert [c.mode for c in more] == ["tuned"]
    second, failures = run(more, tmp_path, source(), lambda _: None)
    assert not failures
    assert ANALYSES["effort_to_goal"].more(given, [*first, *second]) == []
    (finding,) = ANALYSES["effort_to_goal"].findings(given, [*first, *second])
    *others, easy = finding.sentences
    assert len(others) == 2
    assert all("NDCG@10 0.1" in s for s in others)
    assert "tells nothing apart" in easy
    (hard,) = ANALYSES["effort_to_goal"].findings(given.model_copy(update={"options": {"goal": 0.9}}), first)
    assert len(hard.sentences) == 2
    tuned = finding.grids[1].frame
    assert tuned["rung"].to_list() == ["popularity", "bpr"]
    whole = first[2].values.filter("first", rung="bpr")  # of the seed that is tuned, not of all
    assert tuned["untuned"][1] == f"{whole['ndcg_at_10'].mean():.4f}"
    assert all(int(n) >= 1 for n in tuned["trials to within 1% of the best"])
    (finding,) = ANALYSES["effort_to_goal"].findings(given, first[:1])
    assert finding.sentences[0].startswith(NOT_ENOUGH)
