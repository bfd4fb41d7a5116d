"""``experiments/<study>.yaml`` -> the cells of its grid: one scenario with some configuration changes each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any, Literal

from pydantic import Field, ValidationError

from recommender import config
from recommender.config import Rung, Scenario, Strict
from recommender.config.files import names_in, read_named, shipped
from recommender.errors import ConfigError
from recommender.hashing import of_content
from recommender.studies.closed_loop import options
from recommender.studies.closed_loop.options import LOOP, Loop

EXPERIMENTS = shipped("experiments")
KEEP, DROP, ADD = "ladder.keep", "ladder.drop", "ladder.add"  # changes that are no key: which rungs take part
_LISTS = ("data.differences", "data.train_differences", DROP, ADD)  # several changes of one cell add up here
Changes = dict[str, Any]  # dotted configuration key -> value, as --set takes them
PAIR, STATE, WITH, WITHOUT = "pair", "state", "with", "without"
SCENARIO, DATA = "scenario", "data"


class Pair(Strict):
    """One part or data asset: the scenario ``without`` it, and ``with`` it where that is not the scenario as it is."""

    without: Changes = {}
    with_: Changes = Field({}, alias="with")
    what: str = ""  # in words
    metrics: list[str] = []  # that it is there for, beside accuracy


class Quick(Strict):
    """A smaller variant for a first look: some levels of each axis, and further changes."""

    set: Changes = {}
    grid: dict[str, list[str]] = {}


class Study(Strict):
    """One study, a file of experiments/.

    rungs: only these, where the ladder has them. mode test: every rung, at the test origin only; ladder: the whole
    train with validation, decision and router; loop: policies serve the simulator's users in turn
    (``closed_loop.options.Loop``). settings of mode test: each rung's first ones, or those that validation chose with
    all of the data (``run.with_chosen_settings``).
    """

    name: str
    question: str
    analysis: str
    mode: Literal["test", "ladder", "loop"] = "test"
    settings: Literal["first", "chosen"] = "first"
    scenarios: list[str] = []  # by default all
    rungs: list[str] = []
    set: Changes = {}
    grid: dict[str, dict[str, Changes]] = {}
    pairs: dict[str, dict[str, Pair]] = {}  # scenario, or "all" -> name -> pair
    options: dict[str, Any] = {}  # of the analysis
    quick: Quick = Quick()


def measured_of(scenario: Scenario) -> dict[str, Any]:
    """What numbers depend on; not what the scenario says of its problem and plans."""
    return scenario.model_dump(mode="json", exclude={"problem", "person_days", "plan"})


@dataclass(frozen=True)
class Cell:
    """One point of the grid. labels: axis -> level, the scenario and data among them."""

    labels: Mapping[str, str]
    scenario: Scenario
    mode: str
    study: str = ""  # its folder, where cells of several studies are run together
    loop: Loop | None = None  # of mode loop: what is played
    only_cached: bool = False  # read where it is kept, never measured

    @cached_property
    def content(self) -> str:
        """Equal for cells that measure the same of data of one name, whatever they are called."""
        played = self.loop and self.loop.model_dump(mode="json")
        return of_content(self.labels[DATA], measured_of(self.scenario), self.mode, played)

    @property
    def name(self) -> str:
        """``jobs data=simulated size=0.5``."""
        labels = self.labels.items()
        return " ".join(level if axis == SCENARIO else f"{axis}={level}" for axis, level in labels if level)


def studies() -> list[str]:
    """Names of the studies in experiments/."""
    return names_in(EXPERIMENTS)


def load(name: str, quick: bool = False) -> Study:
    """The study ``experiments/<name>.yaml``, or any by the path of its YAML file; ``quick``: its smaller variant.

    Raises ConfigError.
    """
    tree, path = read_named(name, EXPERIMENTS, "study")
    study = parse(tree, str(path) if path.parent != EXPERIMENTS else f"experiments/{path.name}")
    return study if not quick else _quick(study)


def parse(tree: Mapping[str, Any], where: str = "study") -> Study:
    """Raises ConfigError that names ``where``, the key and the fault."""
    try:
        return Study.model_validate(tree)
    except ValidationError as error:
        faults = (f"{where}: '{'.'.join(map(str, e['loc']))}': {e['msg']}" for e in error.errors())
        raise ConfigError("\n".join(faults)) from None


def cells(study: Study, scenarios: Sequence[str], data: str | None, overrides: Sequence[str] = ()) -> list[Cell]:
    """Every cell, scenario by scenario. data: in place of the scenarios' own; overrides: KEY=YAML on top of all.

    Raises ConfigError for a scenario, key or value that does not exist, before anything is run.
    """
    planned = []
    loop = options.read(study.options, study.name) if study.mode == LOOP else None
    for file in scenarios:  # a name in configs/, or a path
        name = config.load(file).name
        for labels, changes in _points(study, name):
            scenario = _changed(file, merged(study.set, changes), study.rungs, overrides)
            source = data or scenario.data.source
            if loop is not None:
                options.check(loop, scenario, source, study.name)
            planned.append(Cell({SCENARIO: name, DATA: source, **labels}, scenario, study.mode, loop=loop))
    if not planned:
        raise ConfigError(f"Study '{study.name}' has nothing for {', '.join(scenarios)}.")
    return planned


def of_study(cells: Iterable[Cell], study: str) -> list[Cell]:
    """The cells, to be kept in the folder of ``study``."""
    return [replace(c, study=study) for c in cells]


def merged(*all_changes: Changes) -> Changes:
    """Later changes replace earlier ones; lists of data differences and of dropped rungs add up."""
    together: Changes = {}
    for changes in all_changes:
        for key, value in changes.items():
            together[key] = [*together.get(key, []), *value] if key in _LISTS else value
    return together


def pairs_of(study: Study, scenario: str) -> dict[str, Pair]:
    """The study's pairs for a scenario, those for all included."""
    return {**study.pairs.get("all", {}), **study.pairs.get(scenario, {})}


