"""The k best of each row: exact, deterministic, complete. Nearly all of the time of a recommendation is here."""

from __future__ import annotations

import numba
import numpy as np

from recommender.ranking.lists import FALLBACK, NO_ITEM, RUNG, Lists


def top_k(scores: np.ndarray, mask: np.ndarray, order: np.ndarray, k: int) -> Lists:
    """Each row's k best.

    scores: float32 (n, n_items); NaN = the rung cannot tell. mask: bool (n, n_items), eligible.
    order: int64 (n_items,), item rows in the fallback order: it ranks what has no score, after
    everything that has one, and breaks ties. Entries that no eligible item is left for hold -1.
    """
    n = len(scores)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    item, score, source = np.empty((n, k), np.int64), np.empty((n, k), np.float32), np.empty((n, k), np.int8)
    rows = np.ascontiguousarray(scores, np.float32), np.ascontiguousarray(mask)  # the loop reads them as one line
    _top_k(*rows, place, order, item, score, source)
    return Lists(item, score, source)


_BLOCK = np.uint64(64)  # scores that are looked through at once
_LANES = 4  # for each of the k best: how many lanes the items are dealt to


@numba.njit(cache=True, nogil=True)
def _top_k(scores, mask, place, order, item, score, source):  # type: ignore[no-untyped-def]
    """Keeps each row's k best so far sorted, and inserts into them what is not below ``worst``."""
    n_items, k = scores.shape[1], item.shape[1]
    flat, eligible = scores.reshape(-1), mask.reshape(-1)
    width = 64
    while width < _LANES * k:
        width *= 2
    best, top = np.empty(width, np.float32), np.empty(k, np.float32)
    for q in range(scores.shape[0]):
        filled, worst = 0, np.float32(-np.inf)
        if n_items >= _LANES * width:
            worst = _lower_bound(flat, eligible, np.uint64(q) * np.uint64(n_items), np.uint64(n_items), best, top)
        for start in range(0, n_items, 64):
            stop = min(start + 64, n_items)
            if stop - start == 64 and _all_below(flat, q * n_items + start, worst):
                continue
            for i in range(start, stop):
                s = scores[q, i]
                if not (s >= worst and mask[q, i]):  # NaN: the rung cannot tell
                    continue
                if filled < k:
                    filled += 1
                elif s == worst and place[i] > place[item[q, k - 1]]:
                    continue
                at = filled - 1
                while at > 0:
                    above = score[q, at - 1]
                    if above > s or (above == s and place[item[q, at - 1]] < place[i]):
                        break
                    score[q, at], item[q, at] = above, item[q, at - 1]
                    at -= 1
                score[q, at], item[q, at] = s, i
                if filled == k:
                    worst = score[q, k - 1]
        source[q, :filled] = RUNG
        j = 0
        while filled < k and j < n_items:
            i = order[j]
            if mask[q, i] and np.isnan(scores[q, i]):
                item[q, filled], score[q, filled], source[q, filled] = i, np.nan, FALLBACK
                filled += 1
            j += 1
        item[q, filled:], score[q, filled:], source[q, filled:] = -1, np.nan, NO_ITEM


@numba.njit(cache=True, nogil=True, inline="always")
def _lower_bound(flat, eligible, begin, n_items, best, top):  # type: ignore[no-untyped-def]
    """What the k best of a row are not below: items are dealt to lanes, and the k best lanes hold k items at least.

    best, top: room for the best score of each lane, and for the k best of those. Few items then are inserted.
    """
    width = np.uint64(len(best))
    best[:] = -np.inf
    for round in range(n_items // width):
        first = begin + np.uint64(round) * width
        for lane in range(width):
            better = (flat[first + lane] > best[lane]) & eligible[first + lane]
            best[lane] = flat[first + lane] if better else best[lane]
    top[:] = -np.inf
    for s in best:
        at = len(top) - 1
        if s > top[at]:
            while at > 0 and top[at - 1] < s:
                top[at] = top[at - 1]
                at -= 1
            top[at] = s
    return top[-1]


@numba.njit(cache=True, nogil=True, inline="always")
def _all_below(flat, start, worst):  # type: ignore[no-untyped-def]
    """Whether the scores of a block are all below ``worst`` or NaN. Unsigned places, so that it runs on vectors."""
    n, begin = np.int32(0), np.uint64(start)
    for at in range(_BLOCK):
        n += np.int32(flat[begin + np.uint64(at)] >= worst)
    return n == 0
