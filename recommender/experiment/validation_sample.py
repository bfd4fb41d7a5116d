"""Some queries of a validation fold with every rung's lists, to be put together in other ways afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp

from recommender.data.split import Fold
from recommender.ranking.fusion import Setting
from recommender.ranking.lists import Lists


@dataclass(frozen=True)
class ValidationSample:
    """What blends and slots are chosen by: each from a sample of its own queries."""

    rows: np.ndarray  # int64 (n,), of the fold's queries
    truth: sp.csr_matrix  # of these queries
    item_counts: np.ndarray  # int64 (n_items,): interactions in training
    lists: Mapping[Setting, Lists]
    new: Mapping[Setting, Lists] = field(default_factory=dict)  # of the slots' rung: new items only

    @classmethod
    def of(
        cls, fold: Fold, rows: np.ndarray, lists: Mapping[Setting, Lists], new: Mapping[Setting, Lists] | None = None
    ) -> ValidationSample:
        return cls(rows, fold.truth[rows], fold.item_counts, lists, new or {})


def evenly(rows: np.ndarray, most: int) -> np.ndarray:
    """At most ``most`` of the rows, evenly spread over them; int64."""
    return np.asarray(rows[np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(int)])
