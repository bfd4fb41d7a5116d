"""Exposure: what the shown items are like, counted by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

from recommender.config import Favourable
from recommender.data.split import Fold
from recommender.evaluation.exposure import miscalibration, small_creators
from recommender.evaluation.metric_table import METRICS
from recommender.evaluation.shown import Shown
from recommender.ranking.favourable import threshold
from recommender.ranking.lists import NO_ITEM, RUNG, Lists
from recommender.spam.suspicion import with_suspicion
from tests.helpers.small import ask, dataset, scenario, table, times

ITEMS = table(
    "item_id", list("abcde"), {},
    place=[{"lat": 0.0, "lon": float(lon)} for lon in (0, 0, 5, 5, 0)], remote=[False, False, False, True, False],
    level=["low", "mid", "high", None, "high"], creator=["x", "x", "y", None, "z"],
    vacancies=[1, 2, None, 0, 1], pay=[10.0, 20, 30, None, 40], rank=[None, None, -1, 2, None],
    moderated_at=times([None, 50, None, 150, None]),
)  # fmt: skip
USERS = table("user_id", ["u", "v"], {}, place=[{"lat": 0.0, "lon": 0.0}] * 2, level=["low", None])
TRAIN = dataset([("u", "a", 0), ("v", "a", 1), ("w", "b", 2), ("w", "c", 3)], ITEMS)


def measured(
    rows: Any, breaking: Any = None, suspicion: Any = None, items: Any = ITEMS, **parts: Any
) -> dict[str, list[float]]:
    """Metrics of two users' lists, named by letters ("." = no item), at hour 100."""
    item = np.array([["abcde".find(letter) for letter in row] for row in rows])
    lists = Lists(item, np.zeros(item.shape, np.float32), np.where(item < 0, NO_ITEM, RUNG).astype(np.int8))
    truth = sp.csr_matrix(np.array([[1, 0, 1, 0, 0], [1, 0, 0, 0, 0]], bool))
    fold = Fold("test", "o", "e", TRAIN, ITEMS, ask([[], []], ITEMS, USERS), np.ones(2, bool), truth, 0)
    shown = items if suspicion is None else with_suspicion(items, np.array(suspicion))
    fold = replace(fold, spam=breaking, items=shown)
    shown_lists = Shown(lists, truth, fold, scenario(**parts), sp.csr_matrix((5, 0)))
    ready = [m for m in METRICS.values() if m.section != "accuracy" and m.needs and m.needs(shown_lists)]
    return {m.name: m.values(shown_lists).tolist() for m in ready if m.values}


def test_nothing_is_measured_that_is_not_configured() -> None:
    assert measured(["ab", "cd"]) == {}


def test_spam_is_counted_as_confirmed_as_flagged_and_as_the_truth_has_it() -> None:
    labels = {"label_column": "moderated_at", "threshold": 0.5}
    truth = np.array([True, True, False, True, False])
    metrics = measured(["abcd", "de.."], truth, [0.6, 0.4, 0.5, 0.0, 0.0], spam={**labels})
    assert metrics == {"violating_at_10": [0.5, 0.5], "flagged_at_10": [0.5, 0.0], "spam_at_10": [0.75, 0.5]}


@pytest.mark.parametrize("hard", [True, False])
def test_what_is_out_of_reach_and_unfit_is_counted_be_the_rule_hard_or_not(hard: bool) -> None:
    reach = {"user": "place", "item": "place", "max_km": 100, "remote": "remote", "hard": hard}
    seniority = {"user": "level", "item": "level", "order": ["low", "mid", "high"], "max_gap": 1, "hard": hard}
    metrics = measured(["abcd", "c..."], eligibility={"reach": reach, "seniority": seniority})
    assert metrics == {"out_of_reach_at_10": [0.25, 1.0], "level_misfit_at_10": [0.25, 0.0]}


def test_blocked_moderated_by_then_and_held_items_are_counted() -> None:
    metrics = measured(["abcd", "de.."], eligibility={"moderated_column": "moderated_at", "holds_column": "rank"})
    assert metrics == {"blocked_at_10": [0.5, 0.0]}, "b was moderated before the query, d after it; c is held back"


