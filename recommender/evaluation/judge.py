"""Accuracy of lists, query by query, wherever they are made: no value depends on the queries beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from recommender.data.split import Fold
from recommender.evaluation.metric_table import METRICS
from recommender.evaluation.metrics import ITEM_BUCKETS
from recommender.evaluation.shown import Judged
from recommender.ranking.lists import Lists


@dataclass(frozen=True)
class AccuracyJudge:
    """truth, grades: csr (n_queries, n_items), see ``Fold``. item_counts: int64 (n_items,), of training."""

    truth: sp.csr_matrix
    grades: sp.csr_matrix | None
    item_counts: np.ndarray

    @classmethod
    def of(cls, fold: Fold) -> AccuracyJudge:
        return cls(fold.truth, fold.grades, fold.item_counts)

    def values(self, lists: Lists) -> dict[str, np.ndarray]:
        """Every metric of accuracy and completion, by name of column, float64 (n_queries,)."""
        return accuracy_values(Judged(lists, self.truth, grades=self.grades), self.item_counts)


def accuracy_values(judged: Judged, item_counts: np.ndarray) -> dict[str, np.ndarray]:
    """The metrics of accuracy and completion that ``judged`` has all data for, by name of column.

    item_counts: int64 (n_items,), interactions in training, for the columns of item buckets.
    """
    basic = (m for m in METRICS.values() if m.section in ("accuracy", "completion"))
    ready = [m for m in basic if not m.needs or m.needs(judged)]
    values = {m.name: m.values(judged) for m in ready if m.values}
    for by_item, m in ((m.by_item_bucket(judged, item_counts), m) for m in ready if m.by_item_bucket):
        values |= {f"{m.name}:{bucket}": by_item[:, b] for b, bucket in enumerate(ITEM_BUCKETS)}
    return values
