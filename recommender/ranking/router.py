"""Which rung serves which query; slots for new items; no gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Self

import numpy as np

from recommender.config import Scoring, Slots
from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.models.base import Recommender
from recommender.models.vocabulary import ids_only
from recommender.names import RETURNING, USER_BUCKETS
from recommender.ranking.candidates import Candidates
from recommender.ranking.exploration import Explorer
from recommender.ranking.fusion import DEPTH, blended
from recommender.ranking.lists import NEW, PINNED, RUNG, Lists, with_slots
from recommender.ranking.recommend import recommend
from recommender.ranking.rerankers.base import Chooser, Reranker


@dataclass(frozen=True)
class Routed:
    """Lists, with the source of each place and what they were before re-ranking."""

    lists: Lists
    # str (n_queries, k): rung, "<rung>+<rung>" where blended, "fallback", "new:<rung>" or "pinned"; "" = no item
    source: np.ndarray
    plain: Lists  # before any re-ranker


class _Once:
    """A rung that, asked about the very same queries and items again, gives the same scores."""

    def __init__(self, model: Recommender) -> None:
        self.model = model
        self.last: tuple[Queries, Table, np.ndarray] | None = None

    def fit(self, train: Dataset) -> Self:
        self.model.fit(train)
        return self

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        last = self.last  # other threads may replace it
        if last is None or last[0] is not queries or last[1] is not items:
            self.last = last = queries, items, self.model.score(queries, items)
        return last[2]


class Router:
    """Serves each query by the rung chosen for its user bucket.

    routes: segment -> rung name, for every user bucket; ``<bucket>_returning``, where there, is for users
    whose last interaction is at least ``away_days`` old. rungs: the models by name, fitted by the
    caller or by ``fit``. Scores of different rungs are never compared: a list comes from one rung,
    is completed in the fallback order, and may keep slots for new items (``slots``), those without
    interactions in training or those that ``explorer`` chooses, at the end of its first ``slots.of`` places.
    blends: segment -> a second rung, whose lists are blended into those of the first (``fusion.py``).
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
        return self.fit_rerankers(train)

    def fit_rerankers(self, train: Dataset) -> Self:
        """All but the rungs, which are fitted already: re-rankers, explorer, and which items have interactions."""
        self.known_ = ids_only(train.items.take(train.item_totals > 0))
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
        names = self.route(queries)
        used = np.unique(names)
        if len(used) == 1:
            return self.rungs[used[0]].score(queries, items)
        out = np.full((len(queries), len(items)), np.nan, np.float32)
        for name in used:
            rows = np.flatnonzero(names == name)
            out[rows] = self.rungs[name].score(queries.take(rows), items)
        return out

    def recommend(self, queries: Queries, candidates: Candidates, k: int, scoring: Scoring) -> Routed:
        """The k best eligible items of each query: blended, with slots for new items, re-ranked, with their sources."""
        memoised = self._memoised()
        lists = memoised._blended(queries, candidates, k, scoring)
        if self.slots:
            lists = with_slots(lists, memoised._new_items(queries, candidates, scoring), self.of)
        plain = lists.head(k)
        for reranker in self.rerankers:
            if isinstance(reranker, Chooser):
                chosen = recommend(reranker, queries, candidates, reranker.n, scoring)
                lists = with_slots(lists, chosen, self.depth, PINNED)
            lists = lists.permute(reranker.order(lists.head(self.depth), queries, candidates.items))
        return Routed(lists.head(k), self._sources(queries, lists.head(k)), plain)

    def propensities(
        self, queries: Queries, candidates: Candidates, k: int, lists: Lists, scoring: Scoring
    ) -> np.ndarray:
        """The probability with which exploration drew the item of each place, given what it drew before in the list;
        NaN where nothing was drawn. float64 (n_queries, k). lists: what ``recommend`` gave for these arguments."""
        out = np.full(lists.item_idx.shape, np.nan)
        if self.explorer is None or not (lists.source_code == NEW).any():
            return out
        plain = self._blended(queries, candidates, k, scoring)
        n = min(self.slots, len(candidates.items))
        above = plain.item_idx[:, : max(min(self.of, plain.width) - n, 0)]
        model = self.rungs[self.slot_rung]
        drawn, chance = self.explorer.propensities(model, queries, candidates, self.slots, scoring, above)
        for place in range(drawn.width):
            at = (lists.item_idx == drawn.item_idx[:, [place]]) & (lists.source_code == NEW)
            out = np.where(at, chance[:, [place]], out)
        return out

    def _memoised(self) -> Router:
        """This router for one call: a rung that serves, is blended in or fills slots scores its queries once."""
        once = copy(self)
        once.rungs = {name: _Once(model) for name, model in self.rungs.items()}
        return once

    def _blended(self, queries: Queries, candidates: Candidates, k: int, scoring: Scoring) -> Lists:
        """Long enough for what comes after."""
        longer = max(k, self.depth if self.rerankers else 0, DEPTH if self.blends else 0)
        lists = recommend(self, queries, candidates, longer, scoring)
        first, second = self.route(queries), self.second(queries)
        for name in np.unique(second[second != first]):
            rows = np.flatnonzero((second == name) & (second != first))
            other = recommend(self.rungs[name], queries.take(rows), candidates, DEPTH, scoring)
            lists = lists.put(rows, blended(lists.take(rows), other, longer))
        return lists

    def _new_items(self, queries: Queries, candidates: Candidates, scoring: Scoring) -> Lists:
        model = self.rungs[self.slot_rung]
        if self.explorer is not None:
            return self.explorer.choose(model, queries, candidates, self.slots, scoring)
        new = candidates.only(self.known_.lookup(candidates.items.ids) < 0)
        return recommend(model, queries, new, self.slots, scoring)

    def _sources(self, queries: Queries, lists: Lists) -> np.ndarray:
        """What ``Routed.source`` says of each entry, str (n_queries, k)."""
        first, second = self.route(queries), self.second(queries)
        pairs = zip(first.tolist(), second.tolist(), strict=True)
        rungs = np.array([one if one == other else f"{one}+{other}" for one, other in pairs], str)
        names = np.array(["", "fallback", "", f"new:{self.slot_rung}", "pinned"])[lists.source_code]
        return np.where(lists.source_code == RUNG, rungs[:, None], names)


def segments(routes: Mapping[str, str], bucket: np.ndarray, returning: np.ndarray) -> np.ndarray:
    """Rung name of each query, str (n,). bucket: int64 (n,), positions in USER_BUCKETS; returning: bool (n,)."""
    stay = np.array([routes[b] for b in USER_BUCKETS])
    back = np.array([routes.get(b + RETURNING, routes[b]) for b in USER_BUCKETS])
    return np.asarray(np.where(returning & (bucket > 0), back[bucket], stay[bucket]))
