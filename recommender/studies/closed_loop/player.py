"""Plays a closed loop: a policy serves the simulator's users, learns from what they took of its lists, serves again.

Visits, and how many items each takes, do not depend on who serves (``log.simulate``), so that the policies of one
seed are compared on the same demand; the world and the log up to the begin of the loop are the same too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import polars as pl
import scipy.sparse as sp

from recommender.config import Rung, Scenario
from recommender.data.dataset import Dataset, microseconds
from recommender.data.queries import History, Queries
from recommender.data.split import to_datetime
from recommender.errors import DataError
from recommender.evaluation.effort import EffortLog
from recommender.evaluation.metrics import ndcg
from recommender.evaluation.shown import Judged
from recommender.experiment import requirements
from recommender.experiment.rungs import make, options
from recommender.names import USER_BUCKETS
from recommender.ranking.candidates import Candidates
from recommender.ranking.exploration import make_explorer
from recommender.ranking.lists import Lists
from recommender.ranking.router import Router
from recommender.ranking.topk import top_k
from recommender.simulate import Log, World, make_world, resolve, simulate
from recommender.simulate.column_values import ids, times
from recommender.simulate.feedback import interactions
from recommender.simulate.log import Visits
from recommender.studies.closed_loop.measures import Meter, Thresholds, exposed_at_random, utilities
from recommender.studies.closed_loop.options import SIMULATED, Loop, Policy


@dataclass(frozen=True)
class Played:
    """What came of it. rounds: policy -> per round (see ``Meter.table``); n_train: interactions that the last models
    learned from, by policy; parameters: of the rungs, by policy; skipped: policies left out, with the reason."""

    rounds: Mapping[str, list[dict[str, float]]]
    n_train: Mapping[str, int]
    parameters: Mapping[str, Mapping[str, object]]
    skipped: Mapping[str, str]


def play(data: Dataset, scenario: Scenario, loop: Loop, effort: EffortLog) -> Played:
    """Plays every policy of ``loop`` in the world that ``scenario`` simulates.

    data: what the source made of that world; its items and users, as the service knows them, are used.
    A policy whose rung the data do not allow is skipped. Raises DataError where none is left.
    """
    scenario, _ = requirements.supported(scenario, data)
    knobs = dict(scenario.data.options.get(SIMULATED, {}))
    preset, seed = knobs.pop("preset", "catalog"), knobs.pop("seed", 0)
    world = make_world(resolve(preset, knobs), seed)
    ladder = {r.name: r for r in scenario.ladder}
    allowed = {r.name: options(r, scenario, data) for r in ladder.values()}
    rounds, n_train, parameters, skipped = {}, {}, {}, {}
    for name, policy in loop.policies.items():
        used = [policy.rung] + [policy.slots.rung] * bool(policy.slots.n)
        if lacking := [f"{r}: {allowed[r][1]}" for r in used if not allowed[r][0]]:
            skipped[name] = "; ".join(lacking)
            continue
        settings = {r: (ladder[r], allowed[r][0][0]) for r in used}
        player = Player(world, seed, data, scenario, loop, (name, policy), settings, effort)
        simulate(world, seed, server=player)
        rounds[name], n_train[name] = player.meter.table(), player.n_train
        parameters[name] = {r: setting for r, (_, setting) in settings.items()}
    if not rounds:
        raise DataError(f"No policy could be played ({'; '.join(f'{p}: {w}' for p, w in skipped.items())}).")
    return Played(rounds, n_train, parameters, skipped)


class Player:
    """A ``Server`` that fits one policy at the begin of each round, to what was recorded before it, and shows its
    lists; histories are as of each visit's block, as everywhere in the project: what ages is the model."""

    def __init__(
        self,
        world: World,
        seed: int,
        data: Dataset,
        scenario: Scenario,
        loop: Loop,
        policy: tuple[str, Policy],
        settings: Mapping[str, tuple[Rung, Mapping[str, object]]],
        effort: EffortLog,
    ) -> None:
        span = world.knobs.span_days
        self.world, self.seed, self.data, self.scenario, self.loop = world, seed, data, scenario, loop
        self.policy_name, self.policy = policy
        self.settings, self.effort = settings, effort
        self.edges = np.linspace(loop.begin * span, span, loop.rounds + 1)
        least = Thresholds(loop.least_shown, loop.least_taken, scenario.exposure.small_creator)
        self.meter = Meter(world, self.edges, least)
        self.n_train = 0
        self._number = -1  # of the round, from 0
        self._log: list[Log] = []  # of this round
        self._recorded: list[pl.DataFrame] = []  # of the rounds before
        nobody = np.zeros(0, np.int64)
        self._past = Log(nobody, nobody, np.zeros(0), np.zeros(0, np.float32))
        self._user_ids, self._item_ids = ids("u", world.knobs.n_users), ids("i", world.knobs.n_items)
        self._user_rows = data.users.lookup(self._user_ids)
        self._item_rows = data.items.lookup(self._item_ids)

    def show(self, begin: float, visits: Visits, taste: np.ndarray, friends: sp.csr_matrix) -> np.ndarray | None:
        """See ``log.Server``."""
        number = int(np.searchsorted(self.edges, begin, side="right")) - 1
        if number < 0:
            return None
        if number != self._number:
            self._number = number
            self._train(begin)
        queries = self._queries(visits)
        with self.effort.stage(self.policy_name, "recommend", "test", self.origin):
            lists = self._lists(queries)
        shown = np.where(lists.item_idx >= 0, self._worlds[lists.item_idx], -1)
        self.meter.count(number, shown)
        self._measure(begin, visits, queries, taste, friends, shown)
        return self._full(shown)

    def took(self, user: np.ndarray, item: np.ndarray, time: np.ndarray, utility: np.ndarray) -> None:
        """See ``log.Server``. What is taken twice in a block counts once."""
        key = user * self.world.knobs.n_items + item
        once = np.sort(np.unique(key, return_index=True)[1])
        self._log.append(Log(user[once], item[once], time[once], utility[once]))
        organic = once[self.world.users.ring[user[once]] < 0]
        self.meter.took(self._number, item[organic])
        self._past = _joined([self._past, self._log[-1]])

    def _train(self, begin: float) -> None:
        """Fits the policy's rungs to what was recorded before ``begin``; each training has a seed of its own."""
        self._record()
        origin = self._time(begin)
        self.origin = origin.isoformat(timespec="seconds")
        train = self._dataset().before(origin)
        self.n_train = train.interactions.height
        self._list_items()
        self.candidates = Candidates.after(train, self.items, self.scenario.eligibility)
        slots = self.policy.slots
        seeded = self.scenario.model_copy(update={"slots": slots, "seed": self.scenario.seed + self._number})
        rungs = {name: make(rung, setting, seeded) for name, (rung, setting) in self.settings.items()}
        routes = dict.fromkeys(USER_BUCKETS, self.policy.rung)
        self.router = Router(routes, rungs, slots, explorer=make_explorer(seeded))
        with self.effort.stage(self.policy_name, "fit", "test", self.origin, self.scenario.scoring.threads):
            self.router.fit(train)

    def _list_items(self) -> None:
        """The items that are published before the round ends."""
        known = self.world.items.published < self.edges[self._number + 1]
        self._worlds = np.flatnonzero(known)  # world's number of each row of items
        self.items = self.data.items.take(self._item_rows[self._worlds])
        self._column = np.where(known, np.cumsum(known) - 1, -1)

    def _record(self) -> None:
        """Turns what was taken since the last training into rows as a service logs them, ratings and signals too.

        Round by round, so that what is recorded once stays as it is.
        """
        if not self._log:
            return
        seed = self.seed * (self.loop.rounds + 1) + self._number
        self._recorded.append(interactions(self.world, _joined(self._log), self._user_ids, self._item_ids, seed))
        self._log = []

    def _dataset(self) -> Dataset:
        """Everything recorded so far."""
        rows = pl.concat([self.data.interactions.clear(), *self._recorded]).sort("timestamp", maintain_order=True)
        positive = pl.col("event").is_in(self.data.interactions["event"].unique().implode())
        taken, signals = rows.filter(positive), rows.filter(~positive)
        data = replace(self.data, interactions=taken, signals=signals, truth=None)
        return data if self.scenario.eligibility.repeats else data.first_interactions()

    def _queries(self, visits: Visits) -> Queries:
        """Each visit with what its user had taken before it."""
        as_of = microseconds(times(visits.time, self.world.knobs))
        asking = np.zeros(self.world.knobs.n_users, bool)
        asking[visits.user] = True
        rows = np.flatnonzero(asking[self._past.user])
        taken = microseconds(times(self._past.time[rows], self.world.knobs))
        order = np.lexsort((taken, self._past.user[rows]))
        user, item, taken = self._past.user[rows][order], self._past.item[rows][order], taken[order]
        start = np.searchsorted(user, visits.user)
        length = np.searchsorted(user, visits.user, side="right") - start
        query = np.repeat(np.arange(len(visits.user)), length)
        at = np.arange(len(query)) - np.repeat(np.cumsum(length) - length, length) + np.repeat(start, length)
        before = taken[at] < as_of[query]
        indptr = np.concatenate([[0], np.cumsum(np.bincount(query[before], minlength=len(visits.user)))])
        history = History(indptr, self._column[item[at[before]]], taken[at[before]])
        return Queries(self.data.users.take(self._user_rows[visits.user]), as_of, history)

    def _lists(self, queries: Queries) -> Lists:
        length = self.world.knobs.list_length
        return self.router.recommend(queries, self.candidates, length, self.scenario.scoring).lists

    def _measure(
        self, begin: float, visits: Visits, queries: Queries, taste: np.ndarray, friends: sp.csr_matrix,
        shown: np.ndarray,
    ) -> None:  # fmt: skip
        """Judges a random share of the visits, the same for every policy."""
        rng = np.random.default_rng([self.seed, 6, round(begin * 24)])
        some = np.flatnonzero(rng.random(len(visits.user)) < self.loop.measured)
        if not len(some):
            return
        chosen = Visits(visits.user[some], visits.time[some], visits.takes[some])
        value = utilities(self.world, chosen.user, taste[some], chosen.time, friends[some])
        measured = queries.take(some)
        allowed = np.zeros(value.shape, bool)
        allowed[:, self._worlds] = self.candidates.eligible(measured)
        exposed, truth = exposed_at_random(self.world, value, allowed, chosen.takes, rng)
        scores = self.router.score(measured, self.items)
        ranked = top_k(scores, exposed[:, self._worlds], self.candidates.fallback, min(10, len(self._worlds)))
        quality = ndcg(Judged(ranked, truth[:, self._worlds]))
        self.meter.note(self._number, chosen, value, allowed, shown[some], quality)

    def _full(self, lists: np.ndarray) -> np.ndarray:
        """Padded to the length that the simulator expects, where there are fewer items than that."""
        missing = self.world.knobs.list_length - lists.shape[1]
        return np.pad(lists, ((0, 0), (0, missing)), constant_values=-1)

    def _time(self, day: float) -> datetime:
        return to_datetime(int(microseconds(times(np.array([day]), self.world.knobs))[0]))


def _joined(logs: Sequence[Log]) -> Log:
    user, item, time, utility = (
        np.concatenate([getattr(log, name) for log in logs]) for name in ("user", "item", "time", "utility")
    )
    return Log(user, item, time, utility)
