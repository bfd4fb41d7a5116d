"""Exploration: slots go to items that nobody knows yet, by what their take rate could be, and some by lot.

What logs can tell and cannot: a log holds who took what, not what else was shown, so the rate here is takes per
day of availability, not per exposure; and an item that exploration would have shown has no answers in it. So
offline one measures who gets shown (new items, small creators, how many of them reach enough lists) and what that
costs among known answers. Whether the explored items then *gain*, only a live test or the simulator's closed loop
can tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import polars as pl

from recommender.config import Scenario, Scoring
from recommender.data.dataset import NO_TIME, Dataset, Table
from recommender.data.queries import Queries
from recommender.data.times import US_PER_DAY
from recommender.features.columns import labels
from recommender.hashing import GOLDEN, mixed, of_values
from recommender.models.base import Recommender
from recommender.models.vocabulary import ids_only
from recommender.ranking.candidates import Candidates
from recommender.ranking.lists import Lists
from recommender.ranking.recommend import recommend

CONFIDENCE = 0.9  # of the upper bound
PRIOR_DAYS = 1.0  # how long an average item must be out to say as much as the prior
NODES = 64  # of the integral over what a drawn rate could be
_SCALE = np.float64(2**-64)

How = Literal["ucb", "thompson"]


@dataclass(eq=False)
class Explorer:
    """Orders what a rung finds relevant among little-known items by what their take rate could be.

    how: ucb, the ``CONFIDENCE`` quantile of what the rate may be (upper confidence bound; Kaufmann et al. 2012),
        equal for all queries; or thompson, a draw of it for every query, place and item (Chapelle & Li 2011), fixed by
        a hash of the three, so that equal queries get equal lists.
    below: items with fewer interactions in training are little known. pool: relevant ones to choose from.
    floor: share of the places that go by lot, a guaranteed minimum of exposure: every little-known item that may be
        shown is drawn with a chance, as often as one of any other creator (``creator_column``; None: item).

    An item's takes are Poisson with a Gamma prior around the mean rate of all items, worth ``PRIOR_DAYS``: what is
    new could be anything; what had days and no takes is given up for others.
    """

    how: How
    below: int = 1
    pool: int = 20
    floor: float = 0.1
    creator_column: str | None = None

    def fit(self, train: Dataset) -> Self:
        self.items_, self.takes_ = ids_only(train.items), train.item_totals
        stated = train.timestamps[train.timestamps != NO_TIME]
        self.start_ = int(stated.min(initial=0 if not len(stated) else stated[0]))
        published = np.maximum(train.items.times("available_from"), self.start_)
        days = (int(stated.max(initial=self.start_)) - published).clip(0) / US_PER_DAY
        self.rate_ = max(float(self.takes_.sum()) / max(float(days.sum()), 1e-9), 1e-9)
        return self

    def thin(self, items: Table) -> np.ndarray:
        """Little-known items, bool (n_items,)."""
        return self._takes(items) < self.below

    def choose(self, model: Recommender, queries: Queries, candidates: Candidates, n: int, scoring: Scoring) -> Lists:
        """``n`` little-known items for each query; the first m of them are those of a choice of m."""
        return self._drawn(model, queries, candidates, n, scoring)[0]

    def propensities(
        self, model: Recommender, queries: Queries, candidates: Candidates, n: int, scoring: Scoring, above: np.ndarray
    ) -> tuple[Lists, np.ndarray]:
        """What ``choose`` gives, and with which probability each item was drawn for its place, float64 (n_queries, n):
        given the draws before it, and that it is none of ``above``, items (n_queries, m) that stand in the list anyway,
        so that a draw of them fills no place. NaN where that is not known, as items were generated."""
        drawn, by_lot, pool = self._drawn(model, queries, candidates, n, scoring)
        chance = np.full(drawn.item_idx.shape, np.nan)
        if candidates.generator is not None:
            return drawn, chance
        unknown = self._unknown(candidates)
        left = np.where(unknown.eligible(queries), self._weights(candidates.items, unknown.allowed), 0.0)
        rows, posterior = np.arange(len(queries)), self._posterior(pool, queries, candidates.items)
        standing = np.zeros(left.shape, bool)
        row, column = np.nonzero(above >= 0)
        standing[row, above[row, column]] = True
        used, never = np.zeros(pool.item_idx.shape, bool), standing[rows[:, None], pool.item_idx] & (pool.item_idx >= 0)
        for place in range(drawn.width):
            item, total = drawn.item_idx[:, place], np.maximum(left.sum(axis=1), 1e-300)
            free = (pool.item_idx >= 0) & ~used
            floor = np.where(free.any(axis=1), self.floor if by_lot else 0.0, 1.0)
            one = free & (pool.item_idx == item[:, None])
            here = floor * left[rows, item] / total + (1 - floor) * self._picked(one, free, posterior)
            lost = floor * np.where(standing, left, 0.0).sum(axis=1) / total
            for n_th in np.flatnonzero((free & never).any(axis=0)):
                lost += (1 - floor) * self._picked(free & never & (np.arange(pool.width) == n_th), free, posterior)
            fills = (item >= 0) & ~standing[rows, item]
            chance[:, place] = np.where(fills, here / np.maximum(1 - lost, 1e-12), np.nan)
            left[rows[item >= 0], item[item >= 0]] = 0.0
            used |= pool.item_idx == item[:, None]
        return drawn, chance

    def _drawn(
        self, model: Recommender, queries: Queries, candidates: Candidates, n: int, scoring: Scoring
    ) -> tuple[Lists, bool, Lists]:
        """The choice; whether some places go by lot; and the relevant items that the others are chosen from."""
        unknown = self._unknown(candidates)
        pool = recommend(model, queries, unknown, max(self.pool, n), scoring)
        place = np.arange(min(n, pool.width), dtype=np.uint64)
        both, coin = pool, np.zeros((len(queries), len(place)), bool)
        if self.floor:
            weights = self._weights(candidates.items, unknown.allowed)
            both = Lists.concat([pool, recommend(_Lot(weights), queries, unknown, n, scoring)], axis=1)
            coin = _uniform(queries_hash(queries)[:, None], place[None]) < self.floor
        posterior = self._posterior(pool, queries, candidates.items)
        order = np.zeros((len(queries), len(place)), np.int64)
        left, of_pool, rows = both.item_idx >= 0, np.arange(both.width) < pool.width, np.arange(len(queries))
        index = np.zeros(both.item_idx.shape)
        for at in range(len(place)):  # few: at most the number of slots
            if at == 0 or self.how == "thompson":
                index[:, : pool.width] = self._index(pool, posterior, queries, candidates.items, at)
            wanted = left & (of_pool != coin[:, [at]])
            wanted = np.where(wanted.any(axis=1, keepdims=True), wanted, left)
            order[:, at] = best = np.where(wanted, index, -np.inf).argmax(axis=1)
            left &= both.item_idx != both.item_idx[rows, best][:, None]
        return both.permute(order).head(len(place)), bool(self.floor), pool

    def _unknown(self, candidates: Candidates) -> Candidates:
        return candidates.only(self.thin(candidates.items))

    def _posterior(self, lists: Lists, queries: Queries, items: Table) -> tuple[np.ndarray, np.ndarray]:
        """Shape and rate of the Gamma distribution of each entry's takes per day, float64 (n_queries, width)."""
        item = lists.item_idx.clip(min=0)
        published = np.maximum(items.times("available_from"), self.start_)[item]
        as_of = queries.as_of[:, None]
        days = np.where(as_of == NO_TIME, 0, as_of - published).clip(0) / US_PER_DAY
        return self.rate_ * PRIOR_DAYS + self._takes(items)[item], PRIOR_DAYS + days

    def _index(
        self, lists: Lists, posterior: tuple[np.ndarray, np.ndarray], queries: Queries, items: Table, place: int
    ) -> np.ndarray:
        """What the rate of each entry could be, takes per day, float64 (n_queries, width); -inf without an item."""
        from scipy.special import gammaincinv  # a tenth of a second, which a served model without slots need not pay

        if self.how == "ucb":
            share = np.full(lists.item_idx.shape, CONFIDENCE)
        else:
            drawn = queries_hash(queries) ^ mixed(np.full(len(queries), place, np.uint64))
            share = _uniform(drawn[:, None], items.id_hash[lists.item_idx.clip(min=0)])
        shape, rate = posterior
        return np.where(lists.item_idx < 0, -np.inf, gammaincinv(shape, share) / rate)

    def _picked(self, one: np.ndarray, free: np.ndarray, posterior: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Probability that the entry ``one`` of each row (bool, at most one) is the best of those that are free."""
        from scipy.special import gammainc, gammaincinv

        rows, column = np.flatnonzero(one.any(axis=1)), one.argmax(axis=1)
        shape, rate = posterior
        out = np.zeros(len(one))
        if self.how == "ucb":
            index = np.where(free, gammaincinv(shape, CONFIDENCE) / rate, -np.inf)
            out[rows] = index[rows].argmax(axis=1) == column[rows]
            return out
        share = (np.arange(NODES) + 0.5) / NODES
        at = rows, column[rows]
        value = gammaincinv(shape[at][:, None], share) / rate[at][:, None]  # (rows, nodes)
        below = gammainc(shape[rows, :, None], value[:, None, :] * rate[rows, :, None])
        others = free[rows] & ~one[rows]
        out[rows] = np.where(others[:, :, None], below, 1.0).prod(axis=1).mean(axis=1)
        return out

    def _takes(self, items: Table) -> np.ndarray:
        """Interactions in training of each item, int64 (n_items,)."""
        return np.asarray(
            np.append(self.takes_, 0)[self.items_.lookup(items.ids)]
        )  # -1, unknown, reads the zero at the end

    def _weights(self, items: Table, thin: np.ndarray | None) -> np.ndarray:
        """One over the little-known items of the same creator, float64 (n_items,)."""
        assert thin is not None
        if self.creator_column is None or self.creator_column not in items.frame.columns:
            return np.ones(len(items))
        creator = labels(items, self.creator_column, "exposure.creator_column")
        counted = pl.DataFrame({"creator": creator, "thin": thin})
        many = counted.select(pl.col("thin").sum().over("creator"))["thin"].to_numpy().astype(float)
        return np.where(counted["creator"].is_null().to_numpy(), 1.0, 1 / np.maximum(many, 1))


def make_explorer(scenario: Scenario) -> Explorer | None:
    """Not fitted; None where slots do not explore."""
    slots = scenario.slots
    if slots.explore is None:
        return None
    return Explorer(slots.explore, slots.below, slots.pool, slots.floor, scenario.exposure.creator_column)


@dataclass(eq=False)
class _Lot:
    """Draws items without replacement with chances in proportion to weights (Efraimidis & Spirakis 2006)."""

    weights: np.ndarray

    def fit(self, train: Dataset) -> Self:
        return self

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        share = _uniform(queries_hash(queries)[:, None], ~items.id_hash[None])
        return np.asarray(np.log(share) / self.weights, np.float32)


def queries_hash(queries: Queries) -> np.ndarray:
    """A fixed pseudo-random uint64 (n,) of each query's user and time."""
    return np.asarray(queries.users.id_hash ^ of_values(queries.as_of))


def _uniform(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Pseudo-random numbers in (0, 1) fixed by two uint64, which are broadcast."""
    return np.asarray((mixed(one + other * GOLDEN) * _SCALE).clip(1e-12, 1 - 1e-12))
