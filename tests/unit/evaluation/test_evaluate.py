"""Per-query values -> tables by user bucket, item bucket and slice, with paired comparisons."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

from recommender.config import DecisionRule, Eligibility, Scoring
from recommender.data.dataset import NO_TIME
from recommender.data.split import time_fold
from recommender.evaluation.evaluate import (
    POOLED,
    Group,
    Outcome,
    QueryInfo,
    as_times,
    comparisons_table,
    groups,
    metrics_table,
    outcome,
    per_query_table,
    periods_of,
    query_info,
)
from recommender.evaluation.metric_table import METRICS, compared, of_every_query
from recommender.experiment.climb import climb
from recommender.models.popularity import Popularity
from recommender.names import WITH_HISTORY  # fmt: skip
from recommender.ranking.candidates import Candidates
from recommender.ranking.recommend import recommend
from tests.helpers.small import Row, at, dataset, scenario, us

NAMES = [m.name for m in METRICS.values() if m.values and not m.needs]


def result(values: Any, **others: Any) -> Outcome:
    base = np.asarray(values, dtype=np.float64)
    return Outcome({n: np.asarray(others.get(n, base), dtype=np.float64) for n in NAMES}, {"item_coverage_at_10": 0.5})


def people(
    users: list[str],
    bucket: list[int],
    split: str = "test",
    origin: str = "o",
    returning: list[bool] | None = None,
    **slices: list[Any],
) -> QueryInfo:
    first = pl.Series(users).is_first_distinct().to_numpy()
    chosen = {c: pl.Series(v, dtype=pl.String) for c, v in slices.items()}
    back = np.array(returning if returning is not None else [False] * len(users))
    return QueryInfo(
        split, origin, pl.Series("user_id", users), np.full(len(users), us(1)), np.array(bucket), first, back, chosen
    )


ASKED = people(["u", "u", "v", "w"], [0, 1, 1, 0])
GROUP = Group("test", "o", [ASKED], [{"pop": result([0, 0.2, 0.4, 0.6]), "als": result([0.1, 0.5, 0.9, 0.7])}])


def cell(table: pl.DataFrame, **where: Any) -> dict[str, Any]:
    defaults = {"rung": "pop", "user_bucket": "all", "item_bucket": "all", "slice": "all", "metric": "ndcg_at_10"}
    return table.filter(**(defaults | where)).row(0, named=True)


def test_rows_for_all_users_use_first_queries_and_rows_of_a_bucket_use_all() -> None:
    table = metrics_table(GROUP, 200, 0)
    assert cell(table)["value"] == pytest.approx((0 + 0.4 + 0.6) / 3)
    assert cell(table)["n_queries"] == 3
    assert cell(table, user_bucket="0")["value"] == pytest.approx((0 + 0.6) / 2)
    assert cell(table, user_bucket="1_2")["value"] == pytest.approx((0.2 + 0.4) / 2)
    assert cell(table, user_bucket=WITH_HISTORY)["n_queries"] == 2


def test_a_bucket_without_queries_has_a_row_that_says_so() -> None:
    row = cell(metrics_table(GROUP, 200, 0), user_bucket="10_plus")
    assert (row["value"], row["ci_low"], row["n_queries"]) == (None, None, 0)


def test_values_lie_in_their_intervals() -> None:
    table = metrics_table(GROUP, 200, 0).drop_nulls(["value", "ci_low"])
    assert table.filter(
        (pl.col("ci_low") > pl.col("value") + 1e-6) | (pl.col("ci_high") < pl.col("value") - 1e-6)
    ).is_empty()


def test_slices_of_too_few_first_queries_are_left_out() -> None:
    users = [f"u{n}" for n in range(70)]
    state = ["N"] * 35 + ["S"] * 29 + [None] * 6
    values = np.arange(70) / 100
    group = Group("test", "o", [people(users, [0] * 70, state=state)], [{"pop": result(values)}])
    table = metrics_table(group, 200, 0)
    assert table.filter(slice="state")["slice_value"].unique().to_list() == ["N"]
    assert cell(table, slice="state")["value"] == pytest.approx(values[:35].mean())


def test_comparisons_are_paired_and_name_the_simpler_rung_first() -> None:
    table = comparisons_table(GROUP, ["pop", "als"], 200, 0)
    row = table.filter(user_bucket="1_2", metric="ndcg_at_10").row(0, named=True)
    assert (row["rung_a"], row["rung_b"], row["n_queries"]) == ("pop", "als", 2)
    assert row["difference"] == pytest.approx((0.3 + 0.5) / 2)
    assert row["ci_low"] == pytest.approx(0.3)
    assert set(table["metric"]) == set(compared())
    assert "10_plus" not in table["user_bucket"]


def test_p_is_adjusted_for_the_rungs_above_the_same_one() -> None:
    rng = np.random.default_rng(0)
    info = people([f"u{n}" for n in range(200)], [1] * 200)
    base = rng.uniform(size=200)
    rungs = {
        "pop": result(base),
        "b": result(base + rng.normal(0.02, 0.1, 200)),
        "c": result(base + rng.normal(0.3, 0.1, 200)),
    }
    group = Group("test", "o", [info], [rungs])
    rows = comparisons_table(group, list(rungs), 200, 0).filter(user_bucket="1_2", metric="ndcg_at_10")
    p = {(a, b): v for a, b, v in rows.select("rung_a", "rung_b", "p_holm").iter_rows()}
    assert p["pop", "c"] == pytest.approx(2 / 2000)  # the smallest possible p, one of two
    assert p["b", "c"] == pytest.approx(1 / 2000)  # alone above b
    assert p["pop", "b"] > p["pop", "c"]


def test_a_deciding_interval_is_as_wide_as_users_and_periods_make_it() -> None:
    """All users of the last period gain, nobody else does: by users sure, by periods not."""
    info = replace(people([f"u{n}" for n in range(200)], [1] * 200), as_of=np.arange(200)[::-1])
    base = np.random.default_rng(0).uniform(size=200)
    group = Group("validation", "o", [info], [{"pop": result(base), "b": result(base + (info.as_of >= 150))}])
    period = group.periods()
    assert np.bincount(period).tolist() == [50] * 4
    assert (period[:50] == 3).all()
    test, deciding = (
        comparisons_table(group, ["pop", "b"], 200, 0, deciding=d).filter(user_bucket="1_2", metric="ndcg_at_10")
        for d in (False, True)
    )
    assert test["ci_low"].item() > 0.15
    assert deciding["ci_low"].item() < 0
    assert deciding["difference"].item() == test["difference"].item() == pytest.approx(0.25)
    by_users = replace(group, query_info=[replace(info, n_periods=0)])
    assert not by_users.periods().any()
    bounds = comparisons_table(by_users, ["pop", "b"], 200, 0, deciding=True)
    assert bounds.filter(user_bucket="1_2", metric="ndcg_at_10")["ci_low"].item() == test["ci_low"].item()


def test_a_rung_that_answers_nobody_of_a_bucket_has_no_evidence_there() -> None:
    """For newcomers its lists are completion alone: better by chance, and nothing that the rung did."""
    people_ = people([f"u{n}" for n in range(400)], [0, 1] * 200)
    base, known = np.random.default_rng(0).uniform(size=400), np.arange(400) % 2
    rungs = {"pop": result(base), "near": result(base + 0.1, answered_share=known), "b": result(base + 0.2)}
    group = Group("validation", "o", [people_], [rungs])
    table = comparisons_table(group, list(rungs), 200, 0, ["ndcg_at_10"], deciding=True)
    p = {(r["rung_a"], r["rung_b"], r["user_bucket"]): r["p_holm"] for r in table.iter_rows(named=True)}
    assert p["pop", "near", "0"] == 1
    assert max(p["near", "b", "0"], p["pop", "b", "0"], p["pop", "near", "1_2"], p["near", "b", "1_2"]) < 0.05
    rule = DecisionRule(thin=10)
    assert climb(table.filter(pl.col("rung_b") == "near"), ["pop", "near"], rule)["0"].rung == "pop"
    whole = comparisons_table(group, list(rungs), 200, 0, ["ndcg_at_10"])
    assert whole.filter(user_bucket="0", rung_b="near")["p_holm"].item() < 0.05  # what the test period shows, all see


def test_no_period_is_of_two_folds() -> None:
    info = replace(people([f"u{n}" for n in range(8)], [1] * 8), as_of=np.arange(8))
    assert [p.tolist() for p in periods_of([info, info])] == [[0, 0, 1, 1, 2, 2, 3, 3], [4, 4, 5, 5, 6, 6, 7, 7]]


def test_folds_split_at_random_are_draws_of_one_period() -> None:
    info = replace(people([f"u{n}" for n in range(8)], [1] * 8), as_of=np.full(8, NO_TIME))
    assert [p.tolist() for p in periods_of([info, info])] == [[0] * 8, [0] * 8]


def test_a_ladder_of_one_rung_has_nothing_to_compare() -> None:
    table = comparisons_table(GROUP, ["pop"], 200, 0)
    assert table.is_empty()
    assert {"rung_a", "rung_b", "user_bucket", "metric", "difference", "ci_low", "ci_high", "p_holm"} <= set(
        table.columns
    )


def test_validation_origins_are_pooled_with_users_as_clusters() -> None:
    folds = [people(["u", "v"], [1, 1], "validation", o) for o in ("o1", "o2")] + [people(["u"], [1])]
    bucket_groups = groups(folds, [{"pop": result([0, 1])}, {"pop": result([0, 1])}, {"pop": result([0.5])}])
    assert [(g.split, g.origin) for g in bucket_groups] == [
        ("validation", "o1"),
        ("validation", "o2"),
        ("test", "o"),
        ("validation", POOLED),
    ]
    codes, keys = bucket_groups[-1].users()
    assert len(keys) == 2
    assert codes.tolist() == [0, 1, 0, 1]
    assert cell(metrics_table(bucket_groups[-1], 200, 0))["n_queries"] == 4


def test_per_query_rows_hold_each_accuracy_of_each_query_and_rung() -> None:
    table = per_query_table([ASKED], [GROUP.outcomes[0]])
    assert table.height == 4 * 2 * len(of_every_query())
    row = table.filter(rung="als", query_id=2, metric="map_at_10").row(0, named=True)
    assert (row["user_id"], row["user_bucket"], row["value"], row["as_of"]) == ("v", "1_2", 0.9, at(1))


def test_a_time_that_is_not_stated_is_null() -> None:
    assert as_times(np.array([NO_TIME, us(5)])).to_list() == [None, at(5)]


def test_an_outcome_measures_lists_against_what_was_taken() -> None:
    """Two items known, a taken more often; w takes b and then the new c."""
    rows: list[Row] = [("u", "a", 0), ("v", "a", 1), ("u", "b", 2), ("w", "b", 11), ("w", "c", 12), ("u", "c", 13)]
    fold = time_fold(dataset(rows), "test", at(10), None, 1)
    candidates = Candidates.after(fold.train, fold.items, Eligibility())
    lists = recommend(Popularity().fit(fold.train), fold.queries, candidates, 20, Scoring())
    values = outcome(lists, fold, scenario(), sp.csr_matrix((3, 0), dtype=np.float32)).values
    about = query_info(fold, ["absent"], away_days=1)
    assert about.user_ids.to_list() == ["u", "w", "w"]
    assert about.bucket.tolist() == [1, 0, 1]
    assert about.slices == {}
    # u has c left (rank 1, completed); w is shown a, b, c and takes b, c; then a, c and takes c
    np.testing.assert_allclose(values["mrr_at_10"], [1, 1 / 2, 1 / 2])
    np.testing.assert_allclose(values["recall_at_20:0"], [1, 1, 1])
    np.testing.assert_allclose(values["recall_at_20:1_2"], [np.nan, 1, np.nan])
    np.testing.assert_allclose(values["answered_share"], [0, 2 / 3, 1 / 2])


def test_users_who_come_back_are_told_apart_within_their_bucket() -> None:
    back = people(["u", "v", "w", "x"], [1, 1, 0, 1], returning=[True, False, False, True])
    group = Group("test", "o", [back], [{"pop": result([0.2, 0.4, 0.6, 0.4])}])
    table = metrics_table(group, 100, 0)
    of_visit = {
        value: cell(table, user_bucket="1_2", slice="visit", slice_value=value) for value in ("returning", "in_session")
    }
    assert (of_visit["returning"]["value"], of_visit["returning"]["n_queries"]) == (pytest.approx(0.3), 2)
    assert (of_visit["in_session"]["value"], of_visit["in_session"]["n_queries"]) == (pytest.approx(0.4), 1)
