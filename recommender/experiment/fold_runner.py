"""One fold: fits rungs, makes their lists, measures both, with what each stage costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import polars as pl

from recommender.config import Rung, Scenario
from recommender.data import operators
from recommender.data.split import Fold, unconfirmed
from recommender.errors import DataError
from recommender.evaluation.effort import EffortLog
from recommender.evaluation.evaluate import Outcome, outcome
from recommender.evaluation.judge import AccuracyJudge
from recommender.experiment.examples import PLACES, example_rows
from recommender.experiment.rungs import make
from recommender.features.encoder import FeatureEncoder
from recommender.models.base import Recommender
from recommender.names import DEEPEST, PLAIN, ROUTER
from recommender.ranking.asker import HERE, Answer, Asker
from recommender.ranking.candidates import Candidates
from recommender.ranking.exploration import make_explorer
from recommender.ranking.lists import Lists
from recommender.ranking.router import Router

Progress = Callable[[str], None]


def silent(step: str) -> None:
    """Progress that nobody sees."""


@dataclass(frozen=True)
class MeasuredRung:
    """A fitted rung with its lists and what they are worth."""

    model: Recommender
    answer: Answer
    outcome: Outcome


class FoldRunner:
    """Fits and measures rungs on one fold, with their effort.

    ``fold`` is the one given with ``data.train_differences`` applied to what models learn from.
    """

    def __init__(
        self, fold: Fold, scenario: Scenario, effort: EffortLog, progress: Progress, asker: Asker = HERE
    ) -> None:
        self.scenario, self.effort, self.progress, self.asker = scenario, effort, progress, asker
        with effort.stage("all", "prepare", fold.split, fold.origin):
            train = operators.apply(fold.train, scenario.data.train_differences, scenario.seed)
            # What models are fitted on; what they know in the end, by an update (``models/updates.py``)
            self.fitted_on, known = train, fold.train if scenario.data.updated else train
            if scenario.data.updated and not known.interactions.head(train.interactions.height).equals(
                train.interactions
            ):  # an update counts the rows behind those of the fit
                raise DataError("data.updated: train_differences may leave out the newest interactions only.")
            self.fold = fold = replace(fold, train=known)
            self.candidates = Candidates.after(fold.train, fold.items, scenario.eligibility)
            if len(fold.items) > scenario.scoring.full_up_to:
                self.candidates = self.candidates.generated(fold.train)
            generator = self.candidates.generator
            # Share of the answers that are among the generated candidates; None: every candidate is scored
            self.generated_recall = None if generator is None else generator.recall(fold.queries, fold.truth)
            # Only for the diversity of lists; no model sees these rows. Choices are by accuracy, so validation
            # measures nothing else.
            test = fold.split == "test"
            self.item_rows = FeatureEncoder().fit(fold.items).transform(fold.items) if test else None
            self.examples = example_rows(fold, scenario.decision.away_days) if test else {}
        self.with_all_users = test and scenario.engine.test_all  # whether all users are measured beyond a sample
        self.shown: dict[str, Lists] = {}  # lists of the examples, by rung
        self.served: tuple[np.ndarray, Lists] | None = None  # sources of the examples; the router's first tens, of all

    def detached(self, workers: int) -> Self:
        """A copy for steps that may run in another process: with a log of its own, and silent.

        workers: how many such processes share this machine; batches of lists are as large as without them.
        """
        apart, scoring = copy(self), self.scenario.scoring
        apart.effort, apart.progress, apart.shown = EffortLog(), silent, {}
        threads = max(1, scoring.workers // workers)
        memory_mb = scoring.memory_mb // scoring.workers * threads
        fewer = scoring.model_copy(update={"workers": threads, "memory_mb": memory_mb})
        apart.scenario = self.scenario.model_copy(update={"scoring": fewer})
        return apart

    def measure(
        self, rung: Rung, params: Mapping[str, Any], tuning: bool = False, fitted: Recommender | None = None,
        rows: np.ndarray | None = None,
    ) -> MeasuredRung:  # fmt: skip
        """tuning: one of several settings that are tried, so its cost is tuning's. fitted: at an earlier origin, to be
        asked here as it is. rows: queries whose lists are wanted, int64, ascending; None: all, as always at the test
        origin, for metrics of all lists together."""
        fold, scoring = self.fold, self.scenario.scoring
        self.progress(f"{fold.split} {fold.origin[:10]} {rung.name}")
        model = fitted or make(rung, params, self.scenario)
        if fitted is None and self.scenario.data.updated:
            model = self._updated(rung, model)
        elif fitted is None:
            with self.effort.stage(rung.name, "tune" if tuning else "fit", fold.split, fold.origin, scoring.threads):
                model.fit(fold.train)
        with self.effort.stage(rung.name, "tune" if tuning else "recommend", fold.split, fold.origin):
            wanted = rows if self.item_rows is None else None
            answer = self.asker.judged(
                model, fold.queries, self.candidates, DEEPEST, scoring, AccuracyJudge.of(fold), wanted
            )
        self.shown[rung.name] = answer.take(self._example_rows)
        with self.effort.stage(rung.name, "evaluate", fold.split, fold.origin):
            result = outcome(answer.lists, fold, self.scenario, self.item_rows, answer.values)
            return MeasuredRung(model, answer, replace(result, over_all=self._over_all(model, DEEPEST)))

    def _updated(self, rung: Rung, model: Recommender) -> Recommender:
        """A model fitted before, whose effort counts nothing, and what its update takes."""
        from recommender.models.updates import update_of  # for a study only

        update = update_of(model.fit(self.fitted_on), self.fitted_on)
        if update is None:
            raise DataError(f"{rung.name}: the algorithm has no update. Leave it out where data.updated is true.")
        with self.effort.stage(rung.name, "fit", self.fold.split, self.fold.origin):
            return update(self.fold.train)

    def measure_router(self, router: Router) -> dict[str, Outcome]:
        """Outcomes of the router, and of its lists before re-ranking if it re-ranks."""
        fold, scoring = self.fold, self.scenario.scoring
        with self.effort.stage(ROUTER, "recommend", fold.split, fold.origin):
            routed = self.asker.route(router, fold.queries, self.candidates, scoring.k, scoring)
        rows = self._example_rows
        self.shown[ROUTER] = routed.lists.take(rows)
        self.served = routed.source[rows], routed.lists.head(PLACES).without_scores()
        shown = {PLAIN: routed.plain} if router.rerankers else {}
        shown[ROUTER] = routed.lists
        outcomes = {name: outcome(lists, fold, self.scenario, self.item_rows) for name, lists in shown.items()}
        with self.effort.stage(ROUTER, "evaluate", fold.split, fold.origin):
            over_all = self._over_all(router, scoring.k)
        return outcomes | {ROUTER: replace(outcomes[ROUTER], over_all=over_all)}

    def _over_all(self, model: Recommender | Router, k: int) -> pl.DataFrame | None:
        """Accuracy over all users of the test, where the fold has those of a sample; else None."""
        fold, scenario = self.fold, self.scenario
        if not self.with_all_users or fold.train.everyone is None:
            return None
        valid = np.ones(len(fold.items), bool)
        for column in {scenario.eligibility.moderated_column, scenario.spam.label_column} - {None}:
            valid &= unconfirmed(fold, str(column))
        draws = scenario.bootstrap, scenario.seed
        return self.asker.over_all(model, fold, self.candidates, k, scenario.scoring, valid, *draws)

    @property
    def _example_rows(self) -> np.ndarray:
        return np.array(list(self.examples.values()), np.int64)

    def new_items(self, model: Recommender, rows: np.ndarray, n: int) -> Lists:
        """The ``n`` best items for the slots, without interactions or explored, for some of the queries."""
        fold, scoring = self.fold, self.scenario.scoring
        queries, explorer = fold.queries.take(rows), make_explorer(self.scenario)
        if explorer is not None:
            return explorer.fit(fold.train).choose(model, queries, self.candidates, n, scoring)
        return self.asker.recommend(model, queries, self.candidates.only(fold.item_counts == 0), n, scoring)
