"""All cells of a study, one after the other: finished ones are read, others measured; one that fails stops no other."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from recommender.config import Scenario, loading
from recommender.data.dataset import Dataset
from recommender.errors import UserError
from recommender.sources.load import load
from recommender.studies.engine.cell import DONE, Measured, key, measure, warm_up
from recommender.studies.engine.plan import DATA, Cell

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Failure:
    """A cell that could not be measured."""

    cell: Cell
    error: Exception

    @property
    def is_bug(self) -> bool:
        return not isinstance(self.error, UserError)

    def __str__(self) -> str:
        return f"{self.cell.name}: {type(self.error).__name__}: {' '.join(str(self.error).split())}"


class Source:
    """Data sets as loaded; the latest is kept, since the cells of a scenario follow one another."""

    def __init__(self, raw_dir: Path | None) -> None:
        self.raw_dir = raw_dir
        self._latest: tuple[str, Dataset] | None = None

    def __call__(self, name: str, scenario: Scenario) -> Dataset:
        told = json.dumps([name, loading(scenario)], sort_keys=True, default=str)
        if self._latest is None or self._latest[0] != told:
            self._latest = told, load(name, raw_dir=self.raw_dir, **loading(scenario))
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
    found: list[Measured] = []
    failures: list[Failure] = []
    warm: Dataset | None = None
    for number, cell in enumerate(cells, 1):
        progress(cell.name)
        begun = time.perf_counter()
        try:
            data = source(cell.labels[DATA], cell.scenario)
            place = folder / cell.study / key(cell.scenario, cell.mode, data, cell.loop)
            kept = (place / DONE).exists()
            if not kept:
                if data is not warm and cell.loop is None:
                    warm_up(data, cell.scenario)
                    warm = data
                measure(data, cell.scenario, cell.mode, place, cell.loop)
        except Exception as error:  # whatever it is, it is kept, reported and, where it is a bug, raised at the end
            failures.append(Failure(cell, error))
            log.error("%d/%d %s", number, len(cells), failures[-1])
            failed(failures[-1])
            continue
        spent = "kept" if kept else f"{time.perf_counter() - begun:.1f} s"
        log.info("%d/%d %s: %s", number, len(cells), cell.name, spent)
        found.append(Measured(cell.labels, cell.scenario, place))
        done(found[-1])
    return found, failures
