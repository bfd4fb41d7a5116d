"""Who measures cells: this process, or several processes at the same time. Their results are the same bytes."""

from __future__ import annotations

import json
import logging
import os
import pickle
import shutil
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from logging.handlers import QueueHandler
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import SimpleQueue
from typing import Self

from recommender.config import Scenario, loading
from recommender.data.dataset import Dataset
from recommender.data.memory import free_mb
from recommender.errors import UserError
from recommender.sources.load import load
from recommender.studies.engine.cell import copy, is_finished, is_whole, key, measure, put_aside_damaged, warm_up
from recommender.studies.engine.plan import DATA, Cell

EACH_MB = 3000  # free memory from which on a further process is worth the risk
MOST_MB = 500  # of data sets that one process keeps beside the latest
ENDED = (
    "A process that measured cells has ended, most likely because memory ran out. Cells that were finished are kept: "
    "the same command goes on with the next. WORKERS=1 needs the least memory."
)
Load = Callable[[str, Scenario], Dataset]


class Source:
    """Data sets as loaded; the latest ones stay in memory, since cells come back to them."""

    def __init__(self, raw_dir: Path | None) -> None:
        self.raw_dir = raw_dir
        self._cache: dict[str, Dataset] = {}  # the latest last

    def __call__(self, name: str, scenario: Scenario) -> Dataset:
        wanted = json.dumps([name, loading(scenario)], sort_keys=True, default=str)
        data = self._cache.pop(wanted, None)
        if data is None:
            data = load(name, raw_dir=self.raw_dir, **loading(scenario))
        while sum(map(_size_mb, self._cache.values())) > MOST_MB:
            del self._cache[next(iter(self._cache))]
        self._cache[wanted] = data
        return data


@dataclass(frozen=True)
class CellOutcome:
    """What became of a cell. folder: its folder; None where it failed, or is only read. cached: it was there
    before. seconds: on the clock. records: what was logged in another process."""

    folder: Path | None = None
    cached: bool = False
    seconds: float = 0.0
    error: Exception | None = None
    records: Sequence[logging.LogRecord] = field(default_factory=tuple)


class Worker:
    """Measures cells in this process."""

    def __init__(self, source: Load) -> None:
        self.source = source
        self._compiled: set[str] = set()  # recommenders that have run here
        self._latest: Dataset | None = None

    def __call__(self, cell: Cell, folder: Path) -> CellOutcome:
        """Measures the cell into ``folder``, unless it is kept there, for this study or another one."""
        begun = time.perf_counter()
        try:
            cell_folder, cached = self._measured(cell, folder)
        except Exception as error:  # whatever it is, it is reported and, where it is a bug, raised at the end
            if cell.only_cached and isinstance(error, UserError):
                return CellOutcome()  # cells that are wanted report it
            return CellOutcome(error=error)
        return CellOutcome(cell_folder, cached, time.perf_counter() - begun)

    def _measured(self, cell: Cell, folder: Path) -> tuple[Path | None, bool]:
        if cell.only_cached and not (folder / cell.study).is_dir():
            return None, False
        data = self.source(cell.labels[DATA], cell.scenario)
        cell_folder = folder / cell.study / key(cell.scenario, cell.mode, data, cell.loop)
        if cell.only_cached:
            return (cell_folder, True) if is_whole(cell_folder) else (None, False)
        put_aside_damaged(cell_folder)
        if is_finished(cell_folder):
            return cell_folder, True
        if twin := next((p for p in folder.glob(f"*/{cell_folder.name}") if is_whole(p)), None):
            copy(twin, cell_folder)
            return cell_folder, True
        if cell.loop is None:
            warm_up(data, cell.scenario, self._compiled, data is not self._latest)
            self._latest = data
        measure(data, cell.scenario, cell.mode, cell_folder, cell.loop)
        return cell_folder, False


