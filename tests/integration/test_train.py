"""``python -m pipelines.train`` as a user meets it: what lies in OUT, what is printed, how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run
from polars.testing import assert_frame_equal

from pipelines import train
from recommender.api import flow
from recommender.data import split
from recommender.errors import TrackingError
from recommender.experiment import ladder
from recommender.experiment.decision_text import AUDIENCE
from recommender.experiment.slots import SIZES
from recommender.serving import persistence
from recommender.tracking.store import prepare
from tests.helpers.folders import DAYS, SMALL, START, Done, NoTracker, Trained, exit_code, run, shop

ROOT = Path(__file__).parents[2]
COLUMNS = {
    "metrics": "split origin rung user_bucket item_bucket slice slice_value metric value ci_low ci_high n_queries "
    "answered_share seed_count",
    "per_query": "split origin rung query_id user_id as_of user_bucket metric value",
    "comparisons": "rung_a rung_b user_bucket metric difference ci_low ci_high p_holm",
    "effort": "rung stage split origin wall_s cpu_s peak_mb threads",
    "data_effort": "measure value unit",
}
BUCKETS = {"0", "1_2", "3_9", "10_plus"}


def train_on(data: object, out: object, *args: object) -> Done:
    return run(train.main, "--scenario", "jobs", "--data", data, "--out", out, *SMALL, *args)


def decision(out: Path) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads((out / "decision.json").read_text())
    return tree


def runs(store: str, train_name: str) -> list[Run]:
    """Runs of the trains of the data set ``train_name``, the router's first."""
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("coldstart")
    assert experiment is not None
    logged_runs = client.search_runs([experiment.experiment_id], max_results=1000)
    return [r for r in logged_runs if r.info.run_name.startswith(f"jobs-{train_name}-")]


# What lies in OUT


@pytest.mark.parametrize("name", COLUMNS)
def test_table_has_exactly_the_columns_that_other_tools_read(trained: Trained, name: str) -> None:
    assert pl.read_parquet(trained.out / f"{name}.parquet").columns == COLUMNS[name].split()


def test_out_holds_every_file_and_nothing_unfinished(trained: Trained) -> None:
    files = {p.name for p in trained.out.iterdir()}
    others = {
        "decision.json",
        "hindsight.json",
        "examples.json",
        "data.json",
        "config.yaml",
        "report.html",
        "effort.svg",
        "model",
        "pseudonyms.key",
        "reference",
    }
    assert files == {f"{n}.parquet" for n in COLUMNS} | others


def test_metrics_cover_every_rung_origin_and_bucket(trained: Trained) -> None:
    metrics = pl.read_parquet(trained.out / "metrics.parquet")
    tested = metrics.filter(pl.col("split") == "test")
    assert set(tested["rung"]) == {"popularity", "content", "als", "router"}
    assert set(tested["user_bucket"]) >= {"all", *BUCKETS}
    split_ = yaml.safe_load((trained.out / "config.yaml").read_text())["split"]
    origins = metrics.filter(pl.col("origin") != "pooled").select("split", "origin").n_unique()
    assert origins == len(split_["validation"]) + 1
    within = metrics.filter(pl.col("ci_low").is_not_null())
    assert within.filter(~pl.col("value").is_between(pl.col("ci_low") - 1e-9, pl.col("ci_high") + 1e-9)).is_empty()


def test_nothing_unavailable_is_ever_shown(trained: Trained) -> None:
    metrics = pl.read_parquet(trained.out / "metrics.parquet")
    assert metrics.filter(pl.col("metric") == "unavailable_at_10")["value"].drop_nulls().max() == 0


def test_means_are_those_of_the_queries(trained: Trained) -> None:
    per_query = pl.read_parquet(trained.out / "per_query.parquet")
    keys = ["split", "origin", "rung", "user_bucket", "metric"]
    expected = per_query.group_by(keys).agg(pl.col("value").mean().alias("mean"), pl.len().alias("n"))
    whole = pl.all_horizontal(pl.col("item_bucket", "slice", "slice_value") == "all")
    joined = pl.read_parquet(trained.out / "metrics.parquet").filter(whole).join(expected, on=keys)
    assert joined.height > 50
    assert (joined["value"] - joined["mean"]).abs().max() == pytest.approx(0, abs=1e-6)
    assert joined["n_queries"].equals(joined["n"].cast(pl.Int64))


