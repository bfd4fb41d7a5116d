"""Similar items from counts of pairs: whole numbers, so that no order of users or machines can change a similarity."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
import scipy.sparse as sp

SCALE = 2.0**24  # of weights: a billion users of the rarest taste stay below 2**63
_ROWS = 256  # of a piece of work


@dataclass(frozen=True)
class Rarity:
    """What a user counts for a pair: the square of implicit's idf, log(n_items / (1 + items taken)), as a whole
    number of 1 / ``SCALE``. n_items: of the model."""

    n_items: int

    def weights(self, lengths: np.ndarray) -> np.ndarray:
        """int64, as ``lengths``: how many items each user took."""
        idf = np.log(float(self.n_items)) - np.log1p(lengths)
        return np.asarray(np.rint(idf**2 * SCALE), np.int64)


def counted(taken: sp.csr_matrix, weights: np.ndarray, threads: int, best: Best) -> sp.csr_matrix:
    """``best`` of every item's pairs. taken: users x items, ones. weights: int64 (n_users,), what each user counts."""
    columns = taken.tocsc()
    starts = range(0, taken.shape[1], _ROWS)

    def piece(start: int) -> sp.csr_matrix:
        stop = min(start + _ROWS, taken.shape[1])
        return best.sparse(*_of_taken(
            start, stop, columns.indptr, columns.indices, taken.indptr, taken.indices, weights,
            best.factors, best.K,
        ))  # fmt: skip

    if threads == 1:
        return sp.vstack([piece(start) for start in starts], format="csr")
    with ThreadPoolExecutor(threads) as pool:
        return sp.vstack(list(pool.map(piece, starts)), format="csr")


@dataclass(frozen=True)
class Best:
    """The ``K`` most similar items of each item: a pair's count times both items' ``factors`` (float64 (n_items,)).

    Of equal similarities, in float32, the pair that more users share is first, then the item of the lower number.
    """

    K: int
    factors: np.ndarray

    def of_rows(self, rows: Iterable[tuple[np.ndarray, np.ndarray]]) -> sp.csr_matrix:
        """rows: numbers of items, int64 (m,), with their counts of pairs with all, (m, n_items). Each item once."""
        numbers, pieces = [], []
        for number, counts in rows:
            numbers.append(number)
            pieces.append(self.sparse(*_of_counts(number, counts, self.factors, self.K)))
        return sp.vstack(pieces, format="csr")[np.argsort(np.concatenate(numbers))]

    def sparse(self, lengths: np.ndarray, items: np.ndarray, values: np.ndarray) -> sp.csr_matrix:
        """Rows of float32 similarities, csr (m, n_items). items, values: (m, K), of which the first ``lengths``."""
        there = np.arange(items.shape[1]) < lengths[:, None]
        indptr = np.append(0, np.cumsum(lengths))
        return sp.csr_matrix((values[there], items[there], indptr), shape=(len(lengths), len(self.factors)))


def diagonal(rows: Iterable[tuple[np.ndarray, np.ndarray]], n_items: int) -> np.ndarray:
    """The count of each item with itself, int64 (n_items,). rows: see ``Best.of_rows``."""
    diagonal = np.zeros(n_items, np.int64)
    for number, counts in rows:
        diagonal[number] = counts[np.arange(len(number)), number]
    return diagonal


def dense(rows: Iterable[tuple[np.ndarray, np.ndarray]], n_items: int) -> np.ndarray:
    """All counts of pairs as float32 (n_items, n_items). rows: see ``Best.of_rows``."""
    matrix = np.empty((n_items, n_items), np.float32)
    for number, counts in rows:
        matrix[number] = counts
    return matrix


