"""Controls are measured beside the ladder, decide nothing, and mark rungs that do not beat them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recommender import config
from recommender.config import Scenario
from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.data.times import to_microseconds
from recommender.evaluation.effort import EffortLog
from recommender.evaluation.metric_table import REGRET
from recommender.experiment import controls, ladder, run_folder, run_tables
from recommender.experiment.controls import controls_table, unbeaten
from recommender.experiment.refit_for_serving import refit_for_serving
from recommender.experiment.run_folder import read_run
from recommender.experiment.rungs import n_steps
from recommender.models import RECOMMENDERS
from recommender.models.popularity import Popularity
from recommender.names import ORACLE
from recommender.report.document import write_report
from recommender.tracking import values
from tests.helpers.out_folder import write_out
from tests.helpers.small import Row, dataset, table

LADDER: list[dict[str, Any]] = [
    {"name": "random", "recommender": "random", "control": True},
    {"name": "recent", "recommender": "popularity", "params": {"half_life_share": 0.2}},
    {"name": "content", "recommender": "content"},
    {"name": "knn", "recommender": "item_knn"},
]
MEASURED = ["recent-shuffled-times", "content-shuffled-features"]


def scenario(**more: Any) -> Scenario:
    problem = {"what": "", "for_whom": "", "target": 0.1, "cost_of_error": ""}
    base = {"name": "small", "problem": problem, "ladder": LADDER, "split": {"min_train": 20}, "bootstrap": 100}
    return config.parse({**base, "decision": {"thin": 5}, "controls": True, **more})


def data(featured: bool = True) -> Dataset:
    """Two tastes; where featured, an item's genre tells whose it is."""
    rng = np.random.default_rng(0)
    user = rng.integers(80, size=800)
    item = 2 * rng.integers(15, size=800) + user % 2
    hours = rng.uniform(0, 100, 800)
    rows: list[Row] = [(f"u{u}", f"i{i}", float(h)) for u, i, h in zip(user, item, hours, strict=True)]
    ids = [f"i{i}" for i in range(30)]
    genre = [["even", "odd"][i % 2] if featured else "any" for i in range(30)]
    return dataset(rows, items=table("item_id", ids, {"genre": "category"}, genre=genre))


def run(given: Dataset, chosen: Scenario) -> tuple[ladder.Results, list[str]]:
    steps: list[str] = []
    return ladder.run(given, chosen, EffortLog(), steps.append, lambda _: None), steps


@pytest.fixture(scope="module")
def measured() -> tuple[ladder.Results, list[str]]:
    return run(data(), scenario())


def table_of(results: ladder.Results) -> pl.DataFrame:
    return controls_table(next(g for g in results.groups if g.split == "test"), scenario())


def test_controls_are_measured_at_the_test_origin_and_decide_nothing(measured: Any) -> None:
    results, steps = measured
    plain, _ = run(data(), scenario(controls=False))
    assert set(results.outcomes[-1]) - set(plain.outcomes[-1]) == set(MEASURED)
    assert [list(o) for o in results.outcomes[:-1]] == [list(o) for o in plain.outcomes[:-1]]
    assert results.decision.choices == plain.decision.choices
    for rung, outcome in plain.outcomes[-1].items():
        np.testing.assert_array_equal(outcome.values["ndcg_at_10"], results.outcomes[-1][rung].values["ndcg_at_10"])
    assert len(steps) <= n_steps(scenario())


def test_every_rung_is_compared_with_its_shuffled_self_and_the_plain_rungs_below(measured: Any) -> None:
    pairs = set(table_of(measured[0]).select("rung", "control").iter_rows())
    assert pairs == {
        ("recent", "random"), ("recent", "recent-shuffled-times"),
        ("content", "random"), ("content", "recent"), ("content", "content-shuffled-features"),
        ("knn", "random"), ("knn", "recent"),
    }  # fmt: skip


def test_the_difference_is_that_of_the_means_of_the_same_queries(measured: Any) -> None:
    results = measured[0]
    first = results.query_info[-1].first
    value = {r: results.outcomes[-1][r].values["ndcg_at_10"][first].mean() for r in ("content", MEASURED[1])}
    row = table_of(results).row(
        by_predicate=(pl.col("control") == MEASURED[1])
        & (pl.col("user_bucket") == "all")
        & (pl.col("metric") == "ndcg_at_10"),
        named=True,
    )
    assert row["difference"] == pytest.approx(value["content"] - value[MEASURED[1]], abs=1e-6)
    assert row["ci_low"] <= row["difference"] <= row["ci_high"]