def test_small_creators_are_those_with_few_interactions_over_all_their_items() -> None:
    metrics = measured(["ab", "cd"], exposure={"creator_column": "creator", "small_creator": 2})
    assert metrics == {"small_creator_share_at_10": [0.0, 0.5]}, "x has three, y one; nobody made d"
    fold = Fold("test", "o", "e", TRAIN, ITEMS, ask([[]], ITEMS), np.ones(1, bool), sp.csr_matrix((1, 5)), 0)
    assert small_creators(fold, "creator", 1).tolist() == [False, False, False, False, True], "z has none yet"


def test_crowding_is_the_lists_that_show_an_item_per_vacancy() -> None:
    metrics = measured(["ab", "bc"], exposure={"vacancies_column": "vacancies"})
    assert metrics == {"lists_per_vacancy_at_10": [1.0, 1.0]}
    assert measured(["ae", "ad"], exposure={"vacancies_column": "vacancies"})["lists_per_vacancy_at_10"] == [1.5, 1.5]


def test_the_back_catalogue_is_what_was_published_longer_ago_where_items_say() -> None:
    exposed = {"back_catalogue_days": 2}
    assert measured(["ab"], exposure=exposed) == {}, "no item says when it was published"
    hours = times([100 - 49, 100 - 47, None, 0, 99])
    items = replace(ITEMS, frame=ITEMS.frame.with_columns(available_from=hours))
    metrics = measured(["abcd", "e..."], items=items, exposure=exposed)
    assert metrics == {"back_catalogue_share_at_10": [0.5, 0.0]}


def test_miscalibration_is_the_divergence_of_the_list_from_the_history() -> None:
    genres = pl.Series([["g"], ["g", "h"], ["h"], None, []])
    queries = ask([["a", "b"], ["a"], ["d"], []], ITEMS, table("user_id", list("uvwx")))
    row, item = np.array([0, 0, 1, 2, 3]), np.array([0, 1, 2, 0, 0])
    difference = miscalibration(row, item, queries, genres, alpha=0.1)
    assert difference[0] == pytest.approx(0), "three quarters g in both"
    assert difference[1] == pytest.approx(np.log(1 / 0.1)), "all g before, all h now"
    assert np.isnan(difference[2:]).all(), "no value in the history, or no history"


def test_favourable_items_are_the_highest_that_were_known_at_the_origin() -> None:
    audit = {"columns": ["sex"], "favourable": {"column": "pay", "top_share": 0.5}, "at_least": 2}
    metrics = measured(["abce", "ad.."], audit=audit)
    assert threshold(TRAIN.items, Favourable(column="pay", top_share=0.5)) == 25
    assert metrics.pop("taken_favourable_share") == [0.5, 0.0], "c and a; a"
    assert metrics == {"favourable_share_at_10": [0.5, 0.0], "selected_at_10": [1.0, 0.0]}


def test_an_empty_list_has_no_exposure() -> None:
    audit = {"columns": ["sex"], "favourable": {"column": "pay"}}
    metrics = measured(
        ["..", "ea"], audit=audit, exposure={"creator_column": "creator", "vacancies_column": "vacancies"}
    )
    assert metrics.pop("taken_favourable_share") == [0.0, 0.0], "what is taken needs no list"
    assert all(np.isnan(values[0]) and not np.isnan(values[1]) for values in metrics.values())


def test_items_that_state_no_value_have_no_threshold() -> None:
    assert threshold(table("item_id", ["a"], pay=[None]), Favourable(column="pay")) == np.inf


def test_survival_counts_items_and_creators_in_enough_lists() -> None:
    item = np.full((10, 30), -1)
    item[:, 0], item[:, 1], item[:9, 2] = 3, 4, 2  # d and e are new; c, of y who is small, is in nine lists only
    item[:, 25] = 2  # too far down
    lists = Lists(item, item.astype(np.float32), np.zeros(item.shape, np.int8))
    truth = sp.csr_matrix((10, 5), dtype=bool)
    fold = Fold("test", "o", "e", TRAIN, ITEMS, ask([[]] * 10, ITEMS), np.ones(10, bool), truth, 0)
    exposed = scenario(exposure={"creator_column": "creator", "small_creator": 2})
    shown = Shown(lists, truth, fold, exposed, sp.csr_matrix((5, 0)))
    assert METRICS["new_item_survival_at_20"].over_lists(shown) == 1
    assert METRICS["small_creator_survival_at_20"].over_lists(shown) == 1 / 2, "of y and z"
    busy = replace(shown, scenario=scenario(exposure={"creator_column": "creator", "small_creator": 1}))
    assert METRICS["small_creator_survival_at_20"].over_lists(busy) == 1, "of z"
