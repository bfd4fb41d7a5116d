"""What users do: visits over time, lists shown by a logging policy, and choices from those lists.

A choice is Plackett-Luce (softmax without replacement): utility + log of the chance that the rank is
looked at + Gumbel noise, the highest are taken. Nothing is taken that was not shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from recommender.data.simulate.knobs import Knobs
from recommender.data.simulate.world import World, segment, segment_start

STEP_DAYS = 2 / 1440  # from one taken item to the next
CANDIDATES = 4  # compared for each personalised slot
LEARNING = 10  # interactions after which half of a user's taste is known to the service
SLOWEST = 1.5  # delays of signals are up to this many times the usual
MEMORY_BYTES = 200_000_000  # of who has seen what; beyond it items share cells, so a few are needlessly withheld
HOURS = np.array([3, 2, 1, 1, 1, 1, 2, 4, 5, 5, 5, 5, 6, 6, 5, 5, 5, 6, 7, 9, 10, 10, 8, 5], float)
NOTHING = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.float32))  # as of ``_play``


@dataclass(frozen=True)
class Visits:
    """One row per visit, sorted by time."""

    user: np.ndarray
    time: np.ndarray  # days
    takes: np.ndarray  # int64: how many items are taken, if the list has as many

    def take(self, rows: slice) -> Visits:
        return Visits(self.user[rows], self.time[rows], self.takes[rows])


@dataclass(frozen=True)
class Log:
    """One row per taken item, no pair of user and item twice."""

    user: np.ndarray
    item: np.ndarray
    time: np.ndarray  # days
    utility: np.ndarray  # float32: log-odds without the noise of the moment and without the rank's effect


def simulate(world: World, seed: int) -> Log:
    """Plays the whole time, one block after the other."""
    rng = np.random.default_rng([seed, 2])
    state = _State.start(world)
    parts = [NOTHING]
    parts += [_play(world, state, visits, begin, rng) for begin, visits in _blocks(world.knobs, _visits(world, rng))]
    user, item, time, utility = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    _, first = np.unique(user * world.knobs.n_items + item, return_index=True)  # two visits in one block may repeat
    return Log(user[first], item[first], time[first], utility[first])


@dataclass
class _State:
    """What changes from block to block."""

    taste: np.ndarray  # float32 (n_users, personas, dims)
    moved: np.ndarray  # days (n_users,): when taste was last moved on
    history: np.ndarray  # int64 (n_users,): interactions so far
    popularity: np.ndarray  # float64 (n_items,): decayed interactions
    seen: np.ndarray  # bool (n_users, cells)

    @classmethod
    def start(cls, world: World) -> _State:
        n, n_items = world.knobs.n_users, world.knobs.n_items
        cells = min(n_items, max(64, MEMORY_BYTES // n))
        seen = np.zeros((n, cells), bool)
        return cls(world.users.taste.copy(), world.users.arrived.copy(), np.zeros(n, np.int64), np.zeros(n_items), seen)


def _visits(world: World, rng: np.random.Generator) -> Visits:
    """Spreads each user's interactions over visits, the first at arrival, the others ever rarer."""
    knobs, users = world.knobs, world.users
    n_visits = np.ceil(users.takes / knobs.per_session).astype(np.int64)
    owner = np.repeat(np.arange(knobs.n_users), n_visits)
    start = np.cumsum(n_visits) - n_visits
    # each interaction goes to a random visit of its user: visit lengths vary as in a Poisson process
    of_take = np.repeat(start, users.takes) + np.floor(
        rng.random(users.takes.sum()) * np.repeat(n_visits, users.takes)
    ).astype(np.int64)
    takes = np.minimum(np.bincount(of_take, minlength=len(owner)), knobs.list_length)
    first = np.zeros(len(owner), bool)
    first[start[n_visits > 0]] = True
    arrived = users.arrived[owner]
    day = np.floor(arrived + np.where(first, 0, users.stay[owner] * rng.random(len(owner)) ** 2))
    hour = np.searchsorted(np.cumsum(HOURS / HOURS.sum()), rng.random(len(owner)))
    time = np.maximum(day + (hour + rng.random(len(owner))) / 24, arrived)
    time = np.minimum(time, knobs.span_days - _visit_days(knobs))
    order = np.argsort(time, kind="stable")
    order = order[takes[order] > 0]
    return Visits(owner[order], time[order], takes[order])


