"""Everything that a user can get wrong ends with exit code 2, one message that helps, and nothing left behind."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from mlflow import MlflowClient

from pipelines import train
from tests.helpers.folders import DAYS, SMALL, START, Done, Folder, Trained, run, shop

ROOT = Path(__file__).parents[2]


def train_on(data: object, *args: object, out: object = "out") -> Done:
    return run(train.main, "--scenario", "jobs", "--data", data, "--out", out, *SMALL, *args)


def refused(done: Done, *wanted: str) -> None:
    """Exit code 2 and one message that holds every ``wanted`` text; no traceback, nothing on stdout, no OUT."""
    shown = " ".join(done.err.split())
    assert done.code == 2, shown
    assert done.out == ""
    assert "Traceback" not in shown
    assert shown.count("Error:") == 1
    for text in wanted:
        assert text in shown
    assert not Path("out").exists()
    assert not Path("artifacts").exists()


def run_states(store: str) -> list[str]:
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("coldstart")
    assert experiment is not None
    return [r.info.status for r in client.search_runs([experiment.experiment_id], max_results=1000)]


@pytest.fixture(autouse=True)
def _no_run_is_left(store: str) -> Iterator[None]:
    before = run_states(store)
    yield
    assert run_states(store) == before


# Names and configuration


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--scenario", "job"], ["Unknown scenario 'job'", "did you mean 'jobs'", "Valid: catalog, jobs, "]),
        (["--data", "ml-10k"], ["Unknown data 'ml-10k'", "did you mean 'ml-100k'", "dataset folder"]),
        (["--data", "no/such/folder"], ["Unknown data 'no/such/folder'", "dataset folder"]),
        (["--set", "slots.rung=contnt slots.n=2"], ["slots.rung: unknown rung 'contnt'", "did you mean 'content'"]),
        (["--set", "ladder.alz.params.factors=8"], ["no 'alz'", "did you mean 'als'"]),
        (["--set", "ladder=[{name: a, recommender: alss}]"], ["unknown recommender 'alss'", "did you mean 'als'"]),
        (["--set", "ladder=[{name: a, recommender: als}, {name: a, recommender: bpr}]"], ["'a' is used twice"]),
        (["--set", "ladder=[{name: a, recommender: als, control: true}]"], ["every rung is a control"]),
        (["--set", "ladder=[{recommender: als}] ladder.als.params={}"], ["no 'als' there"]),
        (["--set", "ladder.als.params.factors=many"], ["Rung 'als'", "factors='many'", "valid integer"]),
        (["--set", "ladder.popularity.params={segment: city}"], ["Rung 'popularity'", "segment", "'city'"]),
        (["--set", "ladder.popularity.params={window_days: week}"], ["Rung 'popularity'", "window_days", "'week'"]),
        (["--set", "ladder.als.params.factors=-1"], ["Rung 'als'", "factors must be at least 1", "-1"]),
        (["--set", "ladder.als.params.factor=8"], ["no parameter 'factor'", "did you mean 'factors'"]),
        (["--set", "ladder.als.parms={}"], ["'ladder.5.parms'", "did you mean 'params'"]),
        (["--set", "ladder.als=3"], ["'ladder.5'"]),
        (["--set", "ladder=[]"], ["'ladder'", "at least 1"]),
        (["--set", "ladder=3"], ["'ladder'"]),
        (["--set", "ladder=[{recommender: als}]"], ["'ladder.0.name'"]),
        (["--set", "splt.test=0.7"], ["'splt'", "did you mean 'split'"]),
        (["--set", "split.tets=0.7"], ["'split.tets'", "did you mean 'test'"]),
        (["--set", "split.test=soon"], ["'split.test'", "'soon'"]),
        (["--set", "split.kind=rolling"], ["'split.kind'", "'rolling'"]),
        (["--set", "split.test.x=1"], ["'split.test' holds a value"]),
        (["--set", "split.test=1.5"], ["between 0 and 1", "1.5"]),
        (["--set", "split.test=0.5"], ["origins must ascend"]),
        (["--set", "split.validation=[]"], ["'split.validation'"]),
        (["--set", "name=[ugc"], ["--set name=[ugc", "YAML"]),
        (["--set", "split=: {"], ["--set split=: {", "YAML"]),
        (["--set", "split.test"], ["expected KEY=VALUE"]),
        (["--set", "seed=2024-13-45"], ["'seed'", "valid integer", "2024-13-45"]),
        (["--set", "bootstrap=1000000000"], ["'bootstrap'", "100000"]),
        (["--set", "ladder.als.params.factors=99999999999"], ["Rung 'als'", "factors must be", "below 4294967296"]),
        (["--set", "ladder.als.params.alpha=-1e9"], ["Rung 'als'", "alpha must be above 0", "-1000000000.0"]),
        (["--set", "seed=-1"], ["'seed'", "greater than or equal to 0"]),
        (["--set", "split={unit: days, validation: [1e9, 20], test: 10}"], ["'split.validation.0'"]),
        (["--set", "split.test=.nan"], ["'split.test'"]),
        (["--set", "=3"], ["expected KEY=VALUE"]),
        (["--set", "decision.metric=ndcg"], ["Unknown metric 'ndcg'", "did you mean 'ndcg_at_10'"]),
        (["--set", "problem.metric=ndcg_at_100"], ["Unknown metric 'ndcg_at_100'", "did you mean 'ndcg_at_10'"]),
        (["--set", "data.repairs={duplicate: drop}"], ["unknown repair 'duplicate'", "did you mean 'duplicates'"]),
        (["--set", "data.repairs={duplicates: drop}"], ["no action 'drop'", "keep_first"]),
        (["--set", "data.positive_events=[aply]"], ["interactions.event", "aply"]),
        (["--set", "eligibility.blocked_column=spam"], ["eligibility.blocked_column", "'spam'"]),
        (["--set", "eligibility.editorial_column=orders"], ["eligibility.editorial_column", "'orders'"]),
    ],
    ids=lambda value: value[-1][:40] if value[0].startswith("--") else "",
)
def test_wrong_name_or_value_is_refused_and_the_nearest_offered(
    trained: Trained, workplace: Path, arguments: list[str], wanted: list[str]
) -> None:
    given = ["--scenario", "jobs", "--data", str(trained.data), "--out", "out"]
    refused(run(train.main, *given, *arguments), *wanted)


# Data: one fault each


@dataclass(frozen=True)
class Fault:
    """How a sound folder is spoilt, and what the message must hold."""

    name: str
    spoil: Callable[[Folder], object]
    wanted: tuple[str, ...]


def first(n: int, value: object, column: str) -> pl.Expr:
    """The column with ``value`` in its first n rows."""
    return pl.when(pl.int_range(pl.len()) < n).then(pl.lit(value)).otherwise(pl.col(column))


def text_times(folder: Folder) -> None:
    text = pl.col("timestamp").dt.strftime("%Y-%m-%d %H:%M:%S")
    folder.change("interactions", timestamp=text)
    folder.change("interactions", timestamp=first(2, "yesterday", "timestamp"))


def mixed_units(folder: Folder) -> None:
    seconds, row = pl.col("timestamp").dt.epoch("s"), pl.int_range(pl.len())
    folder.change("interactions", timestamp=pl.when(row < 5).then(seconds * 1000).otherwise(seconds))


def early(folder: Folder, time: datetime, n: int = 3) -> None:
    folder.change("interactions", timestamp=first(n, time, "timestamp"))


def weights(folder: Folder, value: float) -> None:
    folder.change("interactions", weight=pl.lit(1.0)).change("interactions", weight=first(3, value, "weight"))


def vectors(n: int, value: list[float]) -> pl.Expr:
    given = pl.concat_list([pl.lit(v, pl.Float64) for v in value])
    return pl.when(pl.int_range(pl.len()) < n).then(given).otherwise(pl.col("vector"))


def repeat(folder: Folder, table: str, n: int) -> None:
    frame = getattr(folder, table)
    setattr(folder, table, pl.concat([frame, frame.head(n)]))


def drop(folder: Folder, table: str, column: str) -> None:
    setattr(folder, table, getattr(folder, table).drop(column))


def clear(folder: Folder, table: str) -> None:
    setattr(folder, table, getattr(folder, table).clear())


def expire(folder: Folder) -> None:
    folder.change("items", available_from=pl.lit(START), expires_at=pl.lit(START + timedelta(days=500)))
    folder.change("items", expires_at=first(2, START - timedelta(days=1), "expires_at"))


def spec(folder: Folder, **keys: object) -> None:
    folder.spec.update(keys)


def misspell(folder: Folder) -> None:
    folder.interactions = folder.interactions.rename({"user_id": "user"})
    folder.users = folder.users.rename({"user_id": "user"})
    folder.spec["columns"] = {"user_id": "usr"}


def renew(folder: Folder, key: str) -> None:
    """From the first validation origin on, every user (item) is one never seen before."""
    origin = folder.interactions["timestamp"].quantile(0.6, "lower")
    late, mark = pl.col("timestamp") >= origin, "-late"
    folder.change("interactions", **{key: pl.when(late).then(pl.col(key) + mark).otherwise(pl.col(key))})
    table = {"user_id": "users", "item_id": "items"}[key]
    frame = getattr(folder, table)
    setattr(folder, table, pl.concat([frame, frame.with_columns(pl.col(key) + mark)]))


FAULTS = [
    Fault("missing column", lambda f: drop(f, "interactions", "item_id"), ("interactions.item_id", "missing_column")),
    Fault("no item ids", lambda f: drop(f, "items", "item_id"), ("items.item_id", "missing_column", "dataset.yaml")),
    Fault("misspelt column", misspell, ("interactions.usr: missing_column", "did you mean 'user'")),
    Fault("no timestamp", lambda f: drop(f, "interactions", "timestamp"), ("no times", "split.kind=random")),
    Fault("empty interactions", lambda f: clear(f, "interactions"), ("interactions", "SET='day_zero=true'")),
    Fault("empty items", lambda f: clear(f, "items"), ("items: empty_table", "no rows")),
    Fault("empty users", lambda f: clear(f, "users"), ("users: empty_table", "Remove it")),
    Fault(
        "null ids of items",
        lambda f: f.change("items", item_id=first(2, None, "item_id")),
        ("items.item_id: null_ids, 2 rows", "row 1", "repairs: {null_ids: drop}"),
    ),
    Fault(
        "null ids of users",
        lambda f: f.change("users", user_id=first(1, None, "user_id")),
        ("users.user_id: null_ids, 1 row ",),
    ),
    Fault(
        "null ids of interactions",
        lambda f: f.change("interactions", user_id=first(4, None, "user_id")),
        ("interactions.user_id: null_ids, 4 rows",),
    ),
    Fault(
        "duplicate ids of items",
        lambda f: repeat(f, "items", 3),
        ("items.item_id: duplicate_ids, 3 rows", "'i0'", "keep_first"),
    ),
    Fault("duplicate ids of users", lambda f: repeat(f, "users", 1), ("users.user_id: duplicate_ids, 1 row ",)),
    Fault(
        "duplicate rows",
        lambda f: repeat(f, "interactions", 7),
        ("interactions.timestamp: duplicates, 7 rows", "keep_first"),
    ),
    Fault(
        "unparsable times", text_times, ("interactions.timestamp: unparsable_times, 2 rows", "'yesterday'", "ISO 8601")
    ),
    Fault(
        "future times",
        lambda f: early(f, datetime.now(UTC) + timedelta(days=30)),
        ("interactions.timestamp: future_times, 3 rows",),
    ),
    Fault("epoch 0", lambda f: early(f, datetime(1970, 1, 1, tzinfo=UTC)), ("sentinel_times, 3 rows", "1970-01-01")),
    Fault("1980", lambda f: early(f, datetime(1980, 1, 1, tzinfo=UTC)), ("sentinel_times, 3 rows", "1980-01-01")),
    Fault(
        "some times null",
        lambda f: early(f, None),  # type: ignore[arg-type]
        ("interactions.timestamp: missing_times, 3 rows", "history"),
    ),
    Fault("seconds and milliseconds", mixed_units, ("mixed_time_units, 5 rows", "convert")),
    Fault(
        "times of no type",
        lambda f: f.change("interactions", timestamp=pl.lit(True)),
        ("interactions.timestamp: wrong_type", "Boolean"),
    ),
    Fault(
        "unknown items",
        lambda f: f.change("interactions", item_id=first(6, "i999", "item_id")),
        ("interactions.item_id: unknown_items, 6 rows", "'i999'", "repairs: {unknown_items: drop}"),
    ),
    Fault("expires before it starts", expire, ("items.expires_at: expires_before_start, 2 rows", "set_null")),
    Fault(
        "NaN weights", lambda f: weights(f, float("nan")), ("interactions.weight: bad_weights, 3 rows", "nan in row 1")
    ),
    Fault("inf weights", lambda f: weights(f, float("inf")), ("interactions.weight: bad_weights, 3 rows", "inf")),
    Fault("negative weights", lambda f: weights(f, -1.0), ("interactions.weight: bad_weights, 3 rows", "-1.0")),
    Fault(
        "ragged embeddings",
        lambda f: f.change("items", vector=vectors(2, [0.1, 0.2])),
        ("items.vector: ragged_embeddings, 2 rows", "4 numbers"),
    ),
    Fault(
        "NaN embeddings",
        lambda f: f.change("items", vector=vectors(1, [0.1, float("nan"), 0.1, 0.2])),
        ("items.vector: bad_embeddings, 1 row ",),
    ),
    Fault("all users new", lambda f: renew(f, "user_id"), ("users.user_id: all users are new", "-late", "SET=")),
    Fault("all items new", lambda f: renew(f, "item_id"), ("items.item_id: all items taken are new", "-late", "SET=")),
    Fault(
        "too few interactions",
        lambda f: setattr(f, "interactions", f.interactions.tail(120)),
        ("interactions: 59 rows of 'shop' lie before the validation origin", "min_train", "100"),
    ),
    Fault(
        "hardly any interactions",
        lambda f: setattr(f, "interactions", f.interactions.tail(3)),
        ("interactions: 'shop' has 3 rows", "min_train", "100"),
    ),
    Fault(
        "all at one time",
        lambda f: f.change("interactions", timestamp=pl.lit(START + timedelta(days=DAYS))),
        ("origins must ascend",),
    ),
    Fault(
        "match names no column",
        lambda f: spec(f, match=[{"user": "want", "item": "title"}]),
        ("users.want: missing_column", "'match' names it", "did you mean 'wants'"),
    ),
    Fault(
        "match of a protected column",
        lambda f: spec(f, match=[{"user": "gender", "item": "title"}]),
        ("users.gender: protected_in_match", "remove one of the two"),
    ),
    Fault(
        "protected column that is not there",
        lambda f: f.spec["features"]["users"].update(sex="protected"),
        ("users.sex: missing_column", "role protected"),
    ),
    Fault(
        "unknown role",
        lambda f: f.spec["features"]["items"].update(title="txt"),
        ("dataset.yaml", "unknown role 'txt'", "did you mean 'text'"),
    ),
    Fault("unknown key in dataset.yaml", lambda f: spec(f, colums={}), ("'colums'", "did you mean 'columns'")),
    Fault(
        "text as a number", lambda f: f.spec["features"]["items"].update(title="numeric"), ("items.title: wrong_type",)
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault_in_the_data_is_named_with_table_column_count_example_and_advice(workplace: Path, fault: Fault) -> None:
    folder = shop()
    fault.spoil(folder)
    refused(train_on(folder.write(workplace / "shop")), *fault.wanted)


def test_all_faults_are_told_at_once(workplace: Path) -> None:
    folder = shop().change("items", item_id=first(1, None, "item_id"))
    weights(folder, float("nan"))
    repeat(folder, "users", 2)
    done = train_on(folder.write(workplace / "shop"))
    refused(done, "items.item_id: null_ids", "interactions.weight: bad_weights", "users.user_id: duplicate_ids")


def test_named_repair_lets_the_train_go_on_and_counts_what_it_did(untracked: Path) -> None:
    folder = shop().change("interactions", item_id=first(6, "i999", "item_id"))
    done = train_on(folder.write(untracked / "shop"), "--set", "data.repairs={unknown_items: drop}")
    assert done.code == 0, done.err
    repairs = pl.read_parquet("out/data_effort.parquet").filter(
        pl.col("measure") == "repaired/interactions/unknown_items"
    )
    assert repairs["value"].to_list() == [6]
    assert "repaired unknown_items by drop, 6 rows" in " ".join(done.err.split())
    assert "unknown_items" in Path("out/report.html").read_text()


# Files that are not what their name says


def no_parquet(data: Path) -> None:
    (data / "items.parquet").write_text("item_id,title\n1,a\n")


def truncate(data: Path) -> None:
    whole = (data / "interactions.parquet").read_bytes()
    (data / "interactions.parquet").write_bytes(whole[: len(whole) // 2])


def short_line(data: Path) -> None:
    (data / "users.parquet").unlink()
    (data / "users.csv").write_text("user_id;city\nu1;north\nu2\n")


def twice(data: Path) -> None:
    (data / "items.csv").write_text("item_id\ni1\n")


@pytest.mark.parametrize(
    ("spoil", "wanted"),
    [
        (no_parquet, ["items.parquet", "no Parquet file", "items.csv"]),
        (truncate, ["interactions.parquet", "cut short", "again"]),
        (short_line, ["users.csv", "line 3 has 1 of 2 fields"]),
        (twice, ["both items.csv and items.parquet", "Remove all but one"]),
        (lambda data: (data / "interactions.parquet").unlink(), ["interactions", "SET='day_zero=true'"]),
        (lambda data: (data / "items.parquet").write_bytes(b""), ["items.parquet"]),
        (lambda data: (data / "dataset.yaml").write_text("match: [{user: a"), ["dataset.yaml", "YAML"]),
        (lambda data: (data / "dataset.yaml").write_text("- a\n"), ["dataset.yaml", "found list"]),
    ],
)
def test_unreadable_file_is_named(workplace: Path, spoil: Callable[[Path], object], wanted: list[str]) -> None:
    data = shop().write(workplace / "shop")
    spoil(data)
    refused(train_on(data), *wanted)


# Columns that may never be features


@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        ("ladder.popularity.params={segment: [gender]}", ["users.gender", "protected"]),
        ("ladder.content.params={columns: [caste]}", ["items.caste", "protected"]),
        ("ladder.content.params={columns: [titel]}", ["items.titel", "did you mean 'title'"]),
    ],
)
def test_protected_or_missing_column_is_no_feature(workplace: Path, override: str, wanted: list[str]) -> None:
    folder = shop().change("items", caste=pl.lit("a"))
    folder.spec["features"]["items"]["caste"] = "protected"
    refused(train_on(folder.write(workplace / "shop"), "--set", override), *wanted)


# Where OUT cannot be


def test_out_that_exists_is_left_as_it_is(trained: Trained, workplace: Path) -> None:
    Path("taken").mkdir()
    Path("taken/mine.txt").write_text("mine")
    done = train_on(trained.data, out="taken")
    refused(done, "OUT=taken exists already", "new folder")
    assert [p.name for p in Path("taken").iterdir()] == ["mine.txt"]


def test_out_below_a_file_is_refused(trained: Trained, workplace: Path) -> None:
    Path("file").write_text("")
    refused(train_on(trained.data, out="file/out"), "file/out", "cannot be made", "Set OUT=")


def test_read_only_place_for_out_is_refused(trained: Trained, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", read_only)  # root may write anywhere, so modes would not do
    refused(train_on(trained.data), "out: cannot be made (Read-only file system)", "Set OUT=")


@pytest.mark.parametrize("writer", ["write_config", "write_tables", "write_data", "Decision.write"])
@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EACCES, "Permission denied"),
        pl.exceptions.ComputeError("parquet: underlying IO error: No space left on device (os error 28)"),
    ],
    ids=["full", "not allowed", "full, told by polars"],
)
def test_disk_that_cannot_be_written_removes_out_and_says_so(
    trained: Trained, workplace: Path, monkeypatch: pytest.MonkeyPatch, writer: str, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(f"recommender.experiment.run_folder.{writer}", fail)
    reason = "Permission denied" if "denied" in str(error) else "No space left on device"
    refused(train_on(trained.data), f"out: cannot be written ({reason})", "OUT=<another folder>")


@pytest.mark.slow
@pytest.mark.parametrize("limit_kb", [2, 16, 60])
def test_disk_that_fills_up_on_the_way_leaves_no_out(trained: Trained, workplace: Path, limit_kb: int) -> None:
    """A bound on the size of files stands for a full disk, whichever library is writing."""
    command = [
        sys.executable,
        "-m",
        "pipelines.train",
        "--scenario",
        "jobs",
        "--data",
        str(trained.data),
        "--out",
        "out",
        *SMALL,
    ]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    size = limit_kb * 1024

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    done = subprocess.run(
        command, cwd=workplace, env=env, preexec_fn=bound, capture_output=True, text=True, timeout=120
    )
    refused(Done(done.returncode, "", done.stderr), "out: cannot be written", "OUT=<another folder>")


# A process of its own: what the shell sees


def test_exit_code_and_message_reach_the_shell(workplace: Path) -> None:
    command = [sys.executable, "-m", "pipelines.train", "--scenario", "nope"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=workplace, env=env, capture_output=True, text=True, timeout=120)
    refused(Done(done.returncode, done.stdout, done.stderr), "Unknown scenario 'nope'")
