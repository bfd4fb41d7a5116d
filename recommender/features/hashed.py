"""Texts and values as counts of hashed tokens (Weinberger et al. 2009).

Tokens, hash and columns are those of scikit-learn's ``HashingVectorizer`` and ``FeatureHasher`` without signs, which
``tests/unit/features/test_hashed.py`` compares; these make an object of each piece of a word, and take most of a second
to import, which one served list would wait for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numba
import numpy as np
import scipy.sparse as sp

TEXT_BITS, TOKEN_BITS = 17, 14
_WORD = re.compile(r"\b\w\w+\b")
_SPACE = np.uint8(32)
_Kernel = Callable[[np.ndarray, np.ndarray, int, np.ndarray, np.ndarray], None]


def text_counts(texts: Sequence[str]) -> sp.csr_matrix:
    """Words of two letters and more with pairs of neighbours, then pieces of 3 and 4 letters within words (a blank
    before and after each): float32 csr (n, 2 * 2**TEXT_BITS)."""
    lower = [text.lower() for text in texts]
    words = _counted([" ".join(_WORD.findall(text)) for text in lower], _words, 2**TEXT_BITS)
    pieces = _counted([f" {' '.join(text.split())} " for text in lower], _pieces, 2**TEXT_BITS)
    return sp.hstack([words, pieces], format="csr")


def value_counts(lists: Sequence[Sequence[str]]) -> sp.csr_matrix:
    """Each value of each list: float32 csr (n, 2**TOKEN_BITS)."""
    columns = _counted([value for values in lists for value in values], _whole, 2**TOKEN_BITS).indices
    indptr = np.append(0, np.cumsum([len(values) for values in lists]))
    return _matrix(columns, indptr, 2**TOKEN_BITS)


def _counted(texts: Sequence[str], kernel: _Kernel, width: int) -> sp.csr_matrix:
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
    data = np.frombuffer(b"".join(encoded), np.uint8)
    indptr, column = np.zeros(len(texts) + 1, np.int64), np.empty(2 * len(data) + len(texts), np.int32)
    kernel(data, ends, width, indptr, column)
    return _matrix(column[: indptr[-1]], indptr, width)


def _matrix(column: np.ndarray, indptr: np.ndarray, width: int) -> sp.csr_matrix:
    counts = sp.csr_matrix((np.ones(len(column), np.float32), column, indptr), shape=(len(indptr) - 1, width))
    counts.sum_duplicates()
    return counts


@numba.njit(cache=True, nogil=True)
def _whole(data, ends, width, indptr, column):  # type: ignore[no-untyped-def]
    begin = 0
    for row in range(len(ends)):
        column[row] = _column(data, begin, ends[row], width)
        begin = indptr[row + 1] = ends[row]
        indptr[row + 1] = row + 1


@numba.njit(cache=True, nogil=True)
def _words(data, ends, width, indptr, column):  # type: ignore[no-untyped-def]
    """Words stand with one blank between, so a pair of neighbours is a stretch of the text too."""
    n = begin = 0
    for row in range(len(ends)):
        before = start = begin
        for at in range(begin, ends[row]):
            last = at + 1 == ends[row]
            if last or data[at] == _SPACE:
                stop = at + 1 if last else at
                column[n] = _column(data, start, stop, width)
                n += 1
                if start > begin:
                    column[n] = _column(data, before, stop, width)
                    n += 1
                before, start = start, stop + 1
        begin = ends[row]
        indptr[row + 1] = n


@numba.njit(cache=True, nogil=True)
def _pieces(data, ends, width, indptr, column):  # type: ignore[no-untyped-def]
    """A piece of ``size`` letters starts at each letter of a word and at the blank before it, and ends at the blank
    after it at most. Letters may have several bytes: those but the first are 10xxxxxx."""
    n = begin = 0
    for row in range(len(ends)):
        for start in range(begin, ends[row] - 1):
            if data[start] & 0xC0 == 0x80:
                continue
            letters, at = 1, start + 1
            while at < ends[row] and letters < 5:
                if data[at] & 0xC0 != 0x80:
                    if letters >= 3:
                        column[n] = _column(data, start, at, width)
                        n += 1
                    if letters > 1 and data[at - 1] == _SPACE:
                        break
                    letters += 1
                at += 1
            if at == ends[row] and 3 <= letters < 5:
                column[n] = _column(data, start, at, width)
                n += 1
        begin = ends[row]
        indptr[row + 1] = n


@numba.njit(cache=True, nogil=True)
def _column(data, start, stop, width):  # type: ignore[no-untyped-def]
    """MurmurHash3 (Appleby, x86, 32 bits, seed 0) of the bytes as a signed number; its size modulo the width."""
    h = np.uint32(0)
    n = stop - start
    for block in range(n // 4):
        at = start + 4 * block
        k = np.uint32(0)
        for byte in range(4):
            k |= np.uint32(np.uint32(data[at + byte]) << np.uint32(8 * byte))
        h ^= _mixed(k)
        h = np.uint32((h << np.uint32(13)) | (h >> np.uint32(19)))
        h = np.uint32(h * np.uint32(5) + np.uint32(0xE6546B64))
    k = np.uint32(0)
    for byte in range(n % 4):
        k |= np.uint32(np.uint32(data[stop - n % 4 + byte]) << np.uint32(8 * byte))
    h = np.uint32(h ^ _mixed(k)) ^ np.uint32(n)
    h = np.uint32((h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B))
    h = np.uint32((h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35))
    signed = np.int64(np.int32(h ^ (h >> np.uint32(16))))
    return abs(signed) % width


@numba.njit(cache=True, nogil=True)
def _mixed(k):  # type: ignore[no-untyped-def]
    k = np.uint32(k * np.uint32(0xCC9E2D51))
    k = np.uint32((k << np.uint32(15)) | (k >> np.uint32(17)))
    return np.uint32(k * np.uint32(0x1B873593))
