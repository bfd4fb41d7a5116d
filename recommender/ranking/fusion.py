"""Two rungs' lists as one, by reciprocal rank (Cormack et al. 2009): ranks need no common scale."""

from __future__ import annotations

from collections.abc import Mapping

import numba
import numpy as np

from recommender.names import DEEPEST
from recommender.ranking.recommend import Lists
from recommender.ranking.topk import FALLBACK, NOTHING, OWN

WEIGHT = 1 / 3  # of the second list: the rung that serves counts double


HEAD = 10  # added to ranks: the smaller, the more the first places of a list say


DEPTH = DEEPEST  # places of each list that have a rank, so that what serves is what validation measured


Setting = tuple[str, int]  # a rung and which of its settings


def kept(lists: Lists, rows: np.ndarray) -> Lists:
    """The lists of these rows without their scores, in a third of the memory."""
    item = lists.item_idx[rows, :DEPTH].astype(np.int32)
    return Lists(item, np.broadcast_to(np.float32(np.nan), item.shape), lists.why[rows, :DEPTH])


def blended(first: Lists, second: Lists, k: int) -> Lists:
    """The k best by the sum of weight / (HEAD + rank) over both lists, then the rest of the first in its order.

    Only the first ``DEPTH`` places have a rank, and of them those that a rung filled itself. The score is that sum, 0
    for the rest, NaN for what completes ``first``. The list is as long as ``first`` was.
    """
    shape = (len(first.item_idx), min(k, first.item_idx.shape[1]))
    item, score, why = np.empty(shape, np.int64), np.empty(shape, np.float32), np.empty(shape, np.int8)
    _blend(first.item_idx, first.why, second.item_idx, second.why, item, score, why)
    return Lists(item, score, why)


def routed(lists: Mapping[Setting, Lists], served: np.ndarray, settings: Mapping[str, int]) -> Lists:
    """Each row's list of the rung that serves it. served: str (n,), n rows as in the lists."""
    names, pick = np.unique(served, return_inverse=True)
    parts, at = [lists[name, settings[name]] for name in names], np.arange(len(served))
    return Lists(*(np.stack([getattr(p, f) for p in parts])[pick, at] for f in ("item_idx", "score", "why")))


def rows_of(lists: Lists, rows: np.ndarray) -> Lists:
    return Lists(lists.item_idx[rows], lists.score[rows], lists.why[rows])


@numba.njit(cache=True, nogil=True)
def _blend(item_a, why_a, item_b, why_b, item, score, why):  # type: ignore[no-untyped-def]
    """Collects each row's items in the order of the lists, so that of equals the first list's comes first."""
    n_a, n_b, k = item_a.shape[1], item_b.shape[1], item.shape[1]
    found, worth = np.empty(2 * DEPTH, np.int64), np.empty(2 * DEPTH, np.float32)
    for q in range(item.shape[0]):
        n = 0
        for j in range(min(n_a, DEPTH)):
            if why_a[q, j] == OWN:
                found[n], worth[n] = item_a[q, j], (1 - WEIGHT) / (HEAD + j + 1)
                n += 1
        own = n
        for j in range(min(n_b, DEPTH)):
            if why_b[q, j] != OWN:
                continue
            at = 0
            while at < own and found[at] != item_b[q, j]:
                at += 1
            if at == own:
                found[n], worth[n] = item_b[q, j], 0.0
                at, n = n, n + 1
            worth[at] += WEIGHT / (HEAD + j + 1)
        shown = min(n, k)
        order = np.argsort(-worth[:n], kind="mergesort")
        for place in range(shown):
            item[q, place], score[q, place], why[q, place] = found[order[place]], worth[order[place]], OWN
        for j in range(n_a):
            if shown == k:
                break
            known = why_a[q, j] != OWN and why_a[q, j] != FALLBACK
            for at in range(n):
                known |= found[at] == item_a[q, j]
            if not known:
                item[q, shown], why[q, shown] = item_a[q, j], why_a[q, j]
                score[q, shown] = 0.0 if why_a[q, j] == OWN else np.nan
                shown += 1
        item[q, shown:], score[q, shown:], why[q, shown:] = -1, np.nan, NOTHING
