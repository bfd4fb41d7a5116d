"""What users do: visits over time, lists shown by a logging policy, and choices from those lists.

A choice is Plackett-Luce (softmax without replacement): utility + log of the chance that the rank is
looked at + Gumbel noise, the highest are taken. Nothing is taken that was not shown, but by fake accounts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import scipy.sparse as sp

from recommender.simulate.knobs import STEP_DAYS
from recommender.simulate.service import ShownItems
from recommender.simulate.social import looked_up, taken_lately
from recommender.simulate.world import Bursts, World

MEMORY_BYTES = 200_000_000  # of who has seen what; beyond it items share cells, so a few are needlessly withheld
TASTES_KEPT = 1_000_000  # interactions; up to so many the tastes of visits are kept in any case (50 MB)
HOURS = np.array([3, 2, 1, 1, 1, 1, 2, 4, 5, 5, 5, 5, 6, 6, 5, 5, 5, 6, 7, 9, 10, 10, 8, 5], float)


@dataclass(frozen=True)
class Visits:
    """One row per visit, sorted by time."""

    user: np.ndarray
    time: np.ndarray  # days
    takes: np.ndarray  # int64: how many items are taken, if the list has as many

    def take(self, rows: slice) -> Visits:
        """Some of the visits."""
        return Visits(self.user[rows], self.time[rows], self.takes[rows])


@dataclass(frozen=True)
class Impressions:
    """What the truth keeps of each visit: the list, its propensities, and the taste of the moment."""

    user: np.ndarray  # (n,)
    time: np.ndarray  # days (n,)
    item: np.ndarray  # (n, list_length); -1: the place stayed empty. (n, 0) where only tastes were kept
    propensity: np.ndarray  # float64 (n, list_length)
    taken: np.ndarray  # bool (n, list_length)
    taste: np.ndarray  # float32 (n, personas, dims)


@dataclass(frozen=True)
class Log:
    """One row per taken item, no pair of user and item twice."""

    user: np.ndarray
    item: np.ndarray
    time: np.ndarray  # days
    utility: np.ndarray  # float32: log-odds without the noise of the moment and the rank's effect; NaN: fake accounts
    shown: tuple[Impressions, ...] = ()  # one per block, where something was kept


class Server(Protocol):
    """Shows lists in place of the service, and hears what was taken: what closes the loop."""

    def show(self, begin: float, visits: Visits, taste: np.ndarray, friends: sp.csr_matrix) -> np.ndarray | None:
        """Lists for the ``visits`` of the block that begins then (days): items int64 (n, list_length), -1: the place
        stays empty. None: the service's own. taste, friends: see ``ShownItems.show``, only to measure by."""

    def took(self, user: np.ndarray, item: np.ndarray, time: np.ndarray, utility: np.ndarray) -> None:
        """Receives what was taken in a block, by fake accounts too; columns of ``Log``."""


def simulate(world: World, seed: int, record: bool = False, server: Server | None = None) -> Log:
    """Plays the whole time, one block after the other. ``record``: keep what was shown; the log is the same.

    Without it at most the tastes of visits are kept, where the data are not too large for that.
    server: decides what is shown, as long as it wants to; who comes when does not depend on it.
    """
    rng = np.random.default_rng([seed, 2])
    state = _State.start(world, np.random.default_rng([seed, 5]) if record else None, server)
    parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.float32))]
    parts += [_play(world, state, *block, rng) for block in _blocks(world, _visits(world, rng))]
    user, item, time, utility = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    parts.clear()
    key = user * world.knobs.n_items + item
    order = np.argsort(key, kind="stable")  # two visits in one block may repeat
    first = np.sort(order[np.concatenate([[True], np.diff(key[order]) > 0])]) if len(key) else order
    return Log(user[first], item[first], time[first], utility[first], tuple(state.shown))


