"""Item-kNN: items similar to those of the history (Sarwar et al. 2001), similarities as in implicit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
import scipy.sparse as sp

from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.errors import ConfigError, nearest
from recommender.models.base import above, at_least, to_catalogue
from recommender.models.item_pairs import SCALE, Best, Rarity, counted, diagonal
from recommender.models.space import Float, Int, OneOf, Space
from recommender.models.trend import by_trend
from recommender.models.vocabulary import by_position, ids_only, interacted, model_history, require_interactions

WEIGHTINGS = ("cosine", "tfidf", "bm25")


@dataclass(eq=False)
class ItemKNN:
    """Score of an item = sum of its similarities to the items of the history.

    weighting: cosine, tfidf or bm25 (K1 and B are of bm25 only), as in implicit.
    K: similar items kept per item; an item is among its own K, as in implicit. Of equal ones, see ``Best``.
    half_life_positions: a history entry counts half as much for every so many entries after it;
        None: all count alike.
    trend, trend_share: see ``by_trend``; 0: similarities alone, as in implicit.

    An item that no item of the history leads to has no evidence, not a low score: NaN, so that the list
    is completed from the fallback. So has everything for a query whose history is empty or unknown.
    """

    colour = "#D55E00"
    person_days = (2, 4)
    needs_interactions = True
    space: ClassVar[Space] = {
        "weighting": OneOf(("cosine", "tfidf", "bm25")),
        "K": Int(10, 500, log=True),
        "K1": Float(0.05, 3, log=True),
        "B": Float(0.05, 1),
        "half_life_positions": Float(1, 100, log=True, also=(None,), needs_times=True),
        "trend": Float(0.1, 1, also=(0.0,)),
    }
    draws = 10

    weighting: Literal["cosine", "tfidf", "bm25"] = "cosine"
    K: int = 50
    K1: float = 1.2
    B: float = 0.75
    half_life_positions: float | None = None
    trend: float = 0.0
    trend_share: float = 0.05
    threads: int = 1

    def __post_init__(self) -> None:
        if self.weighting not in WEIGHTINGS:
            raise ConfigError(f"item_knn: unknown weighting '{self.weighting}'{nearest(self.weighting, WEIGHTINGS)}")
        at_least(1, K=self.K, threads=self.threads)
        at_least(0, K1=self.K1, B=self.B, trend=self.trend)
        above(0, half_life_positions=self.half_life_positions, trend_share=self.trend_share)
        if self.B > 1:
            raise ValueError(f"B must be at most 1, got {self.B}")

    @property
    def needs_times(self) -> bool:
        return self.half_life_positions is not None

    @property
    def uses_times(self) -> bool:
        return self.trend > 0

    def fit(self, train: Dataset) -> Self:
        require_interactions(train)
        if train.everyone is None:
            taken, _, self.items_ = interacted(train)
            lengths, takers, rarity = np.diff(taken.indptr), taken.getnnz(axis=0), self._rarity()
            weights = np.ones(len(lengths), np.int64) if rarity is None else rarity.weights(lengths)
            self_weight = np.asarray(
                sp.csr_matrix((np.repeat(weights, lengths), taken.indices, taken.indptr)).sum(axis=0)
            )
            self.similarity_ = counted(taken, weights, self.threads, self._best(self_weight.ravel(), takers))
        else:
            self.items_ = ids_only(train.items.take(train.item_totals > 0))
            pairs, takers = train.everyone.pairs(self.items_, self._rarity()), train.everyone.takers(self.items_)
            self.similarity_ = self._best(diagonal(pairs, len(self.items_)), takers).of_rows(pairs)
        self._follow_trend(train)
        return self  # similarity_: csr (n_model_items, n_model_items), row = item of the history

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        model_item_idx = self.items_.lookup(items.ids)
        decay = by_position(queries, self.half_life_positions)
        scores = (model_history(queries, model_item_idx, len(self.items_), decay) @ self.similarity_).toarray()
        scores[scores == 0] = np.nan
        return to_catalogue(scores, model_item_idx)

    def _follow_trend(self, train: Dataset) -> None:
        """Multiplies the similarities by the trend of the items that they lead to."""
        if self.trend:
            factors = by_trend(train, self.items_, self.trend, self.trend_share)
            self.similarity_.data *= factors[self.similarity_.indices]

    def _rarity(self) -> Rarity | None:
        return None if self.weighting == "cosine" else Rarity(len(self.items_))

    def _best(self, self_weight: np.ndarray, takers: np.ndarray) -> Best:
        """self_weight: int64 (n_items,), what the takers of each item count together. takers: int64 (n_items,)."""
        if self.weighting == "bm25":
            length = 1 - self.B + self.B * takers / takers.mean()
            return Best(self.K, (self.K1 + 1) / (self.K1 * length + 1) / SCALE**0.5)
        with np.errstate(divide="ignore"):  # where every user of an item has idf 0: no evidence
            return Best(self.K, np.where(self_weight > 0, 1 / np.sqrt(self_weight), 0.0))
