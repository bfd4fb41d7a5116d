"""Calibrated recommendations: a list as varied as the user's own history, no more and no less."""

from __future__ import annotations

from typing import Self

import numba
import numpy as np

from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.errors import ConfigError, nearest
from recommender.features.shares import history_shares, shares
from recommender.ranking.lists import Lists
from recommender.ranking.rerankers.base import relevance


class Calibrated:
    """Greedy re-ranking by (1 - weight) * relevance - weight * KL(p || q) (Steck 2018, "Calibrated
    recommendations").

    p: shares of the values of ``column`` (category or multi; an item with m values counts 1/m for each) in the
    user's history; q: in the list so far, smoothed with ``alpha`` of p, as in the paper. Relevance is by
    place. Who has no history, or none with a value, keeps the list.
    """

    def __init__(self, column: str, weight: float = 0.5, alpha: float = 0.01) -> None:
        if not (0 <= weight <= 1 and 0 < alpha < 1):
            raise ValueError(f"weight and alpha must lie between 0 and 1, got {weight} and {alpha}")
        self.column, self.weight, self.alpha = column, weight, alpha

    def check(self, items: Table, users: Table) -> None:
        if self.column not in items.frame.columns:
            hint = nearest(self.column, items.columns("multi", "category"))
            raise ConfigError(f"calibrated.column: items have no column '{self.column}'{hint}")
        if items.roles.get(self.column) not in ("multi", "category"):
            role = items.roles.get(self.column)
            raise ConfigError(f"calibrated.column: items.{self.column} is {role}, not category or multi.")

    def fit(self, train: Dataset) -> Self:
        return self

    def order(self, lists: Lists, queries: Queries, items: Table) -> np.ndarray:
        of_item = shares(items.frame[self.column])
        target = history_shares(queries, of_item)
        gain = relevance(lists.item_idx.shape[1])
        out = np.empty(lists.item_idx.shape, np.int64)
        wanted = (target.indptr, target.indices, target.data.astype(np.float64))
        has = (of_item.indptr, of_item.indices, of_item.data.astype(np.float64))
        _greedy(lists.item_idx, *wanted, *has, of_item.shape[1], gain, self.weight, self.alpha, out)
        return out


@numba.njit(cache=True, nogil=True)
def _greedy(item, p_ptr, p_col, p_val, i_ptr, i_col, i_val, width, gain, weight, alpha, out):  # type: ignore[no-untyped-def]
    """KL changes only in the values that an item has, so each candidate costs no more than it has values."""
    n, k = item.shape
    p, c = np.zeros(width), np.zeros(width)  # target, and sum of shares of the list so far
    used = np.empty(k, np.bool_)
    for q in range(n):
        start, stop = p_ptr[q], p_ptr[q + 1]
        if start == stop:
            out[q] = np.arange(k)
            continue
        for e in range(start, stop):
            p[p_col[e]] = p_val[e]
        c[:] = 0.0
        used[:] = False
        for t in range(k):
            best, best_value = -1, -np.inf
            for place in range(k):
                i = item[q, place]
                if used[place] or i < 0:
                    continue
                saved = 0.0  # of the divergence, by what the item adds; the rest is the same for every candidate
                for e in range(i_ptr[i], i_ptr[i + 1]):
                    g = i_col[e]
                    if p[g] > 0:
                        before = (1 - alpha) * c[g] / (t + 1) + alpha * p[g]
                        saved += p[g] * np.log((before + (1 - alpha) * i_val[e] / (t + 1)) / before)
                value = (1 - weight) * gain[place] + weight * saved
                if value > best_value:
                    best, best_value = place, value
            if best < 0:
                for place in range(k):
                    if not used[place]:
                        best = place
                        break
            else:
                for e in range(i_ptr[item[q, best]], i_ptr[item[q, best] + 1]):
                    c[i_col[e]] += i_val[e]
            used[best], out[q, t] = True, best
        for e in range(start, stop):
            p[p_col[e]] = 0.0