def test_features_that_tell_nothing_do_not_beat_shuffled_ones_and_telling_ones_do(measured: Any) -> None:
    def marked(results: ladder.Results) -> bool:
        lines = unbeaten(table_of(results), "ndcg_at_10")
        return any(line.startswith("content ") and "features shuffled" in line for line in lines)

    assert not marked(measured[0])
    assert marked(run(data(featured=False), scenario())[0])


def test_tables_and_warnings_of_a_train_with_controls(measured: Any, tmp_path: Path) -> None:
    results, chosen = measured[0], scenario()
    run_folder.write_tables(tmp_path, results, chosen)
    run_folder.write_config(tmp_path, chosen)
    results.decision.write(tmp_path)
    run_folder.write_data(tmp_path, data(), "small", results, chosen)
    assert set(MEASURED) <= set(pl.read_parquet(tmp_path / "metrics.parquet")["rung"])
    read = read_run(tmp_path)
    assert set(read.controls["control"]) >= set(MEASURED)
    assert set(unbeaten(read.controls, read.metric)) <= set(run_tables.warnings(read))
    assert not set(MEASURED) & set(run_tables.ladder(read)["rung"])
    assert not set(MEASURED) & set(read.comparisons["rung_a"])


def test_report_marks_a_rung_that_does_not_beat_its_control(tmp_path: Path) -> None:
    out = write_out(tmp_path / "out")
    assert "Controls</h2>" not in write_report(out).read_text()
    rows = [("als", "popularity", b, "ndcg_at_10", 0.02, 0.01, 0.03, 0.001) for b in ("all", "0")]
    rows += [("content", "content-shuffled-features", "all", "ndcg_at_10", 0.003, -0.002, 0.008, 0.4)]
    names = ["rung", "control", "user_bucket", "metric", "difference", "ci_low", "ci_high", "p_holm"]
    pl.DataFrame(rows, schema=names, orient="row").write_parquet(out / "controls.parquet")
    page = write_report(out).read_text()
    assert "Controls</h2>" in page
    assert "+0.0030 ✗" in page
    assert "+0.0200<" in page
    assert "content − content-shuffled-features" in page


def test_a_sentence_names_every_control_that_a_rung_does_not_beat() -> None:
    rows = [("als", "popularity", "all", "ndcg_at_10", -0.01, -0.02, -0.001),
            ("als", "random", "all", "ndcg_at_10", 0.1, 0.05, 0.2),
            ("ranker", "ranker-shuffled-times", "all", "ndcg_at_10", 0.0, -0.01, 0.01),
            ("ranker", "popularity", "0", "ndcg_at_10", 0.0, -0.01, 0.01)]  # fmt: skip
    names = ["rung", "control", "user_bucket", "metric", "difference", "ci_low", "ci_high"]
    als, ranker = unbeaten(pl.DataFrame(rows, schema=names, orient="row"), "ndcg_at_10")
    assert als == ("als does not beat its control in NDCG@10, all users: popularity (-0.010 [-0.020, -0.001]).")
    assert ranker.startswith("ranker does not beat its control in NDCG@10, all users: itself with times shuffled")


class Knowing:
    """A truth that knows whose items are whose; as_of: never asked before the test origin."""

    def __init__(self) -> None:
        self.times: list[int] = []

    def scores(self, users: pl.Series, items: pl.Series, as_of: np.ndarray) -> np.ndarray:
        self.times += as_of.tolist()
        user_number, number = (ids.str.slice(1).cast(pl.Int64).to_numpy() for ids in (users, items))
        return ((user_number[:, None] + number) % 2 == 0).astype(np.float32)


