"""A small ladder, its data, and a formula in place of measuring its rungs."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from recommender import config
from recommender.config import Rung, Scenario
from recommender.data.dataset import Dataset
from recommender.data.split import Fold
from recommender.evaluation.effort import EffortLog
from tests.helpers.small import Row, dataset, table

RANDOM = {"name": "random", "recommender": "random", "control": True}
POPULARITY = {"name": "popularity", "recommender": "popularity"}
EASE = {"name": "ease", "recommender": "ease"}
KNN = {"name": "knn", "recommender": "item_knn"}


def scenario(*entries: dict[str, Any], **more: Any) -> Scenario:
    problem = {"what": "", "for_whom": "", "target": 0.1, "cost_of_error": ""}
    base: dict[str, Any] = {"name": "small", "problem": problem, "ladder": list(entries), "tune": {"trials": 8}}
    base |= {"split": {"min_train": 20}, "bootstrap": 100, "decision": {"thin": 5, "alpha": 0.5}}
    return config.parse(base | more)


def data() -> Dataset:
    """40 users of two tastes, 30 items, 400 interactions in 100 hours."""
    rng = np.random.default_rng(0)
    user = rng.integers(40, size=400)
    item = 2 * rng.integers(15, size=400) + user % 2
    hours = rng.uniform(0, 100, 400)
    rows: list[Row] = [(f"u{u}", f"i{i}", float(h)) for u, i, h in zip(user, item, hours, strict=True)]
    return dataset(rows, items=table("item_id", [f"i{i}" for i in range(30)]))


class Formula:
    """In place of FoldRunner: a setting's metric is ``worth(params, origin)`` for every query, plus their own noise."""

    calls: list[tuple[str, dict[str, Any], str]]
    stop_after: int | None

    def __init__(self, fold: Fold, scenario: Scenario, effort: EffortLog, progress: Callable[[str], None]) -> None:
        self.fold, self.effort, self.scenario = fold, effort, scenario

    def detached(self, workers: int) -> Formula:
        return self

    def measure(
        self, rung: Rung, params: dict[str, Any], tuning: bool, fitted: object | None = None
    ) -> SimpleNamespace:
        if Formula.stop_after is not None and len(Formula.calls) == Formula.stop_after:
            raise KeyboardInterrupt
        Formula.calls.append((rung.name, dict(params), self.fold.origin))
        with self.effort.stage(rung.name, "tune", self.fold.split, self.fold.origin):
            noise = np.random.default_rng(0).normal(0, 0.01, len(self.fold.first))
        metric = self.scenario.decision.metric
        return SimpleNamespace(outcome=SimpleNamespace(values={metric: noise + self.worth(params)}), model=object())

    @staticmethod
    def worth(params: dict[str, Any]) -> float:
        return 1 - abs(np.log10(params.get("regularization", 500.0) / 100))  # best at 100
