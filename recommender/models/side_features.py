"""Features that a factor model can learn from: frequent columns only, few enough per row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import scipy.sparse as sp

from recommender.data.dataset import Table
from recommender.features.encoder import FeatureEncoder


@dataclass(eq=False)
class SideFeatures:
    """Encoded feature columns that at least ``min_df`` training rows have.

    A column of fewer rows cannot be told from those rows' own vectors, and hashed text has a quarter
    of a million columns. ``per_row`` keeps only the heaviest entries of each row (the rarest words of a
    text), which bounds the cost of models whose time grows with them; None: no bound.
    """

    min_df: int = 3
    per_row: int | None = None

    def fit(self, table: Table, learned_from: np.ndarray) -> Self:
        """table: what is known at the origin; learned_from: rows of it that the model trains on."""
        self.encoder_ = FeatureEncoder().fit(table)
        encoded = self.encoder_.transform(table)[learned_from]
        present = np.bincount(encoded.indices, minlength=self.encoder_.width)
        self.columns_ = np.flatnonzero(present >= self.min_df)
        return self

    @property
    def width(self) -> int:
        return len(self.columns_)

    def transform(self, table: Table) -> sp.csr_matrix:
        """float32 csr (len(table), width); an empty row: nothing usable is known."""
        features = self.encoder_.transform(table)[:, self.columns_]
        return features if self.per_row is None else heaviest(features, self.per_row)


def heaviest(features: sp.csr_matrix, per_row: int) -> sp.csr_matrix:
    """Only the ``per_row`` entries of each row that are largest in size (the first ones where equal)."""
    row = np.repeat(np.arange(features.shape[0]), np.diff(features.indptr))
    order = np.lexsort((features.indices, -np.abs(features.data), row))
    place = np.arange(len(row)) - features.indptr[row]
    first = order[place < per_row]
    return sp.csr_matrix((features.data[first], (row[first], features.indices[first])), shape=features.shape)