def test_decision_names_a_rung_for_every_bucket_and_tells_of_each_or_its_group(trained: Trained) -> None:
    decided = decision(trained.out)
    assert set(decided["buckets"]) == {*BUCKETS, "with_history"}
    assert set(decided["returning"]) == {*BUCKETS, "with_history"} - {"0"}
    chosen = [*decided["buckets"].values(), *decided["returning"].values()]
    assert {c["rung"] for c in chosen} <= {"popularity", "content", "als"}
    for bucket in BUCKETS:
        choice = decided["buckets"][bucket]
        audience = AUDIENCE[choice["inherited_from"] or bucket].capitalize()
        lines = [s for s in decided["sentences"] if s.startswith(audience) and f" get {choice['rung']}" in s]
        assert lines


def test_effort_is_told_for_every_rung_and_stage(trained: Trained) -> None:
    effort = pl.read_parquet(trained.out / "effort.parquet")
    for rung in ("popularity", "content", "als"):
        assert {"fit", "recommend"} <= set(effort.filter(pl.col("rung") == rung)["stage"])
    assert "refit" in set(effort.filter(pl.col("rung") == "router")["stage"])
    assert effort.select(pl.min_horizontal("wall_s", "cpu_s", "peak_mb").min()).item() >= 0


def test_report_is_one_file_that_loads_nothing_from_elsewhere(trained: Trained) -> None:
    page = (trained.out / "report.html").read_text()
    assert 'src="http' not in page
    assert "<link" not in page
    for sentence in decision(trained.out)["sentences"]:
        assert sentence.split(":")[0] in page


def test_config_is_the_scenario_as_run(trained: Trained) -> None:
    config = yaml.safe_load((trained.out / "config.yaml").read_text())
    assert [rung["name"] for rung in config["ladder"]] == ["popularity", "content", "als"]
    assert config["bootstrap"] == 100


def test_terminal_shows_every_rung_the_decision_and_where_the_results_are(trained: Trained) -> None:
    shown = " ".join(trained.done.out.split())
    for rung in ("popularity", "content", "als", "router"):
        assert rung in shown
    assert str(trained.out) in shown
    assert " ".join(decision(trained.out)["sentences"][0].split()) in shown


def test_a_log_without_a_terminal_gets_neither_bars_nor_blank_lines(trained: Trained) -> None:
    assert all(line.strip() for line in trained.done.err.splitlines())


def test_every_rung_is_a_finished_run_and_the_model_is_registered(trained: Trained) -> None:
    logged_runs = runs(trained.store, "shop")
    assert {r.info.status for r in logged_runs} == {"FINISHED"}
    assert {r.info.run_name for r in logged_runs} == {
        f"jobs-shop-{r}" for r in ("popularity", "content", "als", "router")
    }
    assert MlflowClient(trained.store).get_model_version_by_alias("coldstart-jobs-shop", "candidate").version


# How it runs


