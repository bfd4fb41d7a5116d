"""Content popularity: how much an item's features let expect it to be taken, for items that nobody took yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy.sparse.linalg import lsqr

from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.features.encoder import FeatureEncoder
from recommender.features.feedback import Decay
from recommender.models.base import above
from recommender.models.space import Float, Space


@dataclass(eq=False)
class ContentPopularity:
    """Ridge regression of an item's log popularity on its features: the same order for every user.

    Known items too get what is expected of them, not what they got. So it is for new items, of which nothing else is
    known than how often items like them are taken (a map from content to what feedback teaches; Gantner et al. 2010).

    regularization: L2 penalty on the weights; an item's features have about unit length. half_life_share: an
    interaction counts half as much every so large a share of the training period; None: all alike.
    NaN: items without features; all items where training has no interactions.
    """

    uses_features = True
    colour = "#DDAA33"
    person_days = (2, 4)
    needs_interactions = True
    space: ClassVar[Space] = {
        "regularization": Float(1, 1000, log=True),
        "half_life_share": Float(0.01, 2, log=True, also=(None,), needs_times=True),
    }

    regularization: float = 100.0
    half_life_share: float | None = 0.1

    def __post_init__(self) -> None:
        above(0, regularization=self.regularization, half_life_share=self.half_life_share)

    @property
    def uses_times(self) -> bool:
        return self.half_life_share is not None

    def fit(self, train: Dataset) -> Self:
        self.encoder_ = FeatureEncoder().fit(train.items)
        taken = train.item_totals > 0
        share = self.half_life_share
        popularity = np.log1p((train.item_totals if share is None else train.faded(Decay(share)))[taken])
        self.mean_ = float(popularity.mean()) if taken.any() else float("nan")
        self.weights_ = np.zeros(self.encoder_.width, np.float32)
        if taken.any():
            rows = self.encoder_.transform(train.items)[taken]
            self.weights_[:] = lsqr(rows, popularity - self.mean_, damp=self.regularization**0.5, iter_lim=100)[0]
        return self

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        """The expected log popularity, in interactions."""
        rows = self.encoder_.transform(items)
        expected = np.where(rows.getnnz(axis=1) > 0, self.mean_ + rows @ self.weights_, np.nan)
        return np.repeat(expected[None].astype(np.float32), len(queries), axis=0)
