"""Per-query metrics of top-k lists: arrays in, one float per query out. No loop over queries.

T = the items a query's user took (its truth), R_k = the first k of its list, |T| >= 1. Definitions
differ between libraries under one name, so each states its denominator.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from recommender.data.queries import bucket
from recommender.data.split import Fold, available
from recommender.features.sparse import similarity_within
from recommender.names import USER_BUCKETS
from recommender.ranking.lists import NEW, RUNG, Lists

ITEM_BUCKETS = USER_BUCKETS  # by interactions in train
ACCURACY = ("ndcg_at_10", "recall_at_20", "map_at_10", "mrr_at_10", "hit_rate_at_10")
BEYOND = ("popularity_percentile_at_10", "new_item_share_at_10", "diversity_at_10", "unavailable_at_10")


def hits(lists: Lists, truth: sp.csr_matrix) -> np.ndarray:
    """bool (n_queries, k): is the item at this rank in the query's truth."""
    n, k = lists.item_idx.shape
    width = truth.shape[1] + 1  # item -1 (padding) becomes the last, empty column
    keys = np.arange(n)[:, None] * width + np.where(lists.item_idx < 0, width - 1, lists.item_idx)
    rows = np.repeat(np.arange(n), np.diff(truth.indptr))
    return np.isin(keys, rows * width + truth.indices).reshape(n, k)


def accuracy(hit: np.ndarray, n_truth: np.ndarray) -> dict[str, np.ndarray]:
    """Accuracy of each query, float64 (n_queries,) per metric.

    hit: bool (n_queries, k), k >= 20 or as long as items are eligible. n_truth: |T| (n_queries,).

    ndcg_at_10: sum over hits of 1/log2(rank + 1), over the same sum for min(10, |T|) hits at the top.
    recall_at_20: |R_20 & T| / |T|. map_at_10: sum of precision at each hit / min(10, |T|).
    mrr_at_10: 1 / rank of the first hit in R_10, else 0. hit_rate_at_10: 1 if R_10 holds a hit, else 0.
    """
    top = _first(hit, 10).astype(np.float64)
    gain = 1 / np.log2(np.arange(2, 12))
    ideal = np.concatenate([[0], np.cumsum(gain)])[np.minimum(n_truth, 10)]
    precision = np.cumsum(top, axis=1) / np.arange(1, 11)
    found = top.any(axis=1)
    return {
        "ndcg_at_10": top @ gain / ideal,
        "recall_at_20": _first(hit, 20).sum(axis=1) / n_truth,
        "map_at_10": (top * precision).sum(axis=1) / np.minimum(n_truth, 10),
        "mrr_at_10": np.where(found, 1 / (top.argmax(axis=1) + 1), 0.0),
        "hit_rate_at_10": found.astype(np.float64),
    }


def graded_ndcg(lists: Lists, grades: sp.csr_matrix) -> np.ndarray:
    """graded_ndcg_at_10: as ndcg_at_10, where a hit gains its grade (a rating, say) instead of 1; float64 (n_queries,).

    Over the same sum for the ten highest grades of the truth on top (Jarvelin & Kekalainen 2002, gains linear in
    the grade). NaN where no answer has a grade above 0. grades: sorted csr (n_queries, n_items).
    """
    top = _first(lists.item_idx, 10)
    n, width = grades.shape
    row = np.repeat(np.arange(n), np.diff(grades.indptr))
    keys = np.append(row * width + grades.indices, n * width)  # the last: whatever is not found
    wanted = np.where(top < 0, n * width, np.arange(n)[:, None] * width + top)
    at = np.searchsorted(keys, wanted)
    gain = np.where(keys[at] == wanted, np.append(grades.data, 0.0)[at], 0.0)
    discount = 1 / np.log2(np.arange(2, 12))
    best = np.lexsort((-grades.data, row))
    place = np.arange(len(row)) - grades.indptr[row]
    kept = place < 10
    ideal = np.bincount(row[kept], grades.data[best][kept] * discount[place[kept]], minlength=n)
    return np.divide(gain @ discount, ideal, out=np.full(n, np.nan), where=ideal > 0)


