"""EASE: a linear item-item model with a closed form (Steck 2019, "Embarrassingly shallow autoencoders")."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import ClassVar, Self

import numba
import numpy as np
import scipy.sparse as sp
from scipy.linalg.lapack import spotrf, spotri
from threadpoolctl import threadpool_limits

from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.errors import UserError
from recommender.models.base import above, at_least, to_catalogue
from recommender.models.item_pairs import dense
from recommender.models.space import Float, MostTaken, Space
from recommender.models.trend import by_trend
from recommender.models.vocabulary import by_position, ids_only, interacted, model_history

BYTES_PER_WEIGHT = 4 * 2.2  # float32; the matrix, and room to score and save it
UNSAFE_COLUMNS = 20_000  # above it LAPACK's potrf crashes with two OpenBLAS threads
BLOCK = 1024  # rows of the Gram matrix at a time


@dataclass(eq=False)
class EASE:
    """Score of an item = sum of its weights from the items of the history.

    regularization: L2 penalty (lambda of the paper) on the item-item weights.
    item_cap: learn the most taken items only; others get NaN. None: all items.
    memory_mb: ``fit`` raises UserError where n_items^2 weights need more.
    trend, trend_share: see ``by_trend``; 0: the paper's model.
    half_life_positions: an item of the history counts half as much for every so many after it; None: all alike.
    NaN: items not learned; queries whose history holds no learned item.
    """

    colour = "#117733"
    person_days = (2, 4)
    needs_interactions = True
    cheaper: ClassVar[MostTaken] = MostTaken("item_cap", 1000)
    space: ClassVar[Space] = {
        "regularization": Float(10, 5000, log=True),
        "trend": Float(0.1, 1, also=(0.0,)),
        "half_life_positions": Float(1, 100, log=True, also=(None,), needs_times=True),
    }
    draws = 4

    regularization: float = 500.0
    item_cap: int | None = None
    memory_mb: int = 2000
    trend: float = 0.0
    trend_share: float = 0.05
    half_life_positions: float | None = None

    def __post_init__(self) -> None:
        above(0, regularization=self.regularization, memory_mb=self.memory_mb, trend_share=self.trend_share)
        above(0, half_life_positions=self.half_life_positions)
        at_least(0, trend=self.trend)
        at_least(1, item_cap=self.item_cap)

    @property
    def needs_times(self) -> bool:
        return self.half_life_positions is not None

    @property
    def uses_times(self) -> bool:
        return self.trend > 0

    def fit(self, train: Dataset) -> Self:
        if train.everyone is None:
            taken, _, items = interacted(train)
            learned = self._learned(taken.getnnz(axis=0))
            pairs = gram(taken if len(learned) == len(items) else taken[:, learned])
        else:
            items = ids_only(train.items.take(train.item_totals > 0))
            learned = self._learned(train.everyone.takers(items))
            pairs = dense(train.everyone.pairs(items.take(learned)), len(learned))
        self.items_ = items.take(learned)
        self.weights_ = solved(pairs, self.regularization)
        self.weights_ *= by_trend(train, self.items_, self.trend, self.trend_share)
        return self

    def _learned(self, takers: np.ndarray) -> np.ndarray:
        """Rows of the most taken items, int64, ascending. Raises UserError where they need too much memory."""
        n = len(takers) if self.item_cap is None else min(self.item_cap, len(takers))
        check_memory("ease", n, self.memory_mb)
        return np.sort(np.argsort(-takers, kind="stable")[:n])

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        model_item_idx = self.items_.lookup(items.ids)
        decay = by_position(queries, self.half_life_positions)
        history = model_history(queries, model_item_idx, len(self.items_), decay)
        scores = history @ self.weights_
        scores[np.diff(history.indptr) == 0] = np.nan
        return to_catalogue(scores, model_item_idx)


def check_memory(name: str, n_columns: int, memory_mb: int) -> None:
    """Raises UserError where a dense matrix of n_columns^2 weights needs more than ``memory_mb``."""
    needed = n_columns**2 * BYTES_PER_WEIGHT
    if needed > memory_mb * 1e6:
        fits = int((memory_mb * 1e6 / BYTES_PER_WEIGHT) ** 0.5)
        raise UserError(
            f"{name}: {n_columns:,} items need about {needed / 1e6:,.0f} MB, more than memory_mb={memory_mb:,}. "
            f"Set item_cap={fits} to learn the most taken items only, or raise memory_mb."
        )


def closed_form(taken: sp.csr_matrix, regularization: float) -> np.ndarray:
    """``solved`` for users x items float32."""
    return solved(gram(taken), regularization)


def solved(matrix: np.ndarray, regularization: float) -> np.ndarray:
    """Item-item weights float32 (n_items, n_items), diagonal 0; row = item of the history.

    B = I - P diag(1 / P_jj) with P = (X'X + regularization I)^-1, in float32. matrix: X'X, which is overwritten: one
    matrix in memory.
    """
    matrix.flat[:: len(matrix) + 1] += np.float32(regularization)
    with threadpool_limits(1, "blas") if len(matrix) > UNSAFE_COLUMNS else nullcontext():
        # LAPACK is column-major: the transposed view is what it can overwrite, its lower triangle our upper one
        factor, failed = spotrf(matrix.T, lower=1, clean=0, overwrite_a=1)
        if failed:
            raise UserError(f"ease: regularization={regularization} is too small for this data; raise it.")
        inverse, _ = spotri(factor, lower=1, overwrite_c=1)
    weights: np.ndarray = inverse.T
    _mirror_upper(weights)
    weights /= -weights.diagonal().copy()
    np.fill_diagonal(weights, 0)
    return weights


def gram(taken: sp.csr_matrix) -> np.ndarray:
    """X'X as dense float32: as one sparse product it would need three times the memory."""
    rows = taken
    if not taken.has_canonical_format:
        rows = taken.copy()
        rows.sum_duplicates()
    columns = rows.tocsc()
    gram = np.zeros((rows.shape[1], rows.shape[1]), np.float32)
    _upper(columns.indptr, columns.indices, columns.data, rows.indptr, rows.indices, rows.data, gram)
    _mirror_upper(gram)
    return gram


@numba.njit(cache=True, nogil=True)
def _upper(users_of, users, weights, items_of, items, values, gram):  # type: ignore[no-untyped-def]
    """Pairs of an item and those after it, users in their order. Items ascend, so each user's next one is known."""
    following = items_of.copy()
    for i in range(len(gram)):
        row = gram[i]
        for at in range(users_of[i], users_of[i + 1]):
            user = users[at]
            for place in range(following[user], items_of[user + 1]):
                row[np.uint32(items[place])] += weights[at] * values[place]  # unsigned: no place counts from the end
            following[user] += 1


def _mirror_upper(matrix: np.ndarray) -> None:
    """Copies the upper triangle onto the lower one, block by block."""
    for start in range(0, len(matrix), BLOCK):
        end = start + BLOCK
        matrix[start:end, :start] = matrix[:start, start:end].T
        corner = matrix[start:end, start:end]
        corner[:] = np.triu(corner) + np.triu(corner, 1).T
