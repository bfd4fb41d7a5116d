"""What each stage costs: wall seconds, CPU seconds, peak memory, threads.

Peak memory is the kernel's own high-water mark of resident memory, reset at the start of a stage (``man 5 proc``:
``clear_refs`` value 5, ``VmHWM``). ``ru_maxrss`` never falls, and polling misses short peaks.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import polars as pl
import psutil

from recommender.names import ROUTER

# Measures of data_effort.parquet, + rung
TRIALS_TO_1PCT = "tuning_trials_to_1pct/"
SEARCHED = "search_settings/"  # how many settings were tried
SEARCH_GAIN = "search_gain/"  # of the best over the rung's own first, on the queries that chose it
SEARCH_CPU = "search_cpu_s/"  # what trying them took
OF_SEARCH = (TRIALS_TO_1PCT, SEARCHED, SEARCH_GAIN, SEARCH_CPU)
Stage = Literal["prepare", "fit", "tune", "recommend", "evaluate", "refit", "report"]

SCHEMA = pl.Schema(
    {
        "rung": pl.String,
        "stage": pl.String,
        "split": pl.String,
        "origin": pl.String,
        "wall_s": pl.Float64,
        "cpu_s": pl.Float64,
        "peak_mb": pl.Float64,
        "threads": pl.Int64,
    }
)

_CLEAR_REFS = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


class EffortLog:
    """Collects one row per stage. Not for stages that run at the same time in several threads.

    exact: whether ``peak_mb`` is the kernel's high-water mark. Where /proc cannot tell, it is the larger of the
        resident memory at the start and at the end of the stage (psutil), which misses peaks in between.
    """

    def __init__(self) -> None:
        self.exact = _reset_peak()
        self.rows: list[tuple[str, str, str, str, float, float, float, int]] = []
        self.noted: list[tuple[str, float, str]] = []  # measure, value, unit
        self._peaks: list[float] = []  # of the stages that are running, outermost first

    @contextmanager
    def stage(self, rung: str, stage: Stage, split: str, origin: str, threads: int = 1) -> Iterator[None]:
        """Measures the block; one that raises is recorded too, and raises on.

        Stages may be nested: the outer one contains the time and the peak of the inner one, so that rows of nested
        stages must not be added up.
        """
        self._note_peak()  # the stages around this one must not lose theirs in the reset
        if self.exact:
            _reset_peak()
        self._peaks.append(0.0)
        wall, cpu = time.perf_counter(), _cpu_seconds()
        self._note_peak()
        try:
            yield
        finally:
            wall, cpu = time.perf_counter() - wall, _cpu_seconds() - cpu
            self._note_peak()
            self.rows.append((rung, stage, split, origin, wall, cpu, self._peaks.pop(), threads))

    def note(self, measure: str, value: float, unit: str) -> None:
        """Adds an effort that is not a stage's seconds, for data_effort.parquet."""
        self.noted.append((measure, value, unit))

    def note_search(self, rung: str, n: int, to_1pct: int, gain: float, metric: str, cpu_s: float) -> None:
        """What a search of parameters tried (settings, and how many to within 1% of the best), gained and took."""
        self.note(f"{SEARCHED}{rung}", n, "settings")
        self.note(f"{SEARCH_GAIN}{rung}", gain, metric)
        self.note(f"{SEARCH_CPU}{rung}", cpu_s, "s")
        self.note(f"{TRIALS_TO_1PCT}{rung}", to_1pct, "trials")

    def add(self, other: EffortLog) -> None:
        """Appends the stages and notes of another log, such as that of another process."""
        self.rows += other.rows
        self.noted += other.noted

    def together(self) -> EffortLog:
        """A log whose only stage is all of these, which are parts of one: seconds add up, the peak is the largest."""
        whole = EffortLog()
        rung, stage, split, origin, *_, threads = self.rows[0]
        wall_s, cpu_s, peak_mb = (list(values) for values in list(zip(*self.rows, strict=True))[4:7])
        whole.rows = [(rung, stage, split, origin, sum(wall_s), sum(cpu_s), max(peak_mb), threads)]
        return whole

    def frame(self) -> pl.DataFrame:
        """One row per finished stage, in the order in which they ended.

        Columns: rung, stage, split, origin (String), wall_s, cpu_s (seconds; CPU of this process, all of its threads,
        and of its children that have ended), peak_mb (resident memory of this process, the interpreter and the data
        already loaded included; 10**6 bytes; children not included), threads (as stated by the caller).
        """
        return pl.DataFrame(self.rows, schema=SCHEMA, orient="row")

    def _note_peak(self) -> None:
        """Raises the peak of every running stage to what has been seen since the last reset."""
        now = _peak_mb() if self.exact else psutil.Process().memory_info().rss / 1e6
        self._peaks = [max(peak, now) for peak in self._peaks]


def charged(effort: pl.DataFrame, served: Collection[str]) -> pl.DataFrame:
    """``effort`` (``EffortLog.frame``) with the test origin's fits of the rungs ``served`` as the router's fits.

    The router is put together from fitted rungs: without their fits it would look cheaper than any of them.
    Nothing is added where there is no router, or where it was fitted itself.
    """
    fits = effort.filter(pl.col("split") == "test", pl.col("stage") == "fit")
    if ROUTER not in effort["rung"] or ROUTER in fits["rung"]:
        return effort
    theirs = fits.filter(pl.col("rung").is_in(list(served)))
    return pl.concat([effort, theirs.with_columns(rung=pl.lit(ROUTER))])


def _cpu_seconds() -> float:
    process, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return process.ru_utime + process.ru_stime + children.ru_utime + children.ru_stime


def _reset_peak() -> bool:
    """Sets the high-water mark to the present use; False where the system cannot."""
    try:
        _CLEAR_REFS.write_text("5")
        return _peak_mb() > 0
    except OSError:
        return False


def _peak_mb() -> float:
    """VmHWM in 10**6 bytes; 0 where /proc does not tell."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6  # the kernel's kB are 1024 bytes
    return 0.0
