"""Features that a factor model can learn from: frequent columns only, few enough per row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numba
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
    features.sort_indices()
    among = np.zeros(features.nnz, bool)
    _mark_heaviest(features.indptr, np.abs(features.data), per_row, among)
    indptr = np.append(0, np.cumsum(among))[features.indptr]
    return sp.csr_matrix((features.data[among], features.indices[among], indptr), shape=features.shape)


@numba.njit(cache=True, nogil=True)
def _mark_heaviest(indptr, size, per_row, among):  # type: ignore[no-untyped-def]
    best = np.empty(per_row, np.int64)  # entries, the heaviest first
    for row in range(len(indptr) - 1):
        n = 0
        for entry in range(indptr[row], indptr[row + 1]):
            if n == per_row and size[entry] <= size[best[n - 1]]:
                continue
            n = min(n + 1, per_row)
            at = n - 1
            while at > 0 and size[best[at - 1]] < size[entry]:
                best[at] = best[at - 1]
                at -= 1
            best[at] = entry
        among[best[:n]] = True
