"""The truth of a simulated data set as files and as functions: utility, and the chance of being shown.

Beside the tables of a dataset folder lies ``truth/`` with everything that made them. Controls and studies may
ask it; a rung never sees it: ``Dataset.before`` and ``Dataset.only`` drop it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
import scipy.sparse as sp

from recommender.simulate.column_values import days, ids, rows_of
from recommender.simulate.knobs import Knobs
from recommender.simulate.log import Log, simulate
from recommender.simulate.make import make_world
from recommender.simulate.service import ShownItems
from recommender.simulate.social import looked_up
from recommender.simulate.world import World

ROWS = 128  # queries scored at once: bounds memory
SECOND = 1 / 86_400


@dataclass(frozen=True)
class SimulatedTruth:
    """A world and what happened in it."""

    world: World
    log: Log
    seed: int

    @classmethod
    def simulated(cls, knobs: Knobs, seed: int, record: bool = False) -> SimulatedTruth:
        """The truth of these knobs; without ``record`` what was shown is not kept, nor, of large sets, any drift."""
        world = make_world(knobs, seed)
        return cls(world, simulate(world, seed, record), seed)

    def scores(self, users: pl.Series, items: pl.Series, as_of: np.ndarray) -> np.ndarray:
        """The oracle: log of the chance to be shown + utility + what the item promises; float32 (n, n_items).

        users (n,), items (n_items,): ids. as_of: int64 microseconds (n,). NaN for ids that the truth does not
        know. Orders items by how likely the user is to take them, as the logging policy of that moment shows them:
        no recommender can know more, but for what happens later.
        """
        user, item = self._rows("u", users), self._rows("i", items)
        scores = np.full((len(user), len(item)), np.nan, np.float32)
        now = days(as_of, self.world.knobs)
        known = np.argsort(now, kind="stable")  # neighbours in time share what was shown
        known = known[user[known] >= 0]
        with np.errstate(divide="ignore"):  # never shown: minus infinity
            for start in range(0, len(known), ROWS):
                rows = known[start : start + ROWS]
                odds = self._odds(user[rows], now[rows])[:, item]
                odds[:, item < 0] = np.nan
                scores[rows] = odds
        return scores

    def spam(self, items: pl.Series) -> np.ndarray:
        """Items that break the rules, those of rings among them, found or not: bool (n_items,); unknown ids: False."""
        item = self._rows("i", items)
        return np.asarray(self.world.items.violating[item] & (item >= 0))

    def utility(self, users: pl.Series, items: pl.Series, as_of: np.ndarray) -> np.ndarray:
        """Expected utility alone; arguments and result like those of ``scores``."""
        user, item = self._rows("u", users), self._rows("i", items)
        values = np.full((len(user), len(item)), np.nan, np.float32)
        known = np.flatnonzero(user >= 0)
        now = days(as_of, self.world.knobs)
        for start in range(0, len(known), ROWS):
            rows = known[start : start + ROWS]
            values[rows] = expected_utility(self, user[rows], item, now[rows])
        values[:, item < 0] = np.nan
        return values

    def _rows(self, kind: str, wanted: pl.Series) -> np.ndarray:
        """Row numbers of users ("u") or items ("i"), -1 for unknown ids; int64 (n,)."""
        n = self.world.knobs.n_users if kind == "u" else self.world.knobs.n_items
        return rows_of(ids(kind, n), wanted)

    def _odds(self, user: np.ndarray, now: np.ndarray) -> np.ndarray:
        """``scores`` of all items, float64 (n, n_items); minus infinity for what is not shown at that moment."""
        taste, friends = self.taste(user, now), self.friends(user, now)
        odds = np.full((len(user), self.world.knobs.n_items), -np.inf)
        length = self.world.knobs.block_hours / 24
        block = np.floor(now / length)
        for number in np.unique(block):
            rows, begin = np.flatnonzero(block == number), float(number * length)
            live = self.world.live(begin)
            if not len(live):
                continue
            lists = np.broadcast_to(live, (len(rows), len(live)))
            liked = self.world.affinity(taste[rows], user[rows], lists, begin)
            service = ShownItems(self.world, self._popularity(begin), live, begin, np.random.default_rng(0))
            shown = service.propensity(
                user[rows], taste[rows], self._history(user[rows], begin), friends[rows], lists, liked,
                np.random.default_rng(0),
            )  # fmt: skip
            utility = liked + self.world.attraction(user[rows], lists, now[rows]) + self._pull(friends[rows], lists)
            odds[np.ix_(rows, live)] = np.log(shown) + utility + self.world.promise(lists)
        return odds

    def _pull(self, friends: sp.csr_matrix, item: np.ndarray) -> np.ndarray:
        return np.asarray(self.world.knobs.social_pull * np.log1p(looked_up(friends, item)))

    def taste(self, user: np.ndarray, now: np.ndarray) -> np.ndarray:
        """Expected taste given the walk up to ``now``, float32 (n, personas, dims).

        The walk returns to its mean, so the last state seen counts less the longer ago it was.
        """
        by_user, time, taste = self._walk
        mean = self.world.present("taste", user, now)
        if not len(time):
            return np.asarray(mean)
        span = self.world.knobs.span_days + 2
        at = np.searchsorted(by_user * span + time, user * span + now, side="right") - 1
        seen = (at >= 0) & (by_user[at] == user)
        decay = np.exp(-np.maximum(now - time[at], 0) / self.world.knobs.drift_days) * seen
        return np.asarray(
            mean + decay[:, None, None] * (taste[at] - self.world.present("taste", user, time[at])), np.float32
        )

    def friends(self, user: np.ndarray, now: np.ndarray) -> sp.csr_matrix:
        """How many of those whom each user follows took each item lately, float32 (n, n_items)."""
        knobs, follows = self.world.knobs, self.world.follows
        shape = (len(user), knobs.n_items)
        if not follows.nnz:
            return sp.csr_matrix(shape, dtype=np.float32)
        row, friend = _expand(follows.indptr[user], follows.indptr[user + 1])
        friend = follows.indices[friend]
        by_user, time, item = self._takes
        span = 2 * (knobs.span_days + 2)
        key = by_user * span + time
        low = np.searchsorted(key, friend * span + np.maximum(now[row] - knobs.social_days, 0))
        high = np.maximum(np.searchsorted(key, friend * span + now[row]), low)
        of_row, take = _expand(low, high)
        return sp.csr_matrix((np.ones(len(take), np.float32), (row[of_row], item[take])), shape=shape)

    def _popularity(self, begin: float) -> np.ndarray:
        """Popularity as the service counts it at the begin of a block, float64 (n_items,)."""
        knobs, length = self.world.knobs, self.world.knobs.block_hours / 24
        _, time, item = self._takes
        before = time < begin
        block_begin = np.floor(time[before] / length) * length
        weight = 0.5 ** ((begin - block_begin) / knobs.popularity_half_life_days)
        return np.asarray(np.bincount(item[before], weight, knobs.n_items))

    def _history(self, user: np.ndarray, begin: float) -> np.ndarray:
        by_user, time, _ = self._takes
        span = 2 * (self.world.knobs.span_days + 2)
        key = by_user * span + time
        return np.asarray(np.searchsorted(key, user * span + begin) - np.searchsorted(key, user * span))

    @cached_property
    def _walk(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """User, time (days) and taste of every visit, sorted by user, then time."""
        shown = self.log.shown
        if not shown:
            return np.zeros(0, np.int64), np.zeros(0), np.zeros((0, *self.world.users.taste.shape[1:]), np.float32)
        user, time, taste = (np.concatenate([getattr(s, name) for s in shown]) for name in ("user", "time", "taste"))
        time = np.floor(time / SECOND) * SECOND - SECOND / 2  # interactions are known in whole seconds
        order = np.lexsort((time, user))
        return user[order], time[order], taste[order]

    @cached_property
    def _takes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """User, time (days) and item of the log, sorted by user, then time."""
        order = np.lexsort((self.log.time, self.log.user))
        return self.log.user[order], self.log.time[order], self.log.item[order]


def expected_utility(truth: SimulatedTruth, users: np.ndarray, items: np.ndarray, as_of: np.ndarray) -> np.ndarray:
    """Log-odds that a user who looks at an item takes it, given all that had happened; float32 (n, m).

    users: rows, int64 (n,). items: rows, int64 (m,). as_of: days since the start of the data, float64 (n,).
    Drifting taste x (explained + unexplained profile) + quality, age and trend + fit of place, seniority and
    salary + social pull. What an item only promises (``World.promise``) is left out.
    """
    item = np.broadcast_to(items, (len(users), len(items)))
    liked = truth.world.affinity(truth.taste(users, as_of), users, item, as_of)
    pull = truth._pull(truth.friends(users, as_of), item)
    return np.asarray(liked + truth.world.attraction(users, item, as_of) + pull, np.float32)


def _expand(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every number of the ranges low:high, with the position of its range."""
    count = high - low
    row = np.repeat(np.arange(len(count)), count)
    return row, np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(low, count)
