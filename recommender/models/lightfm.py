"""LightFM: factors as sums over ids and features (Kula 2015), WARP loss (Weston et al. 2011)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp

from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.errors import UserError
from recommender.features.memo import forget, per_row, per_table
from recommender.models.base import above, at_least
from recommender.models.side_features import SideFeatures
from recommender.models.space import Float, Int, Share, Space
from recommender.models.vocabulary import fitting, interacted, mean_vectors, model_history


@dataclass(eq=False)
class LightFM:
    """A hybrid: what is unseen in training is scored from its features alone.

    no_components, epochs, learning_rate, item_alpha, user_alpha, max_sampled: LightFM's own.
    min_df, per_row: features kept, see ``SideFeatures``; each side's feature row sums to 1 beside the id's 1.
    fold_in: a user unseen in training also gets the mean vector of the items of the history.
    Runs repeat exactly with threads=1 only: more threads update the same vectors in any order.

    The id part of unseen items and users is zero: an untrained one would be noise that outweighs the features.
    NaN: unseen items without a known feature; unseen users with neither known features nor a usable history.
    """

    uses_features = True
    colour = "#CC79A7"
    person_days = (5, 10)
    needs_interactions = True
    fits_every = 4
    cheaper: ClassVar[Share] = Share("epochs", (0.1, 0.3))
    space: ClassVar[Space] = {
        "no_components": Int(16, 128, log=True),
        "epochs": Int(5, 50, log=True),
        "learning_rate": Float(0.01, 0.2, log=True),
        "item_alpha": Float(1e-7, 1e-3, log=True, also=(0.0,)),
        "user_alpha": Float(1e-7, 1e-3, log=True, also=(0.0,)),
    }

    no_components: int = 32
    epochs: int = 10
    learning_rate: float = 0.05
    item_alpha: float = 0.0
    user_alpha: float = 0.0
    max_sampled: int = 10
    min_df: int = 3
    per_row: int = 15
    fold_in: bool = True
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        at_least(
            1, no_components=self.no_components, epochs=self.epochs, max_sampled=self.max_sampled, threads=self.threads
        )
        at_least(1, min_df=self.min_df, per_row=self.per_row)
        at_least(0, item_alpha=self.item_alpha, user_alpha=self.user_alpha, seed=self.seed)
        above(0, learning_rate=self.learning_rate)

    def fit(self, train: Dataset) -> Self:
        forget(self)
        taken, users, items = interacted(train)
        self.users_ = Side(users, self.min_df, self.per_row).fit(train.users)
        self.items_ = Side(items, self.min_df, self.per_row).fit(train.items)
        import lightfm

        model = lightfm.LightFM(
            no_components=self.no_components,
            loss="warp",
            learning_rate=self.learning_rate,
            item_alpha=self.item_alpha,
            user_alpha=self.user_alpha,
            max_sampled=self.max_sampled,
            random_state=self.seed,
        )
        user_rows = self.users_.rows(train.users)[train.users.lookup(users.ids)]
        item_rows = self.items_.rows(train.items)[train.items.lookup(items.ids)]
        advice = "Lower learning_rate."
        with fitting("lightfm", advice):
            try:
                model.fit(taken.tocoo(), user_rows, item_rows, epochs=self.epochs, num_threads=self.threads)
            except ValueError as error:  # the type that LightFM raises for non-finite parameters
                raise UserError(f"lightfm: {error}. {advice}") from error
        self.users_.keep(model.user_embeddings, model.user_biases)
        self.items_.keep(model.item_embeddings, model.item_biases)
        return self

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        item_vectors, item_known = self.items_.vectors(items)
        user_vectors, user_known = self.users_.vectors(queries.users)
        new = self.users_.ids.lookup(queries.ids) < 0 if self.fold_in else np.zeros(len(queries), bool)
        if new.any():
            usable = np.where(item_known, np.arange(len(items)), -1)
            folded = mean_vectors(model_history(queries, usable, len(items)), item_vectors)
            folded[:, -1] = 0  # the mean of item biases says nothing of the user
            unseen = new & np.isfinite(folded[:, 0])
            user_vectors = user_vectors + np.where(unseen[:, None], folded, np.float32(0))
            user_known = user_known | unseen
        scores: np.ndarray = user_vectors[:, :-1] @ item_vectors[:, :-1].T
        scores += user_vectors[:, -1:]
        scores += self._item_biases(items)
        scores[~user_known] = np.nan
        return scores

    @per_table
    def _item_biases(self, items: Table) -> np.ndarray:
        """float32 (n_items,); NaN where nothing is known of the item."""
        vectors, known = self.items_.vectors(items)
        return np.where(known, vectors[:, -1], np.float32(np.nan))


class Side:
    """Users or items of a LightFM model: its ids, features and vectors.

    vectors_: float32 (n_ids + n_features, no_components + 1); the last column is the bias.
    """

    per_user = ("ids", "vectors_")  # where it is the side of the users

    def __init__(self, ids: Table, min_df: int, per_row: int) -> None:
        self.ids = ids
        self.features = SideFeatures(min_df, per_row)

    def fit(self, table: Table) -> Self:
        self.features.fit(table, table.lookup(self.ids.ids))
        return self

    def keep(self, embeddings: np.ndarray, biases: np.ndarray) -> None:
        self.vectors_ = np.column_stack([embeddings, biases])

    def rows(self, table: Table) -> sp.csr_matrix:
        """LightFM's feature matrix: [one-hot id or nothing | features], float32 csr (len(table), width)."""
        model_idx = self.ids.lookup(table.ids)
        seen = np.flatnonzero(model_idx >= 0)
        ones = np.ones(len(seen), np.float32)
        identity = sp.csr_matrix((ones, (seen, model_idx[seen])), shape=(len(table), len(self.ids)))
        features = self.features.transform(table)
        sums = np.asarray(abs(features).sum(axis=1)).ravel()
        features = features.multiply(1 / np.where(sums, sums, 1)[:, None])
        return sp.hstack([identity, features], format="csr", dtype=np.float32)

    @per_row
    def vectors(self, table: Table) -> tuple[np.ndarray, np.ndarray]:
        """Vectors float32 (len(table), no_components + 1), and which rows anything is known of, bool."""
        rows = self.rows(table)
        return rows @ self.vectors_, np.diff(rows.indptr) > 0
