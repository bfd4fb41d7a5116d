"""Which cells a comparison needs: studies with fewer sizes, and what their full variants have measured already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from recommender import config
from recommender.config import Scenario
from recommender.data.dataset import Dataset
from recommender.errors import ConfigError, UserError
from recommender.studies.engine import plan
from recommender.studies.engine.cell import is_whole, key
from recommender.studies.engine.measured import Measured
from recommender.studies.engine.plan import Cell, Study
from recommender.studies.engine.run import CHOOSER, CHOSEN, with_chosen_settings

VOLUME, VALUE, TRANSFER, PARTS = "data_volume", "data_value", CHOOSER, "parts"
# Levels that are measured where nothing is there yet. Three sizes up to half of the data and one above: the least
# that a forecast can be made from and held against.
GRID: Mapping[str, Sequence[str]] = {"size": ("0.1", "0.2", "0.5", "1"), "seed": ("0", "1", "2")}
QUICK_GRID: Mapping[str, Sequence[str]] = {"size": ("0.15", "0.5", "1"), "seed": ("0",)}
QUICK_PAIRS = ("", "text", "categories and tags", "all metadata")


@dataclass(frozen=True)
class SiteSpec:
    """A scenario, by name or path, on a source or a dataset folder."""

    scenario: str
    data: str

    @property
    def name(self) -> str:
        """``<scenario> on <data>``, also in ``measured.by_site``."""
        return f"{config.load(self.scenario).name} on {self.data}"


def site_specs(scenarios: Sequence[str], data: Sequence[str], overrides: Sequence[str] = ()) -> list[SiteSpec]:
    """Each scenario on its own data, then each of ``data``: ``scenario:folder``, or a folder alone where one scenario
    is compared. Raises ConfigError."""
    specs = [SiteSpec(name, config.load(name, list(overrides)).data.source) for name in scenarios]
    for entry in data:
        head, colon, folder = entry.partition(":")
        if colon and head in (*config.scenarios(), *scenarios) and folder:
            specs.append(SiteSpec(head, folder))
        elif len(scenarios) == 1:
            specs.append(SiteSpec(scenarios[0], entry))
        else:
            known = ", ".join(config.scenarios())
            raise ConfigError(f"DATA={entry}: say whose data it is, as in DATA=jobs:{entry}. Scenarios: {known}.")
    return list(dict.fromkeys(specs))


def load(name: str, quick: bool) -> Study:
    """A study that a comparison reads, whole or as its quick variant."""
    study = plan.load(name, quick)
    if name == VALUE and quick:
        few = {who: {n: p for n, p in pairs.items() if n in QUICK_PAIRS} for who, pairs in study.pairs.items()}
        study = study.model_copy(update={"pairs": few})
    return study


def needed(
    study: Study, spec: SiteSpec, quick: bool, overrides: Sequence[str], chosen: Sequence[Measured]
) -> Iterator[tuple[Cell, bool]]:
    """Every cell of the study at the site; True: measure it where it is not kept, False: read it only where it is.
    chosen: the chooser's cells at the site (``with_chosen_settings``)."""
    grid = QUICK_GRID if quick else GRID
    cells = plan.cells(study, [spec.scenario], spec.data, overrides)
    for cell in with_chosen_settings(cells, chosen) if study.settings == CHOSEN else cells:
        wanted = study.name != PARTS and all(cell.labels[axis] in grid[axis] for axis in study.grid)
        yield of_study(cell, study.name), wanted


def of_study(cell: Cell, study: str) -> Cell:
    """The cell, to be kept in the folder of ``study``."""
    return replace(cell, study=study)


def affordable(
    cells: Iterable[tuple[Cell, bool]], folder: Path, source: Callable[[str, Scenario], Dataset]
) -> list[Cell]:
    """Cells to measure, and those that are kept under ``folder``. Errors of the data are left to the run, which
    reports them."""
    return [cell for cell, wanted in cells if wanted or _kept(cell, folder, source)]


def _kept(cell: Cell, folder: Path, source: Callable[[str, Scenario], Dataset]) -> bool:
    if not (folder / cell.study).is_dir():
        return False
    try:
        data = source(cell.labels[plan.DATA], cell.scenario)
    except UserError:
        return False
    return is_whole(folder / cell.study / key(cell.scenario, cell.mode, data))
