"""Settings chosen once: what validation chose with all of a place's data, for every cell of other studies there.

One rung then has one setting, and one number with all of today's data, wherever a reader meets it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from recommender.config import Rung
from recommender.studies.engine.cell import Measured
from recommender.studies.engine.plan import DATA, SCENARIO, Cell

CHOSEN = "chosen"  # such a study's ``settings``
CHOOSER = "transfer"  # the study whose first cells choose: all of the data, validation, decision


def settled(cells: Sequence[Cell], chosen: Sequence[Measured]) -> list[Cell]:
    """The cells with the parameters that ``chosen``, the chooser's cells, found at the same place; where there is
    none, because it failed, and for rungs that it lacks, the first settings stay."""
    found = {(m.labels[SCENARIO], m.labels[DATA]): m.decision.get("parameters", {}) for m in chosen}
    return [_settled(cell, found.get((cell.labels[SCENARIO], cell.labels[DATA]), {})) for cell in cells]


def _settled(cell: Cell, parameters: dict[str, dict[str, object]]) -> Cell:
    ladder = [_with(rung, parameters[rung.name]) if rung.name in parameters else rung for rung in cell.scenario.ladder]
    return replace(cell, scenario=cell.scenario.model_copy(update={"ladder": ladder}))


def _with(rung: Rung, parameters: dict[str, object]) -> Rung:
    return rung.model_copy(update={"params": parameters, "candidates": []})
