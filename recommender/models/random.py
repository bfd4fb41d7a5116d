"""Random scores: the control that every other rung must beat."""

from __future__ import annotations

from typing import Self

import numpy as np

from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries


class Random:
    """A fixed pseudo-random score for each (seed, user, item), whatever the batch or the process."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, train: Dataset) -> Self:
        return self

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        users = queries.users.id_hash + np.uint64(self.seed * 0x9E3779B97F4A7C15 % 2**64)
        mixed = _mix(_mix(users)[:, None] ^ items.id_hash[None, :])
        return (mixed >> np.uint64(40)).astype(np.float32) / np.float32(2**24)


def _mix(x: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser (Steele et al. 2014): every input bit changes every output bit."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))
