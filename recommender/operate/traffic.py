"""The simulator plays the service: its users answer the lists of shipped models by the truth, and a log is written.

Until the models are shipped the simulator's own service shows its lists, so that there are data to learn from. Versions
share the users by chance, each user always the same; a version may take the place of another on a day.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
import scipy.sparse as sp

from recommender.config import Scenario
from recommender.data.dataset import Dataset
from recommender.data.queries import Queries
from recommender.evaluation.effort import EffortLog
from recommender.hashing import mixed
from recommender.operate.answering import Answering
from recommender.ranking.lists import Lists
from recommender.serving.log import ServiceLog
from recommender.simulate import World, simulate
from recommender.simulate.column_values import times
from recommender.simulate.log import Visits
from recommender.studies.closed_loop.options import Loop, Policy
from recommender.studies.closed_loop.player import Player

WEEK = 7.0
SURFACE = "home"


def serve_world(
    world: World, seed: int, data: Dataset, scenario: Scenario, begin_day: float,
    versions: Mapping[str, Answering], swaps: Mapping[float, Mapping[str, Answering]] | None = None,
    labels: Mapping[str, str] | None = None,
) -> ServiceLog:  # fmt: skip
    """Plays the whole time of ``world``. data: what the service knows of its items and users. versions: variant -> the
    model that answers its users from ``begin_day`` (days since the start of the data) on; swaps: day -> versions from
    the week of that day on. labels: variant -> its model_version in the log (default: the variant)."""
    traffic = Traffic(world, seed, data, scenario, begin_day, {begin_day: versions, **(swaps or {})})
    traffic.labels = dict(labels or {})
    log = simulate(world, seed, server=traffic)
    rows = pl.DataFrame({
        "user_id": traffic.user_ids.gather(log.user), "item_id": traffic.item_ids.gather(log.item),
        "timestamp": times(log.time, world.knobs),
    })  # fmt: skip
    return ServiceLog(pl.concat(traffic.served), pl.concat(traffic.feedback), rows.sort("timestamp"))


class Traffic(Player):
    """A ``Server`` that asks shipped models, and logs what it showed and what became of it."""

    def __init__(
        self, world: World, seed: int, data: Dataset, scenario: Scenario, begin_day: float,
        versions: Mapping[float, Mapping[str, Answering]],
    ) -> None:  # fmt: skip
        span = world.knobs.span_days
        weeks = max(3, int((span - begin_day) // WEEK))
        policy = Policy(rung="shipped")
        policies = {"shipped": policy, "none": policy}
        loop = Loop(rounds=weeks, begin=begin_day / span, policies=policies, against="none")
        super().__init__(world, seed, data, scenario, loop, ("shipped", policy), {}, EffortLog())
        self.versions = dict(sorted(versions.items()))
        self.labels: dict[str, str] = {}
        self.user_ids, self.item_ids = self._user_ids, self._item_ids
        self.served: list[pl.DataFrame] = []
        self.feedback: list[pl.DataFrame] = []
        self._latest: tuple[np.ndarray, np.ndarray, pl.Series] | None = None  # users, lists, ids of the latest block

    def show(self, begin: float, visits: Visits, taste: np.ndarray, friends: sp.csr_matrix) -> np.ndarray | None:
        """See ``log.Server``."""
        self._latest = None
        shown = super().show(begin, visits, taste, friends)
        if shown is not None:
            self._log_lists(begin, visits, shown)
        return shown

    def took(self, user: np.ndarray, item: np.ndarray, time: np.ndarray, utility: np.ndarray) -> None:
        """See ``log.Server``."""
        super().took(user, item, time, utility)
        if self._latest is None:
            return
        users, lists, list_ids = self._latest
        row, place = np.nonzero(lists >= 0)
        n_items = self.world.knobs.n_items
        keys, first = np.unique(users[row] * n_items + lists[row, place], return_index=True)
        wanted = user * n_items + item
        at = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
        hit = keys[at] == wanted
        self.feedback.append(pl.DataFrame({
            "list_id": list_ids.gather(row[first[at[hit]]]), "item_id": self.item_ids.gather(item[hit]),
            "event": pl.repeat(self.world.knobs.event, int(hit.sum()), eager=True),
            "timestamp": times(time[hit], self.world.knobs),
        }))  # fmt: skip

    def _train(self, begin: float) -> None:
        """Nothing is fitted: the versions of the day answer."""
        self._list_items()
        self.origin = self._time(begin).isoformat(timespec="seconds")
        self.answering = next(v for day, v in reversed(self.versions.items()) if day <= begin + 1e-9)

    def _lists(self, queries: Queries) -> Lists:
        """Each user's by the version that is theirs."""
        n, length = len(queries), self.world.knobs.list_length
        item = np.full((n, length), -1, np.int64)
        self._sources = np.full((n, length), "", dtype=object)
        self._chance = np.full((n, length), np.nan)
        self._variants = variants(list(self.answering), self.data.users.lookup(queries.ids))
        for variant, version in self.answering.items():
            rows = np.flatnonzero(self._variants == variant)
            if len(rows):
                chosen = version.choose(self.items)
                batch, scoring = queries.take(rows), self.scenario.scoring
                routed = version.router.recommend(batch, chosen, length, scoring)
                wide = routed.lists.item_idx.shape[1]
                item[rows, :wide], self._sources[rows, :wide] = routed.lists.item_idx, routed.source
                self._chance[rows, :wide] = version.router.propensities(batch, chosen, length, routed.lists, scoring)
        return Lists(item, np.full(item.shape, np.nan, np.float32), np.zeros(item.shape, np.int8))

    def _measure(self, *_: object) -> None:
        """The monitor measures."""

    def _log_lists(self, begin: float, visits: Visits, shown: np.ndarray) -> None:
        row, place = np.nonzero(shown >= 0)
        ids = pl.Series([f"{begin:g}-{n}" for n in range(len(visits.user))], dtype=pl.String)
        self._latest = visits.user, shown, ids
        variant = pl.Series(self._variants[row].astype(str))
        self.served.append(pl.DataFrame({
            "list_id": ids.gather(row), "request_id": ids.gather(row),
            "user_id": self.user_ids.gather(visits.user[row]), "as_of": times(visits.time[row], self.world.knobs),
            "model_version": variant.replace(self.labels), "variant": variant,
            "surface": pl.repeat(SURFACE, len(row), eager=True),
            "rank": pl.Series(place + 1, dtype=pl.Int32), "item_id": self.item_ids.gather(shown[row, place]),
            "source": pl.Series(self._sources[row, place].astype(str)),
            "propensity": pl.Series(self._chance[row, place], nan_to_null=True),
        }))  # fmt: skip


def variants(names: list[str], number: np.ndarray) -> np.ndarray:
    """The variant of each user, by chance and always the same: object (n,)."""
    drawn = mixed(number.astype(np.uint64)) % np.uint64(len(names))
    return np.array(names, dtype=object)[drawn.astype(np.int64)]
