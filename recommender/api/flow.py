"""Steps of a train, from checked data to a complete run folder; ``pipelines/train.py`` and ``api/run.py`` call them.

Everything above this only decides where the folder lies and who is told.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from recommender import config
from recommender.config import Scenario
from recommender.data import memory, operators
from recommender.data.dataset import Dataset
from recommender.data.drift import FOLDER as REFERENCE
from recommender.data.drift import save_reference
from recommender.evaluation.effort import EffortLog
from recommender.experiment import ladder, requirements, run_folder, rungs, tuning
from recommender.experiment.decision import Decision
from recommender.experiment.fold_runner import Progress
from recommender.experiment.refit_for_serving import refit_for_serving
from recommender.experiment.workers import ALONE, Workers
from recommender.ranking.asker import HERE, Asker
from recommender.serving import persistence
from recommender.serving.bundle import Bundle
from recommender.sources.load import load
from recommender.spam.suspicion import suspected
from recommender.studies import staleness

log = logging.getLogger(__name__)

HELPED_FROM = 20_000  # interactions; with fewer, a helper's imports take longer than what it saves
TUNING = Path("tuning")  # in the working directory: trials of one train are not repeated by the next


def check(scenario: Scenario) -> None:
    """Raises ConfigError for names and parameters that do not exist, before any data is read."""
    rungs.check(scenario)
    requirements.check(scenario)


def read(
    data: Dataset | str, scenario: Scenario, raw_dir: Path | None, effort: EffortLog,
    loader: Callable[..., Dataset] = load,
) -> Dataset:  # fmt: skip
    """The data as the scenario asks for them: loaded where a source or folder is named, and with its differences."""
    with effort.stage("all", "prepare", "all", ""):
        if isinstance(data, str):
            log.info("reading %s", data)  # within two seconds of the start, in a log too
            data = loader(data, raw_dir=raw_dir, **config.loading(scenario))
        memory.check(data)
        return operators.apply(data, scenario.data.differences, scenario.seed)


def run(
    data: Dataset, scenario: Scenario, skipped: dict[str, str], source: str, out: Path, effort: EffortLog,
    progress: Progress, asker: Asker = HERE,
) -> None:  # fmt: skip
    """Searches parameters, decides on validation, looks at the test, refits what is served on all data, writes ``out``.

    scenario, skipped: what ``requirements.supported`` returned. source: what data.json calls the origin of the data.
    asker: makes the lists that are measured; the search of parameters, on a sample, makes its own here.
    """
    scenario = with_staleness(scenario, source)
    run_folder.write_config(out, scenario)
    with Workers(helped=asker is HERE and worth_helping(data, scenario)) as workers:
        scenario = tuning.tune(data, scenario, TUNING, effort, progress, workers)
        results = ladder.run(
            data, scenario, effort, progress,
            lambda decision: decision.write(out),  # complete, before the test is looked at
            skipped, asker=asker, workers=workers,
        )  # fmt: skip
        persistence.save(serving_bundle(data, results.decision, scenario, effort, progress, workers), out / "model")
    save_reference(data, out / REFERENCE)
    run_folder.write_tables(out, results, scenario)
    run_folder.write_effort(out, effort, data, scenario)
    run_folder.write_data(out, data, source, results, scenario)


def with_staleness(scenario: Scenario, source: str) -> Scenario:
    """The scenario with what the study of staleness measured, where horizons are as long as a model lasts and nothing
    is stated. Raises DataError where the study's file is damaged."""
    split = scenario.split
    if split.retrain_days != "auto" or split.stale_days is not None:
        return scenario
    days = staleness.measured_days(f"{scenario.name} on {source}")
    if days is None:
        return scenario
    log.info("split.stale_days: %.3g, as the study of staleness measured on these data.", days)
    known = split.model_copy(update={"stale_days": max(days, config.LEAST_DAYS)})
    return scenario.model_copy(update={"split": known})


def serving_bundle(
    data: Dataset, decision: Decision, scenario: Scenario, effort: EffortLog, progress: Progress,
    workers: Workers = ALONE,
) -> Bundle:  # fmt: skip
    """The router that serves what was decided, refitted on all of ``data``, with the data that it knows."""
    known = replace(suspected(data, scenario.spam), truth=None)
    router, served = refit_for_serving(known, decision, scenario, effort, progress, workers)
    return Bundle.of(router, served, scenario.eligibility)


def worth_helping(data: Dataset, scenario: Scenario) -> bool:
    """Whether a second process shortens the train, and memory holds two."""
    wanted = scenario.scoring.workers > 1 and not scenario.day_zero and data.interactions.height >= HELPED_FROM
    return wanted and (os.cpu_count() or 1) > 1 and 2 * memory.needed_mb(data) < memory.free_mb()
