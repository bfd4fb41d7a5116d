"""Compiled loops of metrics and intervals; each equals a few lines of NumPy in tests/unit/evaluation."""

from __future__ import annotations

from math import exp, factorial

import numba
import numpy as np
import scipy.sparse as sp

from recommender.hashing import GOLDEN


def positions(item_idx: np.ndarray, truth: sp.csr_matrix) -> np.ndarray:
    """Where in ``truth.indices`` each listed item stands, -1 where it is not in its query's row.

    item_idx: int64 (n_queries, k), -1 = no item. truth: csr (n_queries, n_items). Returns int64 (n_queries, k).
    Each query's row is written into a table of all items: a binary search per item takes six times as long.
    """
    out = np.empty(item_idx.shape, np.int64)
    _positions(out, item_idx, truth.indptr, truth.indices, np.full(truth.shape[1], -1, np.int64))
    return out


def row_counts(table: np.ndarray) -> np.ndarray:
    """``table.sum(axis=1)`` of bool (n, k), int64 (n,): NumPy takes ten times as long for short rows."""
    out = np.zeros(len(table), np.int64)
    _row_counts(out, table)
    return out


def hits_by_bucket(hit: np.ndarray, item_idx: np.ndarray, item_bucket: np.ndarray, n_buckets: int) -> np.ndarray:
    """How many hits of each list are items of each bucket, int64 (n, n_buckets).

    hit: bool (n, k). item_idx: int64 (n, k), -1 = no item. item_bucket: int64 (n_items,), each below n_buckets.
    """
    out = np.zeros((len(hit), n_buckets), np.int64)
    _hits_by_bucket(out, hit, item_idx, item_bucket)
    return out


def ideal_gain(grades: sp.csr_matrix, discount: np.ndarray) -> np.ndarray:
    """Discounted sum of the highest grades of each row, the best first: float64 (n_rows,).

    grades: csr. discount: float64 (k,), of each rank.
    """
    out = np.zeros(grades.shape[0])
    _ideal_gain(out, grades.indptr, grades.data, discount)
    return out


def bucket_counts(truth: sp.csr_matrix, item_bucket: np.ndarray, n_buckets: int) -> np.ndarray:
    """How many items of each row of ``truth`` (csr (n_rows, n_items)) are in each bucket, int64 (n_rows, n_buckets).

    item_bucket: int64 (n_items,), each below n_buckets.
    """
    out = np.zeros((truth.shape[0], n_buckets), np.int64)
    _bucket_counts(out, truth.indptr, truth.indices, item_bucket)
    return out


def poisson_weights(streams: np.ndarray, first: int, n: int) -> np.ndarray:
    """Draws of a Poisson(1) variable: numbers ``first`` to ``first + n - 1`` of each stream, uint8 (n_streams, n).

    streams: uint64 (n_streams,), each the state of a SplitMix64 generator (Steele, Lea & Flood 2014), whose n-th number
    is had without those before it. By inversion.
    """
    out = np.empty((len(streams), n), np.uint8)
    _poisson(streams, first, out, _LIMITS)
    return out


def weighted_sums(weights: np.ndarray, which: np.ndarray, values: np.ndarray) -> np.ndarray:
    """``values.T @ weights[which]``, float64 (n_columns, n), added up in blocks of ``_TOGETHER`` rows in the type of
    the values.

    weights: uint8 (m, n). which: int64 (n_rows,), rows of the weights. values: float32 or float64 (n_rows, n_columns).
    """
    out = np.zeros((values.shape[1], weights.shape[1]))
    _weighted_sums(weights, which, values, out)
    return out


# Of a Poisson(1) variable X: P(X <= k) in 2^64ths (P(X > 16) is below 1e-14).
_LIMITS = (np.cumsum([exp(-1) / factorial(k) for k in range(17)]) * 2.0**64).astype(np.uint64)
_TOGETHER = 256  # so few that float32 sums are exact to seven digits; half the time of float64 ones


