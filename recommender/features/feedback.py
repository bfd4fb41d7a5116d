"""Several kinds of feedback as one strength: a like says more than a view, a hate says no.

``data.event_weights`` states the weight of each kind of event; without it an interaction counts 1 and other
signals nothing. As Hu, Koren and Volinsky (2008) have it, a strength is how sure one is of a preference; a
negative one is a certain dislike.
Popularity sums it up, ALS takes it for its confidence. Item-kNN does not read it: with likes as longer vectors its
cosines got worse. The column ``weight`` (a rating, plays) is read only where popularity's ``weighted`` or ALS's
``confidence`` says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
import scipy.sparse as sp

from recommender.data.dataset import NO_TIME, Dataset, microseconds
from recommender.data.times import US_PER_DAY

Confidence = Literal["one", "weight", "log_weight"]


@dataclass(frozen=True)
class Feedback:
    """Events of known users with known items; the interactions come first, in their own order."""

    user: np.ndarray  # int64 (n,), rows of users
    item: np.ndarray  # int64 (n,), rows of items
    age_days: np.ndarray  # float64 (n,), as of ``Dataset.age_days``
    weight: np.ndarray  # float64 (n,)


def feedback(train: Dataset) -> Feedback:
    """Interactions, and the signals that ``event_weights`` names; an interaction of a kind that it leaves out is 1."""
    weights = dict(train.event_weights)
    taken = Feedback(train.user_idx, train.item_idx, train.age_days, np.ones(len(train.user_idx)))
    if not weights:
        return taken
    base = _weights(train.interactions, weights, 1.0)
    signals = train.signals
    if not signals.height:
        return Feedback(taken.user, taken.item, taken.age_days, base)
    signals = signals.filter(pl.col("event").is_in([e for e, w in weights.items() if w]))
    user, item = train.users.lookup(signals["user_id"]), train.items.lookup(signals["item_id"])
    known = (user >= 0) & (item >= 0)
    stated = train.timestamps[train.timestamps != NO_TIME]
    times = microseconds(signals["timestamp"])
    latest, oldest = int(stated.max(initial=0)), float(train.age_days.max(initial=0))
    ages = np.where(times == NO_TIME, oldest, (latest - np.where(times == NO_TIME, 0, times)) / US_PER_DAY)
    return Feedback(
        np.concatenate([taken.user, user[known]]),
        np.concatenate([taken.item, item[known]]),
        np.concatenate([taken.age_days, ages.clip(0, oldest)[known]]),
        np.concatenate([base, _weights(signals, weights, 0.0)[known]]),
    )


def strengths(train: Dataset, confidence: Confidence = "one") -> sp.csr_matrix:
    """users x items, float32: summed weight of each pair's events, each kind once; 0 where nothing is known.

    Without ``event_weights`` the ones of ``Dataset.matrix``. confidence: "weight" multiplies a pair by the sum of the
    column ``weight`` over its interactions, "log_weight" by log(1 + that sum) (both forms are Hu, Koren and
    Volinsky's); either is divided by its mean over all pairs, so that alpha means the same.
    """
    matrix = _of_events(train)
    if confidence == "one" or not len(train.weights):
        return matrix
    sums = sp.csr_matrix((train.weights.astype(np.float64), (train.user_idx, train.item_idx)), shape=matrix.shape)
    sums.sum_duplicates()
    if confidence == "log_weight":
        sums.data = np.log1p(sums.data)
    sums.data /= max(float(sums.data.mean()), 1e-9)
    factor = sums - sp.csr_matrix((np.ones(sums.nnz), sums.indices, sums.indptr), shape=sums.shape)  # 0 where none
    weighed = (matrix + matrix.multiply(factor)).tocsr().astype(np.float32)
    weighed.eliminate_zeros()
    return weighed


def _of_events(train: Dataset) -> sp.csr_matrix:
    if not train.event_weights:
        return train.matrix()
    once = {name: getattr(train, name) for name in ("interactions", "signals")}
    once = {
        n: f.unique(["user_id", "item_id", "event"], maintain_order=True) if f.width else f for n, f in once.items()
    }
    rows = feedback(
        Dataset(train.name, items=train.items, users=train.users, event_weights=train.event_weights, **once)
    )
    shape = (len(train.users), len(train.items))
    matrix = sp.csr_matrix((rows.weight.astype(np.float32), (rows.user, rows.item)), shape=shape)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix


def decay(ages: np.ndarray, half_life_share: float, oldest: float | None = None) -> np.ndarray:
    """Weights that halve every ``half_life_share`` of the period that ``ages`` span (days), float64, as ``ages``.

    oldest: the end of that period, where ``ages`` are a part of all."""
    oldest = float(ages.max(initial=0)) if oldest is None else oldest
    return np.asarray(0.5 ** (ages / (half_life_share * max(oldest, 1e-9))))


@dataclass(frozen=True)
class Decay:
    """``decay`` as a ``Weigher``."""

    half_life_share: float

    def faded(self, ages: np.ndarray, oldest: float) -> np.ndarray:
        """See ``Weigher``."""
        return decay(ages, self.half_life_share, oldest)


def hyperbolic_decay(ages: np.ndarray, half_life_share: float, oldest: float) -> np.ndarray:
    """``decay`` with a long tail: 1 / (1 + age / half-life), so half at the half-life, a third at twice that age."""
    return np.asarray(1 / (1 + ages / (half_life_share * max(oldest, 1e-9))))


def _weights(rows: pl.DataFrame, weights: dict[str, float], other: float) -> np.ndarray:
    if not rows.height:
        return np.zeros(0)
    return rows["event"].replace_strict(weights, default=other, return_dtype=pl.Float64).to_numpy()
