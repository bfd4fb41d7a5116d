"""Tuning in a train, as a user runs it; stopped and run again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
import yaml

from pipelines import train
from recommender.experiment.run_folder import read_run
from recommender.tracking import values
from tests.helpers.folders import SMALL, Done, Trained, exit_code, run, shop

ROOT = Path(__file__).parents[2]
TUNED = (*SMALL, "--set", "tune.trials=3")


def train_on(data: Path, out: str, *args: str) -> Done:
    return run(train.main, "--scenario", "jobs", "--data", data, "--out", out, *args)


def parameters(out: str) -> dict[str, dict[str, object]]:
    chosen_parameters: dict[str, dict[str, object]] = json.loads(Path(out, "decision.json").read_text())["parameters"]
    return chosen_parameters


def test_a_train_can_tune_first_and_tells_what_it_took(trained: Trained, untracked: Path) -> None:
    done = train_on(trained.data, "out", *TUNED)
    assert done.code == 0, done.err
    for rung in ("popularity", "content", "als"):
        assert f"tune {rung}: ndcg_at_10 on validation" in " ".join(done.err.split())
    assert set(parameters("out")) == {"popularity", "content", "als"}
    assert yaml.safe_load(Path("out/config.yaml").read_text())["tune"] == {"search": 0, "trials": 3, "minutes": None}

    tune = pl.read_parquet("out/effort.parquet").filter(pl.col("stage") == "tune")
    assert set(tune["rung"]) == {"popularity", "content", "als"}
    assert set(tune["split"]) == {"validation"}
    measured = pl.read_parquet("out/data_effort.parquet").filter(pl.col("unit") == "trials")
    assert sorted(measured["measure"]) == [f"tuning_trials_to_1pct/{r}" for r in ("als", "content", "popularity")]
    assert measured["value"].is_between(1, 3).all()

    run = read_run(Path("out"))
    measures = {rung: values.every(run, rung) for rung in ("als", "router")}
    of_als = measured.filter(pl.col("measure").str.ends_with("/als"))["value"].item()
    assert measures["als"]["effort/tuning_trials_to_1pct"] == of_als
    assert measures["als"]["effort/tune_cpu_s"] > 0
    assert measures["als"]["effort/search_cpu_s"] >= measures["als"]["effort/tune_cpu_s"]  # with what judges lists
    assert measures["als"]["effort/search_settings"] == 3
    assert measures["als"]["effort/search_gain"] >= 0
    assert not any("tuning" in name or "search" in name for name in measures["router"])
    assert "effort/search_gain" in values.logged(measures["als"], "ndcg_at_10")[0]
    page = Path("out/report.html").read_text()
    assert "tuning trials to 1pct/als" in page
    assert "search cpu s/als" in page

    again = train_on(trained.data, "again", *TUNED)
    assert again.code == 0, again.err
    assert parameters("again") == parameters("out")
    assert len(list(Path("tuning").glob("jobs-shop-*.log"))) == 1


def test_a_place_without_room_for_the_trials_is_an_error_of_the_user(trained: Trained, untracked: Path) -> None:
    Path("tuning").touch()
    done = train_on(trained.data, "out", *TUNED)
    assert done.code == 2
    assert "tuning keeps its trials there" in " ".join(done.err.split())
    assert not Path("out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, 137)])
def test_a_train_stopped_while_tuning_goes_on_where_it_was(workplace: Path, stop: signal.Signals, code: int) -> None:
    data = shop().write(workplace / "shop")
    command = [sys.executable, "-m", "pipelines.train", "--scenario", "jobs", "--data", str(data), "--out", "stopped"]
    process = subprocess.Popen(
        [*command, *SMALL, "--set", "tune.trials=100000"],
        cwd=workplace, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True, stdout=-1, stderr=-1,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while measured() < 5 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(stop)
    _, err = process.communicate(timeout=60)
    assert exit_code(process) == code, err
    assert "Traceback" not in err
    (journal,) = Path("tuning").glob("*.log")
    written, before = journal.read_bytes(), measured()

    done = train_on(data, "out", *SMALL, "--set", "tune.trials=7")
    assert done.code == 0, done.err
    assert journal.read_bytes().startswith(written[: written.rfind(b"\n") + 1])
    # 7 trials of each of 3 rungs; only one that was under way is begun anew.
    assert measured() <= max(before, 7) + 2 * 7 + 1
    whole = workplace / "whole"
    whole.mkdir()
    os.chdir(whole)
    assert train_on(data, "out", *SMALL, "--set", "tune.trials=7").code == 0
    assert parameters("out") == parameters(str(workplace / "out"))


def measured() -> int:
    """Trials that were measured, by the journal of the working directory."""
    return sum(journal.read_bytes().count(b'"setting"') for journal in Path("tuning").glob("*.log"))


def test_a_plain_train_searches_and_tells_what_it_took_and_gained(trained: Trained, untracked: Path) -> None:
    done = train_on(trained.data, "out", *SMALL, "--set", "tune.search=0.5")
    assert done.code == 0, done.err
    assert "search als: " in " ".join(done.err.split())
    effort = dict(pl.read_parquet("out/data_effort.parquet").select("measure", "value").iter_rows())
    assert effort["search_settings/als"] == 4  # the entry's own, and half of seven
    assert effort["search_gain/als"] >= 0
    assert effort["search_cpu_s/als"] > 0
    assert "search_settings/popularity" not in effort
    assert "als" in pl.read_parquet("out/effort.parquet").filter(pl.col("stage") == "tune")["rung"]
