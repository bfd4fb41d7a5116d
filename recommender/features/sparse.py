"""Products of sparse rows whose result is dense, or wanted for some pairs or groups only.

SciPy's product of two sparse matrices builds a sparse one; scores are dense, so most of its time goes
into bookkeeping that nobody needs.
"""

from __future__ import annotations

import numba
import numpy as np
import scipy.sparse as sp


def add_products(out: np.ndarray, rows: sp.csr_matrix, columns: sp.csr_matrix) -> None:
    """Adds ``rows @ columns`` to ``out``.

    out: float32 (n, m); rows: float32 csr (n, width); columns: float32 csr (width, m), a transpose made
    once and used for every batch.
    """
    _add_products(out, rows.indptr, rows.indices, rows.data, columns.indptr, columns.indices, columns.data)


def transpose(rows: sp.csr_matrix) -> sp.csr_matrix:
    """csr (n, width) -> csr (width, n)."""
    return rows.T.tocsr()


def pair_products(left: sp.csr_matrix, right: sp.csr_matrix, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """``left[i] . right[j]`` of each pair, float32 (n_pairs,); fastest where equal ``i`` stand together.

    left, right: float32 csr of one width; i, j: int64 (n_pairs,).
    """
    out = np.zeros(len(i), np.float32)
    dense = np.zeros(left.shape[1], np.float32)
    _pair_products(out, dense, left.indptr, left.indices, left.data, right.indptr, right.indices, right.data, i, j)
    return out


def add_profile_products(
    out: np.ndarray, history: sp.csr_matrix, rows: sp.csr_matrix, columns: sp.csr_matrix, weights: np.ndarray,
    stated: sp.csr_matrix | None = None,
) -> None:  # fmt: skip
    """Adds ``profile @ columns`` to ``out``. A profile is the sum of the ``rows`` of a history, at length 1 and times
    its weight, plus ``stated``. One pass without a matrix in between: for one query, those cost more than the sums.

    out: float32 (n, m). history: float32 csr (n, n_rows); rows: float32 csr (n_rows, width); columns: float32 csr
    (width, m), a transpose made once. weights: float32 (n,). stated: float32 csr (n, width), weighed already.
    """
    m_indptr, m_indices, m_data = np.zeros(len(out) + 1, rows.indptr.dtype), rows.indices[:0], rows.data[:0]
    if stated is not None:
        m_indptr, m_indices, m_data = stated.indptr, stated.indices, stated.data
    _add_profiles(
        out, history.indptr, history.indices, history.data, rows.indptr, rows.indices, rows.data,
        np.ascontiguousarray(weights), m_indptr, m_indices, m_data, columns.indptr, columns.indices, columns.data,
    )  # fmt: skip


def scaled(rows: sp.csr_matrix, weights: np.ndarray) -> sp.csr_matrix:
    """``rows``, each times its weight; weights: (n,) of the same type. Entries stand in reverse order, as in SciPy's
    product with a diagonal matrix, so that sums over them keep their last bit."""
    indices, data = np.empty_like(rows.indices), np.empty_like(rows.data)
    _scaled(rows.indptr, rows.indices, rows.data, weights, indices, data)
    return sp.csr_matrix((data, indices, rows.indptr), shape=rows.shape)


def similarity_within(rows: sp.csr_matrix, groups: np.ndarray) -> np.ndarray:
    """Sum of the cosines of all ordered pairs of different members of each group, float64 (n_groups,).

    rows: csr (n, width); an empty one is like nothing. groups: int64 (n_groups, size), rows; -1: no member.
    """
    out = np.zeros(len(groups))
    _similarity_within(out, np.zeros(rows.shape[1]), groups, rows.indptr, rows.indices, rows.data)
    return out


@numba.njit(cache=True, nogil=True)
def _similarity_within(out, dense, groups, indptr, indices, data):  # type: ignore[no-untyped-def]
    """The squared length of the sum of unit rows is the sum over all pairs; each row with itself gives 1."""
    for g in range(len(groups)):
        itself = 0
        for row in groups[g]:
            if row < 0 or indptr[row] == indptr[row + 1]:
                continue
            square = 0.0
            for at in range(indptr[row], indptr[row + 1]):
                square += data[at] * data[at]
            if square == 0:
                continue
            itself += 1
            for at in range(indptr[row], indptr[row + 1]):
                dense[indices[at]] += data[at] / np.sqrt(square)
        total = 0.0
        for row in groups[g]:
            if row < 0:
                continue
            for at in range(indptr[row], indptr[row + 1]):
                total += dense[indices[at]] ** 2
                dense[indices[at]] = 0
        out[g] = total - itself


@numba.njit(cache=True, nogil=True)
def _scaled(indptr, indices, data, weights, out_indices, out_data):  # type: ignore[no-untyped-def]
    for row in range(len(indptr) - 1):
        first, last = indptr[row], indptr[row + 1]
        for n in range(last - first):
            out_indices[first + n], out_data[first + n] = indices[last - 1 - n], weights[row] * data[last - 1 - n]


@numba.njit(cache=True, nogil=True)
def _add_products(out, indptr, indices, data, c_indptr, c_indices, c_data):  # type: ignore[no-untyped-def]
    """Places that cannot be negative need no check for it, a third of the time."""
    flat, width = out.reshape(-1), np.uint64(out.shape[1])
    for q in range(len(indptr) - 1):
        begin = np.uint64(q) * width
        for at in range(indptr[q], indptr[q + 1]):
            value, feature = data[at], indices[at]
            for c in range(np.uint64(c_indptr[feature]), np.uint64(c_indptr[feature + 1])):
                flat[begin + np.uint64(c_indices[c])] += value * c_data[c]


@numba.njit(cache=True, nogil=True)
def _add_profiles(  # type: ignore[no-untyped-def]
    out, h_indptr, h_indices, h_data, indptr, indices, data, weights, m_indptr, m_indices, m_data, c_indptr, c_indices,
    c_data,
):  # fmt: skip
    width = len(c_indptr) - 1
    dense, there, features = np.zeros(width, np.float32), np.zeros(width, np.bool_), np.empty(width, np.int64)
    for q in range(len(h_indptr) - 1):
        n = 0  # features of this profile, in the order in which they came
        for entry in range(h_indptr[q], h_indptr[q + 1]):
            for at in range(indptr[h_indices[entry]], indptr[h_indices[entry] + 1]):
                feature = indices[at]
                if not there[feature]:
                    there[feature], features[n] = True, feature
                    n += 1
                dense[feature] += h_data[entry] * data[at]
        square = 0.0
        for feature in features[:n]:
            square += np.float64(dense[feature]) ** 2
        for feature in features[:n]:
            unit = np.float32(dense[feature] / np.sqrt(square)) if square > 0 else np.float32(0)
            dense[feature] = unit * weights[q]
        for at in range(m_indptr[q], m_indptr[q + 1]):
            feature = m_indices[at]
            if not there[feature]:
                there[feature], features[n] = True, feature
                n += 1
            dense[feature] += m_data[at]
        for feature in features[:n]:
            value = dense[feature]
            for c in range(c_indptr[feature], c_indptr[feature + 1]):
                out[q, c_indices[c]] += value * c_data[c]
            dense[feature], there[feature] = 0, False


@numba.njit(cache=True, nogil=True)
def _pair_products(out, dense, indptr, indices, data, r_indptr, r_indices, r_data, i, j):  # type: ignore[no-untyped-def]
    spread = -1  # the row of ``left`` that stands in ``dense``
    for pair in range(len(i)):
        if i[pair] != spread:
            if spread >= 0:
                for at in range(indptr[spread], indptr[spread + 1]):
                    dense[indices[at]] = 0
            spread = i[pair]
            for at in range(indptr[spread], indptr[spread + 1]):
                dense[indices[at]] += data[at]
        total = np.float32(0)
        for at in range(r_indptr[j[pair]], r_indptr[j[pair] + 1]):
            total += dense[r_indices[at]] * r_data[at]
        out[pair] = total
