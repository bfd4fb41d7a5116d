"""ALS whose new items and new users get factors from their features (Gantner et al. 2010)."""

from __future__ import annotations

from typing import Self

import numpy as np
import scipy.sparse as sp
from scipy.linalg import cho_factor, cho_solve

from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.models.als import ALS
from recommender.models.base import above, at_least
from recommender.models.memo import per_table
from recommender.models.side_features import SideFeatures
from recommender.models.vocabulary import interacted, own_history, rows_or_nan

MAX_FEATURES = 4000  # columns of a map, the most frequent ones: its normal equations take 8 bytes x columns^2


class ALSContent:
    """ALS, and two ridge maps: item features -> item factors, user features -> user factors.

    factors, regularization, alpha, iterations, seed, threads: of ALS.
    ridge: L2 penalty of the maps. min_df: training rows that a feature column needs.
    Warm items keep their own factors. A user with history is folded in from it, items new since
    training included by their mapped factors; a user without history gets the mapped user factors.
    NaN: new items without known features; users with neither a usable history nor known features.
    """

    uses_features = True

    def __init__(
        self,
        factors: int = 64,
        regularization: float = 0.01,
        alpha: float = 1.0,
        iterations: int = 15,
        ridge: float = 1.0,
        min_df: int = 3,
        seed: int = 0,
        threads: int = 1,
    ) -> None:
        at_least(1, factors=factors, iterations=iterations, min_df=min_df, threads=threads)
        at_least(0, regularization=regularization, seed=seed)
        above(0, alpha=alpha, ridge=ridge)  # without a ridge, rare features have no unique map
        self.factors = factors
        self.regularization = regularization
        self.alpha = alpha
        self.iterations = iterations
        self.ridge = ridge
        self.min_df = min_df
        self.seed = seed
        self.threads = threads

    def fit(self, train: Dataset) -> Self:
        self.als_ = ALS(
            factors=self.factors,
            regularization=self.regularization,
            alpha=self.alpha,
            iterations=self.iterations,
            seed=self.seed,
            threads=self.threads,
        ).fit(train)
        taken, users, items = interacted(train)
        self.item_map_ = FactorMap(self.ridge, self.min_df).fit(train.items, items, self.als_.item_factors_)
        self.user_map_ = FactorMap(self.ridge, self.min_df).fit(train.users, users, self.als_.fold_in(taken))
        return self

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        item_factors = self._item_factors(items)
        usable = np.where(np.isfinite(item_factors[:, 0]), np.arange(len(items)), -1)
        history = own_history(queries, usable, len(items))
        users = self.als_.fold_in(history, np.nan_to_num(item_factors))
        without = np.flatnonzero(np.diff(history.indptr) == 0)
        if len(without):
            users[without] = self.user_map_.transform(queries.users.take(without))
        scores: np.ndarray = users @ item_factors.T
        return scores

    def _item_factors(self, items: Table) -> np.ndarray:
        """Own factors of warm items, mapped ones of others, float32 (n_items, factors); NaN where neither."""
        own = self.als_.items_.lookup(items.ids)
        return np.where(own[:, None] >= 0, rows_or_nan(self.als_.item_factors_, own), self.item_map_.transform(items))


class FactorMap:
    """Ridge regression from features to factors, with an intercept: the mean factors where features say little."""

    def __init__(self, ridge: float, min_df: int) -> None:
        self.ridge = ridge
        self.features = SideFeatures(min_df, max_features=MAX_FEATURES)

    def fit(self, table: Table, learned: Table, factors: np.ndarray) -> Self:
        """table: what is known at the origin; learned: ids of the rows of ``factors`` (n_learned, width)."""
        rows = table.lookup(learned.ids)
        self.features.fit(table, rows)
        features = self.features.transform(table)[rows]
        described = np.diff(features.indptr) > 0
        self.coefficients_, self.intercept_ = ridge_regression(features[described], factors[described], self.ridge)
        return self

    @per_table
    def transform(self, table: Table) -> np.ndarray:
        """Factors float32 (len(table), width); NaN where no feature is known."""
        features = self.features.transform(table)
        factors = features @ self.coefficients_ + self.intercept_
        factors[np.diff(features.indptr) == 0] = np.nan
        return np.asarray(factors, dtype=np.float32)


def ridge_regression(features: sp.csr_matrix, targets: np.ndarray, ridge: float) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients float32 (width, n_targets) and intercept (n_targets,) of a ridge regression.

    The normal equations of the centred problem, without ever centring the sparse rows; the intercept
    bears no penalty. Ten times faster than conjugate gradients at the widths that ``MAX_FEATURES`` allows.
    """
    n, width = features.shape
    if not n:  # nothing is described, so nothing will ever be mapped
        return np.zeros((width, targets.shape[1]), np.float32), np.zeros(targets.shape[1], np.float32)
    features = features.astype(np.float64)  # in float32, one-hot columns of many rows are not positive definite
    feature_means = np.asarray(features.mean(axis=0)).ravel()
    target_means = targets.mean(axis=0, dtype=np.float64)
    matrix = (features.T @ features).toarray()
    matrix -= n * np.outer(feature_means, feature_means)
    matrix.flat[:: width + 1] += ridge
    right = features.T @ (targets - target_means)
    coefficients = cho_solve(cho_factor(matrix, overwrite_a=True, check_finite=False), right, check_finite=False)
    intercept = target_means - feature_means @ coefficients
    return coefficients.astype(np.float32), intercept.astype(np.float32)
