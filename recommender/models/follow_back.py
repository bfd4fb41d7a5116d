"""Follow back: members who have linked to the asking member, the latest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp

from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.models.neighbours import latest_links, of_candidates
from recommender.models.space import Space
from recommender.models.vocabulary import ids_only


@dataclass(eq=False)
class FollowBack:
    """1 / (1 + days since the link) for each member who has linked to the asking member, by the end of training.

    Most directed networks are reciprocal: a follow, a message or a rating is answered (Garlaschelli & Loffredo 2004).
    It serves members who have linked to nobody yet. In a symmetric relation every link is answered at once, so there is
    nobody to score.

    NaN: whoever has not linked to the asking member, whom it has already, and itself; everything where the items are
    not users.
    """

    colour = "#DDCC77"
    person_days = (0.5, 1)
    needs_interactions = True
    needs_relation = True
    needs_direction = True
    uses_times = True
    space: ClassVar[Space] = {}

    def fit(self, train: Dataset) -> Self:
        self.items_ = ids_only(train.items)
        links = latest_links(train, 1 / (1 + train.age_days))
        self.back_ = sp.csr_matrix(links.T)
        return self

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        asking = self.items_.lookup(queries.ids)
        known = np.flatnonzero(asking >= 0)
        to_row = sp.csr_matrix(
            (np.ones(len(known), np.float32), (known, asking[known])), shape=(len(queries), len(self.items_))
        )
        return of_candidates(to_row @ self.back_, queries, items, self.items_)