def test_with_a_truth_every_rung_has_its_regret_query_by_query(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controls, "ORACLE_USERS", 20)
    plain, _ = run(data(), scenario(controls=False))
    truth = Knowing()
    results, _ = run(replace(data(), truth=lambda: truth), scenario(controls=False))
    assert results.decision.choices == plain.decision.choices
    assert results.parameters == plain.parameters
    assert [list(o) for o in results.outcomes[:-1]] == [list(o) for o in plain.outcomes[:-1]]
    assert [*plain.outcomes[-1], ORACLE] == list(results.outcomes[-1])
    assert min(truth.times) >= to_microseconds(datetime.fromisoformat(results.origins[-1]["origin"]))
    bound = results.outcomes[-1][ORACLE].values["ndcg_at_10"]
    first = results.query_info[-1].first
    assert np.isfinite(bound[first]).sum() == 20
    whole = results.query_info[-1].user_ids.filter(pl.Series(np.isfinite(bound))).unique()
    assert (np.isfinite(bound) == results.query_info[-1].user_ids.is_in(whole.implode()).to_numpy()).all()
    for rung, outcome in results.outcomes[-1].items():
        np.testing.assert_allclose(outcome.values[REGRET], bound - outcome.values["ndcg_at_10"])
        if rung != ORACLE:
            np.testing.assert_array_equal(outcome.values["ndcg_at_10"], plain.outcomes[-1][rung].values["ndcg_at_10"])
    assert np.nanmean(results.outcomes[-1]["random"].values[REGRET]) > 0.1


def test_regret_has_intervals_by_user_bucket_and_stands_in_the_report(tmp_path: Path) -> None:
    results, _ = run(replace(data(), truth=Knowing), scenario(controls=False))
    chosen = scenario(controls=False)
    run_folder.write_tables(tmp_path, results, chosen)
    run_folder.write_config(tmp_path, chosen)
    results.decision.write(tmp_path)
    run_folder.write_data(tmp_path, data(), "small", results, chosen)
    rows = pl.read_parquet(tmp_path / "metrics.parquet").filter(metric=REGRET, slice="all", split="test")
    assert set(rows["rung"]) == {*(r["name"] for r in LADDER), "router", ORACLE}
    assert {"all", "10_plus"} <= set(rows["user_bucket"])
    known = rows.filter(pl.col("n_queries") > 1)
    assert (known["ci_low"] <= known["value"]).all()
    assert (known["value"] <= known["ci_high"]).all()
    page = write_report(tmp_path).read_text()
    assert "Regret: how far from the best possible" in page
    read = read_run(tmp_path)
    assert ORACLE not in run_tables.regret(read)["rung"]
    assert not run_tables.ladder(read).filter(rung=ORACLE)["is_best"].any()
    assert ORACLE not in (tmp_path / "decision.json").read_text()
    logged = values.evaluation(pl.read_parquet(tmp_path / "metrics.parquet"), "router")
    assert {"acc/regret_ndcg_at_10", "acc/regret_ndcg_at_10_ci_low", "acc/user_10_plus/regret_ndcg_at_10"} <= set(
        logged
    )
    assert logged["data/user_0/n_queries"] == rows.filter(user_bucket="0", rung="router")["n_queries"][0]


@pytest.mark.parametrize("known", ["too large", "not in time"])
def test_no_oracle_is_asked_where_that_would_take_long_or_mean_nothing(
    known: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never() -> Knowing:
        raise AssertionError("the truth was asked for")

    more = {"split": {"kind": "random"}} if known == "not in time" else {}
    monkeypatch.setattr(controls, "ORACLE_ROWS", 100 if known == "too large" else 10**6)
    ladder_ = [r for r in LADDER if r["recommender"] in ("random", "content", "item_knn")]
    chosen = scenario(controls=False, ladder=ladder_, **more)
    results, _ = run(replace(data(), truth=never), chosen)
    assert ORACLE not in results.outcomes[-1]
    assert REGRET not in results.outcomes[-1]["content"].values


def test_no_recommender_is_ever_handed_a_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither when it is fitted, at any origin or for shipping, nor by what it is asked to score."""
    seen: list[object] = []

    class Spy(Popularity):
        def fit(self, train: Dataset) -> Spy:
            seen.append(train.truth)
            super().fit(train)
            return self

        def score(self, queries: Queries, items: Table) -> np.ndarray:
            held = [*vars(queries).values(), *vars(items).values(), *vars(self).values()]
            seen.extend(value for value in held if isinstance(value, Knowing))
            return super().score(queries, items)

    monkeypatch.setitem(RECOMMENDERS, "popularity", Spy)
    given = replace(data(), truth=Knowing)
    results, _ = run(given, scenario())
    refit_for_serving(given, results.decision, scenario(), EffortLog(), lambda _: None)
    assert len(seen) >= 4
    assert all(value is None for value in seen)
