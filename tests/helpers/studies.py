"""A small study whose cells take a second, and learning curves by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from recommender.config import Scenario
from recommender.data.dataset import Dataset
from recommender.names import ALL
from recommender.studies.engine import plan
from recommender.studies.engine.curves import Curves
from recommender.studies.engine.measured import Measured
from recommender.studies.engine.plan import Study, cells
from recommender.studies.engine.run import run
from tests.helpers.small import Row, dataset, table

WITHOUT_TEXT: dict[str, Any] = {  # of the shop, in a file of its own
    "name": "small",
    "question": "What does text bring?",
    "analysis": "ablation",
    "scenarios": ["jobs"],
    "rungs": ["popularity", "content"],
    "set": {"split.min_train": 20, "bootstrap": 100},
    "pairs": {"all": {"text": {"without": {"data.differences": [{"metadata": {"roles": ["text"]}}]}}}},
}
GRID = {
    "name": "small",
    "question": "What if?",
    "analysis": "ablation",
    "rungs": ["popularity", "item_knn", "content"],
    "set": {"split.min_train": 20, "bootstrap": 100, "split.validation": [0.6]},
}


def study(**more: Any) -> Study:
    return plan.parse(GRID | more)


def world(n: int = 500) -> Dataset:
    """Two tastes that the genre tells, so that metadata and history both help."""
    rng = np.random.default_rng(0)
    user = rng.integers(60, size=n)
    item = 2 * rng.integers(15, size=n) + user % 2
    rows: list[Row] = [
        (f"u{u}", f"i{i:02}", float(h)) for u, i, h in zip(user, item, rng.uniform(0, 100, n), strict=True)
    ]
    ids = [f"i{i:02}" for i in range(30)]
    return dataset(
        rows, items=table("item_id", ids, {"genre": "category"}, genre=[["a", "b"][i % 2] for i in range(30)])
    )


def source(data: Dataset | None = None) -> Callable[[str, Scenario], Dataset]:
    given = data or world()
    return lambda name, scenario: given


def measured(given: Study, folder: Path, scenario: str = "catalog") -> list[Measured]:
    cells_measured, failures = run(cells(given, [scenario], None), folder, source(), lambda _: None)
    assert not failures, [str(f) for f in failures]
    return cells_measured


SIZES = np.array([1000.0, 2000, 4000, 8000, 16000])


def curves_of(resamples: int = 200, **curve: list[float]) -> Curves:
    """Curves by rung with a little noise in the replicates."""
    rng = np.random.default_rng(0)
    mean = {(rung, ALL): np.array(v) for rung, v in curve.items()}
    noise = {s: m + rng.normal(0, 0.002, (resamples, len(m))) for s, m in mean.items()}
    n = len(next(iter(curve.values())))
    return Curves(SIZES[:n], np.full(n, 4.0), list(curve), mean, noise, {ALL: 500}, {}, 700.0, 3)
