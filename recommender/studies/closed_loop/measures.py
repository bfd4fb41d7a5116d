"""What a round of a closed loop did to accuracy, concentration, newcomers and sameness, by the simulator's truth.

Definitions are those of the closed-loop literature (Chaney, Stewart & Engelhardt 2018; Jiang et al. 2019; Mansoury
et al. 2020): a policy is judged by what its lists are worth to users, not by what users took of them.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import scipy.sparse as sp

from recommender.data.summary import gini
from recommender.names import ALL
from recommender.simulate.draw import TOPICS
from recommender.simulate.log import Visits
from recommender.simulate.social import looked_up
from recommender.simulate.world import World

FIRST = 10  # places of a list that are compared with those of another
ROUND = "round"  # the slice of metrics.parquet
_ROWS = dict.fromkeys(("rung", "slice", "slice_value", "metric"), pl.String) | {
    "value": pl.Float64,
    "n_queries": pl.Int64,
}
_PEOPLE = 300  # whose lists are compared pair by pair, at most

# Measure -> what it is, in words; in the order of the report.
MEASURES: Mapping[str, str] = {
    "utility": "worth of a place in the list, log-odds",
    "regret": "short of the best possible list, log-odds",
    "ndcg_at_10": "NDCG@10 on lists drawn at random",
    "gini_shown": "Gini of exposure",
    "gini_taken": "Gini of takes",
    "new_items_shown": "new items that get their chance",
    "new_items_taken": "new items that live",
    "small_creators_grown": "small creators that grow",
    "overlap_at_10": "overlap of two users' lists",
    "overlap_apart_at_10": "overlap of the lists of users of different taste",
}


def utilities(world: World, user: np.ndarray, taste: np.ndarray, now: np.ndarray, friends: sp.csr_matrix) -> np.ndarray:
    """What every item is worth to the users at ``now`` (days), log-odds without the noise of the moment, and without
    what it only promises: float32 (n, n_items)."""
    knobs = world.knobs
    everything = np.broadcast_to(np.arange(knobs.n_items), (len(user), knobs.n_items))
    value = world.affinity(taste, user, everything, now) + world.attraction(user, everything, now)
    return np.asarray(value + knobs.social_pull * np.log1p(looked_up(friends, everything)), np.float32)


def list_utility(world: World, value: np.ndarray, lists: np.ndarray) -> np.ndarray:
    """Mean of ``value`` (n, n_items) over the places of ``lists`` (n, length; -1: empty), each weighed by the chance
    that it is looked at; float64 (n,), NaN for an empty list."""
    looked_at = np.arange(1, lists.shape[1] + 1) ** -world.knobs.position_decay * (lists >= 0)
    total = (np.take_along_axis(value, lists.clip(min=0), axis=1) * looked_at).sum(axis=1)
    mean = np.divide(total, looked_at.sum(axis=1), out=np.full(len(lists), np.nan), where=lists[:, 0] >= 0)
    return np.asarray(mean)


def best(value: np.ndarray, allowed: np.ndarray, length: int) -> np.ndarray:
    """The lists of an oracle: the ``length`` allowed items of highest ``value``, int64 (n, length); -1: none left."""
    masked = np.where(allowed, value, -np.inf)
    order = np.argsort(-masked, axis=1, kind="stable")[:, :length]
    return np.where(np.isfinite(np.take_along_axis(masked, order, axis=1)), order, -1)


def exposed_at_random(
    world: World, value: np.ndarray, allowed: np.ndarray, takes: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, sp.csr_matrix]:
    """Lists of allowed items drawn at random, as bool (n, n_items), and what would be taken of them: bool csr alike.

    The choice is the simulator's (Plackett-Luce), with what items promise, all places looked at alike. Nobody is
    shown these lists and nothing of them enters the log: a holdout that no policy has shaped.
    """
    n, n_items = value.shape
    length = min(world.knobs.list_length, n_items)
    key = np.where(allowed, rng.random(value.shape), np.inf)
    item = np.argpartition(key, length - 1, axis=1)[:, :length]
    there = np.isfinite(np.take_along_axis(key, item, axis=1))
    score = np.take_along_axis(value, item, axis=1) + world.promise(item) + rng.gumbel(size=item.shape)
    order = np.argsort(-np.where(there, score, -np.inf), axis=1)
    taken = (np.arange(length) < takes[:, None]) & np.take_along_axis(there, order, axis=1)
    row, place = np.nonzero(taken)
    truth = sp.csr_matrix((np.ones(len(row), bool), (row, item[row, order[row, place]])), shape=value.shape)
    exposed = np.zeros((n, n_items), bool)
    np.put_along_axis(exposed, item, there, axis=1)
    return exposed, truth


def overlap(lists: np.ndarray, topics: np.ndarray, n_items: int) -> tuple[float, float]:
    """Mean Jaccard index of the first ``FIRST`` places of two rows, over all pairs and over those that share no topic.

    lists: int64 (n, length), one row per user. topics: int64 (n, personas), the main ones of each. NaN: no pair.
    """
    top = lists[:, :FIRST]
    row, place = np.nonzero(top >= 0)
    shown = sp.csr_matrix((np.ones(len(row), np.float32), (row, top[row, place])), shape=(len(lists), n_items))
    both = (shown @ shown.T).toarray()
    length = np.diff(shown.indptr)
    jaccard = both / np.maximum(length[:, None] + length - both, 1)
    likes = np.zeros((len(lists), TOPICS), np.float32)
    np.put_along_axis(likes, topics, 1, axis=1)
    apart = np.triu(likes @ likes.T == 0, 1)
    pairs = np.triu(np.ones(jaccard.shape, bool), 1)
    return tuple(float(jaccard[p].mean()) if p.any() else np.nan for p in (pairs, apart))  # type: ignore[return-value]


@dataclass(frozen=True)
class Thresholds:
    """From how many lists a newcomer counts as shown, from how many takes as living, and a creator as grown."""

    least_shown: int
    least_taken: int
    small_creator: int


class Meter:
    """Adds up the rounds of one policy; a round ends when the next one begins."""

    def __init__(self, world: World, edges: np.ndarray, thresholds: Thresholds) -> None:
        """edges: days float64 (rounds + 1,), where the rounds begin, and the end of the last."""
        n = world.knobs.n_items
        self.world, self.edges, self.thresholds = world, edges, thresholds
        self.before = np.zeros(n, np.int64)  # takes before the loop
        self.shown = np.zeros((len(edges) - 1, n), np.int64)  # lists that held the item, by round
        self.taken = np.zeros((len(edges) - 1, n), np.int64)
        self._sums: list[dict[str, list[np.ndarray]]] = [{} for _ in edges[1:]]
        self._lists: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in edges[1:]]

    def count(self, number: int, lists: np.ndarray) -> None:
        """Lists that were shown in round ``number`` (from 0), int64 (n, length), no item twice in one."""
        self.shown[number] += np.bincount(lists[lists >= 0], minlength=self.shown.shape[1])

    def took(self, number: int, item: np.ndarray) -> None:
        """What was taken; ``number`` below 0: before the loop. Not what fake accounts took."""
        counts = self.before if number < 0 else self.taken[number]
        counts += np.bincount(item, minlength=len(counts))

    def note(
        self, number: int, visits: Visits, value: np.ndarray, allowed: np.ndarray, lists: np.ndarray, ndcg: np.ndarray
    ) -> None:
        """Some visits: what every item is worth to them, what may be shown, what is, and NDCG on random exposure."""
        utility = list_utility(self.world, value, lists)
        regret = list_utility(self.world, value, best(value, allowed, lists.shape[1])) - utility
        for name, values in {"utility": utility, "regret": regret, "ndcg_at_10": ndcg}.items():
            self._sums[number].setdefault(name, []).append(values)
        self._lists[number].append((visits.user, lists))

    def table(self) -> list[dict[str, float]]:
        """Per round: every one of ``MEASURES`` that is defined, and ``n``, the visits measured."""
        return [self._round(number) for number in range(len(self.edges) - 1)]

    def _round(self, number: int) -> dict[str, float]:
        values = {name: float(np.nanmean(np.concatenate(parts))) for name, parts in self._sums[number].items()}
        items = self.world.items
        begin, end = self.edges[number], self.edges[number + 1]
        throughout = (items.published <= begin) & (np.minimum(items.ends, items.moderated) >= end)
        for name, counts in (("gini_shown", self.shown[number]), ("gini_taken", self.taken[number])):
            share = gini(counts[throughout])
            values |= {} if share is None else {name: share}
        values |= self._newcomers(number) | self._creators(number)
        user = np.concatenate([u for u, _ in self._lists[number]]) if self._lists[number] else np.zeros(0, np.int64)
        if len(user):
            lists = np.concatenate([rows for _, rows in self._lists[number]])
            _, once = np.unique(user, return_index=True)
            some = once[np.linspace(0, len(once) - 1, min(len(once), _PEOPLE)).astype(int)]
            topics = self.world.users.topics[user[some], :, 0]
            pair, apart = overlap(lists[some], topics, self.world.knobs.n_items)
            values |= {"overlap_at_10": pair, "overlap_apart_at_10": apart}
        return {k: v for k, v in values.items() if v == v} | {"n": float(len(user))}

    def _newcomers(self, number: int) -> dict[str, float]:
        """Share of the items published in the round before, without violations, that were shown and taken enough."""
        if not number:
            return {}
        items = self.world.items
        new = (items.published >= self.edges[number - 1]) & (items.published < self.edges[number]) & ~items.violating
        if not new.any():
            return {}
        shown, taken = (counts[number - 1 : number + 1].sum(axis=0)[new] for counts in (self.shown, self.taken))
        least = self.thresholds
        return {"new_items_shown": float((shown >= least.least_shown).mean()),
                "new_items_taken": float((taken >= least.least_taken).mean())}  # fmt: skip

    def _creators(self, number: int) -> dict[str, float]:
        """Share of the creators that were small when the loop began, and publish in it, that no longer are."""
        items, least = self.world.items, self.thresholds.small_creator
        n = int(items.creator.max(initial=-1)) + 1
        publishes = np.bincount(items.creator, items.published >= self.edges[0], n) > 0
        honest = np.bincount(items.creator, items.ring >= 0, n) == 0
        small = publishes & honest & (np.bincount(items.creator, self.before, n) < least)
        since = np.bincount(items.creator, self.taken[: number + 1].sum(axis=0), n)
        return {"small_creators_grown": float((since[small] >= least).mean())} if small.any() else {}


def rows(rounds: Mapping[str, Sequence[Mapping[str, float]]], late: Container[int]) -> pl.DataFrame:
    """Rows of metrics.parquet from what ``Meter.table`` found for each policy: a slice per round (from 1), and the mean
    over the ``late`` rounds for all."""
    table_rows: list[tuple[object, ...]] = []
    for policy, by_round in rounds.items():
        numbered = list(enumerate(by_round, 1))
        for name in MEASURES:
            for number, values in numbered:
                if name in values:
                    table_rows.append((policy, ROUND, str(number), name, values[name], int(values["n"])))
            last = [(values[name], values["n"]) for number, values in numbered if number in late and name in values]
            if last:
                mean = float(np.mean([value for value, _ in last]))
                table_rows.append((policy, ALL, ALL, name, mean, int(sum(n for _, n in last))))
    table = pl.DataFrame(table_rows, schema=_ROWS, orient="row")
    none = pl.lit(None, pl.Float64)
    every = dict.fromkeys(("user_bucket", "item_bucket"), pl.lit(ALL))
    return table.with_columns(split=pl.lit("test"), origin=pl.lit("loop"), ci_low=none, ci_high=none, **every)
