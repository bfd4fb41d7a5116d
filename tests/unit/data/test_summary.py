"""Summary measures by hand arithmetic, and drift: none against itself, and in the right measure otherwise."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.data.dataset import Dataset
from recommender.data.gate import from_frames
from recommender.data.summary import drift, gini, load_reference, reference, save_reference, summarise
from recommender.errors import UserError


def world(users: list[int] | None = None, **items: Any) -> Dataset:
    days = ["2024-01-01", "2024-01-02", "2024-01-08", "2024-01-09", "2024-01-11"]
    interactions = {"user_id": users or [1, 1, 1, 2, 2], "item_id": ["a", "b", "a", "a", "c"], "timestamp": days}
    described = {
        "item_id": ["a", "b", "c", "d"],
        "title": ["red car", "blue car", "red bus", None],
        "kind": ["car", "car", "bus", "bus"],
        "price": [1.0, 2.0, 3.0, 4.0],
        "tags": [["x"], ["x", "y"], [], None],
        "available_from": ["2023-12-01", None, None, None],
        **items,
    }
    return from_frames(
        pl.DataFrame(interactions), pl.DataFrame(described), pl.DataFrame({"user_id": [1, 3], "city": ["Oslo", "Rome"]})
    )


def test_summary_by_hand() -> None:
    measured = summarise(world())
    assert (measured["n_interactions"], measured["n_users"], measured["n_active_users"]) == (5, 3, 2)
    assert (measured["n_items"], measured["n_used_items"]) == (4, 3)
    assert measured["density"] == 4 / 12  # user 1 took a twice
    assert measured["span_days"] == 10
    assert measured["item_lifetime_days"] == 8  # only a was used twice
    assert measured["stated_availability_share"] == 0.25
    assert measured["top_10_percent_share"] == 3 / 5
    assert measured["events_per_user_p50"] == 2.5
    assert measured["gini_items"] == pytest.approx(0.45)  # counts 0 1 1 3: (-3*0 - 1*1 + 1*1 + 3*3) / (4*5) = .45
    assert measured["events"] == {"interaction": 5}


def test_share_of_new_users_and_items_per_week() -> None:
    first, second = summarise(world())["weeks"]
    assert (first["week"], first["new_users_share"], first["new_items_share"]) == ("2024-01-01", 1.0, 1.0)
    assert (second["n_interactions"], second["new_users_share"], second["new_items_share"]) == (3, 0.5, 0.5)


def test_coverage_counts_empty_lists_as_missing() -> None:
    filled = {(c["table"], c["column"]): c["coverage"] for c in summarise(world())["columns"]}
    assert filled[("items", "tags")] == 0.5
    assert filled[("items", "title")] == 0.75
    assert filled[("users", "city")] == pytest.approx(2 / 3)


def test_summary_is_plain_json_even_without_interactions_or_times() -> None:
    empty = from_frames(None, pl.DataFrame({"item_id": ["a"]}), require_interactions=False)
    timeless = from_frames(
        pl.DataFrame({"user_id": [1], "item_id": ["a"], "timestamp": [None]}), pl.DataFrame({"item_id": ["a"]})
    )
    for data in (empty, timeless, world()):
        json.dumps(summarise(data), allow_nan=False)
    assert summarise(timeless)["span_days"] is None
    assert summarise(empty)["gini_items"] is None


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=50))
def test_gini_is_between_even_and_all_on_one(counts: list[int]) -> None:
    value = gini(np.array(counts))
    if not sum(counts):
        assert value is None
    else:
        assert value is not None
        assert -1e-9 <= value <= 1 - 1 / len(counts) + 1e-9
        assert value == pytest.approx(sum(abs(a - b) for a in counts for b in counts) / (2 * len(counts) * sum(counts)))


def measures(rows: list[dict[str, Any]]) -> dict[str, float]:
    return {row["measure"]: row["now"] for row in rows}


def test_nothing_has_drifted_against_itself() -> None:
    rows = drift(world(), world())
    assert all(row["trained"] == pytest.approx(row["now"]) for row in rows)
    assert {"new_user_share", "popularity_shift", "items.kind/shift", "items.price/shift"} <= measures(rows).keys()


def test_new_users_and_items_are_counted_with_their_interactions() -> None:
    now = world(users=[1, 1, 1, 9, 9], item_id=["a", "b", "c", "e"])
    rows = drift(world(), now)
    assert measures(rows)["new_user_share"] == 0.5
    assert measures(rows)["new_item_share"] == 0.25
    sentence = next(r["sentence"] for r in rows if r["measure"] == "new_user_share")
    assert "50% of the users, with 40% of the interactions" in sentence


def test_popularity_shift_by_hand() -> None:
    now = world()
    turned = now.interactions.with_columns(pl.col("item_id").replace({"a": "c", "c": "a"}))
    drift_now = measures(drift(world(), replace(now, interactions=turned)))
    assert drift_now["popularity_shift"] == pytest.approx(0.4)  # shares .6 .2 .2 -> .2 .2 .6
    assert drift_now["popularity_rank_correlation"] < 1


def test_feature_drift_shows_in_the_column_that_moved() -> None:
    now = world(
        kind=["car", "car", "car", "tram"], price=[3.0, 4.0, 5.0, 6.0], title=["red car", "new tram", None, None]
    )
    drift_now = measures(drift(world(), now))
    assert drift_now["items.kind/shift"] == pytest.approx(0.5)  # .5 .5 0 -> .75 0 .25
    assert drift_now["items.price/shift"] == pytest.approx(0.5)
    assert drift_now["items.title/shift"] == pytest.approx(0.5)  # red car | new tram
    assert drift_now["items.title/coverage"] == 0.5
    assert drift_now["items.tags/shift"] == 0


def test_columns_that_come_and_go_are_told() -> None:
    now = world(colour=["red", "red", "blue", "blue"])
    assert "is new" in next(r["sentence"] for r in drift(world(), now) if r["measure"] == "items.colour/coverage")
    assert "is gone" in next(r["sentence"] for r in drift(now, world()) if r["measure"] == "items.colour/coverage")


def test_reference_survives_saving(tmp_path: Path) -> None:
    save_reference(world(), tmp_path)
    assert load_reference(tmp_path) == reference(world())
    now = world(users=[7, 7, 8, 9, 9])
    assert drift(load_reference(tmp_path), now) == drift(world(), now)


def test_reference_that_is_not_there_is_a_users_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="OUT folder of a finished train"):
        load_reference(tmp_path)


def test_rare_values_count_together() -> None:
    n = 2000
    names = [f"v{i}" for i in range(n)]
    table = pl.DataFrame({"item_id": names, "city": names})
    interactions = pl.DataFrame({"user_id": [1], "item_id": ["v1"], "timestamp": ["2024-01-01"]})
    data = from_frames(interactions, table, spec={"features": {"items": {"city": "category"}}})
    assert len(reference(data)["columns"]["items.city"]["shares"]) == 501
    assert measures(drift(data, data))["items.city/shift"] == 0  # not 1e-15, which would be printed as a change


def test_means_are_printed_as_people_write_them() -> None:
    then, now = (world(price=[k * 20_000.0 for k in (1, 2, 3, n)]) for n in (4, 9))
    sentence = next(r["sentence"] for r in drift(then, now) if r["measure"] == "items.price/shift")
    assert "mean 50,000 then, 75,000 now" in sentence
