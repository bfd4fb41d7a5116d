"""Maximal marginal relevance: each next item is relevant and unlike those before it."""

from __future__ import annotations

from typing import Self

import numba
import numpy as np

from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.features.encoder import FeatureEncoder, unit_rows
from recommender.ranking.lists import Lists
from recommender.ranking.rerankers.base import relevance


class MMR:
    """Greedy re-ranking by (1 - weight) * relevance - weight * (largest cosine with the items above it)
    (Carbonell & Goldstein 1998).

    Relevance is by place. columns: item feature columns to compare by; None: all. weight: 0 (leave the list)
    to 1 (only variety).
    """

    def __init__(self, weight: float = 0.3, columns: list[str] | None = None) -> None:
        if not 0 <= weight <= 1:
            raise ValueError(f"weight must lie between 0 and 1, got {weight}")
        self.weight, self.columns = weight, columns

    def check(self, items: Table, users: Table) -> None:
        FeatureEncoder(self.columns).fit(items.take(np.zeros(0, np.int64)))

    def fit(self, train: Dataset) -> Self:
        self.encoder_ = FeatureEncoder(self.columns).fit(train.items)
        return self

    def order(self, lists: Lists, queries: Queries, items: Table) -> np.ndarray:
        shown, place = np.unique(lists.item_idx, return_inverse=True)  # the lists name few of the items
        items_shown = shown[shown >= 0]
        rows = unit_rows(self.encoder_.transform(items)[items_shown])
        chosen = place.reshape(lists.item_idx.shape) - (len(shown) - len(items_shown))
        out = np.empty(lists.item_idx.shape, np.int64)
        gain = relevance(lists.item_idx.shape[1])
        _greedy(chosen, rows.indptr, rows.indices, rows.data, rows.shape[1], gain, self.weight, out)
        return out


@numba.njit(cache=True, nogil=True)
def _greedy(item, indptr, indices, data, width, gain, weight, out):  # type: ignore[no-untyped-def]
    """item: rows of the csr arrays, -1 = none (always at the end of a row). Fills ``out`` with places."""
    n, k = item.shape
    chosen = np.zeros(width, np.float32)  # the feature row chosen last, dense
    nearest, used = np.empty(k), np.empty(k, np.bool_)
    for q in range(n):
        nearest[:] = 0.0
        used[:] = False
        for t in range(k):
            best, best_value = -1, -np.inf
            for p in range(k):
                if used[p] or item[q, p] < 0:
                    continue
                value = (1 - weight) * gain[p] - weight * nearest[p]
                if value > best_value:
                    best, best_value = p, value
            if best < 0:  # only places without an item are left
                for p in range(k):
                    if not used[p]:
                        used[p] = True
                        out[q, t] = p
                        break
                continue
            used[best], out[q, t] = True, best
            start, stop = indptr[item[q, best]], indptr[item[q, best] + 1]
            for e in range(start, stop):
                chosen[indices[e]] = data[e]
            for p in range(k):
                if used[p] or item[q, p] < 0:
                    continue
                cosine = 0.0
                for e in range(indptr[item[q, p]], indptr[item[q, p] + 1]):
                    cosine += data[e] * chosen[indices[e]]
                nearest[p] = max(nearest[p], cosine)
            for e in range(start, stop):
                chosen[indices[e]] = 0.0
