"""BPR: matrix factorisation that ranks taken above not taken (Rendle et al. 2009), by implicit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.features.memo import forget, per_table
from recommender.models.base import above, at_least
from recommender.models.space import Float, Int, Share, Space
from recommender.models.vocabulary import fitting, interacted, mean_vectors, model_history, rows_or_nan

if TYPE_CHECKING:
    from implicit.cpu.bpr import BayesianPersonalizedRanking


@dataclass(eq=False)
class BPR:
    """Known users by their trained vector; unknown ones by the mean of the item vectors of their history.

    Parameters are implicit's: factors, learning_rate, regularization, iterations,
    verify_negative_samples; seed is its random_state, threads its num_threads.
    Runs repeat exactly with threads=1 only: more threads update the same vectors in any order.
    The last item factor is the item's bias and the last user factor 1, as upstream, for folded-in users too.
    NaN: items without an interaction in training; unknown users whose history holds none of its items.
    """

    colour = "#882255"
    person_days = (3, 6)
    needs_interactions = True
    fits_every = 4
    per_user = ("users_", "user_factors_")
    cheaper: ClassVar[Share] = Share("iterations", (0.1, 0.3))
    space: ClassVar[Space] = {
        "factors": Int(16, 128, log=True),
        "learning_rate": Float(0.001, 0.3, log=True),
        "regularization": Float(0.0001, 0.1, log=True),
        "iterations": Int(30, 300, log=True),
    }
    draws = 2

    factors: int = 64
    learning_rate: float = 0.01
    regularization: float = 0.01
    iterations: int = 100
    verify_negative_samples: bool = True
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        at_least(1, factors=self.factors, iterations=self.iterations, threads=self.threads)
        at_least(0, regularization=self.regularization, seed=self.seed)
        above(0, learning_rate=self.learning_rate)

    def fit(self, train: Dataset) -> Self:
        forget(self)
        taken, self.users_, self.items_ = interacted(train)
        model = self._upstream()
        with fitting("bpr", "Lower learning_rate."):
            model.fit(taken, show_progress=False)
        self.user_factors_ = model.user_factors  # float32 (n_model_users, factors + 1), last column 1
        self.item_factors_ = model.item_factors  # float32 (n_model_items, factors + 1), last column the bias
        return self

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        known = self.users_.lookup(queries.ids)
        history = model_history(queries, self.items_.lookup(items.ids), len(self.items_))
        folded = mean_vectors(history, self.item_factors_)
        folded[:, -1] = 1  # rows without a history stay NaN in their other columns
        users = np.where(known[:, None] >= 0, rows_or_nan(self.user_factors_, known), folded)
        scores: np.ndarray = users @ self._factors_of(items).T
        return scores

    @per_table
    def _factors_of(self, items: Table) -> np.ndarray:
        """float32 (n_items, factors + 1); NaN for items that training did not see."""
        return rows_or_nan(self.item_factors_, self.items_.lookup(items.ids))

    def _upstream(self) -> BayesianPersonalizedRanking:
        from implicit.cpu.bpr import BayesianPersonalizedRanking  # a list by another rung does not wait for it

        return BayesianPersonalizedRanking(
            factors=self.factors,
            learning_rate=self.learning_rate,
            regularization=self.regularization,
            iterations=self.iterations,
            verify_negative_samples=self.verify_negative_samples,
            num_threads=self.threads,
            random_state=self.seed,
        )
