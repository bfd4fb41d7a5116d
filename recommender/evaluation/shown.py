"""Lists beside what their users then took: what metrics read, each part computed once."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from recommender.config import Scenario
from recommender.data.split import Fold
from recommender.evaluation.kernels import positions
from recommender.ranking.eligibility import violations
from recommender.ranking.lists import Lists

DEPTH = 10  # places that metrics of what is shown look at


@dataclass(frozen=True)
class Judged:
    """Lists of some queries and their truth: all that metrics of accuracy need."""

    lists: Lists
    truth: sp.csr_matrix  # (n_queries, n_items): what each query's user took
    grades: sp.csr_matrix | None = field(default=None, kw_only=True)  # as truth: what each answer weighs

    @cached_property
    def hit(self) -> np.ndarray:
        """bool (n_queries, k): is the item at this rank in the query's truth."""
        return np.asarray(positions(self.lists.item_idx, self.truth) >= 0)

    @cached_property
    def hit_at_10(self) -> np.ndarray:
        """float64 (n_queries, 10): 1 for a hit."""
        return first(self.hit, 10).astype(np.float64)

    @cached_property
    def n_truth(self) -> np.ndarray:
        """int (n_queries,): items that each query's user took."""
        return np.asarray(np.diff(self.truth.indptr))


@dataclass(frozen=True)
class Shown(Judged):
    """Judged lists with their fold, the scenario, and feature rows of the fold's items (csr (n_items, width))."""

    fold: Fold
    scenario: Scenario
    item_rows: sp.csr_matrix

    @cached_property
    def top(self) -> np.ndarray:
        """int64 (n_queries, 10): item rows of the first ten; -1 = no item."""
        return first(self.lists.item_idx, DEPTH)

    @cached_property
    def row(self) -> np.ndarray:
        """int64 (n,): the query of each item in the first ten, list by list."""
        return np.nonzero(self.top >= 0)[0]

    @cached_property
    def item(self) -> np.ndarray:
        """int64 (n,): each item in the first ten, as a row of the fold's items."""
        return self.top[self.top >= 0]

    @cached_property
    def n_shown(self) -> np.ndarray:
        """int64 (n_queries,)."""
        return np.bincount(self.row, minlength=len(self.top))

    @cached_property
    def item_counts(self) -> np.ndarray:
        """int64 (n_items,): interactions of each item in training."""
        return self.fold.item_counts

    @cached_property
    def violations(self) -> dict[str, np.ndarray]:
        """Metric of a rule -> whether each ``item`` is against it, bool (n,)."""
        return violations(self.fold.queries, self.fold.items, self.scenario.eligibility, (self.row, self.item))

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Mean over the first ten of each list of ``values`` (n,), one per ``item``; NaN for an empty list."""
        return share(np.bincount(self.row, weights=values, minlength=len(self.top)), self.n_shown)


def first(table: np.ndarray, k: int) -> np.ndarray:
    """The first k columns, padded where lists are shorter (with no item, no hit)."""
    head = table[:, :k]
    empty = -1 if table.dtype in (np.int32, np.int64) else 0
    return np.pad(head, ((0, 0), (0, k - head.shape[1])), constant_values=empty) if head.shape[1] < k else head


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``part / whole``, float64; NaN where ``whole`` is 0."""
    return np.asarray(np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0))
