"""The connection to an engine: Sail in this process, or any Spark Connect server; every fault of it as one message."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import pyarrow as pa

from recommender.engine.faults import explained, without_secrets
from recommender.engine.worker import SCHEMA, TASK, UNSEEN, Task, block, run_blocks, run_sent
from recommender.errors import ConfigError, UserError
from recommender.hashing import code_digest
from recommender.serving import persistence

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOCAL = "local-spark"
PARTITIONS = 16
RETRIES = 5  # of a call that gets no answer, seconds apart: they tell a restart from a loss
CLOSURE_BYTES = 1 << 25  # of a task that goes along with a job; Spark Connect's messages may have 128 MB
WAVE_BYTES = 1 << 26  # of blocks that go out through the engine at once; a plan may have twice that
T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Engine:
    """An open session. shared: a folder that this machine and all workers see; None: there is none, and the engine
    carries tasks and blocks. partitions: at most so many tasks at once; no result depends on it."""

    spark: SparkSession
    address: str
    shared: Path | None
    partitions: int
    closing: ExitStack  # what is done when the session ends
    archives: bool = False  # whether the server brings archives to its workers

    def run(self, task: Task, blocks: Iterable[bytes]) -> list[bytes]:
        """The results of ``task`` for each block, in their order. Raises UserError where a worker does, or where the
        engine fails."""
        with self.folder() as folder:
            persistence.save(task, folder / TASK)
            if self.shared is None:
                return self._sent(folder, blocks)
            n = 0
            for n, content in enumerate(blocks, start=1):
                block(folder, n - 1).write_bytes(content)
            return self._collect(folder, n)

    def run_on_rows(self, task: Task, blocks: Iterable[bytes]) -> list[bytes]:
        """``run`` of a task that reads or leaves rows in a ``folder``: here, one block after the other, where the
        workers do not see it. Memory is then that of one block, and the results are the same bytes."""
        if self.shared is not None:
            return self.run(task, blocks)
        results = []
        with self.folder() as folder:
            for n, content in enumerate(blocks):
                block(folder, n).write_bytes(content)
                results.append(task.run(n, folder))
        return results

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """A new folder in the shared one (of this machine, where there is none), removed at the end."""
        folder = Path(tempfile.mkdtemp(prefix="recommender-", dir=self.shared))
        folder.chmod(0o755)  # workers may be another user
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _sent(self, folder: Path, blocks: Iterable[bytes]) -> list[bytes]:
        """The task as an archive that the engine brings to each worker once, or that goes along with each job; blocks
        as rows, some at a time."""
        archive = folder.with_suffix(".zip")
        try:
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as opened:
                for file in sorted((folder / TASK).iterdir()):
                    opened.write(file, f"{TASK}/{file.name}")
            if self.archives:
                self._ask(lambda: self.spark.addArtifacts(f"{archive}#{folder.name}", archive=True))
            packed = None if self.archives else archive.read_bytes()
        finally:
            archive.unlink(missing_ok=True)
        if packed is not None and len(packed) > CLOSURE_BYTES:
            raise UserError(
                f"{self.address}: the model takes {len(packed) / 1e6:,.0f} MB; to workers of a server that takes no "
                f"archives, at most {CLOSURE_BYTES / 1e6:,.0f} MB are carried. Name a folder that they and this "
                "machine share: SHARED=/mnt/shared."
            )
        work, results = partial(run_sent, archive=folder.name, code=code_digest(), packed=packed), list[bytes]()
        for wave in _waves(blocks):
            numbers = range(len(results), len(results) + len(wave))
            rows = pa.table({"block": pa.array(numbers, pa.int64()), "content": wave})
            results += self._results(self._ask(partial(self._spread, rows, work)), numbers)
        return results

    def _spread(self, blocks: pa.Table, work: Any) -> pa.Table:
        tasks = min(len(blocks), self.partitions)
        return self.spark.createDataFrame(blocks).repartition(tasks).mapInArrow(work, SCHEMA).toArrow()

    def _collect(self, folder: Path, n: int) -> list[bytes]:
        if not n:
            return []
        work = partial(run_blocks, folder=str(folder), code=code_digest())
        tasks = min(n, self.partitions)
        rows = self._ask(lambda: self.spark.range(0, n, 1, tasks).mapInArrow(work, SCHEMA).toArrow())
        return self._results(rows, range(n))

    def _ask(self, what: Callable[[], T]) -> T:
        try:
            return what()
        except Exception as error:
            raise explained(error, self.address) from error

    def _results(self, rows: pa.Table, numbers: range) -> list[bytes]:
        """The content of each block, in their order, however the rows came."""
        faults = [fault for fault in rows["fault"].to_pylist() if fault is not None]
        if faults:
            raise UserError(sorted(faults)[0])
        contents: dict[int, bytes] = dict(zip(rows["block"].to_pylist(), rows["content"].to_pylist(), strict=True))
        if sorted(contents) != list(numbers) or len(rows) != len(numbers):
            raise UserError(
                f"{self.address}: the engine returned {len(rows):,} blocks where {len(numbers):,} were given. "
                "Try again."
            )
        return [contents[number] for number in numbers]


def _waves(blocks: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Blocks for one job each: at least one, until they are ``WAVE_BYTES``."""
    wave = list[bytes]()
    for content in blocks:
        if wave and sum(map(len, wave)) + len(content) > WAVE_BYTES:
            yield wave
            wave = []
        wave.append(content)
    if wave:
        yield wave