def item_recall(lists: Lists, hit: np.ndarray, truth: sp.csr_matrix, item_counts: np.ndarray) -> np.ndarray:
    """recall_at_20 restricted to truths in each item bucket: float64 (n_queries, n_buckets); NaN = none there."""
    item_bucket = bucket(item_counts)
    shown = item_bucket[_first(lists.item_idx, 20).clip(min=0)]
    hit20 = _first(hit, 20)
    wanted = item_bucket[truth.indices]
    rows = np.repeat(np.arange(truth.shape[0]), np.diff(truth.indptr))
    out = np.full((truth.shape[0], len(ITEM_BUCKETS)), np.nan)
    for b in range(len(ITEM_BUCKETS)):
        asked = np.bincount(rows[wanted == b], minlength=truth.shape[0])
        found = (hit20 & (shown == b)).sum(axis=1)
        np.divide(found, asked, out=out[:, b], where=asked > 0)
    return out


def beyond(lists: Lists, fold: Fold, item_rows: sp.csr_matrix) -> dict[str, np.ndarray]:
    """What the first ten are like, float64 (n_queries,) per metric; NaN where a list is too short.

    popularity_percentile_at_10: mean rank of the shown items by train count, 0 = least popular, 1 = most.
    new_item_share_at_10: share of the shown without train interactions. diversity_at_10: 1 - mean cosine
    between the shown items' feature rows (Ziegler et al. 2005). unavailable_at_10: share not yet published
    or expired at the query; must be 0.
    """
    top = _first(lists.item_idx, 10)
    shown, item = top >= 0, top.clip(min=0)
    n_shown = shown.sum(axis=1)
    counts = fold.item_counts
    out = {
        "popularity_percentile_at_10": _mean(_percentile(counts)[item], shown),
        "new_item_share_at_10": _mean((counts == 0)[item], shown),
    }
    pairs = np.maximum(n_shown * (n_shown - 1), 1)
    mean_cosine = similarity_within(item_rows, top) / pairs
    out["diversity_at_10"] = np.where(n_shown > 1, 1 - mean_cosine, np.nan)
    open_now = np.zeros(top.shape, bool)
    row = np.nonzero(shown)[0]
    open_now[shown] = available(fold.queries.as_of[row], fold.items.take(item[shown]), paired=True)
    out["unavailable_at_10"] = _mean(~open_now, shown)
    return out


def coverage(lists: Lists, n_items: int) -> float:
    """item_coverage_at_10: distinct items in all lists / candidates."""
    top = _first(lists.item_idx, 10)
    return len(np.unique(top[top >= 0])) / max(n_items, 1)


def answered_share(lists: Lists) -> np.ndarray:
    """Share of the first ten that were the rung's own, not the completion's; float64 (n_queries,)."""
    source = _first(lists.source, 10)
    return np.asarray(((source == RUNG) | (source == NEW)).sum(axis=1) / np.maximum((source > 0).sum(axis=1), 1))


def _first(table: np.ndarray, k: int) -> np.ndarray:
    """The first k columns, padded where lists are shorter (with no item, no hit)."""
    cut = table[:, :k]
    empty = -1 if table.dtype == np.int64 else 0
    return np.pad(cut, ((0, 0), (0, k - cut.shape[1])), constant_values=empty) if cut.shape[1] < k else cut


def _mean(values: np.ndarray, kept: np.ndarray) -> np.ndarray:
    n = kept.sum(axis=1)
    return np.where(n > 0, (values * kept).sum(axis=1) / np.maximum(n, 1), np.nan)


def _percentile(counts: np.ndarray) -> np.ndarray:
    """Mean rank of each count among all, scaled to 0..1; ties share their mean rank."""
    ordered = np.sort(counts)
    rank = (np.searchsorted(ordered, counts, side="left") + np.searchsorted(ordered, counts, side="right") - 1) / 2
    return np.asarray(rank / max(len(counts) - 1, 1))
