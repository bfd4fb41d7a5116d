"""Tracking, through a real SQLite store: what a reader finds in MLflow after a train."""

from __future__ import annotations

import ast
import json
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines import ui
from recommender.config import Eligibility
from recommender.data.gate import from_frames
from recommender.errors import TrackingError, UserError
from recommender.experiment import run_tables
from recommender.experiment.run_folder import read_run
from recommender.features import text
from recommender.models import RECOMMENDERS, colours
from recommender.names import USER_BUCKETS
from recommender.ranking.router import Router
from recommender.serving import persistence
from recommender.serving.bundle import Bundle
from recommender.studies import summary
from recommender.studies.summary import CPU
from recommender.tracking import lost, registry, store, values, views
from recommender.tracking.runs import Tracker
from recommender.tracking.views import LATEST, view_url
from tests.helpers.out_folder import RUNGS, decided, write_out
from tests.helpers.shared import tracking_database
from tests.helpers.views import charted_names, unpacked

REPOSITORY = Path(__file__).parents[2]
MODEL = "models:/coldstart-jobs-simulated@candidate"


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tracking_database(tmp_path_factory)


@pytest.fixture
def uri(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store of the test's own, named by the environment."""
    store = f"sqlite:///{shutil.copy(template, tmp_path / 'mlflow.db')}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    monkeypatch.chdir(tmp_path)
    return store


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = decided(write_out(tmp_path / "out"))
    shutil.rmtree(folder / "model")  # tests save one of their own
    (folder / "report.html").write_text("<title>report</title>")
    return folder


def client(uri: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(uri)


def track(out: Path) -> Tracker:
    with Tracker("jobs", "simulated") as tracker:
        tracker.log(out)
    return tracker


def runs(uri: str) -> dict[str, Any]:
    """rung -> run."""
    experiment = client(uri).get_experiment_by_name("coldstart")
    logged_runs = client(uri).search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"])
    return {run.data.params.get("rung", run.info.run_name): run for run in logged_runs}


def bundle() -> Bundle:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    taken = {
        "user_id": [f"u{n % 5}" for n in range(20)],
        "item_id": [f"i{n % 7}" for n in range(20)],
        "timestamp": [start + timedelta(hours=n) for n in range(20)],
    }
    data = from_frames(pl.DataFrame(taken), pl.DataFrame({"item_id": [f"i{n}" for n in range(12)]}))
    routes = {**dict.fromkeys(USER_BUCKETS, "popularity"), "0": "item_knn"}  # which cannot tell without history
    router = Router(routes, {name: RECOMMENDERS[name]() for name in ("popularity", "item_knn")}).fit(data)
    return Bundle.of(router, data, Eligibility())


# --- runs


def test_every_rung_is_one_flat_finished_run_in_its_colour(uri: str, out: Path) -> None:
    tracker = track(out)
    logged_runs = runs(uri)
    assert list(logged_runs) == list(RUNGS)  # listed in the order of the ladder
    for rung, run in logged_runs.items():
        assert run.info.status == "FINISHED"
        assert run.info.run_name == f"jobs-simulated-{rung}"
        assert run.data.tags["mlflow.runColor"] == colours.RUNG_COLOURS[rung]
        assert run.data.tags["train"] == tracker.run_id
        assert "mlflow.parentRunId" not in run.data.tags
        assert (run.data.params["scenario"], run.data.params["data"]) == ("jobs", "simulated")
    assert logged_runs["als"].data.params["factors"] == "4"
    assert logged_runs["lightfm"].data.params["no_components"] == "4"  # as chosen on validation, not as configured
    assert logged_runs["als"].data.tags["shipped_for"].startswith("with_history, 1_2, 3_9, 10_plus")


def test_logged_metrics_are_the_numbers_of_the_tables(uri: str, out: Path) -> None:
    track(out)
    logged = values.every(read_run(out), "als")
    shown = runs(uri)["als"].data.metrics
    table = pl.read_parquet(out / "metrics.parquet").filter(
        (pl.col("rung") == "als") & (pl.col("metric") == "ndcg_at_10") & (pl.col("slice") == "all")
    )
    test = table.filter(pl.col("split") == "test")
    whole = test.row(by_predicate=(pl.col("user_bucket") == "all") & (pl.col("item_bucket") == "all"), named=True)
    new = test.row(by_predicate=pl.col("user_bucket") == "0", named=True)
    pooled = table.row(by_predicate=(pl.col("origin") == "pooled") & (pl.col("user_bucket") == "all"), named=True)
    assert logged["acc/ndcg_at_10"] == whole["value"]
    assert logged["acc/ndcg_at_10_ci_low"] == whole["ci_low"]
    assert logged["acc/user_0/ndcg_at_10"] == new["value"]
    assert logged["data/user_0/n_queries"] == new["n_queries"]
    assert logged["val/acc/ndcg_at_10"] == pooled["value"]
    effort = pl.read_parquet(out / "effort.parquet").filter((pl.col("rung") == "als") & (pl.col("split") == "test"))
    effort = effort.filter(pl.col("stage") != "evaluate")
    assert logged["effort/total_cpu_s"] == pytest.approx(effort["cpu_s"].sum())
    assert shown[CPU] == shown["effort/total_cpu_s"] == logged["effort/total_cpu_s"]
    assert shown["100 x NDCG at 10: no history"] == pytest.approx(100 * new["value"])
    everything = client(uri).download_artifacts(runs(uri)["als"].info.run_id, values.EVERYTHING)
    assert dict(pl.read_csv(everything).iter_rows()) == pytest.approx(logged)
    assert shown.items() >= values.logged(logged, "ndcg_at_10")[0].items()
    assert (logged["effort/stated_person_days_low"], logged["effort/stated_person_days_high"]) == (3, 8)


@pytest.mark.parametrize("slots", [0, 2])
def test_effort_of_the_router_is_the_same_in_mlflow_and_in_the_report(out: Path, slots: int) -> None:
    """Its own recommending, and the fits of the rungs that serve users or fill slots."""
    effort = pl.read_parquet(out / "effort.parquet")
    effort.filter((pl.col("rung") != "router") | (pl.col("stage") != "fit")).write_parquet(out / "effort.parquet")
    decision = json.loads((out / "decision.json").read_text())
    (out / "decision.json").write_text(json.dumps({**decision, "slots": {"rung": "content", "n": slots}}))
    logged = values.every(read_run(out), "router")
    tested = effort.filter(split="test")
    served = ["popularity", "als", *(["content"] if slots else [])]
    fits = tested.filter(pl.col("stage") == "fit", pl.col("rung").is_in(served))["cpu_s"].sum()
    router_cpu_s = tested.filter(stage="recommend", rung="router")["cpu_s"].sum()
    assert logged["effort/fit_cpu_s"] == pytest.approx(fits)
    assert logged["effort/total_cpu_s"] == pytest.approx(fits + router_cpu_s)
    read = read_run(out)
    assert run_tables.seconds(read).filter(rung="router")["cpu_s"].item() == pytest.approx(fits + router_cpu_s)
    whole = run_tables.stages(read.spent, read.rungs).filter(rung="router")
    assert whole["fit_cpu_s"].item() == pytest.approx(fits)


def test_cells_without_a_number_are_left_out(out: Path) -> None:
    table = pl.read_parquet(out / "metrics.parquet")
    empty = (pl.col("user_bucket") == "0") & (pl.col("rung") == "als")
    for nothing in (None, float("nan")):
        emptied = table.with_columns(pl.when(empty).then(pl.lit(nothing)).otherwise(pl.col("value")).alias("value"))
        emptied.write_parquet(out / "metrics.parquet")
        logged = values.every(read_run(out), "als")
        assert "acc/user_0/ndcg_at_10" not in logged
        assert "acc/user_1_2/ndcg_at_10" in logged


def test_names_that_mlflow_refuses_are_mended(uri: str, out: Path) -> None:
    extra = pl.read_parquet(out / "metrics.parquet").filter(metric="hit_rate_at_10", user_bucket="all", rung="als")
    extra = extra.with_columns(metric=pl.lit("clicks@first|x"))
    pl.concat([pl.read_parquet(out / "metrics.parquet"), extra]).write_parquet(out / "metrics.parquet")
    track(out)
    assert "beyond/clicks_first_x" in runs(uri)["als"].data.metrics


def test_the_routers_run_carries_the_files_and_the_decision(uri: str, out: Path) -> None:
    (out / "effort.svg").write_text("<svg/>")  # of the report
    tracker = track(out)
    names = {f.path for f in client(uri).list_artifacts(tracker.run_id)}
    assert names >= {"report.html", "decision.json", "config.yaml", "metrics.parquet", "per_query.parquet"}
    note = runs(uri)["router"].data.tags["mlflow.note.content"]
    assert json.loads((out / "decision.json").read_text())["sentences"][0] in note
    assert "hindsight" in note
    assert note.startswith(f"[Accuracy against effort, with intervals](#/experiments/{tracker.experiment_id}/runs/")
    assert "effort.svg" in names


def test_the_data_set_is_logged_with_its_digest(uri: str, out: Path) -> None:
    track(out)
    digest = json.loads((out / "data.json").read_text())["digest"]
    for run in runs(uri).values():
        [logged] = run.inputs.dataset_inputs
        assert (logged.dataset.name, logged.dataset.digest) == ("simulated", digest)
        assert run.data.tags["data_digest"] == digest
        assert len(run.data.tags["config_sha256"]) == 64


def test_an_out_without_evaluation_is_the_routers_run_alone(uri: str, out: Path) -> None:
    for name in ("metrics", "per_query", "comparisons", "effort"):
        (out / f"{name}.parquet").unlink()
    track(out)
    assert list(runs(uri)) == ["router"]


def test_a_folder_that_is_no_finished_train_is_refused(uri: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"config\.yaml is missing"):
        track(tmp_path)


# --- ends


@pytest.mark.parametrize(
    ("error", "status", "tag"),
    [(ValueError("boom"), "FAILED", "ValueError: boom"), (KeyboardInterrupt(), "KILLED", None)],
)
def test_a_train_that_ends_early_says_how(uri: str, error: BaseException, status: str, tag: str | None) -> None:
    with pytest.raises(type(error)), Tracker("jobs", "simulated"):
        raise error
    [run] = runs(uri).values()
    assert (run.info.status, run.data.tags.get("error")) == (status, tag)


def test_an_error_that_the_user_can_mend_leaves_no_run(uri: str, out: Path) -> None:
    def fill_the_disk() -> None:
        with Tracker("jobs", "simulated") as tracker:
            tracker.log(out)
            raise UserError("no space")

    with pytest.raises(UserError, match="no space"):
        fill_the_disk()
    assert not runs(uri)


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "sqlite:////dev/null/mlflow.db"])
def test_a_store_that_is_away_stops_the_tracking_not_the_train(
    address: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with Tracker("jobs", "simulated", uri=address) as tracker, pytest.raises(TrackingError):
        tracker.log(out)


# --- the store


def test_a_stale_mlruns_folder_does_not_change_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlruns" / "0").mkdir(parents=True)
    (tmp_path / "mlruns" / "0" / "meta.yaml").write_text("name: Default\n")
    assert store.tracking_uri() == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example")
    assert store.tracking_uri() == "http://tracking.example"


@pytest.mark.slow
def test_two_processes_make_one_fresh_store_together(tmp_path: Path) -> None:
    script = f"from recommender.tracking.store import prepare; print(prepare('sqlite:///{tmp_path}/mlflow.db'))"
    command = [sys.executable, "-c", script]
    started = [subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    ids = [process.communicate(timeout=180)[0].strip() for process in started]
    assert [process.returncode for process in started] == [0, 0]
    assert ids[0] == ids[1] != ""


@pytest.mark.slow
def test_a_database_of_an_older_mlflow_is_upgraded_after_a_copy(tmp_path: Path) -> None:
    from alembic import command
    from alembic.script import ScriptDirectory
    from mlflow.store.db import utils
    from mlflow.store.tracking.dbmodels.initial_models import Base

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    engine = utils.create_sqlalchemy_engine(uri)
    Base.metadata.create_all(engine)
    config = utils._get_alembic_config(uri)
    before = next(iter(ScriptDirectory.from_config(config).get_revision("head").down_revision.split()))
    command.upgrade(config, before)
    engine.dispose()
    store.prepare(uri)
    assert (tmp_path / f"mlflow.db.{before}.bak").exists()
    assert client(uri).get_experiment_by_name("coldstart")


# --- views


def test_views_chart_only_metrics_that_a_run_has(out: Path) -> None:
    metrics, points = values.logged(values.every(read_run(out), "als"), "ndcg_at_10")
    for value in views.views().values():
        assert charted_names(value) <= {*metrics, *points}


def test_every_other_metric_falls_into_a_folded_section(out: Path) -> None:
    metrics, points = values.logged(values.every(read_run(out), "als"), "ndcg_at_10")
    sections = {name.rpartition("/")[0] or views.UNNAMED for name in (*metrics, *points)}
    assert sections <= set(views.FOLDED)


def test_a_run_logs_at_most_sixty_metrics_and_those_that_decide_first() -> None:
    numbers = {f"{section}/metric_{n}_at_10": 0.5 for section in ("acc", "beyond", "harm", "data") for n in range(50)}
    numbers |= {f"acc/ndcg_at_10{end}": 0.5 for end in ("", "_ci_low", "_ci_high")} | {"effort/total_cpu_s": 2.0}
    metrics, points = values.logged(numbers, "ndcg_at_10")
    assert len(metrics) + len(points) == values.MOST
    assert list(metrics)[:3] == ["acc/ndcg_at_10", "acc/ndcg_at_10_ci_low", "acc/ndcg_at_10_ci_high"]
    assert "effort/total_cpu_s" in metrics
    assert not [name for name in metrics if name.startswith("beyond/")]  # no room is left for them
    assert points["100 x NDCG at 10: all users with interval"] == [(0, 50), (1, 50), (2, 50)]


def test_charted_names_are_words_a_person_can_read() -> None:
    names = set().union(*map(charted_names, [*views.views().values(), *views.study_views().values()]))
    assert names
    assert not [name for name in names if re.search("_|log10|ndcg", name) and not name.startswith("effort/")]


def test_views_fit_into_a_tag_and_draw_every_run() -> None:
    for value in [*views.views().values(), *views.study_views().values()]:
        assert len(value) <= views.LONGEST
        assert unpacked(value)["runsHiddenMode"] == "SHOW_ALL"


def test_views_of_a_report_show_its_runs_alone_and_fit_into_a_tag_with_many_places() -> None:
    places = [(f"scenario-{n} on a data set of a longer name {n}", "ndcg_at_10") for n in range(8)]
    charts = views.report_views("run", dict.fromkeys(summary.CALLED, places))
    assert len(charts) == 6
    for value in charts.values():
        assert len(value) <= views.LONGEST
        state = unpacked(value)
        assert state["searchFilter"].startswith("tags.report = 'run' and tags.kind = '")
        assert {c["metricSectionId"] for c in state["compareRunCharts"]} == {
            s["uuid"] for s in state["compareRunSections"] if s["display"]
        }


def test_a_view_that_someone_edited_stays_theirs(uri: str) -> None:
    experiment = store.prepare(uri)
    ours, theirs = views.views().keys()
    old = json.loads(views.views()[theirs])
    client(uri).set_experiment_tag(experiment, ours, json.dumps({**old, "name": "of an older version"}))
    client(uri).set_experiment_tag(experiment, theirs, json.dumps({**old, "updatedAt": old["updatedAt"] + 1}))
    store.prepare(uri)
    tags = client(uri).get_experiment(experiment).tags
    assert tags[ours] == views.views()[ours]
    assert json.loads(tags[theirs])["updatedAt"] == old["updatedAt"] + 1


def test_a_view_that_cannot_be_saved_only_warns(
    uri: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(store, "views", lambda: {"mlflow.sharedViewState.x": "y" * 1_000_000})
    with caplog.at_level(logging.WARNING):
        assert store.prepare(uri)
    assert "chart views" in caplog.text


def test_the_link_after_a_train_opens_its_own_runs(uri: str, out: Path) -> None:
    tracker = track(out)
    link = view_url("http://127.0.0.1:5000/", str(tracker.experiment_id), LATEST)
    assert "workflowType=machine_learning" in link
    key = link.rpartition("viewStateShareKey=")[2]
    tags = client(uri).get_experiment(tracker.experiment_id).tags
    assert unpacked(tags[f"mlflow.sharedViewState.{key}"])["searchFilter"] == f"tags.train = '{tracker.run_id}'"


def test_tags_say_for_which_of_those_who_come_back_and_for_which_places_a_rung_is_shipped(out: Path) -> None:
    decision = json.loads((out / "decision.json").read_text())
    back = {b: {**decision["buckets"][b], "rung": "content"} for b in ("1_2", "3_9")}
    decision |= {"returning": {**back, "10_plus": decision["buckets"]["10_plus"]}, "slots": {"n": 2, "rung": "content"}}
    (out / "decision.json").write_text(json.dumps(decision))
    run_read = read_run(out)
    assert values.tags(run_read, "content")["shipped_for"] == "1_2_returning, 3_9_returning, new items"
    assert values.tags(run_read, "als")["shipped_for"] == "with_history, 1_2, 3_9, 10_plus"


def test_every_recommender_has_a_colour_of_its_own() -> None:
    assert len(set(colours.RUNG_COLOURS.values())) == len(colours.RUNG_COLOURS)


def test_a_rung_of_any_name_has_a_colour_of_the_palette() -> None:
    assert colours.colour("als") == colours.RUNG_COLOURS["als"]
    assert colours.colour("my own") in set(colours.RUNG_COLOURS.values()) - {colours.RUNG_COLOURS["router"]}
    assert colours.colour("my own") == colours.colour("my own")


# --- the model


def test_the_registered_model_serves_known_and_unknown_users_without_pickle(
    uri: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow
    import pandas as pd

    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    persistence.save(bundle(), out / "model")
    tracker = track(out)
    served = mlflow.pyfunc.load_model(MODEL)
    assert served.metadata.run_id == tracker.run_id
    lists = served.predict(pd.DataFrame({"user_id": ["u1", "nobody"]}), params={"k": 3})
    assert lists.groupby("user_id")["rank"].apply(list).to_dict() == {"u1": [1, 2, 3], "nobody": [1, 2, 3]}
    assert list(lists.columns) == ["user_id", "rank", "item_id", "score", "source"]
    at = pd.DataFrame({"user_id": ["u1"], "as_of": [pd.Timestamp("2026-01-01 03:00")]})
    assert len(served.predict(at)) == 10  # k's default; at that time u1 had taken one of 12 items
    assert lists["source"].tolist() == ["popularity"] * 3 + ["fallback"] * 3
    assert "null" in json.dumps(lists.to_dict("list"), allow_nan=False)  # strict JSON has no NaN
    folder = registry.model_folder(MODEL)
    assert isinstance(persistence.load(folder), Bundle)
    assert not [p for p in folder.parents[1].rglob("*") if p.suffix in (".pkl", ".pickle", ".joblib")]


def test_a_second_train_becomes_the_candidate_of_its_own_data_only(uri: str, out: Path) -> None:
    persistence.save(bundle(), out / "model")
    track(out)
    tracker = track(out)
    assert client(uri).get_model_version_by_alias("coldstart-jobs-simulated", "candidate").run_id == tracker.run_id
    with Tracker("jobs", "my jobs: 50%/a@b") as other:  # a folder may have such a name
        other.log(out)
    named = "coldstart-jobs-my-jobs-50-a-b"
    assert client(uri).get_model_version_by_alias(named, "candidate").run_id == other.run_id
    assert registry.model_folder(f"models:/{named}@candidate").is_dir()
    assert client(uri).get_model_version_by_alias("coldstart-jobs-simulated", "candidate").run_id == tracker.run_id


@pytest.mark.parametrize(
    "missing", ["models:/coldstart-jobs@champion", "models:/coldstart-jobs-simulated/9", "models:/x@y"]
)
def test_an_unknown_model_is_the_users_error_and_names_those_there(uri: str, out: Path, missing: str) -> None:
    with pytest.raises(UserError, match="make train"):
        registry.model_folder(missing)
    persistence.save(bundle(), out / "model")
    track(out)
    with pytest.raises(UserError, match=MODEL):
        registry.model_folder(missing)


def test_the_models_requirements_cover_what_its_code_imports() -> None:
    """Third-party imports of every module of the package that serving loads."""
    script = "import sys, recommender.serving.bundle, recommender.serving.persistence; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    distribution = {"sklearn": "scikit-learn", "yaml": "pyyaml", "lightfm": "lightfm-next"}
    needed = {"mlflow", "pyarrow"}  # of pyfunc_model.py, and behind polars' to_pandas
    for module in loaded.stdout.split():
        path = REPOSITORY / f"{module.replace('.', '/')}.py"
        if not module.startswith("recommender.") or not path.exists():
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            top = {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) - {"recommender"}
            needed |= {distribution.get(name, name) for name in top}
    assert needed - set(text.PACKAGES) == set(registry.SERVING)  # an extra is named only where it is in use


# --- make ui


def test_a_port_in_use_is_the_users_error(uri: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=rf"Port {port} cannot be used.*PORT={port + 1}"):
            ui.main(["--port", str(port)])


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_page_opens_and_stops_cleanly(uri: str, ending: signal.Signals) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "pipelines.ui", "--port", str(port)]
    process = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    lines = []
    for line in process.stderr:
        lines.append(line)
        if "Ctrl-C" in line:
            break
    process.send_signal(ending)
    lines.append(process.communicate(timeout=60)[1])
    text = "".join(lines)
    assert process.returncode == 0, text
    assert f"http://127.0.0.1:{port}/#/experiments/" in text
    with socket.socket() as again:
        assert again.connect_ex(("127.0.0.1", port)) != 0


# --- runs of programs that were killed


def test_a_run_is_closed_as_lost_where_its_process_has_ended_and_no_other(uri: str) -> None:
    experiment = store.prepare(uri)
    mine = lost.process_tags()
    started = mine[lost.PROCESS].partition(" ")[2]
    tags = {
        "mine": mine,
        "ended": {**mine, lost.PROCESS: f"{2**22 + 1} {started}"},
        "number given again": {**mine, lost.PROCESS: f"{os.getpid()} {float(started) - 3600:.0f}"},
        "other host": {**mine, lost.HOST: "elsewhere", lost.PROCESS: f"{2**22 + 1} {started}"},
        "not ours": {},
        "no number": {**mine, lost.PROCESS: "x"},
    }
    for name, given in tags.items():
        client(uri).create_run(experiment, tags=given, run_name=name)
    store.prepare(uri, "another experiment")
    logged_runs = client(uri).search_runs([experiment])
    assert {run.info.run_name for run in logged_runs if run.info.status == "KILLED"} == {"ended", "number given again"}
    assert {run.info.status for run in logged_runs} == {"KILLED", "RUNNING"}


def test_no_rung_is_finished_while_its_train_is_not(uri: str, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        assert {run.info.status for run in runs(uri).values()} == {"RUNNING"}
        raise KeyboardInterrupt

    monkeypatch.setattr(values, "note", interrupt)
    with pytest.raises(KeyboardInterrupt):
        track(out)
    assert {run.info.status for run in runs(uri).values()} == {"KILLED"}


def test_whatever_a_damaged_store_raises_is_told_as_its_error_and_a_bug_of_ours_as_a_bug(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*_: object, **__: object) -> None:
        exec(compile("b'\\xff'.decode()", "m", "exec"), {"__name__": "mlflow.store"})

    def bug(*_: object) -> None:
        raise LookupError

    monkeypatch.setattr("mlflow.MlflowClient.get_experiment_by_name", damaged)
    with pytest.raises(TrackingError, match=r"mlflow\.db: UnicodeDecodeError.*\n.*move it away"):
        store.prepare(uri)
    monkeypatch.setattr(store, "connect", bug)
    with pytest.raises(LookupError):
        store.prepare(uri)
