"""All cells of a study: finished ones are read, others measured; one that fails stops no other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from recommender.errors import UserError
from recommender.files import clear_leftovers
from recommender.studies.engine.measured import Measured
from recommender.studies.engine.plan import DATA, SCENARIO, Cell, Study
from recommender.studies.engine.workers import CellOutcome, Crew, Load, Worker

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


def run(
    cells: Sequence[Cell],
    folder: Path,
    source: Load | Crew,
    progress: Callable[[str], None],
    done: Callable[[Measured], None] = lambda _: None,
    failed: Callable[[Failure], None] = lambda _: None,
) -> tuple[list[Measured], list[Failure]]:
    """Measures every cell that ``folder`` does not hold yet. source: processes that do it, or where this one takes the
    data from. Each cell that has ended is named to ``progress``, and given to ``done`` or ``failed``.

    Both lists have the order of ``cells``, whichever ended first. A cell that failed is tried again by the next run.
    Raises only what is not an Exception (Ctrl-C) and the end of a process, and nothing of what a cell raises: that is
    a Failure.
    """
    measured: dict[int, Measured] = {}
    failures: dict[int, Failure] = {}
    shown: set[str] = set()
    for study_folder in {folder / cell.study for cell in cells}:
        clear_leftovers(study_folder)
    for ended, (n, outcome) in enumerate(_outcomes(cells, folder, source), 1):
        cell = cells[n]
        progress(cell.name)
        for record in (r for r in outcome.records if r.getMessage() not in shown):  # each process says the same of data
            shown.add(record.getMessage())
            logging.getLogger(record.name).handle(record)
        if outcome.error is not None:
            failures[n] = Failure(cell, outcome.error)
            log.error("%d/%d %s", ended, len(cells), failures[n])
            failed(failures[n])
        elif outcome.folder is not None:
            spent = "kept" if outcome.cached else f"{outcome.seconds:.1f} s"
            log.info("%d/%d %s: %s", ended, len(cells), cell.name, spent)
            measured[n] = Measured(cell.labels, cell.scenario, outcome.folder)
            done(measured[n])
    return [measured[n] for n in sorted(measured)], [failures[n] for n in sorted(failures)]


def _outcomes(cells: Sequence[Cell], folder: Path, source: Load | Crew) -> Iterator[tuple[int, CellOutcome]]:
    if isinstance(source, Crew):
        yield from source(cells, folder)
        return
    worker = Worker(source)
    for n, cell in enumerate(cells):
        yield n, worker(cell, folder)


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
