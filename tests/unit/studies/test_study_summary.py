"""Runs that a study's views chart: means over samples, a site's metrics under its own name, a colour each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recommender.names import ALL
from recommender.studies import summary
from recommender.studies.engine.curves import Curves
from recommender.studies.summary import RUNG, charted
from recommender.studies.transfer import Ratio
from tests.helpers.studies import curves_of as without_seconds


def curves_with_seconds(**curve: list[float]) -> Curves:
    seconds = {rung: np.arange(1.0, len(values) + 1) for rung, values in curve.items()}
    return replace(without_seconds(**curve), cpu_s=seconds)


def test_a_learning_curve_has_a_point_per_size_and_its_effort_at_the_largest() -> None:
    curves = curves_with_seconds(popularity=[0.1, 0.1, 0.1], als=[0.05, 0.1, 0.2])
    first, als = summary.of_curves("jobs on simulated", curves, "ndcg_at_10")
    assert (first.what, als.what) == ("popularity", "als")
    points = als.curves["100 x NDCG at 10: all users: jobs on simulated"]
    assert [step for step, _ in points] == [round(n) for n in curves.size]
    assert [value for _, value in points] == pytest.approx([5, 10, 20])
    assert als.curves["interactions to learn from"] == [(step, step) for step, _ in points]
    assert als.metrics["effort/total_cpu_s"] == 3


def test_a_folder_as_data_makes_no_path_in_the_names_of_metrics() -> None:
    (one, *_) = summary.of_curves("jobs on /home/my.data/ü", curves_with_seconds(popularity=[0.1, 0.2]), "ndcg_at_10")
    assert one.site == "jobs on -home-my.data--"
    assert charted(RUNG, one.site, "ndcg_at_10", "0") == "100 x NDCG at 10: no history: jobs on -home-my.data--"


def test_a_transfer_tells_each_recipe_at_each_place_but_what_could_not_be_used() -> None:
    ratio = Ratio(80.0, 70.0, 90.0, 100, ())
    lacking = Ratio(np.nan, np.nan, np.nan, 100, ("social",))
    matrix = {("jobs", "ugc", ALL): ratio, ("jobs", "ugc", "0"): None, ("ugc", "jobs", ALL): lacking}
    (one,) = summary.of_transfer(matrix, "ndcg_at_10")
    assert one.name == "recipe of ugc in jobs"
    assert one.metrics == {
        "Percent of own recipe: all users: jobs": 80.0,
        "Percent of own recipe: all users low: jobs": 70.0,
        "Percent of own recipe: all users high: jobs": 90.0,
    }


def test_rungs_keep_their_colour_and_other_things_share_none() -> None:
    rungs = summary.of_curves("a", curves_with_seconds(popularity=[0.1, 0.2], als=[0.1, 0.2]), "m")
    assets = [summary.Summary("data", name, site, "m", {}) for site in "ab" for name in ("text", "times", "tags")]
    colour = summary.colours([*rungs, *assets])
    assert colour["als"] == "#0072B2"
    assert len({colour[name] for name in ("text", "times", "tags")}) == 3
    assert summary.shown([*rungs, *assets]) == {"rung": [("a", "m")], "data": [("a", "m"), ("b", "m")]}
