"""Search: what a plain train spends on parameters, by successive halving (Jamieson & Talwalkar 2016).

Every rung's own settings and draws from its recommender's space are measured on a sample of the last validation
origin's queries; the best third of them on all validation origins. Where a cheaper first look (``looks.py``) can be
relied on, only the own settings and the best third of it are measured at all. The ladder then measures, on all queries,
the first setting and the winner only. The budget is a count, so a train repeats exactly: a recommender states how many
draws cost about as much as those of the others (``draws``), and larger data get fewer.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from recommender.config import Rung, Scenario
from recommender.data.dataset import Dataset
from recommender.errors import DataError, UserError
from recommender.evaluation.effort import EffortLog
from recommender.experiment import rungs
from recommender.experiment.choose import trials_to_1pct
from recommender.experiment.fold_runner import FoldRunner, Progress
from recommender.experiment.looks import first_look, learns_fewer_items, validation_runners
from recommender.experiment.search_spaces import draw, space
from recommender.experiment.workers import ALONE, Workers
from recommender.features.memo import drop_fits
from recommender.models import RECOMMENDERS

log = logging.getLogger(__name__)

KEPT = 1 / 3  # of the settings, after the first look and after the latest origin
ROWS = 100_000  # interactions up to which a recommender's draws are as stated; with twice as many, half of them


def search(
    data: Dataset, scenario: Scenario, effort: EffortLog, progress: Progress, workers: Workers = ALONE
) -> Scenario:
    """The scenario whose rungs have two settings: their own first, and the best that the search found where another is.

    workers: search several rungs at once; no result depends on them. A rung that has nothing to search, or too little
    to learn from, stays as it is. Raises what ``folds`` raises.
    """
    drawn = {r.name: n_draws(r, scenario, len(data.user_idx)) for r in scenario.ladder if not r.control}
    if not any(drawn.values()):
        return scenario
    runners = validation_runners(data, scenario, effort)
    tasks = [_task(r, drawn.get(r.name, 0), data, scenario) for r in scenario.ladder]
    several = sorted((t for t in tasks if len(t.settings) > 1), key=lambda task: -len(task.settings))
    shared = [runner.detached(2 if workers.helped else 1) for runner in runners]
    searched = workers.map(_searched, shared, several, lambda task: progress(f"search {task.rung.name}"))
    by_name = {task.rung.name: one for task, one in zip(several, searched, strict=True)}
    for rung in scenario.ladder:
        if rung.name in by_name:
            effort.add(by_name[rung.name].effort)
    ladder = [by_name[r.name].rung if r.name in by_name else r for r in scenario.ladder]
    return scenario.model_copy(update={"ladder": ladder})


def n_draws(rung: Rung, scenario: Scenario, n_rows: int = 0) -> int:
    """How many settings are drawn for a rung beside its own; n_rows: interactions of the data."""
    draws: int = getattr(RECOMMENDERS[rung.recommender], "draws", 0)
    return int(draws * scenario.tune.search * min(1.0, ROWS / max(n_rows, 1)))


@dataclass(frozen=True)
class _Task:
    rung: Rung
    settings: Sequence[Mapping[str, Any]]  # the rung's own first; fewer than two: nothing to search
    n_given: int = 0  # of them, which no first look leaves out


@dataclass(frozen=True)
class _Found:
    rung: Rung  # with what was found
    effort: EffortLog


def _task(rung: Rung, n: int, data: Dataset, scenario: Scenario) -> _Task:
    starts, _ = rungs.options(rung, scenario, data)
    if not (n and starts):
        return _Task(rung, [])
    return _Task(rung, distinct([*starts, *draws(rung, starts, n, data, scenario)]), len(starts))


def _searched(shared: Sequence[FoldRunner], task: _Task) -> _Found:
    """shared: the runners of all origins, the latest first."""
    effort = EffortLog()
    first, *others = (copy(runner) for runner in shared)
    for runner in (first, *others):
        runner.effort = effort
    try:
        return _Found(_best_of(task, first, others), effort)
    finally:
        for runner in (first, *others):
            drop_fits(runner.fold.train)


def _best_of(task: _Task, first: FoldRunner, others: Sequence[FoldRunner]) -> Rung:
    rung, settings, metric = task.rung, task.settings, first.scenario.decision.metric
    tried: Sequence[int] = range(len(settings))
    if learns_fewer_items(rung, first):
        seen = {i: _values(rung, settings[i], first, few=True) for i in tried}
        tried = _best({i: v for i, v in seen.items() if v is not None}, task.n_given)
    values = {i: [v] for i in tried if (v := _values(rung, settings[i], first)) is not None}
    if 0 not in values:  # too little to learn from: the ladder meets it again, and reports it
        return rung
    finalists = list(_best({i: latest for i, (latest,) in values.items()}))
    for runner in others:
        for i in tuple(finalists):
            measured = _values(rung, settings[i], runner)
            if measured is not None:
                values[i].append(measured)
            elif i:
                finalists.remove(i)
            else:
                return rung
    means = {i: float(np.concatenate(values[i]).mean()) for i in finalists}
    winner = max(finalists, key=lambda i: means[i])
    gain = means[winner] - means[0]
    log.info("search %s: %d settings, %s %+.4f with %s", rung.name, len(settings), metric, gain,
             json.dumps(settings[winner]))  # fmt: skip
    to_1pct, effort = trials_to_1pct([means.get(i) for i in range(len(settings))]), first.effort
    effort.note_search(rung.name, len(settings), to_1pct, gain, metric, float(effort.frame()["cpu_s"].sum()))
    if not winner:
        return rung.model_copy(update={"params": settings[0], "candidates": []})
    return rung.model_copy(update={"params": {}, "candidates": [settings[0], settings[winner]]})


def draws(
    rung: Rung, starts: Sequence[Mapping[str, Any]], n: int, data: Dataset, scenario: Scenario
) -> list[dict[str, Any]]:
    """``n`` settings of the rung's space that this data allows, evenly spread over it."""
    searched = space(rung, starts, scenario.split.kind == "time")
    drawn = [{**rung.params, **draw(searched, point)} for point in spread(n, len(searched), scenario.seed)]
    entry = rung.model_copy(update={"params": {}, "candidates": drawn})
    return rungs.options(entry, scenario, data)[0]