def _points(study: Study, scenario: str) -> Iterator[tuple[dict[str, str], Changes]]:
    """Labels and changes of each cell of one scenario; with pairs, first the scenario as it is."""
    variants: list[tuple[dict[str, str], Changes]] = [({}, {})]
    if study.pairs:
        pairs = pairs_of(study, scenario)
        variants = [({PAIR: "", STATE: WITH}, {})] if pairs else []
        for name, pair in pairs.items():
            variants += [({PAIR: name, STATE: WITH}, pair.with_)] if pair.with_ else []
            variants.append(({PAIR: name, STATE: WITHOUT}, pair.without))
    for labels, changes in variants:
        for levels in product(*(axis.items() for axis in study.grid.values())):
            point = dict(zip(study.grid, (level for level, _ in levels), strict=True))
            yield {**labels, **point}, merged(changes, *(c for _, c in levels))


def _changed(name: str, changes: Changes, rungs: Sequence[str], overrides: Sequence[str]) -> Scenario:
    keys = [f"{key}={json.dumps(v)}" for key, v in changes.items() if key not in (KEEP, DROP, ADD)]  # JSON is YAML
    scenario = config.load(name, [*keys, *overrides])
    only, dropped = changes.get(KEEP, rungs), changes.get(DROP, [])
    ladder = [r for r in scenario.ladder if (not only or r.name in only) and r.name not in dropped]
    for entry in changes.get(ADD, []):
        _add(ladder, entry)
    if not ladder:
        raise ConfigError(f"Scenario '{name}' has none of the rungs {', '.join(only)}.")
    return scenario.model_copy(update={"ladder": ladder})


def _add(ladder: list[Rung], entry: Mapping[str, Any]) -> None:
    """Puts a rung into its place in the ladder: below the one named ``before``, else on top."""
    try:
        rung = Rung.model_validate({k: v for k, v in entry.items() if k != "before"})
    except ValidationError as error:
        raise ConfigError(f"{ADD}: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}") from None
    if rung.name not in [r.name for r in ladder]:
        position = next((n for n, r in enumerate(ladder) if r.name == entry.get("before")), len(ladder))
        ladder.insert(position, rung)


def _quick(study: Study) -> Study:
    grid = {
        axis: {level: changes for level, changes in levels.items() if level in study.quick.grid.get(axis, levels)}
        for axis, levels in study.grid.items()
    }
    return study.model_copy(update={"grid": grid, "set": merged(study.set, study.quick.set)})
