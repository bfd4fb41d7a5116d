"""Twins: knobs that make a simulated set like a given one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from experiments.twins import Ordered, agreement
from recommender.data.dataset import Dataset
from recommender.data.gate import build, from_frames
from recommender.errors import DataError
from recommender.simulate import load, observed, play, resolve
from recommender.simulate.likeness import knobs_like, likeness
from recommender.simulate.measures import measures

SMALL = {"n_interactions": 4000, "n_users": 400, "n_items": 300}


def small(preset: str, **knobs: object) -> Dataset:
    return build(load(preset=preset, **{**SMALL, **knobs}))


def test_a_twin_has_the_size_the_columns_and_nearly_the_inequality_of_its_set() -> None:
    real = small("catalog", quality_sd=2.0, activity_sigma=0.8, span_days=200.0)
    given = knobs_like(real, "catalog")
    twin = build(observed(play(preset="catalog", **given)))
    aim, of_twin = likeness(real), likeness(twin)
    for name, near in (("n_interactions", 0.1), ("n_users", 0.1), ("n_items", 0.1), ("span_days", 0.05)):
        assert abs(of_twin[name] / aim[name] - 1) < near, name  # type: ignore[operator]
    for name in ("gini_used", "late_new_users", "user_sigma"):
        assert abs(of_twin[name] - aim[name]) < 0.12, name  # type: ignore[operator]
    assert twin.items.roles == real.items.roles


def test_the_knobs_of_a_twin_are_knobs_of_the_simulator() -> None:
    given = knobs_like(small("jobs"), "jobs", rounds=1)
    resolve("jobs", given)
    assert given["n_items"] == 300  # stated availability: unused postings are known
    assert given["ending"] == "stated"


def test_a_set_without_columns_has_a_twin_without() -> None:
    real = small("catalog")
    bare = replace(
        real,
        items=replace(real.items, frame=real.items.frame.select("item_id"), roles={}),
        users=replace(real.users, frame=real.users.frame.select("user_id"), roles={}),
    )
    twin = build(observed(play(preset="catalog", **knobs_like(bare, "catalog", rounds=1))))
    assert twin.items.frame.columns == ["item_id"]
    assert twin.users.frame.columns == ["user_id"]


def test_a_set_without_times_has_no_twin() -> None:
    real = small("catalog")
    undated = real.interactions.with_columns(timestamp=pl.lit(None, real.interactions["timestamp"].dtype))
    with pytest.raises(DataError, match="states no times"):
        knobs_like(replace(real, interactions=undated), "catalog")


def test_measures_by_hand() -> None:
    """Two users; item a on days 0-1 in one visit each, item b first used by u1 on day 9."""
    day = pl.datetime(2025, 1, 1, time_zone="UTC")
    rows = [("u0", "a", 0.0), ("u0", "c", 0.01), ("u1", "a", 1.0), ("u1", "b", 9.0)]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "days"], orient="row")
    when = day + pl.duration(minutes=pl.col("days") * 1440)
    items = pl.DataFrame({"item_id": ["a", "b", "c", "d"]})
    measured = measures(from_frames(frame.select("user_id", "item_id", when.alias("timestamp")), items))
    assert measured["n_used_items"] == 3
    assert measured["density"] == 4 / 6
    assert measured["per_visit"] == 4 / 3
    assert measured["stay_days"] == pytest.approx((0.01 + 8) / 2, abs=0.01)
    assert measured["late_new_users"] == 0
    assert measured["late_new_items"] == 1
    assert measured["top_10_percent_share"] == 0.5


def test_agreement_counts_only_pairs_that_differ_on_the_real_set() -> None:
    pairs = pl.DataFrame(
        {
            "rung_a": ["x", "x", "y"],
            "rung_b": ["y", "z", "z"],
            "difference": [1.0, 1.0, -1.0],
            "p_holm": [0.01, 0.5, 0.01],
        }
    )
    real = Ordered({"x": 1.0, "y": 2.0, "z": 1.5}, pairs)
    assert agreement(real, Ordered({"x": 0.1, "y": 0.2, "z": 0.3}, pairs)) == (2, 1, ["y over z"])
    assert agreement(real, Ordered({"x": 0.1, "y": 0.2}, pairs)) == (1, 1, [])


def test_lift_of_features_is_seen_where_metadata_explain_taste() -> None:
    lifts = [likeness(small("catalog", rho=rho, taste_weight=10.0))["feature_lift"] for rho in (0.0, 1.0)]
    assert np.isfinite(lifts).all()
    assert lifts[1] > lifts[0] + 0.02  # type: ignore[operator]