def spread(n: int, width: int, seed: int) -> np.ndarray:
    """Points that fill [0, 1)^width evenly, float64 (n, width): an additive recurrence (Roberts 2018, "R_d")."""
    root = 2.0
    for _ in range(64):  # the positive root of x^(width + 1) = x + 1
        root = (1 + root) ** (1 / (width + 1))
    step = root ** -np.arange(1.0, width + 1)
    start = np.random.default_rng(seed).random(width)
    return np.asarray((start + np.arange(n)[:, None] * step) % 1)


def distinct(settings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each once, in order."""
    return list({json.dumps(s, sort_keys=True): dict(s) for s in reversed(settings)}.values())[::-1]


def _values(rung: Rung, setting: Mapping[str, Any], runner: FoldRunner, few: bool = False) -> np.ndarray | None:
    """The deciding metric of each query (few: of a first look), float64 (n,); None where it cannot be fitted."""
    try:
        measured = first_look(rung, setting, runner) if few else runner.measure(rung, setting, tuning=True)
    except (DataError, UserError):
        return None
    return measured.outcome.values[runner.scenario.decision.metric]


def _best(values: Mapping[int, np.ndarray], n_given: int = 1) -> Sequence[int]:
    """The first ``n_given`` settings and the best third of all, two at least, ascending."""
    ranked = sorted(values, key=lambda i: (-float(values[i].mean()), i))
    return sorted({*range(n_given), *ranked[: max(2, round(KEPT * len(values)))]})
