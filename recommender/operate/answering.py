"""A version of a model as it answers: as it was shipped, or its decision fitted again to less or more data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from recommender.config import Scenario
from recommender.data.dataset import Dataset, Table
from recommender.data.split import Fold
from recommender.evaluation.effort import EffortLog
from recommender.evaluation.evaluate import Outcome, outcome
from recommender.experiment.refit_for_serving import refit_for_serving
from recommender.experiment.run_folder import RunFolder
from recommender.features.encoder import FeatureEncoder
from recommender.ranking.candidates import Candidates
from recommender.ranking.router import Router
from recommender.serving.bundle import Bundle


@dataclass(frozen=True)
class Contender:
    """A shipped model and the train that it came from."""

    bundle: Bundle
    run: RunFolder

    @property
    def last(self) -> int:
        """The latest interaction that it learned from, int64 microseconds; NO_TIME where none is stated."""
        return self.bundle.known.last

    @property
    def tested(self) -> datetime | None:
        """Its test origin, after which its decision saw nothing; None on day zero and without times."""
        origins = [o["origin"] for o in self.run.data.get("origins", []) if o["split"] == "test"]
        try:
            return datetime.fromisoformat(origins[-1]) if origins else None
        except ValueError:  # a random split has no time
            return None


@dataclass(frozen=True)
class Answering:
    """choose: what may be shown of a table of items, completed in the order that this version knows; cpu_s: of fitting
    it again."""

    router: Router
    choose: Callable[[Table], Candidates]
    cpu_s: float = 0.0

    @classmethod
    def shipped(cls, one: Contender) -> Self:
        """The contender with its router as it is shipped."""
        return cls(one.bundle.router, one.bundle.to_choose)

    @classmethod
    def refitted(cls, one: Contender, train: Dataset) -> Self:
        """Its decision and rules, fitted again to ``train``."""
        scenario, effort, train = one.run.scenario, EffortLog(), replace(train, truth=None)
        router, _ = refit_for_serving(train, one.run.decision, scenario, effort, lambda _: None)

        def choose(items: Table) -> Candidates:
            every = Candidates.after(train, items, scenario.eligibility)
            return every if len(items) <= scenario.scoring.full_up_to else every.generated(train)

        return cls(router, choose, float(effort.frame()["cpu_s"].sum()))

    def outcome(self, fold: Fold, scenario: Scenario) -> Outcome:
        """What its lists are worth to the queries of a fold, by the metrics of ``scenario``: all of them on a test
        fold, accuracy only on a validation fold."""
        lists = self.router.recommend(fold.queries, self.choose(fold.items), scenario.scoring.k, scenario.scoring).lists
        test = fold.split == "test"
        return outcome(lists, fold, scenario, FeatureEncoder().fit(fold.items).transform(fold.items) if test else None)