@numba.njit(cache=True, nogil=True)
def add_pairs(items_of, items, weights, first, step, counts):  # type: ignore[no-untyped-def]
    """Adds ``weights[u]`` to ``counts`` for each pair of items that user u took: rows are every ``step``-th item from
    ``first`` on. items_of, items: int64, csr of users x items. counts: (n_rows, n_items)."""
    for u in range(len(items_of) - 1):
        for at in range(items_of[u], items_of[u + 1]):
            if items[at] % step == first:
                row = counts[items[at] // step]
                for other in range(items_of[u], items_of[u + 1]):
                    row[items[other]] += weights[u]


@numba.njit(cache=True, nogil=True)
def _of_taken(start, stop, users_of, users, items_of, items, weights, factors, k):  # type: ignore[no-untyped-def]
    n = stop - start
    lengths, best, values = np.zeros(n, np.int64), np.zeros((n, k), np.int32), np.zeros((n, k), np.float32)
    counts, met, heap = np.zeros(len(factors), np.int64), np.empty(len(factors), np.int64), np.empty(k, np.int64)
    for i in range(start, stop):
        n_met = n_pairs = 0
        for at in range(users_of[i], users_of[i + 1]):
            n_pairs += items_of[users[at] + 1] - items_of[users[at]]
        if n_pairs > len(factors):  # then to look through all items once costs less than to note which are met
            for at in range(users_of[i], users_of[i + 1]):
                user = users[at]
                weight = weights[user]
                for place in range(items_of[user], items_of[user + 1]):
                    counts[np.uint32(items[np.uint64(place)])] += weight  # unsigned: no place counts from the end
            for j in range(len(factors)):
                if counts[j] != 0:
                    met[n_met] = j
                    n_met += 1
        else:
            for at in range(users_of[i], users_of[i + 1]):
                user = users[at]
                weight = weights[user]
                for place in range(items_of[user], items_of[user + 1]):
                    j = items[place]
                    if counts[j] == 0 and weight != 0:
                        met[n_met] = j
                        n_met += 1
                    counts[j] += weight
        lengths[i - start] = _best(i, met[:n_met], counts, factors, heap, best[i - start], values[i - start])
        for at in range(n_met):
            counts[met[at]] = 0
    return lengths, best, values


@numba.njit(cache=True, nogil=True)
def _of_counts(numbers, rows, factors, k):  # type: ignore[no-untyped-def]
    n = len(numbers)
    lengths, best, values = np.zeros(n, np.int64), np.zeros((n, k), np.int32), np.zeros((n, k), np.float32)
    met, heap = np.empty(len(factors), np.int64), np.empty(k, np.int64)
    counts = np.empty(len(factors), np.int64)
    for row in range(n):
        n_met = 0
        for j in range(len(factors)):
            counts[j] = rows[row, j]
            if counts[j] != 0:
                met[n_met] = j
                n_met += 1
        lengths[row] = _best(numbers[row], met[:n_met], counts, factors, heap, best[row], values[row])
    return lengths, best, values


@numba.njit(cache=True, nogil=True)
def _best(i, met, counts, factors, heap, best, values):  # type: ignore[no-untyped-def]
    """Writes the best of the items ``met``, ascending by number; how many. A heap of the k best, its worst on top."""
    n, worst = 0, np.float32(-np.inf)
    for j in met:
        similarity = np.float32(counts[j] * factors[i] * factors[j])
        if similarity == 0 or similarity < worst:
            continue
        if n < len(heap):
            at = n
            n += 1
            while at > 0 and _better(i, heap[(at - 1) // 2], j, counts, factors):
                heap[at] = heap[(at - 1) // 2]
                at = (at - 1) // 2
            heap[at] = j
        elif _better(i, j, heap[0], counts, factors):
            at = 0
            while 2 * at + 1 < n:
                child = 2 * at + 1
                if child + 1 < n and _better(i, heap[child], heap[child + 1], counts, factors):
                    child += 1
                if not _better(i, j, heap[child], counts, factors):
                    break
                heap[at] = heap[child]
                at = child
            heap[at] = j
        if n == len(heap):
            worst = np.float32(counts[heap[0]] * factors[i] * factors[heap[0]])
    best[:n] = np.sort(heap[:n])
    for at in range(n):
        values[at] = counts[best[at]] * factors[i] * factors[best[at]]
    return n


@numba.njit(cache=True, nogil=True)
def _better(i, a, b, counts, factors):  # type: ignore[no-untyped-def]
    """Whether item ``a`` goes before ``b`` among those similar to ``i``."""
    one, other = np.float32(counts[a] * factors[i] * factors[a]), np.float32(counts[b] * factors[i] * factors[b])
    if one != other:
        return one > other
    if counts[a] != counts[b]:
        return counts[a] > counts[b]
    return a < b
