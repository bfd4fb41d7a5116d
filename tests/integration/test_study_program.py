"""`make study` as a user sees it: results, a report, runs in MLflow, failures that stop nothing, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from mlflow import MlflowClient

from pipelines import study
from recommender.studies.engine import plan
from recommender.tracking import views
from tests.helpers.folders import Done, run, shop
from tests.helpers.studies import WITHOUT_TEXT
from tests.helpers.views import charted_names

NONSENSE = {"without": {"data.differences": [{"metadata": {"drop": ["no such column"]}}]}}
SMALL: dict[str, Any] = {**WITHOUT_TEXT, "pairs": {"all": {**WITHOUT_TEXT["pairs"]["all"], "nonsense": NONSENSE}}}


@pytest.fixture
def place(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a data set and the study ``small``."""
    monkeypatch.setattr(plan, "EXPERIMENTS", workplace / "experiments")
    (workplace / "experiments").mkdir()
    (workplace / "experiments/small.yaml").write_text(yaml.safe_dump(SMALL))
    shop().write(workplace / "shop")
    return workplace


def runs(store: str, experiment: str) -> list[Any]:
    client = MlflowClient(store)
    logged = client.get_experiment_by_name(experiment)
    return list(client.search_runs([logged.experiment_id], max_results=1000))


def small(*more: str) -> Done:
    return run(study.main, "--study", "small", "--data", "shop", "--workers", "1", *more)


def test_a_study_writes_results_and_a_report_goes_on_after_failures_and_logs_each_cell_once(
    place: Path, store: str
) -> None:
    done = small()
    assert done.code == 0, done.err
    out = place / "studies/small"
    assert "text" in done.out
    assert "no column 'no such column'" in done.out
    table = pl.read_parquet(out / "results.parquet")
    assert set(table["pair"]) == {"", "text"}
    assert set(table["rung"]) == {"popularity", "content"}
    assert "What does text bring?" in (out / "report.html").read_text()
    assert "Failed, and left out: jobs data=shop pair=nonsense" in (out / "report.md").read_text()

    first = runs(store, "study-small")
    by_status = {s: [r for r in first if r.info.status == s] for s in ("FINISHED", "FAILED")}
    assert len(by_status["FINISHED"]) == 2 * 2 + 2  # two cells of two rungs, the report, and what it says of text
    assert "no column" in by_status["FAILED"][0].data.tags["error"]
    one = next(r for r in first if r.data.params.get("pair") == "text" and r.data.params["rung"] == "content")
    text_run = next(r for r in first if r.data.params.get("data") == "text")
    assert {"100 x gain in NDCG at 10: all users: jobs on shop", "worth/cpu_s"} <= set(text_run.data.metrics)
    assert text_run.data.tags["report"] in {r.info.run_id for r in first}
    assert one.data.params["data/difference"] == "metadata(roles=['text'])"
    assert "mlflow.parentRunId" not in one.data.tags
    assert {"acc/ndcg_at_10", "effort/total_cpu_s", "data/n_train"} <= set(one.data.metrics)

    charted = set().union(*map(charted_names, views.study_views().values()))
    assert charted <= set(one.data.metrics)
    assert "Data value: http://127.0.0.1:5000/#/experiments/" in done.out
    assert "viewStateShareKey=data-value" in done.out

    again = small("--json")
    assert json.loads(again.out)["findings"][0]["title"] == "jobs on shop"
    assert pl.read_parquet(out / "results.parquet").equals(table)  # read, not measured again: seconds are the same
    assert len([r for r in runs(store, "study-small") if r.info.status == "FINISHED"]) == 2 * 2 + 4


def test_a_study_of_which_every_cell_fails_is_the_users_to_mend(place: Path) -> None:
    done = small("--set", "split.min_train=1000000", "--quiet")
    assert done.code == 2
    assert "No cell of the study could be measured" in done.err
    assert "split.min_train" in done.err


def test_unknown_names_are_told_before_anything_is_run(place: Path) -> None:
    done = run(study.main, "--study", "smal")
    assert (done.code, "did you mean 'small'" in done.err) == (2, True)
    assert run(study.main, "--study", "small", "--scenario", "job").code == 2
    assert not (place / "studies").exists()


def test_each_scenario_may_have_data_of_its_own(place: Path) -> None:
    given = plan.load("small")
    plans = study.planned(given, ["jobs", "ugc"], "shop,other", [])
    assert {(c.labels["scenario"], c.labels["data"]) for c in plans} == {("jobs", "shop"), ("ugc", "other")}
    done = run(study.main, "--study", "small", "--scenario", "jobs,ugc,catalog", "--data", "shop,other")
    assert (done.code, "2 data sets for 3 scenarios" in done.err) == (2, True)


def test_a_store_that_fails_costs_no_results(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////dev/null/no.db")
    done = small("--quiet")
    assert done.code == 3
    assert "results are kept" in done.err
    assert (place / "studies/small/report.html").exists()
