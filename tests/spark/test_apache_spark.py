"""Apache Spark's own Connect server gives what Sail and one machine give; it starts workers that die again."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import polars as pl
import psutil
import pytest

from pipelines import train
from recommender.config import Eligibility, Scoring
from recommender.engine import asking, reading, session
from recommender.engine.asking import EngineAsker
from recommender.engine.reading import EngineReader
from recommender.engine.session import Engine, Probe, connected
from recommender.engine.worker import block
from recommender.errors import UserError
from recommender.models import RECOMMENDERS
from recommender.ranking.asker import HERE
from recommender.ranking.candidates import Candidates
from recommender.sources.load import load
from tests.helpers.folders import SMALL, NoTracker, run, shop
from tests.helpers.small import ask
from tests.helpers.worlds import two_tastes

pytestmark = pytest.mark.spark
ROOT = Path(__file__).parents[2]
SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"


@dataclass(frozen=True)
class Server:
    process: subprocess.Popen[bytes]
    address: str


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Each task may fail three times, as on a cluster."""
    installed = sorted(ROOT.glob(".venv-spark-server/lib/python*/site-packages/pyspark"))
    home = os.environ.get("SPARK_HOME") or (str(installed[0]) if installed else "")
    if not home or shutil.which("java") is None:
        pytest.skip("Apache Spark's server needs Java 17 and `make setup-spark-server` (or SPARK_HOME)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"spark.connect.grpc.binding.address": "127.0.0.1", "spark.connect.grpc.binding.port": port,
                "spark.ui.enabled": "false"}  # fmt: skip
    stated = [part for key, value in settings.items() for part in ("--conf", f"{key}={value}")]
    command = [f"{home}/bin/spark-submit", "--master", "local[2,4]", "--driver-memory", "1g", *stated]
    extra = {"SPARK_HOME": home, "PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    log = tmp_path_factory.mktemp("spark") / "server.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [*command, "--class", SERVER, "spark-internal"], env={**os.environ, **extra}, stdout=out, stderr=out,
            cwd=log.parent,
        )  # fmt: skip
    try:
        for _ in range(600):
            if process.poll() is not None or "Connect server started" in log.read_text():
                break
            time.sleep(0.2)
        assert process.poll() is None, log.read_text()[-2000:]
        yield Server(process, f"sc://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def apache(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with connected(server.address, tmp_path_factory.mktemp("shared"), 2) as engine:
        yield engine


@pytest.fixture(scope="module")
def carrying(server: Server) -> Iterator[Engine]:
    """Behaves like a cluster that shares no folder with this machine: the engine carries tasks and blocks."""
    with connected(server.address, None, 2) as engine:
        assert engine.shared is None
        yield engine


@pytest.mark.parametrize("partitions", [1, 2, 7])
def test_lists_are_those_of_one_machine(apache: Engine, monkeypatch: pytest.MonkeyPatch, partitions: int) -> None:
    monkeypatch.setattr(asking, "AT_LEAST", 1)
    data = two_tastes()
    queries = ask([["r1"], ["f2", "x1"], []] * 150, data.items, as_of=24.0 * 60)
    asker = EngineAsker(replace(apache, partitions=partitions))
    model = RECOMMENDERS["item_knn"]().fit(data)
    candidates = Candidates.after(data, data.items, Eligibility())
    here, there = (a.recommend(model, queries, candidates, 5, Scoring()) for a in (HERE, asker))
    assert here.item_idx.tobytes() == there.item_idx.tobytes()
    assert here.score.tobytes() == there.score.tobytes()


@pytest.mark.parametrize("partitions", [1, 7])
def test_without_a_shared_folder_lists_are_those_of_one_machine(
    carrying: Engine, monkeypatch: pytest.MonkeyPatch, partitions: int
) -> None:
    monkeypatch.setattr(asking, "AT_LEAST", 1)
    monkeypatch.setattr(session, "WAVE_BYTES", 20_000)  # several jobs
    data = two_tastes()
    queries = ask([["r1"], ["f2", "x1"], []] * 150, data.items, as_of=24.0 * 60)
    model = RECOMMENDERS["item_knn"]().fit(data)
    candidates = Candidates.after(data, data.items, Eligibility())
    askers = (HERE, EngineAsker(replace(carrying, partitions=partitions)))
    here, there = (a.recommend(model, queries, candidates, 5, Scoring()) for a in askers)
    assert here.item_idx.tobytes() == there.item_idx.tobytes()
    assert here.score.tobytes() == there.score.tobytes()


def test_without_a_shared_folder_blocks_come_back_in_their_order(carrying: Engine) -> None:
    contents = [str(n).encode() * 50 for n in range(23)]
    assert carrying.run(Probe(), contents) == contents
    assert carrying.run(Probe(), []) == []


def test_an_engine_without_a_reader_of_delta_says_so(apache: Engine, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the engine has no reader for delta .*io.delta:delta-spark"):
        EngineReader(apache)(f"delta:{tmp_path}", raw_dir=None)


def test_parquet_at_an_address_is_the_folder_of_the_same_rows(apache: Engine, tmp_path: Path) -> None:
    data = shop()
    data.interactions = data.interactions.sort("timestamp", "user_id", "item_id")
    data.spec = {}
    data.items = data.items.select("item_id", "title")
    here = load(str(data.write(tmp_path / "shop")), raw_dir=None)
    for name in ("interactions", "items", "users"):
        (tmp_path / f"shop/{name}.parquet").rename(tmp_path / f"shop/{name}")
    there = EngineReader(apache)(f"parquet:{tmp_path}/shop", raw_dir=None)
    assert here.interactions.rows() == there.interactions.rows()
    assert here.items.frame.rows() == there.items.frame.rows()


@pytest.mark.parametrize("repairs", [{}, {"null_ids": "drop", "duplicates": "keep_first"}], ids=["refused", "repaired"])
def test_reading_finds_and_repairs_the_same(
    apache: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repairs: dict[str, str]
) -> None:
    monkeypatch.setattr(reading, "ROWS", 300)
    data = shop()
    nobody = pl.when(pl.int_range(pl.len()) % 200 > 0).then("user_id")
    data.interactions = pl.concat([data.interactions.with_columns(nobody), data.interactions[[5, 250, 5]]])
    data.spec["repairs"] = repairs
    folder = data.write(tmp_path / "shop")
    outcomes = []
    for reader in (load, EngineReader(apache)):
        try:
            read = reader(str(folder), raw_dir=None)
            outcomes.append(str((read.interactions.rows(), read.repairs)))
        except UserError as error:
            outcomes.append(str(error))
    assert "null_ids" in outcomes[0]
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("engine", ["apache", "carrying"])
def test_counts_of_all_users_are_those_of_one_machine(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    folder = str(shop().write(tmp_path / "shop"))
    sample = EngineReader(request.getfixturevalue(engine), 10)(folder, raw_dir=None)
    whole, origin = load(folder, raw_dir=None), datetime(2024, 3, 1, tzinfo=UTC)
    assert whole.before(origin).item_counts.tolist() == sample.before(origin).item_totals.tolist()
    popular = RECOMMENDERS["popularity"](half_life_share=0.1)
    one, other = (popular.fit(data.before(origin)).counts_.tobytes() for data in (whole, sample))  # type: ignore[attr-defined]
    assert one == other


def test_a_train_decides_the_same_with_a_shared_folder_and_without(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ("--engine", server.address, "--set", "engine.partitions=2")
    monkeypatch.setattr(train, "Tracker", NoTracker)
    folder = shop().write(tmp_path / "shop")
    small = (*SMALL, "--set", "ladder=[{name: popularity, recommender: popularity}, {name: k, recommender: item_knn}]")
    everyone = ("--set", "engine.sample_users=1000000")  # a sample, so that all are counted part by part
    outs = {"plain": (), "shared": (*engine, "--shared", tmp_path), "carried": (*engine, *everyone)}
    for out, more in outs.items():
        done = run(train.main, "--scenario", "catalog", "--data", folder, "--out", tmp_path / out, *small, *more)
        assert done.code == 0, done.err
    assert len({(tmp_path / out / "decision.json").read_bytes() for out in outs}) == 1
    plain, *others = (pl.read_parquet(tmp_path / out / "per_query.parquet") for out in outs)
    assert all(plain.equals(other) for other in others)
    assert not (tmp_path / "shared/all_users.parquet").exists()  # without a sample they are those of metrics.parquet
    rows = {"metric": "ndcg_at_10", "item_bucket": "all", "slice": "all", "split": "test"}
    here, carried = (
        pl.read_parquet(tmp_path / name).filter(**rows).sort("rung", "user_bucket")
        for name in ("plain/metrics.parquet", "carried/all_users.parquet")
    )
    here = here.filter(pl.col("rung").is_in(carried["rung"].implode()))
    assert here["n_queries"].equals(carried["n_queries"])
    assert (here["value"] - carried["value"]).abs().max() < 1e-9  # type: ignore[operator]


def test_a_worker_that_is_killed_is_started_again(
    apache: Engine, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block is a pipe at first, so its worker waits; it is killed, and the next attempt finds a file."""
    killed: list[int] = []

    def kill(pipe: Path, content: bytes) -> None:
        time.sleep(5)
        (pipe.parent / "file").write_bytes(content)
        os.replace(pipe.parent / "file", pipe)
        for worker in psutil.Process(server.process.pid).children(recursive=True):
            killed.append(worker.pid)
            worker.kill()

    def collect(self: Engine, folder: Path, n: int) -> list[bytes]:
        pipe = block(folder, 1)
        content = pipe.read_bytes()
        pipe.unlink()
        os.mkfifo(pipe)
        thread = Thread(target=kill, args=(pipe, content))
        thread.start()
        try:
            return collected(self, folder, n)
        finally:
            thread.join()

    collected = Engine._collect
    monkeypatch.setattr(Engine, "_collect", collect)
    assert apache.run(Probe(), [b"a", b"b", b"c"]) == [b"a", b"b", b"c"]
    assert killed
