"""ALS: matrix factorisation for implicit feedback (Hu, Koren, Volinsky 2008; Takacs et al. 2011), by implicit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import scipy.sparse as sp

from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.features.feedback import Confidence
from recommender.features.memo import forget, per_table
from recommender.models.base import above, at_least
from recommender.models.space import Float, Int, Share, Space
from recommender.models.trend import by_trend
from recommender.models.vocabulary import fitting, interacted, model_history, rows_or_nan

if TYPE_CHECKING:
    from implicit.cpu.als import AlternatingLeastSquares


@dataclass(eq=False)
class ALS:
    """Every query's user is folded in from the history, so users unseen in training are served alike.

    Parameters are implicit's: factors, regularization, alpha (weight of a positive), iterations,
    use_native and use_cg (the solver); seed is its random_state, threads its num_threads.
    confidence: what multiplies alpha, "one", or the column ``weight`` as ``features/feedback.py`` has it; histories of
    queries hold no weights, so users are folded in with ones.
    trend, trend_share: see ``by_trend``, which multiplies scores; 0: the factors alone, as in implicit.
    Equal seeds give equal factors with any number of threads.
    NaN: items without an interaction in training, and queries whose history holds none of its items.
    """

    colour = "#0072B2"
    person_days = (3, 6)
    needs_interactions = True
    cheaper: ClassVar[Share] = Share("iterations", (0.2,))
    space: ClassVar[Space] = {
        "factors": Int(8, 128, log=True),
        "regularization": Float(0.01, 300, log=True),
        "alpha": Float(0.3, 100, log=True),
        "iterations": Int(5, 30),
        "trend": Float(0.1, 1, also=(0.0,)),
    }
    draws = 7

    factors: int = 64
    regularization: float = 0.01
    alpha: float = 1.0
    confidence: Confidence = "one"
    iterations: int = 15
    use_native: bool = True
    use_cg: bool = True
    seed: int = 0
    threads: int = 1
    trend: float = 0.0
    trend_share: float = 0.05

    def __post_init__(self) -> None:
        at_least(1, factors=self.factors, iterations=self.iterations, threads=self.threads)
        at_least(0, regularization=self.regularization, seed=self.seed, trend=self.trend)
        above(0, alpha=self.alpha, trend_share=self.trend_share)

    @property
    def uses_times(self) -> bool:
        return self.trend > 0

    def fit(self, train: Dataset) -> Self:
        forget(self)
        taken, _, self.items_ = interacted(train, self.confidence)  # below 0: a sure dislike, as in implicit
        with fitting("als", "Raise regularization."):
            model = self._upstream()
            model.fit(taken, show_progress=False)
        self.item_factors_ = model.item_factors  # float32 (n_model_items, factors)
        self.trend_ = by_trend(train, self.items_, self.trend, self.trend_share)
        return self

    def fold_in(self, history: sp.csr_matrix) -> np.ndarray:
        """User factors float32 (n, factors) that best explain each history given the item factors.

        history: csr (n, n_model_items). NaN where the history is empty.
        """
        model = vars(self).get("_last_solver")
        if model is None:
            model = self._upstream()
            model.item_factors = self.item_factors_
            with fitting("als", "Raise regularization."):
                model.YtY  # noqa: B018  kept by it: one query must not cost a product of all factors
            self._last_solver = model
        users: np.ndarray = model.recalculate_user(np.arange(history.shape[0]), history)
        users[np.diff(history.indptr) == 0] = np.nan
        return users

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        users = self.fold_in(model_history(queries, self.items_.lookup(items.ids), len(self.items_)))
        scores: np.ndarray = users @ self._factors_of(items).T
        return scores

    @per_table
    def _factors_of(self, items: Table) -> np.ndarray:
        """Times their trend, float32 (n_items, factors); NaN for items that training did not see."""
        return rows_or_nan(self.item_factors_ * self.trend_[:, None], self.items_.lookup(items.ids))

    def _upstream(self) -> AlternatingLeastSquares:
        from implicit.cpu.als import AlternatingLeastSquares  # a list by another rung does not wait for it

        return AlternatingLeastSquares(
            factors=self.factors,
            regularization=self.regularization,
            alpha=self.alpha,
            use_native=self.use_native,
            use_cg=self.use_cg,
            iterations=self.iterations,
            num_threads=self.threads,
            random_state=self.seed,
        )
