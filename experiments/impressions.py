"""Does impression discounting bring more links? ``python -m experiments.impressions [--write]``.

Simulated networks; rungs of ``configs/people.yaml`` learn from the first four fifths. Then members come back for
``WEEKS`` weeks, each to a list of ten, with and without ``discount``. Upper places are looked at more often. Who is
looked at is accepted ``KNOWN`` of the time where the two know each other offline, ``CLOSE`` for a friend of a friend,
``ANYONE`` else. In a second world ``REFUSED`` of the pairs never link, and the others accept as much more often. Chance
is the same for all policies; what is accepted is a link from then on. Accepted per 100 lists, mean over seeds with 95%
intervals (t), and the difference to the lists as they are, paired by seed.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import product

from pipelines.cli import run  # isort: skip  (it sets BLAS threads before NumPy is imported)

import numpy as np
import polars as pl

from experiments.realism import markdown, save
from recommender import config
from recommender.config import Scoring
from recommender.data.dataset import Dataset
from recommender.data.gate import build
from recommender.data.queries import History, Queries
from recommender.data.times import US_PER_DAY, UTC_US
from recommender.experiment.rungs import make, settings
from recommender.hashing import mixed
from recommender.models.base import Recommender
from recommender.names import USER_BUCKETS
from recommender.ranking.candidates import Candidates
from recommender.ranking.rerankers.discount import Discount
from recommender.ranking.router import Router
from recommender.simulate import observed, play
from recommender.simulate.network_truth import NetworkTruth
from recommender.studies.feedback_loop import over_seeds

SEEDS, WEEKS, COMES = 4, 10, 0.5
KNOWN, CLOSE, ANYONE = 0.4, 0.05, 0.005
REFUSED = (0.0, 0.6)  # share of the pairs that never link, whatever is shown
PLACES = (0.0, 2.0, 5.0, 10.0)
KNOBS = {"preset": "people", "n_users": 2000, "n_interactions": 12_000}
RUNGS = ("contacts", "neighbours", "ranker")


def main(argv: list[str]) -> None:
    taken = {key: np.zeros(SEEDS) for key in product(REFUSED, RUNGS, PLACES)}
    for seed in range(SEEDS):
        truth = play(seed=seed, **KNOBS)
        assert isinstance(truth, NetworkTruth)
        world = Weeks(truth, seed)
        for rung in RUNGS:
            model = world.fitted(rung)
            for refused, places in product(REFUSED, PLACES):
                taken[refused, rung, places][seed] = world.accepted(model, places, refused)
    rows = [["never accepted", "rung", *(f"{places:g} places" if places else "as they are" for places in PLACES)]]
    for refused, rung in product(REFUSED, RUNGS):
        plain = taken[refused, rung, 0.0]
        gains = (over_seeds(taken[refused, rung, p] - plain).text("links", sign=True, star=True) for p in PLACES[1:])
        rows.append([f"{refused:.0%}", rung, over_seeds(plain).text("links"), *gains])
    sys.stdout.write(markdown(rows))
    if "--write" in argv:
        save("impressions", rows)


class Weeks:
    """The weeks after the origin in one simulated network."""

    def __init__(self, truth: NetworkTruth, seed: int) -> None:
        self.data: Dataset = build(observed(truth))
        self.seed, self.truth = seed, truth
        self.origin = int(np.quantile(self.data.timestamps, 0.8))
        when = pl.Series([self.origin]).cast(UTC_US).item()
        self.train = replace(self.data.before(when), truth=None)
        self.members = self.data.items.take(self.data.items.times("available_from") < self.origin)
        self.users = self.data.users.take(self.data.users.lookup(self.members.ids))
        self.scenario = config.load("people")
        rules = self.scenario.eligibility.model_copy(update={"blocks_column": "blocks"})
        self.candidates = Candidates.after(self.train, self.members, rules)
        rows = self.data.items.lookup(self.members.ids)
        self.known = truth.members.known[rows][:, rows].toarray()

    def fitted(self, name: str) -> Recommender:
        rung = next(r for r in self.scenario.ladder if r.name == name)
        return make(rung, settings(rung)[0], self.scenario).fit(self.train)

    def accepted(self, model: Recommender, places: float, refused: float) -> float:
        """Accepted per 100 lists."""
        rerankers = [Discount("shown", places)] if places else []
        router = Router(dict.fromkeys(USER_BUCKETS, "one"), {"one": model}, rerankers=rerankers)
        router.fit_rerankers(self.train)
        n = len(self.members)
        linked = np.zeros((n, n), bool)
        ends = (self.members.lookup(self.train.interactions[column]) for column in ("user_id", "item_id"))
        linked[tuple(ends)] = True
        shown = np.zeros((n, n), np.int64)
        lists = links = 0
        for week in range(WEEKS):
            come = np.flatnonzero(self._chance(np.arange(n), week) < COMES)
            router_lists = router.recommend(
                self._queries(come, linked, shown, week), self.candidates, 10, Scoring()
            ).lists
            row, place = np.nonzero(router_lists.item_idx >= 0)
            one, other = come[row], router_lists.item_idx[row, place]
            close = (linked[come].astype(np.float32) @ linked.astype(np.float32))[row, other] > 0
            odds = np.where(self.known[one, other], KNOWN, np.where(close, CLOSE, ANYONE)) / np.sqrt(1 + place)
            odds *= (self._chance(np.minimum(one, other) * n + np.maximum(one, other), 2 * WEEKS) >= refused) / (
                1 - refused
            )
            yes = self._chance(one * n + other, WEEKS + week) < odds
            shown[one, other] += 1
            linked[one[yes], other[yes]] = linked[other[yes], one[yes]] = True
            lists, links = lists + len(come), links + int(yes.sum())
        return 100 * links / lists

    def _chance(self, number: np.ndarray, turn: int) -> np.ndarray:
        """A number in [0, 1) for each, the same whatever else happens."""
        return mixed(number.astype(np.uint64) + np.uint64((self.seed * 1000 + turn) << 40)) / 2.0**64

    def _queries(self, come: np.ndarray, linked: np.ndarray, shown: np.ndarray, week: int) -> Queries:
        row, item = np.nonzero(linked[come])
        indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(come)))])
        at = self.origin + 7 * week * US_PER_DAY
        history = History(indptr, item, np.full(len(item), self.origin))
        ids, counts = self.members.ids.to_numpy(), shown[come]
        lists = [np.repeat(ids, count).tolist() for count in counts]
        users = self.users.take(come)
        users = replace(
            users, frame=users.frame.with_columns(shown=pl.Series(lists, dtype=pl.List(self.members.ids.dtype)))
        )
        return Queries(users, np.full(len(come), at), history)


if __name__ == "__main__":
    run(main)