def test_decision_is_complete_before_the_test_is_looked_at(untracked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []
    real = ladder._test

    def spy(*args: Any) -> Any:
        seen.append(decision(untracked / "out"))
        return real(*args)

    monkeypatch.setattr(ladder, "_test", spy)
    assert train_on(shop().write(untracked / "shop"), "out").code == 0
    assert seen == [decision(untracked / "out")]


def test_equal_seeds_give_equal_tables_run_to_run(trained: Trained, untracked: Path) -> None:
    assert train_on(trained.data, "again").code == 0
    for name in ("metrics", "per_query", "comparisons"):
        first, second = (pl.read_parquet(out / f"{name}.parquet") for out in (trained.out, untracked / "again"))
        assert_frame_equal(first, second, check_exact=True)
    assert decision(trained.out) == decision(untracked / "again")


def test_integer_ids_give_the_same_result_as_strings(untracked: Path) -> None:
    assert train_on(shop(ids=int).write(untracked / "numbers"), "out").code == 0
    assert pl.read_parquet(untracked / "out/per_query.parquet")["user_id"].dtype == pl.Int64


def test_quiet_prints_nothing(trained: Trained, untracked: Path) -> None:
    assert train_on(trained.data, "out", "--quiet") == Done(0, "", "")


def test_json_prints_one_object_and_nothing_else(trained: Trained, untracked: Path) -> None:
    done = train_on(trained.data, "out", "--json")
    printed = json.loads(done.out)
    assert done.err == ""
    assert printed["out"] == "out"
    assert Path(printed["report"]).is_file()
    assert printed["buckets"] == decision(untracked / "out")["buckets"]


def test_guessed_roles_are_told(untracked: Path) -> None:
    folder = shop()
    folder.spec = {"features": {"items": {"title": "text"}}}
    done = train_on(folder.write(untracked / "shop"), "out")
    assert "guessed roles of items: city=category, salary=numeric, vector=embedding" in " ".join(done.err.split())


def test_overrides_reach_the_ladder_by_name(trained: Trained, untracked: Path) -> None:
    one = "ladder.als.params.factors=3 decision.min_gain=0.5"
    assert train_on(trained.data, "out", "--set", one, "--set", "split.test=0.75").code == 0
    config = yaml.safe_load((untracked / "out/config.yaml").read_text())
    assert config["ladder"][2]["params"] == {"factors": 3, "iterations": 2}
    assert (config["decision"]["min_gain"], config["split"]["test"]) == (0.5, 0.75)
    # No gain reaches one half, so nothing climbs.
    assert {c["rung"] for c in decision(untracked / "out")["buckets"].values()} == {"popularity"}


def test_without_out_a_folder_is_made_and_latest_points_to_the_newest(trained: Trained, untracked: Path) -> None:
    folders = []
    for _ in range(2):
        done = run(train.main, "--scenario", "jobs", "--data", trained.data, *SMALL, "--json")
        assert done.code == 0
        folders.append(Path(json.loads(done.out)["out"]))
        assert folders[-1].parent == Path("artifacts")
        assert folders[-1].name.startswith("jobs-shop-")
        assert (untracked / "artifacts/latest").resolve() == folders[-1].resolve()
    assert folders[0] != folders[1]
    assert not (untracked / "artifacts/latest").readlink().is_absolute()


def test_slots_are_sized_on_validation_and_the_evidence_is_written(untracked: Path) -> None:
    """Every third item appears late; users like the items of their own word, so content finds the new ones."""
    number = pl.col("item_id").str.strip_prefix("i").cast(pl.Int64)
    begins = START + timedelta(days=DAYS / 2) + number * timedelta(days=1)
    data = shop()
    data.interactions = data.interactions.filter((number % 3 != 0) | (pl.col("timestamp") >= begins))
    folder, out = data.write(untracked / "late"), untracked / "out"
    slots = "slots={rung: content, n: auto, of: 20, max_loss: 1, min_gain: 0}"
    done = train_on(folder, out, "--set", slots)
    assert done.code == 0, done.err
    decided = decision(out)
    evidence = {row["n"]: row for row in decided["slots"]["evidence"]}
    assert list(evidence) == list(SIZES)
    best = max(row["new_item_recall_at_20"] for row in evidence.values())
    n = decided["slots"]["n"]
    assert evidence[n]["new_item_recall_at_20"] == best > evidence[0]["new_item_recall_at_20"]
    assert 0 < evidence[0]["new_item_share_of_truth"] < 1
    assert f"{n} of the first 20 slots are reserved for new items, chosen by content" in decided["sentences"][-1]
    assert "slots are reserved for new items" in " ".join(done.out.split())
    assert [row["n"] for row in json.loads((out / "slots_at_test.json").read_text())] == [0, n]
    bundle = persistence.load(out / "model")
    assert (bundle.router.slots, bundle.router.slot_rung) == (n, "content")


# Data without times


@pytest.fixture
def timeless(untracked: Path) -> Path:
    folder = shop()
    folder.interactions = folder.interactions.drop("timestamp")
    return folder.write(untracked / "timeless")


def test_data_without_times_is_refused_and_the_way_out_named(timeless: Path) -> None:
    done = train_on(timeless, "out")
    assert done.code == 2
    assert "SET='split.kind=random'" in done.err
    assert not Path("out").exists()


def test_random_split_warns_wherever_the_result_is_shown(timeless: Path) -> None:
    rungs = "ladder=[{name: popularity, recommender: popularity}, {name: trending, recommender: trending}, "
    rungs += "{name: content, recommender: content}]"
    done = train_on(timeless, "out", "--set", "split.kind=random", "--set", rungs)
    assert done.code == 0, done.err
    assert "not honest in time" in " ".join(done.out.split())
    assert "not honest in time" in Path("out/report.html").read_text()
    assert any("not honest in time" in w for w in json.loads(Path("out/data.json").read_text())["warnings"])
    assert "trending" in decision(Path("out"))["skipped"]
    assert "trending" not in set(pl.read_parquet("out/metrics.parquet")["rung"])


def test_random_split_warns_in_mlflow(workplace: Path, store: str) -> None:
    folder = shop()
    folder.interactions = folder.interactions.drop("timestamp")
    done = train_on(folder.write(workplace / "untimed"), "out", "--set", "split.kind=random")
    assert done.code == 0, done.err
    (router,) = (r for r in runs(store, "untimed") if r.info.run_name.endswith("-router"))
    assert "not honest in time" in router.data.tags["mlflow.note.content"]


# Day zero


def test_day_zero_ships_a_router_without_an_evaluation(untracked: Path) -> None:
    data = shop().write(untracked / "newborn")
    (data / "interactions.parquet").unlink()
    refused = train_on(data, "out")
    assert refused.code == 2
    assert "SET='day_zero=true'" in refused.err
    assert not Path("out").exists()
    done = train_on(data, "out", "--set", "day_zero=true")
    assert done.code == 0, done.err
    assert Path("out/model/state.json").is_file()
    assert not Path("out/metrics.parquet").exists()
    assert "Day zero" in done.out
    assert "honest in time" not in " ".join(done.out.split())  # there was no evaluation that could be


# How it ends


def test_failing_tracking_server_keeps_the_results(untracked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: NoTracker, folder: Path) -> None:
        raise TrackingError("the server is down")

    monkeypatch.setattr(NoTracker, "log", fail)
    done = train_on(shop().write(untracked / "shop"), "out")
    assert done.code == 3
    assert "Tracking failed, results are kept: the server is down" in done.err
    assert not Path("out/INCOMPLETE").exists()
    assert Path("out/report.html").is_file()


def test_link_to_the_latest_is_set_even_where_tracking_fails(untracked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NoTracker, "log", lambda self, folder: (_ for _ in ()).throw(TrackingError("down")))
    data = shop().write(untracked / "shop")
    assert run(train.main, "--scenario", "jobs", "--data", data, *SMALL).code == 3
    assert (untracked / "artifacts/latest/report.html").is_file()


@pytest.mark.slow
def test_server_that_is_not_there_ends_with_3_and_whole_results(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    done = train_on(shop().write(workplace / "shop"), "out")
    assert done.code == 3
    assert "Traceback" not in done.err
    assert not Path("out/INCOMPLETE").exists()


def test_interrupted_train_is_marked_in_out_and_in_mlflow(
    workplace: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(split, "time_fold", interrupt)
    done = train_on(shop().write(workplace / "halted"), "out")
    assert done.code == 130
    assert done.err.splitlines()[-1].strip() == "Interrupted"
    assert Path("out/INCOMPLETE").is_file()
    assert [r.info.status for r in runs(store, "halted")] == ["KILLED"]


def test_bug_leaves_its_traceback_the_marker_and_a_failed_run(
    workplace: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(split, "time_fold", break_down)
    with pytest.raises(RuntimeError, match="a bug"):
        train_on(shop().write(workplace / "broken"), "out")
    assert Path("out/INCOMPLETE").is_file()
    (failed,) = runs(store, "broken")
    assert failed.info.status == "FAILED"
    assert "a bug" in failed.data.tags["error"]


def start(workplace: Path, *args: object) -> subprocess.Popen[str]:
    """``python -m pipelines.train`` in a process of its own."""
    command = [sys.executable, "-m", "pipelines.train", "--scenario", "jobs", *map(str, args)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=workplace, env=env, text=True, stdout=-1, stderr=-1)


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_train_that_is_ended_while_fitting_says_so_and_closes_its_run(
    workplace: Path, store: str, ending: signal.Signals
) -> None:
    name = f"stopped-{ending.name}"
    long = (
        "ladder=[{name: als, recommender: als, params: {iterations: 1000000}}, {name: content, recommender: content}]"
    )
    data = shop().write(workplace / name)
    process = start(workplace, "--data", data, "--out", "out", "--set", long)
    deadline = time.monotonic() + 120
    while not runs(store, name) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(2)  # into the fit
    process.send_signal(ending)
    _, err = process.communicate(timeout=120)
    assert exit_code(process) == 130, err
    assert "Interrupted" in err
    assert "Traceback" not in err
    assert (workplace / "out/INCOMPLETE").is_file()
    assert [r.info.status for r in runs(store, name)] == ["KILLED"]


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP])
def test_a_program_that_is_ended_while_it_starts_says_so(workplace: Path, ending: signal.Signals) -> None:
    default = f"import signal; signal.signal({ending.value}, signal.SIG_DFL)"  # nohup's children ignore SIGHUP
    code = f"{default}; import pipelines, os; os.kill(os.getpid(), {ending.value}); import time; time.sleep(60)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "Interrupted\n")


@pytest.mark.slow
def test_a_train_that_nohup_started_goes_on_when_the_terminal_closes(workplace: Path, store: str) -> None:
    code = (
        "import signal, os; signal.signal(signal.SIGHUP, signal.SIG_IGN); import pipelines\n"
        "os.kill(os.getpid(), signal.SIGHUP); print('went on')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "went on\n")


@pytest.mark.slow
def test_a_train_that_was_killed_is_closed_as_lost_by_the_next_program(workplace: Path, store: str) -> None:
    long = (
        "ladder=[{name: als, recommender: als, params: {iterations: 1000000}}, {name: content, recommender: content}]"
    )
    process = start(workplace, "--data", shop().write(workplace / "lost"), "--out", "out", "--set", long)
    deadline = time.monotonic() + 120
    while not runs(store, "lost") and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    prepare(store)
    assert [r.info.status for r in runs(store, "lost")] == ["RUNNING"]
    process.kill()
    process.communicate(timeout=60)
    prepare(store)
    (run_,) = runs(store, "lost")
    assert run_.info.status == "KILLED"
    assert run_.data.tags["error"].startswith("lost")


@pytest.mark.slow
def test_a_damaged_database_of_mlflow_costs_no_results(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"sqlite:///{workplace}/mlflow.db"
    prepare(uri)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    whole = Path("mlflow.db").read_bytes()
    data = shop().write(workplace / "shop")
    for seed in range(3):
        rng, content = np.random.default_rng(seed), np.frombuffer(whole, np.uint8).copy()
        places = rng.choice(len(content), 400, replace=False)
        content[places] ^= rng.integers(1, 256, 400).astype(np.uint8)
        Path("mlflow.db").write_bytes(content.tobytes())
        done = train_on(data, f"out{seed}")
        assert done.code == 3, done.err
        assert "mlflow.db" in done.err
        assert "move it away" in done.err.replace("\n", " ")
        assert "Traceback" not in done.err
        assert Path(f"out{seed}/report.html").is_file()
        assert not Path(f"out{seed}/INCOMPLETE").exists()


@pytest.mark.slow
def test_two_trains_at_once_in_a_fresh_place_both_succeed(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    data = shop().write(workplace / "shop")
    both = [start(workplace, "--data", data, *SMALL, "--json") for _ in range(2)]
    ends = [(*process.communicate(timeout=300), process.returncode) for process in both]
    assert [code for *_, code in ends] == [0, 0], ends
    assert len({json.loads(out)["out"] for out, *_ in ends}) == 2
    assert (workplace / "artifacts/latest/report.html").is_file()
    assert {r.info.status for r in runs(f"sqlite:///{workplace / 'mlflow.db'}", "shop")} == {"FINISHED"}


@pytest.mark.slow
def test_a_helper_process_changes_no_result(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "HELPED_FROM", 0)
    data = shop().write(workplace / "shop")
    for out, workers in (("alone", 1), ("helped", 2)):
        searched = ("--set", "tune.search=1", "--set", f"scoring.workers={workers}")
        assert train_on(data, out, *searched).code == 0
    for table in ("metrics", "per_query", "comparisons"):
        alone, helped = (Path(out, f"{table}.parquet").read_bytes() for out in ("alone", "helped"))
        assert alone == helped, table
    for file in ("decision.json", "examples.json"):
        assert Path("alone", file).read_bytes() == Path("helped", file).read_bytes(), file
    arrays = {
        out: {p.name: p.read_bytes() for p in Path(out, "model").glob("array_*.npy")} for out in ("alone", "helped")
    }
    assert arrays["alone"] == arrays["helped"]
    alone, helped = (pl.read_parquet(Path(out, "effort.parquet")) for out in ("alone", "helped"))
    stages = ("rung", "stage", "split", "origin", "threads")
    assert_frame_equal(alone.select(stages), helped.select(stages))
