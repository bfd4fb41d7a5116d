"""Item-kNN: items similar to those of the history (Sarwar et al. 2001), similarities by implicit."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender, ItemItemRecommender, TFIDFRecommender
from implicit.utils import ParameterWarning

from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.errors import ConfigError, nearest
from recommender.models.base import above, at_least, to_catalogue
from recommender.models.space import Float, Int, OneOf, Space
from recommender.models.vocabulary import fitting, interacted, model_history

WEIGHTINGS = ("cosine", "tfidf", "bm25")


@dataclass(eq=False)
class ItemKNN:
    """Score of an item = sum of its similarities to the items of the history.

    weighting: cosine, tfidf or bm25 (K1 and B are of bm25 only), as in implicit.
    K: similar items kept per item; an item is among its own K, as in implicit.
    half_life_positions: a history entry counts half as much for every so many entries after it;
        None: all count alike.

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
        "half_life_positions": Float(1, 100, log=True, also=(None,)),
    }
    draws = 10

    weighting: Literal["cosine", "tfidf", "bm25"] = "cosine"
    K: int = 50
    K1: float = 1.2
    B: float = 0.75
    half_life_positions: float | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        if self.weighting not in WEIGHTINGS:
            raise ConfigError(f"item_knn: unknown weighting '{self.weighting}'{nearest(self.weighting, WEIGHTINGS)}")
        at_least(1, K=self.K, threads=self.threads)
        at_least(0, K1=self.K1, B=self.B)
        above(0, half_life_positions=self.half_life_positions)
        if self.B > 1:
            raise ValueError(f"B must be at most 1, got {self.B}")

    def fit(self, train: Dataset) -> Self:
        taken, _, self.items_ = interacted(train)
        model = self._upstream()
        with fitting("item_knn", "Try weighting=cosine."), warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", ParameterWarning)  # implicit hands itself the wrong format
            model.fit(taken, show_progress=False)
        similarity = model.similarity.astype(np.float32)
        # tfidf divides by zero where every user of an item has idf 0: no evidence
        similarity.data[~np.isfinite(similarity.data)] = 0
        similarity.eliminate_zeros()
        self.similarity_ = similarity  # csr (n_model_items, n_model_items), row = item of the history
        return self

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        model_item_idx = self.items_.lookup(items.ids)
        decay = None
        if self.half_life_positions is not None:
            decay = 0.5 ** (queries.history.position() / self.half_life_positions)
        scores = (model_history(queries, model_item_idx, len(self.items_), decay) @ self.similarity_).toarray()
        scores[scores == 0] = np.nan
        return to_catalogue(scores, model_item_idx)

    def _upstream(self) -> ItemItemRecommender:
        if self.weighting == "bm25":
            return BM25Recommender(K=self.K, K1=self.K1, B=self.B, num_threads=self.threads)
        kind = CosineRecommender if self.weighting == "cosine" else TFIDFRecommender
        return kind(K=self.K, num_threads=self.threads)
