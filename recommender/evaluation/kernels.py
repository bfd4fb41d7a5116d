"""Compiled loops of metrics and intervals; each equals a few lines of NumPy in tests/unit/evaluation."""

from __future__ import annotations

import numba
import numpy as np
import scipy.sparse as sp


def positions(item_idx: np.ndarray, truth: sp.csr_matrix) -> np.ndarray:
    """Where in ``truth.indices`` each listed item stands, -1 where it is not in its query's row.

    item_idx: int64 (n_queries, k), -1 = no item. truth: csr (n_queries, n_items). Returns int64 (n_queries, k).
    A binary search per item: ``np.isin`` over keys of query and item takes 170 times as long.
    """
    if not truth.has_sorted_indices:
        raise ValueError("truth needs sorted indices, so that positions are those of its data: call sort_indices()")
    out = np.empty(item_idx.shape, np.int64)
    _positions(out, item_idx, truth.indptr, truth.indices)
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


class PoissonOfOne:
    """The draws of ``rng.poisson(1.0)``, one after the other, in half of its time.

    By NumPy's own method (Knuth's): factors from [0, 1) are multiplied until the product falls to 1/e. It branches at
    each factor, which no processor foresees; here nothing branches.
    """

    _FACTORS = 1 << 14  # drawn at once: they stay in the cache

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._factors = np.zeros(0)  # drawn and not yet used
        self._running = np.array([1.0, 0.0])  # product and number of the factors of the draw that is under way

    def __call__(self, shape: tuple[int, int]) -> np.ndarray:
        """The next draws, uint8."""
        out = np.empty(shape, np.uint8)
        flat, filled = out.reshape(-1), 0
        while filled < out.size:
            if not len(self._factors):
                self._factors = self._rng.random(self._FACTORS)
            filled, used = _poisson(self._factors, flat, filled, self._running)
            self._factors = self._factors[used:]
        return out


def columns(weights: np.ndarray, which: np.ndarray) -> np.ndarray:
    """``weights[:, which]`` as float32. weights: uint8 (n, m); which: int64."""
    out = np.empty((len(weights), len(which)), np.float32)
    _columns(weights, which, out)
    return out


@numba.njit(cache=True, nogil=True)
def _poisson(factors, out, filled, running):  # type: ignore[no-untyped-def]
    product, n = running
    for used in range(len(factors)):
        product *= factors[used]
        out[filled] = n
        ended = product <= 0.36787944117144233  # exp(-1)
        filled += ended
        n = 0.0 if ended else n + 1.0
        product = 1.0 if ended else product
        if filled == len(out):
            running[0], running[1] = product, n
            return filled, used + 1
    running[0], running[1] = product, n
    return filled, len(factors)


@numba.njit(cache=True, nogil=True)
def _columns(weights, which, out):  # type: ignore[no-untyped-def]
    for row in range(len(weights)):
        for at in range(len(which)):
            out[row, at] = weights[row, which[at]]


@numba.njit(cache=True, nogil=True)
def _bucket_counts(out, indptr, indices, item_bucket):  # type: ignore[no-untyped-def]
    for row in range(len(out)):
        for at in range(indptr[row], indptr[row + 1]):
            out[row, item_bucket[indices[at]]] += 1


@numba.njit(cache=True, nogil=True)
def _positions(out, item_idx, indptr, indices):  # type: ignore[no-untyped-def]
    for q in range(item_idx.shape[0]):
        for rank in range(item_idx.shape[1]):
            item, low, high = item_idx[q, rank], np.int64(indptr[q]), np.int64(indptr[q + 1])
            while low < high:
                middle = (low + high) // 2
                if indices[middle] < item:
                    low = middle + 1
                else:
                    high = middle
            out[q, rank] = low if low < indptr[q + 1] and indices[low] == item else -1


@numba.njit(cache=True, nogil=True)
def _ideal_gain(out, indptr, data, discount):  # type: ignore[no-untyped-def]
    for q in range(len(out)):
        best = np.sort(data[indptr[q] : indptr[q + 1]])[::-1]
        for rank in range(min(len(best), len(discount))):
            out[q] += best[rank] * discount[rank]
