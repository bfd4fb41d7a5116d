"""Scores -> lists. Batching, ties, completion and the memory bound live here only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender.config import Eligibility, Scoring
from recommender.data.dataset import Dataset, Table
from recommender.models.base import Recommender
from recommender.policies import eligible
from recommender.query import Queries

NOTHING, FALLBACK, OWN, NEW = range(4)  # why an item is in a list
_BYTES_PER_SCORE = 40  # scores, mask, and two keys of eight bytes, with room for a model's own temporaries


@dataclass(frozen=True)
class Lists:
    """One list per query, best first; shorter ones padded."""

    item_idx: np.ndarray  # int64 (n_queries, k); -1 = no eligible item left
    score: np.ndarray  # float32 (n_queries, k); NaN where the rung could not tell
    why: np.ndarray  # int8 (n_queries, k): NOTHING, FALLBACK, OWN (the rung's) or NEW (a slot for new items)


def recommend(
    model: Recommender,
    queries: Queries,
    items: Table,
    k: int,
    rules: Eligibility,
    scoring: Scoring,
    fallback: np.ndarray,
    allowed: np.ndarray | None = None,
) -> Lists:
    """The k best eligible items of each query.

    Items with a finite score come first, then the list is completed in the ``fallback`` order (int64
    (n_items,), item rows best first), which also breaks ties. Returns fewer than k only where fewer
    are eligible.
    """
    k = min(k, len(items))
    size = batch_size(len(items), scoring.memory_mb)
    parts = []
    for start in range(0, len(queries), size):
        batch = queries.take(np.arange(start, min(start + size, len(queries))))
        mask = eligible(batch, items, rules, allowed)
        parts.append(top_k(model.score(batch, items), mask, fallback, k))
    if not parts:
        empty = np.zeros((0, k))
        return Lists(empty.astype(np.int64), empty.astype(np.float32), empty.astype(np.int8))
    return Lists(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def batch_size(n_items: int, memory_mb: int) -> int:
    """Queries scored at once. More than 128 gains nothing: the batch then leaves the cache."""
    return int(np.clip(memory_mb * 2**20 // (max(n_items, 1) * _BYTES_PER_SCORE), 1, 128))


def top_k(scores: np.ndarray, mask: np.ndarray, order: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Item rows, scores and reasons, each (n, k), best first; exact and deterministic.

    One 64-bit key per item holds both the score (as an unsigned integer that sorts like the float;
    0 = not eligible, 1 = no score) and the place in ``order``, so that a plain partition of
    integers ranks, breaks ties and completes at once.
    """
    n = scores.shape[1]
    scores = scores + np.float32(0)  # turns -0 into 0
    bits = scores.view(np.uint32)
    rank = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    rank[np.isnan(scores)] = 1
    rank[~mask] = 0
    place = np.empty(n, np.uint64)
    place[order] = np.arange(n - 1, -1, -1, dtype=np.uint64)
    keys = rank.astype(np.uint64)
    keys <<= np.uint64(32)
    keys |= place
    if k < n:
        keys = np.partition(keys, n - k, axis=1)[:, n - k :]
    keys = np.sort(keys, axis=1)[:, ::-1]
    rank = keys >> np.uint64(32)
    item = order[n - 1 - (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)]
    why = np.where(rank > 1, OWN, np.where(rank == 1, FALLBACK, NOTHING)).astype(np.int8)
    score = np.where(why == OWN, np.take_along_axis(scores, item, axis=1), np.float32(np.nan))
    return np.where(why == NOTHING, -1, item), score.astype(np.float32), why


def fallback_order(train: Dataset, items: Table, editorial: str | None = None) -> np.ndarray:
    """Rows of ``items``, best first: recent popularity, then the ``editorial`` column (lowest first,
    null last), then newest by stated availability, then by hash.

    Recent = half-life of a tenth of the training period. The row order of the items table must not
    matter (it may tell when an item was first used), hence the hash of the id at the end.
    """
    ages = train.age_days
    half_life = max(float(ages.max(initial=0)) / 10, 1e-9)
    popularity = np.bincount(train.item_idx, weights=0.5 ** (ages / half_life), minlength=len(train.items))
    own = train.items.lookup(items.ids)
    known = np.concatenate([popularity, [0.0]])[own]  # -1, unknown, reads the zero at the end
    newest = items.times("available_from")
    pinned = np.full(len(items), np.inf)
    if editorial is not None and editorial in items.frame.columns:
        pinned = items.frame[editorial].cast(float).fill_null(np.inf).to_numpy()
    return np.lexsort((items.id_hash, -newest.astype(float), pinned, -known))
