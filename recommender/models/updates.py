"""Models brought up to date with the rows since their fit, without a fit on all rows.

Popularity, item_knn and EASE learn from counts, which add up: what is new is added to the counts of the fit. Half-lives
and what a user counts (weightings tfidf and bm25) stay those of the fit. ALS keeps its factors: users are folded in
with their histories of now, then the items that were taken since, new ones too, with those users (half an iteration).
A history costs nothing here: a server has it at hand. ``make study STUDY=staleness`` measures what such models lose
against fitting again.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

import numpy as np
import scipy.sparse as sp

from recommender.data.dataset import Dataset
from recommender.features.feedback import decay
from recommender.features.memo import forget
from recommender.models.als import ALS
from recommender.models.base import Recommender
from recommender.models.ease import EASE, solved
from recommender.models.item_knn import ItemKNN
from recommender.models.item_pairs import Rarity
from recommender.models.popularity import Popularity
from recommender.models.trend import by_trend
from recommender.models.vocabulary import ids_only, interacted

Update = Callable[[Dataset], Recommender]
BLOCK = 512  # items whose pairs are looked through at once


def update_of(model: Recommender, fitted_on: Dataset) -> Update | None:
    """What makes of ``model`` a new one that also knows the rows since; None: its algorithm has no update.

    The function takes all data of now, whose first rows are those of ``fitted_on``.
    """
    if fitted_on.everyone is not None or fitted_on.event_weights:
        return None
    match model:
        case Popularity():
            return _popularity(model, fitted_on)
        case ItemKNN():
            return _item_knn(model, fitted_on)
        case EASE():
            return _ease(model, fitted_on)
        case ALS():
            return _als(model, fitted_on)
    return None


def _popularity(model: Popularity, then: Dataset) -> Update | None:
    if model.segment or model.weighted or model.trusted or model.returning_share or model.fade != "exponential":
        return None
    if model.window_days is not None or model.half_life_days is not None:
        return None
    n_then, share = then.interactions.height, model.half_life_share
    period = float(then.age_days.max(initial=0))

    def update(now: Dataset) -> Recommender:
        ages, faded = now.age_days[n_then:], 1.0
        weights = np.ones(len(ages))
        if share is not None:  # the half-life stays that of the fit
            weights = decay(ages, share, period)
            faded = float(decay(np.array([now.age_days[n_then - 1]]), share, period)[0])
        counts = np.bincount(now.item_idx[n_then:], weights, len(now.items))
        there = now.items.lookup(model.items_.ids)
        counts[there[there >= 0]] += faded * model.counts_[0, there >= 0]
        new = copy(model)
        new.items_, new.counts_ = ids_only(now.items), counts.astype(np.float32)[None]
        return new

    return update


class _Pairs:
    """Counts of pairs, to which those of users with new rows are added: what they count now less what they counted."""

    def __init__(self, then: Dataset, rarity: Rarity | None) -> None:
        self.taken, self.users, self.items = interacted(then)
        self.rarity, self.n_then = rarity, then.interactions.height
        self.counts = self._counted(self.taken)

    def with_new(self, now: Dataset) -> tuple[sp.csr_matrix, sp.csr_matrix]:
        """Counts and histories of now: int64 csr (n_items, n_items), float32 csr (n_users, n_items)."""
        taken, users, items = interacted(now)
        changed = np.unique(users.lookup(now.users.ids.gather(np.unique(now.user_idx[self.n_then :]))))
        before = self.users.lookup(users.ids.gather(changed))
        column = items.lookup(self.items.ids)
        old = self._counted(self.taken[before[before >= 0]])
        grown = [_renumbered(matrix, column, len(items)) for matrix in (self.counts, old)]
        return grown[0] - grown[1] + self._counted(taken[changed]), taken

    def _counted(self, taken: sp.csr_matrix) -> sp.csr_matrix:
        lengths = np.diff(taken.indptr)
        weights = np.ones(len(lengths), np.int64) if self.rarity is None else self.rarity.weights(lengths)
        ones, counts = np.ones(taken.nnz, np.int64), np.repeat(weights, lengths)
        of_users = [sp.csr_matrix((values, taken.indices, taken.indptr), taken.shape) for values in (ones, counts)]
        return (of_users[0].T @ of_users[1]).tocsr()


def _renumbered(square: sp.csr_matrix, number: np.ndarray, n: int) -> sp.csr_matrix:
    pairs = square.tocoo()
    return sp.csr_matrix((pairs.data, (number[pairs.row], number[pairs.col])), shape=(n, n))


def _item_knn(model: ItemKNN, then: Dataset) -> Update:
    pairs = _Pairs(then, model._rarity())

    def update(now: Dataset) -> Recommender:
        counts, taken = pairs.with_new(now)
        best = model._best(counts.diagonal(), taken.getnnz(axis=0))
        starts = range(0, counts.shape[0], BLOCK)
        rows = ((np.arange(s, min(s + BLOCK, counts.shape[0])), counts[s : s + BLOCK].toarray()) for s in starts)
        new = copy(model)
        new.items_, new.similarity_ = interacted(now)[2], best.of_rows(rows)
        new._follow_trend(now)
        return new

    return update


def _ease(model: EASE, then: Dataset) -> Update:
    pairs = _Pairs(then, None)

    def update(now: Dataset) -> Recommender:
        counts, taken = pairs.with_new(now)
        learned = model._learned(taken.getnnz(axis=0))
        new = copy(model)
        new.items_ = interacted(now)[2].take(learned)
        new.weights_ = solved(counts[learned][:, learned].toarray().astype(np.float32), model.regularization)
        new.weights_ *= by_trend(now, new.items_, model.trend, model.trend_share)
        return new

    return update


def _als(model: ALS, then: Dataset) -> Update:
    n_then = then.interactions.height

    def update(now: Dataset) -> Recommender:
        taken, _, items = interacted(now, model.confidence)
        solver, old = model._upstream(), items.lookup(model.items_.ids)
        factors = np.zeros((len(items), model.factors), np.float32)
        factors[old[old >= 0]] = model.item_factors_[old >= 0]
        solver.item_factors = factors
        solver.user_factors = solver.recalculate_user(np.arange(taken.shape[0]), taken)
        since = np.unique(items.lookup(now.items.ids.gather(np.unique(now.item_idx[n_then:]))))
        factors[since] = solver.recalculate_item(since, taken.T.tocsr()[since])
        new = copy(model)
        forget(new)
        new.items_, new.item_factors_ = items, factors
        new.trend_ = by_trend(now, items, model.trend, model.trend_share)
        return new

    return update