@dataclass
class _State:
    """What changes from block to block."""

    taste: np.ndarray  # float32 (n_users, personas, dims)
    moved: np.ndarray  # days (n_users,): when taste was last moved on
    history: np.ndarray  # int64 (n_users,): interactions so far
    popularity: np.ndarray  # float64 (n_items,): decayed interactions
    seen: np.ndarray  # bool (n_users, cells)
    recorder: np.random.Generator | None  # None: what is shown is not kept
    server: Server | None  # None: the service
    shown: list[Impressions] = field(default_factory=list)
    lately: list[tuple[float, np.ndarray, np.ndarray]] = field(default_factory=list)  # begin of block, users, items
    now: float = 0.0  # begin of the latest block

    @classmethod
    def start(cls, world: World, recorder: np.random.Generator | None, server: Server | None) -> _State:
        """The state before the first block."""
        n, n_items = world.knobs.n_users, world.knobs.n_items
        cells = min(n_items, max(64, MEMORY_BYTES // n))
        seen, history = np.zeros((n, cells), bool), np.zeros(n, np.int64)
        taste, moved = world.users.taste.copy(), world.users.arrived.copy()
        return cls(taste, moved, history, np.zeros(n_items), seen, recorder, server)


def _takes(world: World, rng: np.random.Generator) -> np.ndarray:
    """Interactions of each user within the data, int64 (n_users,): heavy-tailed."""
    knobs, rate = world.knobs, world.users.rate
    target = max(0, knobs.n_interactions - len(world.bursts.user))
    expected = np.minimum(rate * target / max(rate.sum(), 1e-12), knobs.n_items / 4)
    scaled = expected * target / max(expected.sum(), 1e-12)
    return np.asarray(np.floor(scaled + rng.random(len(rate)) * (rate > 0)), dtype=np.int64)


def _visits(world: World, rng: np.random.Generator) -> Visits:
    """Spreads each user's interactions over visits, the first at arrival, the others ever rarer; those of
    established users evenly."""
    knobs, users = world.knobs, world.users
    n_takes = _takes(world, rng)
    n_visits = np.ceil(n_takes / knobs.per_session).astype(np.int64)
    owner = np.repeat(np.arange(knobs.n_users), n_visits)
    start = np.cumsum(n_visits) - n_visits
    # each interaction goes to a random visit of its user: visit lengths vary as in a Poisson process
    place = np.floor(rng.random(n_takes.sum()) * np.repeat(n_visits, n_takes)).astype(np.int64)
    of_take = np.repeat(start, n_takes) + place
    takes = np.minimum(np.bincount(of_take, minlength=len(owner)), knobs.list_length)
    first = np.zeros(len(owner), bool)
    first[start[n_visits > 0]] = True
    first &= ~users.established[owner]
    arrived, power = users.arrived[owner], np.where(users.established[owner], 1, 2)
    day = np.floor(arrived + np.where(first, 0, users.stay[owner] * rng.random(len(owner)) ** power))
    hour = np.searchsorted(np.cumsum(HOURS / HOURS.sum()), rng.random(len(owner)))
    if world.careers is not None:  # half of a mover's visits fall soon after the move
        moved = world.careers.moved[owner]
        soon = np.isfinite(moved) & (rng.random(len(owner)) < 0.5)
        settled = np.floor(moved + knobs.settle_days * rng.exponential(size=len(owner)))
        day = np.where(soon & ~first, np.minimum(settled, knobs.span_days - 1), day)
    time = np.maximum(day + (hour + rng.random(len(owner))) / 24, arrived)
    time = np.minimum(time, knobs.span_days - knobs.longest_visit_days)
    order = np.argsort(time, kind="stable")
    order = order[takes[order] > 0]
    return Visits(owner[order], time[order], takes[order])


def _blocks(world: World, visits: Visits) -> Iterator[tuple[float, Visits, Bursts]]:
    """Begin (days) of each block in which something happens, its visits and what fake accounts take in it."""
    length = world.knobs.block_hours / 24
    edges = np.arange(np.ceil(world.knobs.span_days / length) + 1) * length
    bounds = np.searchsorted(visits.time, edges)
    for begin, end, low, high in zip(edges, edges[1:], bounds, bounds[1:], strict=False):
        bursts = world.bursts.between(begin, end)
        if high > low or len(bursts.user):
            yield float(begin), visits.take(slice(low, high)), bursts


def _play(
    world: World, state: _State, begin: float, visits: Visits, bursts: Bursts, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """One block: show, choose, remember. Returns user, item, time and utility of what was taken."""
    knobs, live = world.knobs, world.live(begin)
    nothing = np.zeros(0, np.int64)
    user, item, time, utility = nothing, nothing, np.zeros(0), np.zeros(0, np.float32)
    if len(live) and len(visits.user):
        user, item, time, utility = _visited(world, state, begin, visits, live, rng)
    user, item = np.concatenate([user, bursts.user]), np.concatenate([item, bursts.item])
    state.history += np.bincount(user, minlength=knobs.n_users)
    state.seen[user, item % state.seen.shape[1]] = True
    state.popularity *= 0.5 ** ((begin - state.now) / knobs.popularity_half_life_days)
    state.popularity += np.bincount(item, minlength=knobs.n_items)
    state.now = begin
    if knobs.follows:
        state.lately = [part for part in state.lately if part[0] > begin - knobs.social_days]
        state.lately.append((begin, user, item))
    unknown = np.full(len(bursts.user), np.nan, np.float32)
    time, utility = np.concatenate([time, bursts.time]), np.concatenate([utility, unknown])
    if state.server is not None:
        state.server.took(user, item, time, utility)
    return user, item, time, utility


def _visited(
    world: World, state: _State, begin: float, visits: Visits, live: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    _drift(world, state, np.unique(visits.user), begin, rng)
    taste, history = state.taste[visits.user], state.history[visits.user]
    friends = taken_lately(world.follows, visits.user, _recent(world, state, live))
    service = ShownItems(world, state.popularity, live, begin, rng)
    served = None if state.server is None else state.server.show(begin, visits, taste, friends)
    if served is None:
        lists, shown = service.show(visits.user, taste, history, friends)
    else:
        lists, shown = served.clip(min=0), served >= 0
    liked = world.affinity(taste, visits.user, lists, begin)
    utility = liked + world.attraction(visits.user, lists, visits.time).astype(np.float32)
    if world.knobs.social_pull:
        utility += np.float32(world.knobs.social_pull) * np.log1p(looked_up(friends, lists))
    row, column, step = _choose(world, state, visits, lists, shown, utility, rng)
    if state.recorder is not None:
        chance = service.propensity(visits.user, taste, history, friends, lists, liked, state.recorder)
        taken = np.zeros(lists.shape, bool)
        taken[row, column] = True
        state.shown.append(Impressions(visits.user, visits.time, np.where(shown, lists, -1), chance, taken, taste))
    elif world.knobs.n_interactions <= TASTES_KEPT:
        none = np.zeros((len(visits.user), 0))
        state.shown.append(Impressions(visits.user, visits.time, none.astype(np.int64), none, none.astype(bool), taste))
    time = visits.time[row] + STEP_DAYS * (step + rng.random(len(row)))
    return visits.user[row], lists[row, column], time, utility[row, column]


def _recent(world: World, state: _State, live: np.ndarray) -> sp.csr_matrix:
    """Who took what lately, of what may be shown; float32 ones (n_users, n_items)."""
    shape = (world.knobs.n_users, world.knobs.n_items)
    if not state.lately:
        return sp.csr_matrix(shape, dtype=np.float32)
    user, item = (np.concatenate([part[column] for part in state.lately]) for column in (1, 2))
    shown = np.zeros(world.knobs.n_items, bool)
    shown[live] = True
    shown_now = shown[item]
    return sp.csr_matrix((np.ones(shown_now.sum(), np.float32), (user[shown_now], item[shown_now])), shape=shape)


def _drift(world: World, state: _State, users: np.ndarray, now: float, rng: np.random.Generator) -> None:
    """Moves tastes on to ``now``: an exact step of an Ornstein-Uhlenbeck walk around each user's own mean."""
    decay = np.exp(-np.maximum(0, now - state.moved[users]) / world.knobs.drift_days).astype(np.float32)[:, None, None]
    before, mean = world.present("taste", users, state.moved[users]), world.present("taste", users, now)
    noise = rng.standard_normal(mean.shape, dtype=np.float32) * np.float32(world.knobs.drift_sd)
    state.taste[users] = mean + decay * (state.taste[users] - before) + np.sqrt(1 - decay**2) * noise
    state.moved[users] = np.maximum(now, state.moved[users])


def _choose(
    world: World, state: _State, visits: Visits, lists: np.ndarray, shown: np.ndarray, utility: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Row and column of ``lists`` of each taken item, and its turn within the visit."""
    looked_at = -world.knobs.position_decay * np.log1p(np.arange(lists.shape[1]))
    score = utility + world.promise(lists) + looked_at + rng.gumbel(size=lists.shape)
    score[_repeated(lists) | ~shown] = -np.inf
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
