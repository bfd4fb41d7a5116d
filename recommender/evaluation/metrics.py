"""Accuracy of top-k lists: one float per query from lists and what the users took. No loop over queries.

T = the items a query's user took (its truth), R_k = the first k of its list. Definitions differ between
libraries under one name, so each states its denominator. ``metric_table`` names and describes them.
"""

from __future__ import annotations

import numpy as np

from recommender.data.queries import bucket
from recommender.evaluation.kernels import bucket_counts, hits_by_bucket, ideal_gain, positions, row_counts
from recommender.evaluation.shown import Judged, first, share
from recommender.names import USER_BUCKETS
from recommender.ranking.lists import NEW, RUNG

ITEM_BUCKETS = USER_BUCKETS  # by interactions in train
DISCOUNT = 1 / np.log2(np.arange(2, 12))  # of the ranks 1 to 10


def ndcg(judged: Judged) -> np.ndarray:
    """Sum over hits in R_10 of 1/log2(rank + 1), over the same sum for min(10, |T|) hits at the top."""
    ideal = np.concatenate([[0], np.cumsum(DISCOUNT)])[np.minimum(judged.n_truth, 10)]
    return share((judged.hit_at_10 * DISCOUNT).sum(axis=1), ideal)  # BLAS would round by how many queries there are


def recall(judged: Judged) -> np.ndarray:
    """|R_20 & T| / |T|."""
    return share(row_counts(first(judged.hit, 20)), judged.n_truth)


def average_precision(judged: Judged) -> np.ndarray:
    """Sum of the precision at each hit in R_10 / min(10, |T|)."""
    precision = np.cumsum(judged.hit_at_10, axis=1) / np.arange(1, 11)
    return share((judged.hit_at_10 * precision).sum(axis=1), np.minimum(judged.n_truth, 10))


def reciprocal_rank(judged: Judged) -> np.ndarray:
    """1 / rank of the first hit in R_10, else 0."""
    return np.asarray(hit_rate(judged) / (judged.hit_at_10.argmax(axis=1) + 1))


def hit_rate(judged: Judged) -> np.ndarray:
    """1 if R_10 holds a hit, else 0."""
    return np.asarray(judged.hit_at_10.any(axis=1), np.float64)


def acceptance(judged: Judged) -> np.ndarray:
    """|R_10 & T| / 10."""
    return np.asarray(judged.hit_at_10.sum(axis=1) / 10)


def answered_share(judged: Judged) -> np.ndarray:
    """Share of the first ten that were the rung's own, not the completion's."""
    source = first(judged.lists.source_code, 10)
    return np.asarray(row_counts((source == RUNG) | (source == NEW)) / np.maximum(row_counts(source > 0), 1))


def graded_ndcg(judged: Judged) -> np.ndarray:
    """NDCG where a hit gains its grade (a rating, say) instead of 1 (Jarvelin & Kekalainen 2002, gains linear in the
    grade), over the same sum for the ten highest grades of T on top; NaN where no item of T has a grade above 0."""
    grades = judged.grades
    assert grades is not None  # the entry's ``needs``
    place = positions(first(judged.lists.item_idx, 10), grades)
    gain = np.append(grades.data, 0.0)[place]  # -1, not in T, is the last
    return share((gain * DISCOUNT).sum(axis=1), ideal_gain(grades, DISCOUNT))


def item_recall(judged: Judged, item_counts: np.ndarray) -> np.ndarray:
    """``recall`` restricted to the items of T in each item bucket: float64 (n_queries, n_buckets); NaN = none there.

    item_counts: int64 (n_items,), interactions in training.
    """
    n_buckets, item_bucket = len(ITEM_BUCKETS), bucket(item_counts)
    hits = hits_by_bucket(first(judged.hit, 20), first(judged.lists.item_idx, 20), item_bucket, n_buckets)
    return share(hits, bucket_counts(judged.truth, item_bucket, n_buckets))
