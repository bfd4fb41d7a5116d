"""Which rung serves which query; slots for new items; no gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from recommender.config import Eligibility, Scoring, Slots
from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.models.base import Recommender
from recommender.names import RETURNING, USER_BUCKETS
from recommender.ranking.exploration import Explorer
from recommender.ranking.fusion import DEPTH, blended, rows_of
from recommender.ranking.recommend import Lists, recommend
from recommender.ranking.rerankers.base import Chooser, Reranker, first, reordered
from recommender.ranking.topk import NEW, NOTHING, OWN, PINNED


@dataclass(frozen=True)
class Routed:
    lists: Lists
    # str (n_queries, k): rung, "<rung>+<rung>" where blended, "fallback", "new:<rung>" or "pinned"; "" = no item
    source: np.ndarray
    plain: Lists  # before any re-ranker


class Router:
    """Serves each query by the rung chosen for its user bucket.

    routes: segment -> rung name, for every user bucket; ``<bucket>_returning``, where there, is for users
    whose last interaction is at least ``away_days`` old. rungs: the models by name, fitted by the
    caller or by ``fit``. Scores of different rungs are never compared: a list comes from one rung,
    is completed in the fallback order, and may keep slots for new items (``slots``), those without
    interactions in training or those that ``explorer`` chooses, at the end of its first ``slots.of`` places.
    blends: segment -> a second rung, whose lists are blended into those of the first (``blend.py``).
    ``rerankers`` then re-order its first ``depth`` places, one after the other; a shorter list is cut from
    one of ``depth``.
    """

    def __init__(
        self,
        routes: Mapping[str, str],
        rungs: Mapping[str, Recommender],
        slots: Slots | None = None,
        away_days: float = 1.0,
        rerankers: Sequence[Reranker] = (),
        depth: int = 50,
        explorer: Explorer | None = None,
        blends: Mapping[str, str] | None = None,
    ) -> None:
        self.routes = dict(routes)
        self.blends = dict(blends or {})
        self.away_days = away_days
        self.rungs = dict(rungs)
        chosen = slots or Slots()
        if chosen.n == "auto":
            raise ValueError("Router: slots.n must be decided before.")
        self.slots, self.of, self.slot_rung = chosen.n, chosen.of, chosen.rung
        self.rerankers, self.depth = list(rerankers), depth
        self.explorer = explorer

    def fit(self, train: Dataset) -> Self:
        """Fits every rung."""
        for model in self.rungs.values():
            model.fit(train)
        return self.know(train)

    def know(self, train: Dataset) -> Self:
        """For rungs that are fitted already: notes which items have interactions, and fits what chooses among lists."""
        self.known_ = train.items.take(train.item_counts > 0)
        for reranker in self.rerankers:
            reranker.fit(train)
        if self.explorer is not None:
            self.explorer.fit(train)
        return self

    def route(self, queries: Queries) -> np.ndarray:
        """Name of the rung of each query, str (n,)."""
        return segments(self.routes, queries.buckets, queries.away_days >= self.away_days)

    def second(self, queries: Queries) -> np.ndarray:
        """Name of the rung whose list is blended in, str (n,); where none is, the first one's."""
        return segments({**self.routes, **self.blends}, queries.buckets, queries.away_days >= self.away_days)

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        out = np.full((len(queries), len(items)), np.nan, np.float32)
        names = self.route(queries)
        for name in np.unique(names):
            rows = np.flatnonzero(names == name)
            out[rows] = self.rungs[name].score(queries.take(rows), items)
        return out

    def recommend(
        self,
        queries: Queries,
        items: Table,
        k: int,
        rules: Eligibility,
        scoring: Scoring,
        fallback: np.ndarray,
        allowed: np.ndarray | None = None,
    ) -> Routed:
        """As ``recommend.recommend``, with slots for new items, re-ranked, and the source of each row."""
        longer = max(k, self.depth if self.rerankers else 0, DEPTH if self.blends else 0)
        lists = recommend(self, queries, items, longer, rules, scoring, fallback, allowed)
        own, second = self.route(queries), self.second(queries)
        for name in np.unique(second[second != own]):
            rows = np.flatnonzero((second == name) & (second != own))
            other = recommend(self.rungs[name], queries.take(rows), items, DEPTH, rules, scoring, fallback, allowed)
            lists = replaced(lists, rows, blended(rows_of(lists, rows), other, longer))
        if self.slots:
            model = self.rungs[self.slot_rung]
            if self.explorer is None:
                new = self.known_.lookup(items.ids) < 0
                new = new if allowed is None else new & allowed
                found = recommend(model, queries, items, self.slots, rules, scoring, fallback, new)
            else:
                found = self.explorer.choose(model, queries, items, self.slots, rules, scoring, fallback, allowed)
            lists = with_slots(lists, found, self.of)
        plain = first(lists, k)
        for reranker in self.rerankers:
            if isinstance(reranker, Chooser):
                found = recommend(reranker, queries, items, reranker.n, rules, scoring, fallback, allowed)
                lists = with_slots(lists, found, self.depth, PINNED)
            lists = reordered(lists, reranker.order(first(lists, self.depth), queries, items))
        lists = first(lists, k)
        shown = np.where(second == own, own, np.char.add(np.char.add(own.astype(str), "+"), second.astype(str)))
        own = np.repeat(shown[:, None], lists.item_idx.shape[1], axis=1)
        names = np.array(["", "fallback", "", f"new:{self.slot_rung}", "pinned"])[lists.why]
        return Routed(lists, np.where(lists.why == OWN, own, names), plain)


