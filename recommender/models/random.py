"""Random scores: the control that every other rung must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.hashing import GOLDEN, mixed
from recommender.models.space import Space


@dataclass(eq=False)
class Random:
    """A fixed pseudo-random score for each (seed, user, item), whatever the batch or the process."""

    colour = "#9A9A9A"
    person_days = None
    needs_interactions = False
    space: ClassVar[Space] = {}

    seed: int = 0

    def fit(self, train: Dataset) -> Self:
        return self

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        users = queries.users.id_hash + np.uint64(self.seed * int(GOLDEN) % 2**64)
        pairs = mixed(mixed(users)[:, None] ^ items.id_hash[None, :])
        return (pairs >> np.uint64(40)).astype(np.float32) / np.float32(2**24)
