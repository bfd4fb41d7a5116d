"""Which cells a comparison needs: studies with fewer sizes, and what their full variants have measured already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from recommender import config
from recommender.errors import ConfigError
from recommender.studies import transfer
from recommender.studies.engine import plan
from recommender.studies.engine.measured import Measured
from recommender.studies.engine.plan import Cell, Study
from recommender.studies.engine.run import CHOOSER

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


def needed(study: Study, spec: SiteSpec, quick: bool, overrides: Sequence[str]) -> list[Cell]:
    """Every cell of the study at the site, with the first settings of its rungs; what the page does without is read
    where it is kept (``Cell.only_cached``)."""
    grid = QUICK_GRID if quick else GRID
    cells = plan.cells(study, [spec.scenario], spec.data, overrides)
    wanted = [study.name != PARTS and all(c.labels[axis] in grid[axis] for axis in study.grid) for c in cells]
    return [replace(c, study=study.name, only_cached=not want) for c, want in zip(cells, wanted, strict=True)]


def recipes(study: Study, decided: Sequence[Measured]) -> list[Cell]:
    """The cells of every recipe at every site; none for one site alone. decided: of ``site.named``."""
    more = transfer.more(study, decided) if len(decided) > 1 else []
    return plan.of_study(more, study.name)