def segments(routes: Mapping[str, str], bucket: np.ndarray, returning: np.ndarray) -> np.ndarray:
    """Rung name of each query, str (n,). bucket: int64 (n,), positions in USER_BUCKETS; returning: bool (n,)."""
    stay = np.array([routes[b] for b in USER_BUCKETS])
    back = np.array([routes.get(b + RETURNING, routes[b]) for b in USER_BUCKETS])
    return np.asarray(np.where(returning & (bucket > 0), back[bucket], stay[bucket]))


def replaced(lists: Lists, rows: np.ndarray, by: Lists) -> Lists:
    """The lists with those of ``rows`` (int64) in the place of theirs."""
    item, score, why = lists.item_idx.copy(), lists.score.copy(), lists.why.copy()
    item[rows], score[rows], why[rows] = by.item_idx, by.score, by.why
    return Lists(item, score, why)


def with_slots(lists: Lists, new: Lists, of: int, reason: int = NEW) -> Lists:
    """Puts the ``new`` lists at the end of the first ``of`` places, for a ``reason``; what they displace moves down.

    Only items that the slots' rung scored itself get in; an item that the list shows earlier anyway
    does not appear twice.
    """
    k = lists.item_idx.shape[1]
    head = max(min(of, k) - new.item_idx.shape[1], 0)
    in_head = (new.item_idx[:, :, None] == lists.item_idx[:, None, :head]).any(axis=2)
    slot = np.where((new.why == OWN) & ~in_head, new.item_idx, -1)
    moved = (lists.item_idx[:, head:, None] == slot[:, None, :]).any(axis=2)
    tail = np.where(moved, -1, lists.item_idx[:, head:])
    item = np.concatenate([lists.item_idx[:, :head], slot, tail], axis=1)
    why = np.concatenate([lists.why[:, :head], np.full(slot.shape, reason, np.int8), lists.why[:, head:]], axis=1)
    score = np.concatenate([lists.score[:, :head], new.score, lists.score[:, head:]], axis=1)
    order = np.argsort(item < 0, axis=1, kind="stable")[:, :k]
    item, score = np.take_along_axis(item, order, axis=1), np.take_along_axis(score, order, axis=1)
    why = np.where(item < 0, NOTHING, np.take_along_axis(why, order, axis=1))
    return Lists(item, np.where(item < 0, np.float32(np.nan), score), why.astype(np.int8))
