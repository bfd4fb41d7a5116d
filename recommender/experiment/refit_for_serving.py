"""From the decision to the router: put together from fitted rungs for the test, refitted on all data for serving."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from recommender.config import Scenario
from recommender.data import operators
from recommender.data.dataset import Dataset
from recommender.evaluation.effort import EffortLog
from recommender.experiment.decision import Decision
from recommender.experiment.fold_runner import Progress
from recommender.experiment.rungs import make
from recommender.experiment.served_columns import served_columns
from recommender.experiment.workers import ALONE, Workers
from recommender.models.base import Recommender
from recommender.names import ROUTER
from recommender.ranking import rerankers
from recommender.ranking.exploration import make_explorer
from recommender.ranking.router import Router


def make_router(decision: Decision, models: Mapping[str, Recommender], scenario: Scenario) -> Router:
    """The router of a decision. models: its served rungs, fitted or to be fitted with it."""
    away, depth, explorer = scenario.decision.away_days, scenario.scoring.k, make_explorer(scenario)
    steps = rerankers.make(scenario)
    return Router(decision.routes, models, decision.slots, away, steps, depth, explorer, decision.blended)


def refit_for_serving(
    data: Dataset, decision: Decision, scenario: Scenario, effort: EffortLog, progress: Progress,
    workers: Workers = ALONE,
) -> tuple[Router, Dataset]:  # fmt: skip
    """The router with the rungs that it uses, fitted on all data; and of the data, what it needs to serve.

    The stage's wall seconds are those of its parts together, as if one worker had done them.
    """
    served = {
        r.name: make(r, decision.parameters[r.name], scenario) for r in scenario.ladder if r.name in decision.served
    }
    data = served_columns(data, list(served.values()), scenario)
    train = replace(data, truth=None) if scenario.eligibility.repeats else data.first_interactions()
    train = operators.apply(train, scenario.data.train_differences, scenario.seed)
    progress("refit router")
    threads = scenario.scoring.threads
    parts = workers.map(_fitted, (train, threads), list(served.items())[::-1])[::-1]
    router = make_router(decision, {name: model for name, model, _ in parts}, scenario)
    log = EffortLog()
    with log.stage(ROUTER, "refit", "all", "", threads):
        router.fit_rerankers(train)
    for _, _, part in parts:
        log.add(part)
    effort.add(log.together())
    return router, replace(data, signals=data.signals.clear())


def _fitted(shared: tuple[Dataset, int], named: tuple[str, Recommender]) -> tuple[str, Recommender, EffortLog]:
    train, threads = shared
    name, model = named
    effort = EffortLog()
    with effort.stage(ROUTER, "refit", "all", "", threads):
        model.fit(train)
    return name, model, effort
