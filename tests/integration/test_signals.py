"""Programs that are stopped or killed on the way say so, leave nothing half-written, and go on where they were."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import yaml
from mlflow import MlflowClient

from recommender.tracking.store import prepare
from tests.helpers.folders import Trained, exit_code, shop
from tests.helpers.studies import WITHOUT_TEXT

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
STOPS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
SITE = "data.source=shop split.min_train=20 split.validation=[0.6] bootstrap=100 decision.thin=10"


def start(place: Path, *args: object) -> subprocess.Popen[str]:
    """``coldstart args`` in a process of its own, in ``place``."""
    command = [sys.executable, "-m", "pipelines", *map(str, args)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=place, env=env, text=True, stdout=-1, stderr=-1, stdin=subprocess.DEVNULL)


def wait_for(happened: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 300
    while not happened() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.poll() is None, process.communicate()


def stopped(process: subprocess.Popen[str], ending: signal.Signals) -> None:
    process.send_signal(ending)
    _, err = process.communicate(timeout=300)
    assert exit_code(process) == 130, err
    assert "Interrupted" in err
    assert "Traceback" not in err


def finished(place: Path, *args: object) -> str:
    process = start(place, *args)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    return out


def begun(place: Path, *names: str) -> list[Path]:
    """What programs have begun to write and not renamed."""
    return [path for path in place.rglob(".*-*") if path.name[1:].startswith(names)]


def cells(place: Path) -> list[Path]:
    return sorted(place.glob("studies/*/*/done.json"))


def statuses(store: str, experiment: str) -> list[str]:
    client = MlflowClient(store)
    known = client.get_experiment_by_name(experiment)
    return [r.info.status for r in client.search_runs([known.experiment_id], max_results=1000)] if known else []


@pytest.fixture
def study_place(workplace: Path) -> Path:
    """A study of two cells in its own file, and its data."""
    shop().write(workplace / "shop")
    (workplace / "small.yaml").write_text(yaml.safe_dump(WITHOUT_TEXT))
    return workplace


def after_its_first_cell(place: Path) -> subprocess.Popen[str]:
    """A study that has written its first cell."""
    process = start(place, "study", "--study", "small.yaml", "--data", "shop", "--quiet")
    wait_for(lambda: cells(place), process)
    return process


@pytest.mark.parametrize("ending", STOPS)
def test_a_study_that_is_stopped_goes_on_with_its_next_cell(study_place: Path, ending: signal.Signals) -> None:
    stopped(after_its_first_cell(study_place), ending)
    stamps = {path: path.stat().st_mtime_ns for path in cells(study_place)}
    assert stamps
    assert not (study_place / "studies/small/results.parquet").exists()
    assert not begun(study_place / "studies")
    finished(study_place, "study", "--study", "small.yaml", "--data", "shop", "--quiet")
    assert len(cells(study_place)) == 2
    assert all(path.stat().st_mtime_ns == before for path, before in stamps.items())


def test_a_study_that_is_killed_leaves_whole_cells_and_no_open_run(study_place: Path, store: str) -> None:
    process = after_its_first_cell(study_place)
    process.kill()
    process.communicate(timeout=60)
    stamps = {path: path.stat().st_mtime_ns for path in cells(study_place)}
    (study_place / f"studies/small/.cell-{process.pid}").mkdir(exist_ok=True)  # as if it died while it wrote one
    finished(study_place, "study", "--study", "small.yaml", "--data", "shop", "--quiet")
    assert all(path.stat().st_mtime_ns == before for path, before in stamps.items())
    assert not begun(study_place / "studies", "cell")
    prepare(store)
    assert "RUNNING" not in statuses(store, "study-small")


def test_two_studies_at_once_share_one_store_of_cells(study_place: Path) -> None:
    both = [start(study_place, "study", "--study", "small.yaml", "--data", "shop", "--json") for _ in range(2)]
    ends = [(*process.communicate(timeout=900), process.returncode) for process in both]
    assert [code for *_, code in ends] == [0, 0], ends
    first, second = (json.loads(out)["findings"] for out, *_ in ends)
    assert [f["title"] for f in first] == [f["title"] for f in second]
    assert len(cells(study_place)) == 2
    assert not begun(study_place / "studies")
    assert pl.read_parquet(study_place / "studies/small/results.parquet").height


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_comparison_that_is_stopped_keeps_its_cells(workplace: Path, store: str, ending: signal.Signals) -> None:
    shop().write(workplace / "shop")
    args = ("compare", "--scenario", "jobs", "--quick", "--quiet", "--set", SITE, "--out")
    process = start(workplace, *args, "first")
    wait_for(lambda: cells(workplace), process)
    stopped(process, ending)
    stamps = {path: path.stat().st_mtime_ns for path in cells(workplace)}
    assert (workplace / "first/INCOMPLETE").is_file()
    assert not begun(workplace / "studies")
    finished(workplace, *args, "second")
    assert (workplace / "second/report.html").is_file()
    assert all(path.stat().st_mtime_ns == before for path, before in stamps.items())
    assert "RUNNING" not in statuses(store, "compare")


@pytest.mark.parametrize("ending", STOPS)
@pytest.mark.parametrize("program", ["recommend", "data-check", "simulate"])
def test_a_short_program_that_is_stopped_writes_all_or_nothing(
    trained: Trained, workplace: Path, program: str, ending: signal.Signals
) -> None:
    pl.DataFrame({"user_id": [f"u{n % 60}" for n in range(200_000)]}).write_csv(workplace / "users.csv")
    large = yaml.safe_load((ROOT / "configs/ugc.yaml").read_text())  # so that no program ends before its signal
    large["data"]["options"] = {"simulated": {"n_interactions": 2_000_000}}
    (workplace / "large.yaml").write_text(yaml.safe_dump(large))
    args: dict[str, tuple[object, ...]] = {
        "recommend": ("--model", trained.out, "--queries", "users.csv", "--to", "lists.csv"),
        "data-check": ("--data", "simulated", "--scenario", "large.yaml"),
        "simulate": ("--scenario", "ugc", "--to", "made", "--set", "n_interactions=2000000"),
    }
    process = start(workplace, program, *args[program])
    time.sleep(1)
    wait_for(lambda: "polars" in Path(f"/proc/{process.pid}/maps").read_text(), process)
    time.sleep(1)
    stopped(process, ending)
    assert not (workplace / "lists.csv").exists()
    assert not (workplace / "made").exists()
    assert not begun(workplace)
