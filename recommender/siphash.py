"""SipHash-2-4 (Aumasson & Bernstein 2012) of texts, under the key that pandas uses for its hashes."""

from __future__ import annotations

import numba
import numpy as np
import polars as pl

_KEY = np.frombuffer(b"0123456789123456", np.uint64)
_START = np.array([0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573], np.uint64)
_STATE = _START ^ np.tile(_KEY, 2)


def of_texts(texts: pl.Series) -> np.ndarray:
    """uint64 (n,), the hash of the UTF-8 bytes of each text. texts: String without nulls."""
    out = np.empty(len(texts), np.uint64)
    data = np.frombuffer("".join(texts.to_list()).encode(), np.uint8)
    _hashes(data, texts.str.len_bytes().cast(pl.Int64).cum_sum().to_numpy(), _STATE, out)
    return out


@numba.njit(cache=True, nogil=True)
def _hashes(data, ends, state, out):  # type: ignore[no-untyped-def]
    begin = 0
    for row in range(len(ends)):
        v0, v1, v2, v3 = state[0], state[1], state[2], state[3]
        n = ends[row] - begin
        for start in range(begin, begin + n - n % 8, 8):
            word = np.uint64(0)
            for at in range(8):
                word |= np.uint64(data[start + at]) << np.uint64(8 * at)
            v3 ^= word
            v0, v1, v2, v3 = _round(v0, v1, v2, v3)
            v0, v1, v2, v3 = _round(v0, v1, v2, v3)
            v0 ^= word
        word = np.uint64(n & 255) << np.uint64(56)
        for at in range(n % 8):
            word |= np.uint64(data[ends[row] - n % 8 + at]) << np.uint64(8 * at)
        v3 ^= word
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        v0 ^= word
        v2 ^= np.uint64(255)
        for _ in range(4):
            v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        out[row] = v0 ^ v1 ^ v2 ^ v3
        begin = ends[row]


@numba.njit(cache=True, nogil=True, inline="always")
def _round(v0, v1, v2, v3):  # type: ignore[no-untyped-def]
    v0 += v1
    v1 = ((v1 << np.uint64(13)) | (v1 >> np.uint64(51))) ^ v0
    v0 = (v0 << np.uint64(32)) | (v0 >> np.uint64(32))
    v2 += v3
    v3 = ((v3 << np.uint64(16)) | (v3 >> np.uint64(48))) ^ v2
    v0 += v3
    v3 = ((v3 << np.uint64(21)) | (v3 >> np.uint64(43))) ^ v0
    v2 += v1
    v1 = ((v1 << np.uint64(17)) | (v1 >> np.uint64(47))) ^ v2
    v2 = (v2 << np.uint64(32)) | (v2 >> np.uint64(32))
    return v0, v1, v2, v3