class Probe:
    """Returns what it finds in its block: the engine runs Python, has the package, and sees the folder."""

    def run(self, number: int, folder: Path) -> bytes:
        return block(folder, number).read_bytes()


@contextmanager
def connected(address: str, shared: Path | None = None, partitions: int = PARTITIONS) -> Iterator[Engine]:
    """An engine that has been tried. address: ``local-spark`` or ``sc://host:port`` (with parameters of Spark Connect).

    shared: a folder that this machine and the workers see. Without one, a server that runs on this machine shares a
    temporary folder, unless it takes archives (Apache Spark's); then, and elsewhere, it carries everything. Raises
    ConfigError for an address that is none, or where the extra is not installed; UserError where the engine cannot be
    reached or cannot run this package.
    """
    if address != LOCAL and not (address.startswith("sc://") and urlsplit(address).hostname):
        raise ConfigError(
            f"ENGINE={without_secrets(address)}: expected {LOCAL}, or the address of a Spark Connect server, sc://host:port."
        )
    if shared is not None and not (shared.is_dir() and os.access(shared, os.W_OK)):
        raise ConfigError(f"SHARED={shared}: there is no such folder, or it cannot be written.")
    with ExitStack() as closing:
        url = closing.enter_context(_sail()) if address == LOCAL else _reachable(address)
        address = without_secrets(address)
        spark = _session(url, address)
        closing.callback(_close, spark)
        archives = shared is None and address != LOCAL and _takes_archives(spark)
        if temporary := shared is None and not archives:
            shared = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="recommender-engine-")))
            shared.chmod(0o755)
        shared = None if shared is None else shared.resolve()
        yield _tried(Engine(spark, address, shared, partitions, closing, archives), may_carry=temporary)


def _tried(engine: Engine, may_carry: bool) -> Engine:
    """The engine, after a first task; where workers do not see the folder, one that carries, if it may."""
    try:
        contents = engine.run(Probe(), [b"seen"])
    except UserError as error:
        if not may_carry or UNSEEN not in str(error):
            raise
        log.info("the workers of the engine share no folder with this machine, so it carries tasks and blocks")
        return _tried(replace(engine, shared=None), may_carry=False)
    if contents != [b"seen"]:
        raise UserError(f"{engine.address}: the engine's workers read something else than was sent to them.")
    return engine


@contextmanager
def _sail() -> Iterator[str]:
    """Sail, which speaks Spark Connect, in threads of this process."""
    os.environ.setdefault("RUST_LOG", "error")
    try:
        from pysail.spark import SparkConnectServer
    except ImportError:
        raise ConfigError(MISSING) from None
    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    try:
        host, port = server.listening_address[:2]
        yield f"sc://{host}:{port}"
    finally:
        server.stop()


MISSING = "The extra 'spark' is not installed. Run: make setup-spark"


def _reachable(address: str) -> str:
    parts = urlsplit(address)
    try:
        socket.create_connection((str(parts.hostname), parts.port or 15002), timeout=10).close()
    except (OSError, ValueError) as error:
        raise UserError(
            f"ENGINE={without_secrets(address)}: no server answers there ({error}). Is it running, is the port open?"
        ) from None
    return address


def _session(url: str, address: str) -> SparkSession:
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)  # none of it is used
    warnings.filterwarnings("ignore", r"\[RETRIES_EXCEEDED\]", UserWarning)  # the error that follows says it
    try:
        from pyspark.sql import SparkSession
        from pyspark.sql.connect.client.retries import DefaultPolicy
    except ImportError:
        raise ConfigError(MISSING) from None
    try:
        spark: Any = SparkSession.builder.remote(url).create()
        # Ten minutes of silence are the default.
        spark.client.set_retry_policies([DefaultPolicy(max_retries=RETRIES, max_backoff=2000)])
        spark.range(1).count()
    except Exception as error:
        raise explained(error, address) from error
    session: SparkSession = spark
    return session


def _takes_archives(spark: SparkSession) -> bool:
    """Whether the server hands archives on to its workers."""
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch) / "probe.zip"
        with zipfile.ZipFile(archive, "w") as opened:
            opened.writestr("probe", "")
        try:
            spark.addArtifacts(f"{archive}#recommender-probe", archive=True)
        except Exception as error:
            log.info("the engine takes no archives: %s", str(error)[:200])
            return False
    return True


def _close(spark: Any) -> None:
    """A server that is lost cannot be told that nobody asks any more."""
    try:
        spark.stop()
    except Exception as error:
        log.info("the session of the engine did not close: %s", str(error)[:200])