def _visit_days(knobs: Knobs) -> float:
    """The longest that a visit and what follows from it can last, days."""
    delays = [SLOWEST * signal.delay_minutes / 1440 for signal in knobs.signals]
    return knobs.list_length * STEP_DAYS + max(delays, default=0.0)


def _blocks(knobs: Knobs, visits: Visits) -> Iterator[tuple[float, Visits]]:
    """Begin (days) of each block with a visit, and its visits."""
    block = np.floor(visits.time * 24 / knobs.block_hours)
    bounds = np.flatnonzero(np.diff(block, prepend=-1, append=np.inf))
    for start, end in pairwise(bounds):
        yield block[start] * knobs.block_hours / 24, visits.take(slice(start, end))


def _play(
    world: World, state: _State, visits: Visits, begin: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """One block: show, choose, remember. Returns user, item, time and utility of what was taken."""
    knobs = world.knobs
    latest = begin + knobs.block_hours / 24 + _visit_days(knobs)
    live = np.flatnonzero((world.items.published <= begin) & (world.items.ends > latest))
    if not len(live):
        return NOTHING
    _drift(world, state, np.unique(visits.user), begin, rng)
    lists = _Service(world, state, live, begin, rng).show(visits)
    utility = world.affinity(state.taste[visits.user], visits.user, lists)
    utility = utility + world.attraction(visits.user, lists, visits.time).astype(np.float32)
    row, column, step = _choose(world, state, visits, lists, utility, rng)
    user, item = visits.user[row], lists[row, column]
    time = visits.time[row] + STEP_DAYS * (step + rng.random(len(row)))
    state.history += np.bincount(user, minlength=knobs.n_users)
    state.seen[user, item % state.seen.shape[1]] = True
    state.popularity *= 0.5 ** (knobs.block_hours / 24 / knobs.popularity_half_life_days)
    state.popularity += np.bincount(item, minlength=knobs.n_items)
    return user, item, time, utility[row, column]


def _drift(world: World, state: _State, users: np.ndarray, now: float, rng: np.random.Generator) -> None:
    """Moves tastes on to ``now``: an exact step of an Ornstein-Uhlenbeck walk around each user's own mean."""
    kept = np.exp(-np.maximum(0, now - state.moved[users]) / world.knobs.drift_days).astype(np.float32)[:, None, None]
    mean = world.users.taste[users]
    noise = rng.standard_normal(mean.shape, dtype=np.float32) * np.float32(world.knobs.drift_sd)
    state.taste[users] = mean + kept * (state.taste[users] - mean) + np.sqrt(1 - kept**2) * noise
    state.moved[users] = np.maximum(now, state.moved[users])


def _choose(
    world: World, state: _State, visits: Visits, lists: np.ndarray, utility: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row and column of ``lists`` of each taken item, and its turn within the visit."""
    looked_at = -world.knobs.position_decay * np.log1p(np.arange(lists.shape[1]))
    score = utility + looked_at + rng.gumbel(size=lists.shape)
    score[_repeated(lists)] = -np.inf
    score[state.seen[visits.user[:, None], lists % state.seen.shape[1]]] = -np.inf
    order = np.argsort(-score, axis=1)
    taken = np.arange(lists.shape[1]) < visits.takes[:, None]
    taken &= np.isfinite(np.take_along_axis(score, order, 1))
    row, step = np.nonzero(taken)
    return row, order[row, step], step


def _repeated(lists: np.ndarray) -> np.ndarray:
    """True at every further place of an item in its row; bool, same shape."""
    order = np.argsort(lists, axis=1, kind="stable")
    in_order = np.take_along_axis(lists, order, 1)
    again = np.zeros(lists.shape, bool)
    np.put_along_axis(again, order[:, 1:], in_order[:, 1:] == in_order[:, :-1], 1)
    return again


class _Service:
    """The logging policy in one block: each place of a list is filled by one of five ways, drawn at random."""

    def __init__(self, world: World, state: _State, live: np.ndarray, now: float, rng: np.random.Generator) -> None:
        knobs = world.knobs
        self.world, self.state, self.rng, self.live = world, state, rng, live
        weight = (state.popularity[live] + 1) ** knobs.popularity_power
        self._popular = np.cumsum(weight)
        self._fresh = np.cumsum(np.exp((world.items.published[live] - now) / knobs.fresh_days) + 1e-12)
        number = segment(world.items.topics[live, 0], world.items.city[live])
        order = np.argsort(number, kind="stable")
        self._in_segment, self._segment = live[order], number[order]
        self._searched = np.concatenate([[0.0], np.cumsum(weight[order])])

    def show(self, visits: Visits) -> np.ndarray:
        """Lists of items, int64 (n_visits, list_length)."""
        knobs = self.world.knobs
        ways: list[tuple[float, Callable[[np.ndarray], np.ndarray]]] = [
            (knobs.popular, lambda users: self._draw(self._popular, len(users))),
            (knobs.fresh, lambda users: self._draw(self._fresh, len(users))),
            (knobs.personal, self._personal),
            (knobs.browse, self._browse),
            (knobs.random, self._random),
        ]
        shares = np.cumsum([share for share, _ in ways])
        way = np.searchsorted(shares, self.rng.random((len(visits.user), knobs.list_length)) * shares[-1])
        lists = np.empty(way.shape, np.int64)
        for position, (_, fill) in enumerate(ways):
            row, column = np.nonzero(way == position)
            if len(row):
                lists[row, column] = fill(visits.user[row])
        return lists

    def _draw(self, cumulative: np.ndarray, n: int) -> np.ndarray:
        at = np.searchsorted(cumulative, self.rng.random(n) * cumulative[-1], side="right")
        return np.asarray(self.live[np.minimum(at, len(self.live) - 1)])

    def _random(self, users: np.ndarray) -> np.ndarray:
        return np.asarray(self.live[self.rng.integers(len(self.live), size=len(users))])

    def _browse(self, users: np.ndarray) -> np.ndarray:
        """A popular item of the topic that the user searches, some only in the own state; any item if there is none."""
        own, knobs = self.world.users, self.world.knobs
        topic = own.topics[users, self.rng.integers(knobs.personas, size=len(users)), 0]
        local = self.rng.random(len(users)) < knobs.local
        first = segment(topic, np.where(local, own.city[users], 0))
        low = np.searchsorted(self._segment, np.where(local, first, segment_start(topic)))
        high = np.searchsorted(self._segment, np.where(local, first + 1, segment_start(topic + 1)))
        share = self.rng.random(len(users))
        at = np.searchsorted(self._searched, (1 - share) * self._searched[low] + share * self._searched[high], "right")
        found = self._in_segment[np.clip(at - 1, low, np.maximum(high - 1, low)).clip(max=len(self.live) - 1)]
        return np.where(high > low, found, self._random(users))

    def _personal(self, users: np.ndarray) -> np.ndarray:
        """The best of a few popular items by an estimate of taste that improves with the user's history."""
        candidates = self._draw(self._popular, len(users) * CANDIDATES).reshape(len(users), CANDIDATES)
        known = self.state.history[users] / (self.state.history[users] + LEARNING)
        liked = self.world.affinity(self.state.taste[users], users, candidates)
        guess = known[:, None] * liked + self.rng.gumbel(size=candidates.shape)
        return np.asarray(candidates[np.arange(len(users)), guess.argmax(1)])
