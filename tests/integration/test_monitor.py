"""The monitor as a person on duty runs it: five parts, a page, health.json, curves in MLflow, 4 on an alarm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from mlflow import MlflowClient

from pipelines import monitor
from tests.helpers.folders import Done, Trained, run, shop

PARTS = ["Alive", "Used", "Still right", "Reasons", "What to do"]


@pytest.fixture(scope="module")
def since(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Interactions of the hundred days after the train."""
    later = shop(seed=1).interactions.with_columns(pl.col("timestamp").dt.offset_by("100d"))
    later.write_parquet(path := tmp_path_factory.mktemp("since") / "interactions.parquet")
    return path


def look(trained: Trained, out: Path, *more: object) -> tuple[Done, dict[str, Any]]:
    done = run(monitor.main, "--model", trained.out, "--out", out, *more)
    return done, json.loads((out / "health.json").read_text()) if out.exists() else {}


def test_everything_is_watched_and_kept(trained: Trained, workplace: Path, since: Path) -> None:
    done, health = look(trained, workplace / "h", "--interactions", since)
    assert done.code == (4 if health["alarms"] else 0), done.err
    assert list(health["parts"]) == PARTS
    assert health["from"] == "2024-04-10"
    assert {"interactions", "new_users", "popularity", "ndcg_at_10"} <= set(health["streams"])
    assert health["streams"]["interactions"]["before"] == pytest.approx(8, abs=1.5)
    assert "the train promised" in " ".join(health["parts"]["Still right"])
    assert health["again"]["n"] > 0
    page = (workplace / "h/health.html").read_text()
    assert all(part in page for part in PARTS)
    client = MlflowClient(trained.store)
    experiment = client.get_experiment_by_name("health")
    assert experiment is not None
    (logged_runs,) = client.search_runs([experiment.experiment_id], max_results=1)
    assert len(client.get_metric_history(logged_runs.info.run_id, "health/interactions")) > 100


def test_a_change_is_an_alarm_with_what_to_do(trained: Trained, workplace: Path, since: Path) -> None:
    strangers = pl.read_parquet(since).with_columns(user_id=pl.format("stranger {}", pl.int_range(pl.len())))
    strangers.write_parquet(strange := workplace / "strange.parquet")
    done, health = look(trained, workplace / "h", "--interactions", strange, "--quick", "--json")
    assert done.code == 4
    assert "new_users" in health["alarms"]
    assert health["advice"]["action"] != "nothing"
    assert health["streams"]["new_users"]["alarm"].startswith("2024-04")
    assert json.loads(done.out)["advice"] == health["advice"]


def test_without_anything_new_it_says_what_to_give(trained: Trained, workplace: Path) -> None:
    done, health = look(trained, workplace / "h")
    assert (done.code, health) == (2, {})
    assert "INTERACTIONS=" in done.err
