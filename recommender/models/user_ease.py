"""EASE that also reads what users say of themselves, so that it serves users without history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp

from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.models.base import above, at_least, to_catalogue
from recommender.models.ease import check_memory, closed_form
from recommender.models.side_features import SideFeatures
from recommender.models.space import Float, MostTaken, Space
from recommender.models.trend import by_trend
from recommender.models.vocabulary import by_position, ids_only, model_history, require_interactions


@dataclass(eq=False)
class UserEASE:
    """One closed-form ridge from [history | user features | 1] to the items, an item's weight to itself 0.

    The features of a user stand beside the items of the history as further columns of EASE's matrix
    (Steck 2019; Jeunen et al. 2020 add item features in the same way); the column of ones carries
    popularity. It is for many users of few interactions whose features tell something, as in
    short video.

    regularization: L2 penalty on all weights. feature_weight: length of a user's feature row, where an
    item of the history has 1. half_life_share: an interaction counts the square root of its decay, half
    every so large a share of the training period; None: no decay. min_df: training users that a
    feature needs. item_cap: learn the most taken items only. memory_mb, trend, trend_share,
    half_life_positions: as of EASE.
    NaN: items not learned; users with neither a learned item in their history nor a known feature.
    """

    uses_features = True
    colour = "#CC6677"
    person_days = (3, 6)
    needs_interactions = True
    cheaper: ClassVar[MostTaken] = MostTaken("item_cap", 1000)
    space: ClassVar[Space] = {
        "regularization": Float(10, 5000, log=True),
        "feature_weight": Float(0.05, 5, log=True, also=(0.0,)),
        "half_life_share": Float(0.01, 2, log=True, also=(None,), needs_times=True),
        "trend": Float(0.1, 1, also=(0.0,)),
        "half_life_positions": Float(1, 100, log=True, also=(None,), needs_times=True),
    }
    draws = 8

    regularization: float = 400.0
    feature_weight: float = 0.5
    half_life_share: float | None = 0.3
    min_df: int = 5
    item_cap: int | None = None
    memory_mb: int = 2000
    trend: float = 0.0
    trend_share: float = 0.05
    half_life_positions: float | None = None

    def __post_init__(self) -> None:
        above(0, regularization=self.regularization, half_life_share=self.half_life_share, memory_mb=self.memory_mb)
        above(0, trend_share=self.trend_share, half_life_positions=self.half_life_positions)
        at_least(0, feature_weight=self.feature_weight, trend=self.trend)
        at_least(1, min_df=self.min_df, item_cap=self.item_cap)

    @property
    def needs_times(self) -> bool:
        return self.half_life_positions is not None

    @property
    def uses_times(self) -> bool:
        return self.half_life_share is not None or self.trend > 0

    def fit(self, train: Dataset) -> Self:
        require_interactions(train)
        cap = len(train.items) if self.item_cap is None else self.item_cap
        learned = np.sort(np.argsort(-train.item_counts, kind="stable")[:cap])
        learned = learned[train.item_counts[learned] > 0]
        self.items_ = ids_only(train.items.take(learned))
        self.features_ = SideFeatures(self.min_df).fit(train.users, np.arange(len(train.users)))
        check_memory("user_ease", len(learned) + self.features_.width + 1, self.memory_mb)
        history = self._history(train, learned)
        weights = closed_form(self._row(history, train.users), self.regularization)
        self.weights_ = np.ascontiguousarray(weights[:, : len(learned)])
        self.weights_ *= by_trend(train, self.items_, self.trend, self.trend_share)
        return self

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        model_item_idx = self.items_.lookup(items.ids)
        decay = by_position(queries, self.half_life_positions)
        rows = self._row(model_history(queries, model_item_idx, len(self.items_), decay), queries.users)
        scores = rows @ self.weights_
        scores[np.diff(rows.indptr) == 1] = np.nan  # only the column of ones
        return to_catalogue(scores, model_item_idx)

    def _history(self, train: Dataset, model_items: np.ndarray) -> sp.csr_matrix:
        """users x learned items: the square root of each interaction's decay; repeats count once, the latest."""
        column = np.full(len(train.items), -1)
        column[model_items] = np.arange(len(model_items))
        item = column[train.item_idx]
        weight = np.ones(len(item))
        span = float(train.age_days.max(initial=0))
        if self.half_life_share is not None and span > 0:
            weight = 0.5 ** (train.age_days / (span * self.half_life_share) / 2)
        learned = np.flatnonzero(item >= 0)
        cell = train.user_idx[learned] * len(model_items) + item[learned]
        latest = len(cell) - 1 - np.unique(cell[::-1], return_index=True)[1]  # rows are sorted by time
        rows = learned[latest]
        shape = (len(train.users), len(model_items))
        return sp.csr_matrix((weight[rows].astype(np.float32), (train.user_idx[rows], item[rows])), shape=shape)

    def _row(self, history: sp.csr_matrix, users: Table) -> sp.csr_matrix:
        features = self.features_.transform(users) * np.float32(self.feature_weight)
        ones = np.ones((history.shape[0], 1), np.float32)
        row = sp.hstack([history, features, ones], format="csr", dtype=np.float32)
        row.eliminate_zeros()  # what weighs nothing tells nothing: see ``score``
        return row
