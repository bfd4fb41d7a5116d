"""Ranker: learns from past windows, replayed as queries, how much each signal tells for whom."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
from threadpoolctl import threadpool_limits

from recommender.data.dataset import NO_TIME, Dataset, Table
from recommender.data.queries import Queries
from recommender.data.split import Fold, available, time_fold, to_datetime
from recommender.errors import DataError, nearest
from recommender.features.memo import of_fits
from recommender.features.text import TextAs, require
from recommender.models.als import ALS
from recommender.models.base import Recommender, above, at_least
from recommender.models.contacts import Contacts
from recommender.models.ease import EASE
from recommender.models.follow_back import FollowBack
from recommender.models.item_knn import ItemKNN
from recommender.models.neighbours import Neighbours
from recommender.models.popularity import Popularity
from recommender.models.signals import Signals
from recommender.models.social import Social
from recommender.models.space import Float, OneOf, Space
from recommender.models.user_ease import UserEASE

INPUTS: Mapping[str, Callable[..., Recommender]] = {
    "item_knn": ItemKNN, "als": ALS, "ease": EASE, "user_ease": UserEASE, "social": Social,
    "contacts": Contacts, "follow_back": FollowBack, "neighbours": Neighbours, "popularity": Popularity,
}  # fmt: skip

_KNN = {"item_knn": {"K": 200, "half_life_positions": 5}}
_EASE = {"ease": {"item_cap": 3000, "trend": 0.5, "half_life_positions": 20}}


@dataclass(eq=False)
class Ranker:
    """Logistic regression of "taken" on ``signals.py``, one set of weights per context of the query.

    At ``windows`` origins inside the training period the signals are fitted on what came before, and the
    window after it is asked as an evaluation would ask it; so the weights are learned on the future of
    the signals, never on their own training rows, and new items weigh by what users take of them (learning
    to rank from replayed logs; Joachims et al. 2017 on why a linear, regularised model is hard to beat
    with little data). Contexts: everyone, with history, back after ``away_days``, in the midst of a long
    session; each adds to the weights of the one before.

    inputs: other rungs (keys of INPUTS) with their parameters, whose scores are signals.
    C: inverse strength of the L2 penalty. negatives: items drawn per query that were not taken.
    max_queries: replayed per window. text: as hashed words, or as sentence vectors (the extra ``text``).
    Everything is scored, new items too; nothing is NaN.
    """

    needs_times = True
    uses_features = True
    colour = "#332288"
    person_days = (10, 20)
    needs_interactions = True
    fits_every = 4
    space: ClassVar[Space] = {"C": Float(1e-5, 1, log=True), "inputs": OneOf((None, _KNN, _KNN | _EASE))}

    inputs: Mapping[str, Mapping[str, Any]] | None = None
    C: float = 0.01
    windows: int = 3
    negatives: int = 100
    max_queries: int = 500
    half_life_positions: float = 5.0
    away_days: float = 1.0
    seed: int = 0
    text: TextAs = "words"

    def __post_init__(self) -> None:
        for name in self.inputs or {}:
            if name not in INPUTS:
                raise ValueError(f"ranker: unknown input '{name}'{nearest(name, INPUTS)}")
        above(0, C=self.C, half_life_positions=self.half_life_positions, away_days=self.away_days)
        at_least(1, windows=self.windows, negatives=self.negatives, max_queries=self.max_queries)
        at_least(0, seed=self.seed)
        require(self.text)
        self._signals()  # wrong parameters of an input are refused now, not after minutes

    @property
    def user_columns(self) -> list[str]:
        """Columns that an input cannot do without, such as those of popularity's segments."""
        return [c for model in self._signals().inputs.values() for c in getattr(model, "user_columns", ())]

    def fit(self, train: Dataset) -> Self:
        key = repr([(f.name, getattr(self, f.name)) for f in fields(self) if f.name != "C"])
        values, taken, weight, scale, signals = of_fits(train, "ranker", key, lambda: self._replay(train))
        from sklearn.linear_model import LogisticRegression  # half a second, for this rung only

        with threadpool_limits(1, "blas"):  # hundreds of small steps: threads only wait for one another
            model = LogisticRegression(C=self.C, max_iter=300).fit(values, taken, sample_weight=weight)
        self.signals_ = signals
        self.weights_ = (model.coef_[0] * scale).reshape(-1, signals.n).astype(np.float32)
        return self

    def _replay(self, train: Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, Signals]:
        """What is learned from, whatever ``C``: the signals of all examples times ``scale``, float32 (n, contexts x
        signals), taken or not, the weight of each, ``scale``; and the signals fitted on all of ``train``."""
        rng = np.random.default_rng(self.seed)
        examples = [self._examples(fold, rng) for fold in self._replayed(train)]
        if all(taken.all() for _, taken, _ in examples):
            raise DataError(
                "ranker: no past window shows what known users took, and what they left, of known items. "
                "Bring more data, or drop the rung."
            )
        values, taken, weight = (np.concatenate(part) for part in zip(*examples, strict=True))
        spread = values.std(axis=0, dtype=np.float64)
        # A signal that hardly varied there has no weight: to scale it up would make rounding errors decide.
        varied = spread > 1e-3 * np.abs(values).max(axis=0)
        scale = np.divide(1, spread, out=np.zeros_like(spread), where=varied).astype(np.float32)
        return values * scale, taken, weight, scale, self._signals().fit(train)

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        return self.signals_.weighed(queries, items, self._contexts(queries) @ self.weights_)

    def _signals(self) -> Signals:
        models: dict[str, Recommender] = {n: INPUTS[n](**params) for n, params in (self.inputs or {}).items()}
        return Signals(models, self.half_life_positions, self.text)

    def _replayed(self, train: Dataset) -> Iterator[Fold]:
        """Windows inside the training period, the last one up to its end; those without evidence are skipped."""
        times = train.timestamps[train.timestamps != NO_TIME]
        if not len(times):
            return
        edges = np.quantile(times, np.linspace(0.5, 1, self.windows + 1)[:-1], method="lower")
        origins = [to_datetime(int(t)) for t in np.unique(edges)]
        for origin, end in zip(origins, [*origins[1:], None], strict=True):
            try:
                yield time_fold(train, "replay", origin, end, min_train=1)
            except DataError:
                continue  # a window in which nobody or nothing was known tells nothing

    def _examples(self, fold: Fold, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Signals by context (n, contexts x signals), taken or not, and weight of each example."""
        n = len(fold.queries)
        chosen = np.sort(rng.choice(n, self.max_queries, replace=False)) if n > self.max_queries else np.arange(n)
        signals, parts = self._signals().fit(fold.train), []
        for start in range(0, len(chosen), 128):
            rows = chosen[start : start + 128]
            queries, truth = fold.queries.take(rows), fold.truth[rows]
            query, item, taken = self._pairs(queries, fold.items, truth.toarray(), rng)
            values = signals.at(queries, fold.items, query, item)
            by_context = (self._contexts(queries)[query][:, :, None] * values[:, None, :]).reshape(len(query), -1)
            n_taken = np.diff(truth.indptr)[query]
            # A user who took many items says more, but not in proportion: they come from one visit.
            parts.append((by_context, taken, np.sqrt(n_taken) / np.where(taken, n_taken, 1)))
        values, taken, weight = (np.concatenate(part) for part in zip(*parts, strict=True))
        return values, taken, weight

    def _pairs(
        self, queries: Queries, items: Table, truth: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Every taken item, and ``negatives`` draws per query from what it could have been shown instead."""
        other = available(queries.as_of, items) & ~truth
        other[queries.history.row, queries.history.item_idx] = False
        drawn = rng.integers(0, len(items), (len(queries), self.negatives))
        usable = np.take_along_axis(other, drawn, axis=1)
        positive, negative = np.nonzero(truth), (np.nonzero(usable)[0], drawn[usable])
        taken = np.repeat([True, False], [len(positive[0]), len(negative[0])])
        return np.concatenate([positive[0], negative[0]]), np.concatenate([positive[1], negative[1]]), taken

    def _contexts(self, queries: Queries) -> np.ndarray:
        """float32 (n_queries, 4): everyone, in session, back after a while, long session."""
        length = queries.history.lengths
        known, back = length > 0, (length > 0) & (queries.away_days >= self.away_days)
        return np.column_stack([np.ones(len(queries)), known & ~back, back, (length >= 10) & ~back]).astype(np.float32)
