"""Two rungs' lists as one, by reciprocal rank (Cormack et al. 2009): ranks need no common scale."""

from __future__ import annotations

from collections.abc import Mapping

import numba
import numpy as np

from recommender.names import DEEPEST
from recommender.ranking.lists import FALLBACK, NO_ITEM, RUNG, Lists

WEIGHT = 1 / 3  # of the second list: the rung that serves counts double
RANK_OFFSET = 10  # added to ranks: the smaller, the more the first entries of a list say
DEPTH = DEEPEST  # entries of each list that have a rank, so that what serves is what validation measured

Setting = tuple[str, int]  # a rung and which of its settings


def blended(first: Lists, second: Lists, k: int) -> Lists:
    """The k best by the sum of weight / (RANK_OFFSET + rank) over both lists, then the rest of the first in its order.

    Only the first ``DEPTH`` entries have a rank, and of them those that a rung filled itself. The score is that sum, 0
    for the rest, NaN for what completes ``first``. The list is as long as ``first`` was.
    """
    shape = (len(first.item_idx), min(k, first.width))
    item, score, source = np.empty(shape, np.int64), np.empty(shape, np.float32), np.empty(shape, np.int8)
    _blend(first.item_idx, first.source_code, second.item_idx, second.source_code, item, score, source)
    return Lists(item, score, source)


def routed(lists: Mapping[Setting, Lists], rung_of_row: np.ndarray, settings: Mapping[str, int]) -> Lists:
    """Each row's list of the rung that serves it. rung_of_row: str (n,); settings: rung -> setting."""
    names = np.unique(rung_of_row)
    out = lists[names[0], settings[names[0]]]
    for name in names[1:]:
        rows = np.flatnonzero(rung_of_row == name)
        out = out.put(rows, lists[name, settings[name]].take(rows))
    return out


@numba.njit(cache=True, nogil=True)
def _blend(item_a, source_a, item_b, source_b, item, score, source):  # type: ignore[no-untyped-def]
    """Collects each row's items in the order of the lists, so that of equals the first list's comes first."""
    n_a, n_b, k = item_a.shape[1], item_b.shape[1], item.shape[1]
    pooled, weight = np.empty(2 * DEPTH, np.int64), np.empty(2 * DEPTH, np.float32)
    for q in range(item.shape[0]):
        n = 0
        for j in range(min(n_a, DEPTH)):
            if source_a[q, j] == RUNG:
                pooled[n], weight[n] = item_a[q, j], (1 - WEIGHT) / (RANK_OFFSET + j + 1)
                n += 1
        n_first = n
        for j in range(min(n_b, DEPTH)):
            if source_b[q, j] != RUNG:
                continue
            at = 0
            while at < n_first and pooled[at] != item_b[q, j]:
                at += 1
            if at == n_first:
                pooled[n], weight[n] = item_b[q, j], 0.0
                at, n = n, n + 1
            weight[at] += WEIGHT / (RANK_OFFSET + j + 1)
        shown = min(n, k)
        order = np.argsort(-weight[:n], kind="mergesort")
        for place in range(shown):
            item[q, place], score[q, place], source[q, place] = pooled[order[place]], weight[order[place]], RUNG
        for j in range(n_a):
            if shown == k:
                break
            known = source_a[q, j] != RUNG and source_a[q, j] != FALLBACK
            for at in range(n):
                known |= pooled[at] == item_a[q, j]
            if not known:
                item[q, shown], source[q, shown] = item_a[q, j], source_a[q, j]
                score[q, shown] = 0.0 if source_a[q, j] == RUNG else np.nan
                shown += 1
        item[q, shown:], score[q, shown:], source[q, shown:] = -1, np.nan, NO_ITEM
