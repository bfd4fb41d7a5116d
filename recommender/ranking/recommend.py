"""Scores to lists: batching, eligibility, ties, completion and the memory bound live here only."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from recommender.config import Scoring
from recommender.data.queries import Queries
from recommender.models.base import Recommender
from recommender.ranking.candidates import Candidates
from recommender.ranking.generator import Generator
from recommender.ranking.lists import Lists
from recommender.ranking.topk import top_k

TOGETHER = 50_000  # items that the generated candidates of one batch are reckoned with
GENERATED_AT_ONCE = 4096  # queries whose candidates are generated together
_BYTES_PER_SCORE = 40  # scores, mask, and two keys of eight bytes, with room for a model's own temporaries


def recommend(model: Recommender, queries: Queries, candidates: Candidates, k: int, scoring: Scoring) -> Lists:
    """The k best eligible items of each query, (n_queries, min(k, n_items)).

    Items with a finite score come first, then the list is completed in the fallback order, which also breaks
    ties. Fewer than k items only where fewer are eligible. Raises ConfigError as ``Candidates.eligible``.
    """
    items = candidates.items
    k = min(k, len(items))
    if candidates.generator is not None:
        return _of_generated(model, queries, candidates, candidates.generator, k, scoring)
    size = batch_size(len(items), scoring.memory_mb // scoring.workers)

    def batch(start: int) -> Lists:
        whole = len(queries) <= size  # one served query must not pay for a copy
        part = queries if whole else queries.take(np.arange(start, min(start + size, len(queries))))
        return top_k(model.score(part, items), candidates.eligible(part), candidates.fallback, k)

    return _in_batches(batch, range(0, len(queries), size), k, scoring)


def _in_batches(batch: Callable[[int], Lists], starts: range, k: int, scoring: Scoring) -> Lists:
    if not starts:
        empty = np.zeros((0, k))
        return Lists(empty.astype(np.int64), empty.astype(np.float32), empty.astype(np.int8))
    # The first batch alone: it fills what is remembered of the items, which all threads would compute otherwise.
    parts = [batch(starts[0])]
    if len(starts) == 1:  # a served query, for which a pool would cost as much as its scores
        return parts[0]
    with ThreadPoolExecutor(scoring.workers) as pool:
        parts += pool.map(batch, starts[1:])
    return Lists.concat(parts)


def _of_generated(
    model: Recommender, queries: Queries, candidates: Candidates, generator: Generator, k: int, scoring: Scoring
) -> Lists:
    """Lists of what is generated, for many queries at once, then scored for few."""
    size = batch_size(TOGETHER, scoring.memory_mb // scoring.workers)
    parts = []
    for begin in range(0, max(len(queries), 1), GENERATED_AT_ONCE):
        batch_queries = queries.take(np.arange(begin, min(begin + GENERATED_AT_ONCE, len(queries))))
        chosen = generator.rows(batch_queries)

        def batch(start: int, batch_queries: Queries = batch_queries, chosen: sp.csr_matrix = chosen) -> Lists:
            rows = np.arange(start, min(start + size, len(batch_queries)))
            return _generated(model, batch_queries.take(rows), candidates, chosen[rows], k)

        parts.append(_in_batches(batch, range(0, len(batch_queries), size), k, scoring))
    return Lists.concat(parts)


def _generated(model: Recommender, queries: Queries, candidates: Candidates, chosen: sp.csr_matrix, k: int) -> Lists:
    """Lists of the generated candidates. The items of all queries of the batch make a small catalogue, in which each
    query is masked to its own."""
    history, seen = queries.history, np.zeros(len(candidates.items), bool)
    seen[chosen.indices] = seen[history.item_idx] = True
    columns, number = np.flatnonzero(seen), np.cumsum(seen) - 1
    few = candidates.at(columns)
    renumbered = replace(queries, history=replace(history, item_idx=number[history.item_idx]))
    mask = np.zeros((len(queries), len(columns)), bool)
    mask[np.repeat(np.arange(len(queries)), np.diff(chosen.indptr)), number[chosen.indices]] = True
    mask &= few.eligible(renumbered)
    lists = top_k(model.score(renumbered, few.items), mask, few.fallback, k)
    return replace(lists, item_idx=np.where(lists.item_idx >= 0, columns[lists.item_idx], -1))


def batch_size(n_items: int, memory_mb: int) -> int:
    """Queries scored at once. More than 128 gains nothing: the batch then leaves the cache."""
    return int(np.clip(memory_mb * 2**20 // (max(n_items, 1) * _BYTES_PER_SCORE), 1, 128))
