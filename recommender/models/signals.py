"""What can be told of a query and an item from the data alone, as numbers that a ranker weighs.

Three kinds: of the item (how popular at several half-lives, new or not, how popular its features are,
how old), of the pair by features (one similarity per item column with the history, one per ``match``
pair), and of the pair by other rungs' scores. All as of the end of training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import scipy.sparse as sp

from recommender.data.dataset import FEATURE_ROLES, NO_TIME, Dataset, Table
from recommender.data.queries import Queries
from recommender.data.times import US_PER_DAY
from recommender.features.encoder import ColumnEncoder, unit_rows
from recommender.features.feedback import decay
from recommender.features.memo import per_row, per_table
from recommender.features.sparse import add_profile_products, pair_products, scaled, transpose
from recommender.features.text import TextAs
from recommender.models.base import Recommender

SHARES = (0.01, 0.03, 0.1, 0.3, 1.0)  # half-lives of popularity, as shares of the training period


@dataclass(eq=False)
class Signals:
    """Item columns are encoded one by one, so that each can weigh by itself.

    inputs: other rungs, not fitted, whose scores are signals too. half_life_positions: how fast a
    history fades, in steps back. text: what text columns become, see ``text.py``.
    """

    inputs: Mapping[str, Recommender]
    half_life_positions: float
    text: TextAs = "words"

    def __post_init__(self) -> None:
        self.inputs = dict(self.inputs)

    def fit(self, train: Dataset) -> Self:
        for model in self.inputs.values():
            model.fit(train)
        self.items_ = Table(train.items.frame.select(train.items.key), {}, train.items.key)
        columns = train.items.columns(*FEATURE_ROLES)
        self.encoders_ = {c: ColumnEncoder(train.items.roles[c], self.text).fit(train.items, c) for c in columns}
        pairs = [m for m in train.match if m.item in self.encoders_ and m.user in train.users.frame.columns]
        self.match_ = tuple((m.user, m.item) for m in pairs)
        ages = train.age_days
        decays = (decay(ages, share) for share in SHARES)
        self.popularity_ = np.stack([np.bincount(train.item_idx, w, len(train.items)) for w in decays])
        recent = sp.csr_matrix(self.popularity_[len(SHARES) // 2])
        self.taste_ = {c: unit_rows(recent @ e.transform(train.items, c)) for c, e in self.encoders_.items()}
        stated = train.timestamps[train.timestamps != NO_TIME]
        self.now_ = int(stated.max(initial=0))
        ages = self._log_age(train.items)
        self.usual_log_age_ = float(np.nanmean(ages)) if np.isfinite(ages).any() else 0.0
        return self

    @property
    def n_item(self) -> int:
        return len(SHARES) + 2 + len(self.encoders_)

    @property
    def n_feature(self) -> int:
        return len(self.encoders_) + len(self.match_)

    @property
    def n(self) -> int:
        """Signals in all: of items, then of features, then two per input."""
        return self.n_item + self.n_feature + 2 * len(self.inputs)

    @per_table
    def of_items(self, items: Table) -> np.ndarray:
        """float32 (n_items, n_item): log popularity at each half-life, new, log age, popularity of each column."""
        nobody = np.zeros((1, len(SHARES)))  # -1, an item that training did not see, reads this last row
        known = np.concatenate([self.popularity_.T, nobody])[self.items_.lookup(items.ids)]
        age = np.nan_to_num(self._log_age(items), nan=self.usual_log_age_)  # undated: neither young nor old
        taste = [(r @ self.taste_[c].T).toarray()[:, 0] for c, r in zip(self.encoders_, self.rows(items), strict=True)]
        new = known[:, -1] == 0
        return np.column_stack([np.log1p(known), new, age, *taste]).astype(np.float32)

    def _log_age(self, items: Table) -> np.ndarray:
        """log1p of the days since publication, at the end of training, float64 (n_items,); NaN where none is stated."""
        published = items.times("available_from")
        days = np.maximum(self.now_ - np.where(published == NO_TIME, self.now_, published), 0) / US_PER_DAY
        return np.where(published == NO_TIME, np.nan, np.log1p(days))

    @per_table
    def rows(self, items: Table) -> list[sp.csr_matrix]:
        """Unit feature rows of the items, one matrix per column."""
        return [e.transform(items, c) for c, e in self.encoders_.items()]

    @per_table
    def columns(self, items: Table) -> list[sp.csr_matrix]:
        """The transposes of ``rows``."""
        return [transpose(rows) for rows in self.rows(items)]

    def profiles(self, queries: Queries, items: Table) -> list[tuple[sp.csr_matrix, int]]:
        """Unit rows of the queries for each feature signal, and which of ``rows`` they are compared with."""
        history = self._faded(queries, len(items))
        liked = [(unit_rows(history @ rows), c) for c, rows in enumerate(self.rows(items))]
        return liked + list(zip(self.stated(queries.users), self._matched, strict=True))

    def _faded(self, queries: Queries, n_items: int) -> sp.csr_matrix:
        """Histories whose entries weigh the less the further back they are, float32 csr (n_queries, n_items)."""
        decay = (0.5 ** (queries.history.position() / self.half_life_positions)).astype(np.float32)
        return queries.history_matrix(np.arange(n_items), n_items, decay)

    @property
    def _matched(self) -> list[int]:
        """Which of ``rows`` each pair of ``match_`` is compared with."""
        names = list(self.encoders_)
        return [names.index(i) for _, i in self.match_]

    @per_row
    def stated(self, users: Table) -> tuple[sp.csr_matrix, ...]:
        """Unit rows of what users say of themselves, for each pair of columns that match."""
        return tuple(self.encoders_[i].transform(users, u) for u, i in self.match_)

    def of_inputs(self, queries: Queries, items: Table) -> list[np.ndarray]:
        """float32 (n_queries, n_items) each: every input's scores over its row's largest, and their square roots."""
        out = []
        for model in self.inputs.values():
            scores = np.nan_to_num(model.score(queries, items))
            scores = scores / np.maximum(np.abs(scores).max(axis=1, keepdims=True, initial=0), np.float32(1e-9))
            out += [scores, np.sign(scores) * np.sqrt(np.abs(scores))]
        return out

    def at(self, queries: Queries, items: Table, query: np.ndarray, item: np.ndarray) -> np.ndarray:
        """All signals of the pairs (query, item): float32 (n_pairs, n)."""
        rows = self.rows(items)
        of_features = [pair_products(p, rows[c], query, item) for p, c in self.profiles(queries, items)]
        of_inputs = [scores[query, item] for scores in self.of_inputs(queries, items)]
        return np.column_stack([self.of_items(items)[item], *of_features, *of_inputs]).astype(np.float32)

    def weighed(self, queries: Queries, items: Table, weights: np.ndarray) -> np.ndarray:
        """Sum of signals x weights (float32 (n_queries, n), each query its own): float32 (n_queries, n_items).

        The feature signals are one pass per column: the weights go into the queries' side.
        """
        out: np.ndarray = weights[:, : self.n_item] @ self.of_items(items).T
        liked, of_match = np.split(weights[:, self.n_item :].T, [len(self.encoders_)])
        stated: dict[int, sp.csr_matrix] = {}
        for column, rows, weight in zip(self._matched, self.stated(queries.users), of_match, strict=False):
            part = scaled(rows, weight)
            stated[column] = stated[column] + part if column in stated else part
        history = self._faded(queries, len(items))
        for c, (rows, columns) in enumerate(zip(self.rows(items), self.columns(items), strict=True)):
            add_profile_products(out, history, rows, columns, liked[c], stated.get(c))
        for place, scores in enumerate(self.of_inputs(queries, items), start=self.n_item + self.n_feature):
            out += weights[:, place, None] * scores
        return out
