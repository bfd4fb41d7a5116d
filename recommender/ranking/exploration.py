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
from recommender.data.dataset import NO_TIME, US_PER_DAY, Dataset, Table
from recommender.data.queries import Queries
from recommender.features.columns import labels
from recommender.hashing import GOLDEN, mixed, of_values
from recommender.models.base import Recommender
from recommender.models.vocabulary import ids_only
from recommender.ranking.candidates import Candidates
from recommender.ranking.lists import Lists
from recommender.ranking.recommend import recommend

CONFIDENCE = 0.9  # of the upper bound
PRIOR_DAYS = 1.0  # how long an average item must be out to say as much as the prior
_SCALE = np.float64(2**-64)

How = Literal["ucb", "thompson"]


@dataclass(eq=False)
class Explorer:
    """Orders what a rung finds relevant among little-known items by what their take rate could be.

    how: ucb, the ``CONFIDENCE`` quantile of what the rate may be (upper confidence bound; Kaufmann et al. 2012),
        equal for all queries; or thompson, a draw of it for every query and item (Chapelle & Li 2011), fixed by a
        hash of the two, so that equal queries get equal lists.
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
        items = candidates.items
        unknown = candidates.only(self.thin(items))
        relevant = recommend(model, queries, unknown, max(self.pool, n), scoring)
        order = np.argsort(-self._index(relevant, queries, items), axis=1, kind="stable")
        chosen = relevant.permute(order).head(n)
        if not self.floor:
            return chosen
        assert unknown.allowed is not None
        lot = recommend(_Lot(self._weights(items, unknown.allowed)), queries, unknown, n, scoring)
        coin = _uniform(queries_hash(queries)[:, None], np.arange(n, dtype=np.uint64)[None]) < self.floor
        return _merged(chosen, lot, coin)

    def _index(self, lists: Lists, queries: Queries, items: Table) -> np.ndarray:
        """What the rate of each entry could be, takes per day, float64 (n_queries, width); -inf without an item."""
        from scipy.special import gammaincinv  # a tenth of a second, which a served model without slots need not pay

        item = lists.item_idx.clip(min=0)
        published = np.maximum(items.times("available_from"), self.start_)[item]
        as_of = queries.as_of[:, None]
        days = np.where(as_of == NO_TIME, 0, as_of - published).clip(0) / US_PER_DAY
        shape = self.rate_ * PRIOR_DAYS + self._takes(items)[item]
        if self.how == "ucb":
            share = np.full(item.shape, CONFIDENCE)
        else:
            share = _uniform(queries_hash(queries)[:, None], items.id_hash[item])
        bound = gammaincinv(shape, share) / (PRIOR_DAYS + days)
        return np.where(lists.item_idx < 0, -np.inf, bound)

    def _takes(self, items: Table) -> np.ndarray:
        """Interactions in training of each item, int64 (n_items,)."""
        return np.asarray(
            np.append(self.takes_, 0)[self.items_.lookup(items.ids)]
        )  # -1, unknown, reads the zero at the end

    def _weights(self, items: Table, thin: np.ndarray) -> np.ndarray:
        """One over the little-known items of the same creator, float64 (n_items,)."""
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


def _merged(chosen: Lists, lot: Lists, coin: np.ndarray) -> Lists:
    """Each place takes the next unused entry of ``lot`` where ``coin``, bool (n, width), is set, else of ``chosen``."""
    both = Lists.concat([chosen, lot], axis=1)
    rows, of_chosen = np.arange(len(coin)), np.arange(both.width) < chosen.width
    left, order = both.item_idx >= 0, np.zeros(chosen.item_idx.shape, np.int64)
    for place in range(chosen.width):  # few: at most the number of slots
        wanted = left & (of_chosen != coin[:, [place]])
        order[:, place] = at = np.where(wanted.any(axis=1), wanted.argmax(axis=1), left.argmax(axis=1))
        left &= both.item_idx != both.item_idx[rows, at][:, None]
    return both.permute(order).head(chosen.width)