@contextmanager
def measuring(raw_dir: Path | None, workers: int | None = None) -> Iterator[Source | Crew]:
    """What ``run.run`` measures with. raw_dir: where public data sets lie. workers: processes; None: one for each core
    that has ``EACH_MB`` of free memory; 1: this process alone."""
    workers = workers or max(1, min(len(os.sched_getaffinity(0)), free_mb() // EACH_MB))
    if workers == 1:
        yield Source(raw_dir)
        return
    with Crew(raw_dir, workers) as crew:
        yield crew


class Crew:
    """``workers`` processes that measure cells, each with data that it loads itself; a context, which starts and ends
    them. raw_dir: where public data sets lie."""

    def __init__(self, raw_dir: Path | None, workers: int) -> None:
        self.raw_dir, self.workers = raw_dir, workers
        self.processes: list[BaseProcess] = []
        self._pipes: list[Connection] = []

    def __enter__(self) -> Self:
        context = get_context("spawn")  # a fork would copy the locks of threads that it lacks
        for _ in range(self.workers):
            mine, other = context.Pipe()
            process = context.Process(target=_serve, args=(other, self.raw_dir), daemon=True)
            process.start()
            other.close()  # so that the end of the process is the end of the pipe
            self.processes.append(process)
            self._pipes.append(mine)
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        """A process whose pipe is closed ends by itself and leaves no semaphores; one that may be at work is ended."""
        for process, pipe in zip(self.processes, self._pipes, strict=True):
            pipe.close()
            if failed:
                process.terminate()
        for process in self.processes:
            process.join()

    def __call__(self, cells: Sequence[Cell], folder: Path) -> Iterator[tuple[int, CellOutcome]]:
        """Position of each cell and what became of it, as they end. Cells of one content are measured once: the
        second is begun when the first has ended. Raises UserError where a process ended."""
        todo, idle = dict(enumerate(cells)), list(self._pipes)
        busy: dict[Connection, int] = {}
        while todo or busy:
            try:
                for n, cell in list(todo.items()):
                    if idle and cell.content not in {cells[m].content for m in busy.values()}:
                        idle[-1].send((todo.pop(n), folder))
                        busy[idle.pop()] = n
                ended = [(p, p.recv()) for p in wait(list(busy)) if isinstance(p, Connection)]
            except (EOFError, ConnectionError):
                raise UserError(ENDED) from None
            for pipe, outcome in ended:
                idle.append(pipe)
                yield busy.pop(pipe), outcome


def _size_mb(data: Dataset) -> float:
    return sum(f.estimated_size("mb") for f in (data.interactions, data.items.frame, data.users.frame, data.signals))


def _serve(pipe: Connection, raw_dir: Path | None) -> None:
    """A process of a crew: cells come in, outcomes go out, until the crew ends."""
    for ending in (signal.SIGINT, signal.SIGHUP):  # the first process gets them too, and ends this one
        signal.signal(ending, signal.SIG_IGN)
    within: set[Path] = set()

    def end(*_: object) -> None:
        """Leaves nothing half-written. An exception would not do: a library may swallow it in a callback."""
        for scratch in (path for folder in within for path in folder.glob(f"*/.*-{os.getpid()}")):
            shutil.rmtree(scratch, ignore_errors=True)
        os._exit(130)

    signal.signal(signal.SIGTERM, end)
    log, records = logging.getLogger("recommender"), SimpleQueue[logging.LogRecord]()
    log.handlers = [QueueHandler(records)]
    log.setLevel(logging.INFO)
    worker = Worker(Source(raw_dir))
    with suppress(EOFError, ConnectionError):  # the first process was killed
        while True:
            cell, folder = pipe.recv()
            within.add(folder)
            done = worker(cell, folder)
            logged = [records.get() for _ in range(records.qsize())]
            pipe.send(CellOutcome(done.folder, done.cached, done.seconds, _portable(done.error), logged))


def _portable(error: Exception | None) -> Exception | None:
    """The error with its traceback as a note; one that cannot be sent to another process as a RuntimeError."""
    if error is None:
        return None
    if not isinstance(error, UserError):
        error.add_note("".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever an error's class does when it is copied
        return RuntimeError("".join(traceback.format_exception(error)))
    return error
