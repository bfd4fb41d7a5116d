"""All cells of a study, one after the other: finished ones are read, others measured; one that fails stops no other."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from recommender.config import Scenario, loading
from recommender.data.dataset import Dataset
from recommender.errors import UserError
from recommender.files import clear_leftovers
from recommender.sources.load import load
from recommender.studies.engine.cell import is_finished, key, measure, put_aside_damaged, warm_up
from recommender.studies.engine.measured import Measured
from recommender.studies.engine.plan import DATA, SCENARIO, Cell, Study

log = logging.getLogger(__name__)

CHOSEN = "chosen"  # ``settings`` of a study whose rungs have what validation chose with all of the data
CHOOSER = "transfer"  # the study whose first cells choose: all of the data, validation, decision
_RESULTS = ("rung", "user_bucket", "item_bucket", "slice", "slice_value", "metric", "value", "ci_low", "ci_high")


@dataclass(frozen=True)
class Failure:
    """A cell that could not be measured."""

    cell: Cell
    error: Exception

    @property
    def is_bug(self) -> bool:
        """Whether the program is at fault, not the data or the configuration."""
        return not isinstance(self.error, UserError)

    def __str__(self) -> str:
        return f"{self.cell.name}: {type(self.error).__name__}: {' '.join(str(self.error).split())}"


class Source:
    """Data sets as loaded; the latest is kept, since the cells of a scenario follow one another."""

    def __init__(self, raw_dir: Path | None) -> None:
        self.raw_dir = raw_dir
        self._latest: tuple[str, Dataset] | None = None

    def __call__(self, name: str, scenario: Scenario) -> Dataset:
        wanted = json.dumps([name, loading(scenario)], sort_keys=True, default=str)
        if self._latest is None or self._latest[0] != wanted:
            self._latest = wanted, load(name, raw_dir=self.raw_dir, **loading(scenario))
        return self._latest[1]


def run(
    cells: Sequence[Cell],
    folder: Path,
    source: Callable[[str, Scenario], Dataset],
    progress: Callable[[str], None],
    done: Callable[[Measured], None] = lambda _: None,
    failed: Callable[[Failure], None] = lambda _: None,
) -> tuple[list[Measured], list[Failure]]:
    """Measures every cell that ``folder`` does not hold yet. ``done`` and ``failed`` are called after each.

    A cell that failed is tried again by the next run. Raises only what is not an Exception (Ctrl-C), and
    nothing of what a cell raises: that is a Failure.
    """
    measured: list[Measured] = []
    failures: list[Failure] = []
    warm: Dataset | None = None
    for study_folder in {folder / cell.study for cell in cells}:
        clear_leftovers(study_folder)
    for number, cell in enumerate(cells, 1):
        progress(cell.name)
        begun = time.perf_counter()
        try:
            data = source(cell.labels[DATA], cell.scenario)
            cell_folder = folder / cell.study / key(cell.scenario, cell.mode, data, cell.loop)
            put_aside_damaged(cell_folder)
            if not (was_finished := is_finished(cell_folder)):
                if data is not warm and cell.loop is None:
                    warm_up(data, cell.scenario)
                    warm = data
                measure(data, cell.scenario, cell.mode, cell_folder, cell.loop)
        except Exception as error:  # whatever it is, it is kept, reported and, where it is a bug, raised at the end
            failures.append(Failure(cell, error))
            log.error("%d/%d %s", number, len(cells), failures[-1])
            failed(failures[-1])
            continue
        spent = "kept" if was_finished else f"{time.perf_counter() - begun:.1f} s"
        log.info("%d/%d %s: %s", number, len(cells), cell.name, spent)
        measured.append(Measured(cell.labels, cell.scenario, cell_folder))
        done(measured[-1])
    return measured, failures


def with_chosen_settings(cells: Sequence[Cell], chosen: Sequence[Measured]) -> list[Cell]:
    """The cells with the parameters that ``chosen``, the cells of the study ``CHOOSER``, found for the same scenario
    and data. The first settings stay for rungs that it lacks, and where its cell failed.

    So a rung has one setting, and one number with all of today's data, in every study.
    """
    parameters = {(m.labels[SCENARIO], m.labels[DATA]): m.decision.parameters for m in chosen}

    def settled(cell: Cell) -> Cell:
        mine = parameters.get((cell.labels[SCENARIO], cell.labels[DATA]), {})
        fixed = [
            r.model_copy(update={"params": mine[r.name], "candidates": []}) if r.name in mine else r
            for r in cell.scenario.ladder
        ]
        return replace(cell, scenario=cell.scenario.model_copy(update={"ladder": fixed}))

    return [settled(cell) for cell in cells]


def results_table(study: Study, runs: Sequence[Measured]) -> pl.DataFrame:
    """results.parquet: study, the labels of the cell, rung, segment, metric, value, interval, n_queries, cell.

    What the test origin's fit and recommend took stands as the metric ``cpu_s`` (all users), and what there was to
    learn from as ``n_train``.
    """
    axes = list(dict.fromkeys(axis for r in runs for axis in r.labels))
    frames = []
    for r in runs:
        rows = r.metrics.select(*_RESULTS, "n_queries")
        more = [(rung, "cpu_s", r.seconds.get(rung)) for rung in r.rungs]
        more += [(rung, "n_train", float(r.origin["n_train"])) for rung in r.rungs]
        extra = pl.DataFrame(more, schema={"rung": pl.String, "metric": pl.String, "value": pl.Float64}, orient="row")
        every = {c: pl.lit("all").alias(c) for c in ("user_bucket", "item_bucket", "slice", "slice_value")}
        both = pl.concat([rows, extra.with_columns(**every)], how="diagonal")
        labels = [pl.lit(r.labels.get(axis, "")).alias(axis) for axis in axes]
        frames.append(both.select(pl.lit(study.name).alias("study"), *labels, pl.all(), cell=pl.lit(r.folder.name)))
    return pl.concat(frames)
