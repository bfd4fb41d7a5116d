"""Rungs measured on a fold, each a task for whichever process is free."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from recommender.config import Rung
from recommender.errors import DataError
from recommender.evaluation.effort import EffortLog
from recommender.evaluation.evaluate import Outcome
from recommender.experiment.fold_runner import FoldRunner
from recommender.experiment.slots import SIZES
from recommender.experiment.workers import Workers
from recommender.models.base import Recommender
from recommender.names import DEEPEST
from recommender.ranking.fusion import DEPTH
from recommender.ranking.lists import Lists


@dataclass(frozen=True)
class SettingTask:
    """A task: measure a rung with one of its settings."""

    rung: Rung
    n: int  # of the rung's settings
    params: Mapping[str, Any]
    tuning: bool = False  # one of several
    fitted: Recommender | None = None  # at an earlier origin, to be asked as it is


@dataclass(frozen=True)
class MeasuredSetting:
    """What comes back of it, maybe from another process. Lists are of samples of the queries."""

    outcome: Outcome
    to_slot: Lists
    to_blend: Lists | None = None
    new: Lists | None = None
    shown: Lists | None = None
    model: Recommender | None = None


Tried = MeasuredSetting | DataError  # the error where the rung cannot be fitted on this fold


def measure_all(
    workers: Workers, task: Callable[[Any, SettingTask], tuple[EffortLog, Tried]], runner: FoldRunner,
    samples: Any, settings: Sequence[SettingTask],
) -> list[Tried]:  # fmt: skip
    """The task's result of each setting; what they cost goes to the runner's log. samples: what the task reads beside.

    The last rungs of a ladder are begun first: they take longest, and at the end neither process should wait long for
    the other.
    """
    fold, progress = runner.fold, runner.progress
    shared = runner.detached(2 if workers.helped else 1), samples
    steps = workers.map(
        task, shared, settings[::-1], lambda setting: progress(f"{fold.split} {fold.origin[:10]} {setting.rung.name}")
    )[::-1]
    for effort, _ in steps:
        runner.effort.add(effort)
    return [tried for _, tried in steps]


def on_validation(
    shared: tuple[FoldRunner, tuple[np.ndarray, np.ndarray]], setting: SettingTask
) -> tuple[EffortLog, Tried]:
    """A setting on a validation fold, with its model where later origins may ask it too (``fits_every``). shared: the
    fold, and the queries that slots and blends are chosen by."""
    runner, (slot_rows, blend_rows) = copy(shared[0]), shared[1]
    runner.effort, scenario = EffortLog(), runner.scenario
    rows = np.union1d(blend_rows, slot_rows)
    try:
        measured = runner.measure(setting.rung, setting.params, setting.tuning, setting.fitted, rows)
    except DataError as error:
        return runner.effort, error
    slots, new = scenario.slots, None
    if slots.n == "auto" and setting.rung.name in (slots.rung, *slots.instead):
        new = runner.new_items(measured.model, slot_rows, max(SIZES))
    to_slot = measured.answer.take(slot_rows).head(DEEPEST)
    to_blend = measured.answer.take(blend_rows).head(DEPTH).without_scores() if scenario.decision.blend else None
    stays = scenario.split.retrain_days is not None and hasattr(measured.model, "fits_every")
    return runner.effort, MeasuredSetting(
        measured.outcome, to_slot, to_blend, new, model=measured.model if stays else None
    )


def at_test(
    shared: tuple[FoldRunner, tuple[np.ndarray, Sequence[str]]], setting: SettingTask
) -> tuple[EffortLog, Tried]:
    """A rung on the test fold, with its model where it is served. shared: the fold, the queries that slots are judged
    by, and which rungs are served."""
    runner, (slot_rows, served) = copy(shared[0]), shared[1]
    runner.effort, runner.shown, name = EffortLog(), {}, setting.rung.name
    try:
        measured = runner.measure(setting.rung, setting.params)
    except DataError as error:
        return runner.effort, error
    to_slot = measured.answer.take(slot_rows).head(DEEPEST)
    model = measured.model if name in served else None
    return runner.effort, MeasuredSetting(measured.outcome, to_slot, shown=runner.shown[name], model=model)
