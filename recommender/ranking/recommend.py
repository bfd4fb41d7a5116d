"""Scores -> lists. Batching, ties, completion and the memory bound live here only."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl

from recommender.config import Eligibility, Scoring
from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.errors import ConfigError
from recommender.models.base import Recommender
from recommender.ranking.eligibility import eligible
from recommender.ranking.topk import top_k

_BYTES_PER_SCORE = 40  # scores, mask, and two keys of eight bytes, with room for a model's own temporaries


@dataclass(frozen=True)
class Lists:
    """One list per query, best first; shorter ones padded."""

    item_idx: np.ndarray  # int64 (n_queries, k); -1 = no eligible item left
    score: np.ndarray  # float32 (n_queries, k); NaN where the rung could not tell
    why: np.ndarray  # int8 (n_queries, k): NOTHING, FALLBACK, OWN (the rung's), NEW (a slot for new items) or PINNED


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
    size = batch_size(len(items), scoring.memory_mb // scoring.workers)

    def batch(start: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        part = queries.take(np.arange(start, min(start + size, len(queries))))
        return top_k(model.score(part, items), eligible(part, items, rules, allowed), fallback, k)

    starts = range(0, len(queries), size)
    if not starts:
        empty = np.zeros((0, k))
        return Lists(empty.astype(np.int64), empty.astype(np.float32), empty.astype(np.int8))
    # The first batch alone: it fills what models remember of the items, which threads would all make.
    parts = [batch(starts[0])]
    with ThreadPoolExecutor(scoring.workers) as pool:
        parts += pool.map(batch, starts[1:])
    return Lists(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def batch_size(n_items: int, memory_mb: int) -> int:
    """Queries scored at once. More than 128 gains nothing: the batch then leaves the cache."""
    return int(np.clip(memory_mb * 2**20 // (max(n_items, 1) * _BYTES_PER_SCORE), 1, 128))


def fallback_order(train: Dataset, items: Table, editorial: str | None = None) -> np.ndarray:
    """Rows of ``items``, best first: recent popularity, then the ``editorial`` column (lowest first,
    null last), then newest by stated availability, then by hash.

    Recent = half-life of a tenth of the training period. The row order of the items table must not
    matter (it may tell when an item was first used), hence the hash of the id at the end.
    Raises ConfigError where there is no such numeric column.
    """
    ages = train.age_days
    half_life = max(float(ages.max(initial=0)) / 10, 1e-9)
    popularity = np.bincount(train.item_idx, weights=0.5 ** (ages / half_life), minlength=len(train.items))
    own = train.items.lookup(items.ids)
    known = np.concatenate([popularity, [0.0]])[own]  # -1, unknown, reads the zero at the end
    newest = items.times("available_from")
    pinned = np.full(len(items), np.inf)
    if editorial is not None:
        if editorial not in items.frame.columns or not items.frame[editorial].dtype.is_numeric():
            raise ConfigError(f"eligibility.editorial_column: items have no numeric column '{editorial}'.")
        pinned = items.frame[editorial].cast(pl.Float64).fill_null(np.inf).to_numpy()
    return np.lexsort((items.id_hash, -newest.astype(float), pinned, -known))
