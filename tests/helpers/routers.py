"""A router's rungs that score by row number, and its lists as item ids."""

from __future__ import annotations

from typing import Any

import numpy as np

from recommender.config import Eligibility, Scoring
from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.ranking.candidates import Candidates
from recommender.ranking.router import Router
from tests.helpers.small import ask, dataset, table

ITEMS = table("item_id", [f"i{n}" for n in range(30)] + ["new1", "new2", "new3"])


TRAIN = dataset([("u", f"i{n}", n) for n in range(30)])


class Line:
    """One score per item: its row number times ``slope``; NaN for all with slope None."""

    def __init__(self, slope: float | None) -> None:
        self.slope, self.fitted = slope, 0

    def fit(self, train: Dataset) -> Line:
        self.fitted += 1
        return self

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        line = np.arange(len(items)) * (np.nan if self.slope is None else self.slope)
        return np.repeat(line[None].astype(np.float32), len(queries), axis=0)


def serve(routed: Router, histories: Any, k: int = 20, **more: Any) -> Any:
    return routed.recommend(
        ask(histories, ITEMS), Candidates(ITEMS, Eligibility(), np.arange(len(ITEMS)), **more), k, Scoring()
    )


def ids(routed: Any, query: int = 0) -> list[str]:
    return [ITEMS.ids[int(i)] for i in routed.lists.item_idx[query] if i >= 0]