@numba.njit(cache=True, nogil=True)
def _poisson(streams, first, out, limits):  # type: ignore[no-untyped-def]
    """Without branches, and with places that cannot be negative, so that it runs on vectors. Draws of 6 and more,
    one in 1,700, are counted on afterwards."""
    n = np.uint64(out.shape[1])
    flat, numbers = out.reshape(-1), np.empty(out.shape[1], np.uint64)
    a, b, c, d, e, f = limits[0], limits[1], limits[2], limits[3], limits[4], limits[5]
    for stream in range(len(streams)):
        begin, high = np.uint64(stream) * n, np.int64(0)
        start = streams[stream] + np.uint64(first + 1) * GOLDEN
        for at in range(n):
            x = start + np.uint64(at) * GOLDEN
            x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            numbers[at] = x = x ^ (x >> np.uint64(31))
            low = np.uint8(x >= a) + np.uint8(x >= b) + np.uint8(x >= c) + np.uint8(x >= d) + np.uint8(x >= e)
            flat[begin + at] = low + np.uint8(x >= f)
            high += np.int64(x >= f)
        if high:
            for at in range(n):
                while 6 <= flat[begin + at] < len(limits) and numbers[at] >= limits[flat[begin + at]]:
                    flat[begin + at] += 1


@numba.njit(cache=True, nogil=True)
def _weighted_sums(weights, which, values, out):  # type: ignore[no-untyped-def]
    n = np.uint64(weights.shape[1])
    weight, sums = np.empty(weights.shape[1], values.dtype), np.zeros(out.size, values.dtype)
    flat, total = weights.reshape(-1), out.reshape(-1)
    for start in range(0, len(which), _TOGETHER):
        for row in range(start, min(start + _TOGETHER, len(which))):
            begin = np.uint64(which[row]) * n
            for at in range(n):
                weight[at] = flat[begin + at]
            for column in range(values.shape[1]):
                value, into = values[row, column], np.uint64(column) * n
                for at in range(n):
                    sums[into + at] += value * weight[at]
        for at in range(len(sums)):
            total[at] += sums[at]
            sums[at] = 0


@numba.njit(cache=True, nogil=True)
def _bucket_counts(out, indptr, indices, item_bucket):  # type: ignore[no-untyped-def]
    for row in range(len(out)):
        for at in range(indptr[row], indptr[row + 1]):
            out[row, item_bucket[indices[at]]] += 1


@numba.njit(cache=True, nogil=True)
def _positions(out, item_idx, indptr, indices, place):  # type: ignore[no-untyped-def]
    for q in range(item_idx.shape[0]):
        for at in range(indptr[q], indptr[q + 1]):
            place[indices[at]] = at
        for rank in range(item_idx.shape[1]):
            item = item_idx[q, rank]
            out[q, rank] = place[item] if item >= 0 else -1
        for at in range(indptr[q], indptr[q + 1]):
            place[indices[at]] = -1


@numba.njit(cache=True, nogil=True)
def _row_counts(out, table):  # type: ignore[no-untyped-def]
    for row in range(table.shape[0]):
        n = 0
        for at in range(table.shape[1]):
            n += table[row, at]
        out[row] = n


@numba.njit(cache=True, nogil=True)
def _hits_by_bucket(out, hit, item_idx, item_bucket):  # type: ignore[no-untyped-def]
    for row in range(hit.shape[0]):
        for rank in range(hit.shape[1]):
            if hit[row, rank]:
                out[row, item_bucket[item_idx[row, rank]]] += 1


@numba.njit(cache=True, nogil=True)
def _ideal_gain(out, indptr, data, discount):  # type: ignore[no-untyped-def]
    for q in range(len(out)):
        best = np.sort(data[indptr[q] : indptr[q + 1]])[::-1]
        for rank in range(min(len(best), len(discount))):
            out[q] += best[rank] * discount[rank]
