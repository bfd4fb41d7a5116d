"""`make compare` as a user sees it: the page and tables, runs in MLflow with links from the evidence, exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from mlflow import MlflowClient

from pipelines import compare
from recommender import config
from recommender.compare import page_model
from recommender.planning.facts import contradictions
from recommender.studies.summary import CPU
from recommender.tracking import values
from tests.helpers.folders import Done, run, shop

SMALL = "data.source=shop split.min_train=20 split.validation=[0.6] bootstrap=100 decision.thin=10"

VIEWS = ["effort-vs-accuracy", "learning-curves", "by-history-length"]  # of rungs
MOST = "data.source=shop split.min_train=1000000"


@pytest.fixture
def place(workplace: Path) -> Path:
    shop().write(workplace / "shop")
    return workplace


def compare_sites(*more: object) -> Done:
    return run(compare.main, "--scenario", "jobs", "--quick", "--workers", "1", "--set", SMALL, *more)


def runs(store: str, experiment: str) -> list[Any]:
    client = MlflowClient(store)
    logged = client.get_experiment_by_name(experiment)
    return list(client.search_runs([logged.experiment_id], max_results=1000))


def test_a_comparison_writes_its_page_logs_its_runs_and_goes_on_where_it_was(place: Path, store: str) -> None:
    done = compare_sites("--out", "first")
    assert done.code == 0, done.err
    assert all(question in done.out for question in page_model.QUESTIONS)
    assert "no intervals" in done.out
    assert "/#/experiments/" in done.out  # the link to the charts
    page = (place / "first/report.html").read_text()
    assert "jobs on shop" in page
    assert not (place / "artifacts/latest").exists()  # it names the latest train, and this is none
    assert page.count("<h2>What do we build next?</h2>") == 1
    assert {"option", "days", "viability"} <= set(pl.read_parquet(place / "first/facts.parquet")["topic"])
    assert (place / "first/roadmap.csv").read_text().startswith("site,users,move,from,verdict")
    assert "Is the rule-based answer enough?" in (place / "first/roadmap.md").read_text()
    ladder = pl.read_parquet(place / "first/ladder.parquet")
    assert set(ladder["site"]) == {"jobs on shop"}
    assert {"router", "popularity", "ranker"} <= set(ladder["rung"])

    logged = runs(store, "compare")
    report = next(r for r in logged if r.info.run_name == "report")
    mine = [r for r in logged if r.data.tags.get("report") == report.info.run_id]
    assert {r.data.params["site"] for r in mine} == {"jobs on shop"}
    assert {r.data.tags["kind"] for r in mine} == {"rung", "data"}
    rungs = [r for r in mine if r.data.tags["kind"] == "rung"]
    assert {"router", "popularity", "ranker"} <= {r.data.params["rung"] for r in rungs}
    charted = {"100 x NDCG at 10: all users: jobs on shop", "100 x NDCG at 10: all users: jobs on shop with interval"}
    assert all({*charted, CPU} <= set(r.data.metrics) for r in rungs)
    assert all(len(r.data.metrics) <= values.MOST for r in rungs)
    assert re.findall("viewStateShareKey=([a-z-]+)", done.out) == [*VIEWS, "data-value"]
    assert "report.html" in [a.path for a in MlflowClient(store).list_artifacts(report.info.run_id)]
    ids = set(re.findall(r"/runs/([0-9a-f]{32})", page))
    assert ids
    assert all(MlflowClient(store).get_run(i).data.params["data"] == "shop" for i in ids)

    again = compare_sites("--out", "second", "--json")
    assert set(json.loads(again.out)["answers"]["jobs on shop"]) == set(page_model.QUESTIONS)
    assert pl.read_parquet(place / "second/ladder.parquet").equals(ladder)  # read, not measured again


def test_what_cannot_be_compared_is_told_and_leaves_nothing(place: Path) -> None:
    unknown = run(compare.main, "--scenario", "job")
    assert (unknown.code, "did you mean 'jobs'" in unknown.err) == (2, True)
    whose = run(compare.main, "--scenario", "jobs,ugc", "--data", "shop")
    assert (whose.code, "DATA=jobs:shop" in whose.err) == (2, True)
    (place / "estimates").mkdir()
    (place / "estimates/team.csv").write_text("who,option,days_low,days_likely,days_high\nAna,ranker,9,2,3\n")
    broken = compare_sites("--out", "x")
    assert (broken.code, "estimates/team.csv.days_likely" in broken.err, (place / "x").exists()) == (2, True, False)
    (place / "estimates/team.csv").unlink()
    small = run(compare.main, "--scenario", "jobs", "--quick", "--quiet", "--workers", "1", "--out", "x", "--set", MOST)
    assert (small.code, "split.min_train" in small.err, (place / "x").exists()) == (2, True, False)


@pytest.mark.slow
def test_the_quick_variant_answers_for_all_scenarios(workplace: Path) -> None:
    done = run(compare.main, "--quick", "--out", "quick", "--json")
    assert done.code == 0, done.err
    answer = json.loads(done.out)
    assert list(answer["answers"]) == [f"{name} on simulated" for name in config.scenarios()]
    assert "no intervals" in answer["warnings"][0]
    transfer = pl.read_parquet(workplace / "quick/transfer.parquet").filter(user_bucket="all")
    assert transfer.height == len(config.scenarios()) ** 2
    assert transfer.filter(used_in="jobs", recipe_of="jobs")["percent"].item() == pytest.approx(100)
    assert contradictions(pl.read_parquet(workplace / "quick/facts.parquet")) == []
