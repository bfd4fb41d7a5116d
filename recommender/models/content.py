"""Content: items like those the user took, or like what the user says of themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp

from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.features.encoder import FeatureEncoder, unit_rows
from recommender.features.memo import forget, per_row, per_table
from recommender.features.sparse import add_products, transpose
from recommender.features.text import TextAs, require
from recommender.models.base import above, at_least
from recommender.models.space import Float, Space


@dataclass(eq=False)
class Content:
    """Cosine between item rows and a user profile; both are rows of hashed, idf-weighted features.

    A profile is the mean of the history's item rows (half as heavy every ``half_life_positions``
    steps back; None: all alike) plus ``match_weight`` times the user's own columns in the language
    of the item columns that ``match`` pairs them with. So a user without history, and an item
    without interactions, are both served (Pazzani & Billsus 2007; Lops et al. 2011).

    columns: item columns used; None: all with a feature role. text: as hashed words, or as sentence vectors
        (the extra ``text``).
    """

    uses_features = True
    colour = "#44AA99"
    person_days = (2, 4)
    needs_interactions = False
    space: ClassVar[Space] = {
        "half_life_positions": Float(1, 100, log=True, also=(None,), needs_times=True),
        "match_weight": Float(0.05, 5, log=True, also=(0.0,)),
    }
    draws = 4

    columns: Sequence[str] | None = None
    half_life_positions: float | None = 10.0
    match_weight: float = 0.5
    text: TextAs = "words"

    def __post_init__(self) -> None:
        above(0, half_life_positions=self.half_life_positions)
        at_least(0, match_weight=self.match_weight)
        require(self.text)

    def fit(self, train: Dataset) -> Self:
        forget(self)
        self.encoder_ = FeatureEncoder(self.columns, text=self.text).fit(train.items)
        known = self.encoder_.encoders_
        self.match_ = tuple(m for m in train.match if m.item in known and m.user in train.users.frame.columns)
        return self

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        """Queries with neither a usable history nor matching columns are NaN, as are items without features."""
        rows, columns = self.rows(items)
        profile = self.profile(queries, rows)
        scores = np.zeros((len(queries), len(items)), np.float32)
        add_products(scores, profile, columns)
        scores[profile.getnnz(axis=1) == 0] = np.nan
        scores[:, rows.getnnz(axis=1) == 0] = np.nan
        return scores

    @per_table
    def rows(self, items: Table) -> tuple[sp.csr_matrix, sp.csr_matrix]:
        """Unit feature rows of the items, and their transpose."""
        rows = unit_rows(self.encoder_.transform(items))
        return rows, transpose(rows)

    def profile(self, queries: Queries, rows: sp.csr_matrix) -> sp.csr_matrix:
        """Unit rows (n_queries, width) in the items' feature space."""
        decay = None
        if self.half_life_positions is not None:
            decay = (0.5 ** (queries.history.position() / self.half_life_positions)).astype(np.float32)
        history = queries.history_matrix(np.arange(rows.shape[0]), rows.shape[0], decay)
        taken = unit_rows(history @ rows)
        return unit_rows(taken + self.match_weight * unit_rows(self.stated(queries.users)))

    @per_row
    def stated(self, users: Table) -> sp.csr_matrix:
        """What users say of themselves, in the items' feature space."""
        total = sp.csr_matrix((len(users), self.encoder_.width), dtype=np.float32)
        for pair in self.match_:
            total = total + self.encoder_.transform_as(users, {pair.item: pair.user})
        return total
