"""A model in use by the server, and the lists that it gives."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from recommender.config import Scoring
from recommender.data.dataset import NO_TIME
from recommender.data.queries import Queries
from recommender.ranking.candidates import Candidates
from recommender.ranking.rerankers.spread import Spread
from recommender.ranking.router import Routed
from recommender.serving import log as service_log
from recommender.serving.bodies import Id, Recommend
from recommender.serving.bundle import Bundle, allowed_items, queries_of
from recommender.serving.explain import explain
from recommender.serving.live import LiveKnown

MOST_PLACES = 100_000  # of lists that are kept: about 20 MB


@dataclass(frozen=True)
class ServedList:
    """One list, best first. as_of: int64 microseconds. propensities: as in the log; None: exploration drew nothing.
    variants, versions: of each place, what is tested and which model chose it; variants is empty without a test."""

    list_id: str
    user_id: Id
    as_of: int
    items: list[Id]
    scores: list[float | None]
    sources: list[str]
    versions: list[str]
    propensities: list[float | None] | None = None
    variants: list[str] | None = None
    reasons: list[str] | None = None  # a sentence for each item, where they were asked for


@dataclass(frozen=True)
class InUse:
    """A model with everything that a request needs of it; replaced whole, so that a request sees one or the other."""

    bundle: Bundle
    known: LiveKnown
    candidates: Candidates
    version: str
    _remembered: dict[tuple[object, ...], ServedList] = field(default_factory=dict)  # the latest lists, oldest first

    def route(self, queries: Queries, candidates: Candidates, k: int) -> Routed:
        return self.bundle.router.recommend(queries, candidates, k, Scoring())

    def lists(
        self, request: Recommend, users: Sequence[Id], as_of: np.ndarray, variant: str | None
    ) -> list[ServedList]:
        """A list for each user. request: says how long, what may be shown and whether with reasons. as_of: int64
        microseconds (n,); NO_TIME: the latest that the data know of. variant: what is tested.

        A list is kept, and given again to who asks before anything has changed that it depends on."""
        as_of = np.where(as_of == NO_TIME, self.known.latest(), as_of)
        if request.candidates or request.exclude or request.explain or not self._repeats:
            return self._new_lists(request, users, as_of, variant)
        pairs = zip(users, as_of.tolist(), strict=True)
        keys = [(user, request.k, variant, at, self.known.n_since(user)) for user, at in pairs]
        if new := [q for q, key in enumerate(keys) if key not in self._remembered]:
            lists = self._new_lists(request, [users[q] for q in new], as_of[new], variant)
            self._remembered.update(zip([keys[q] for q in new], lists, strict=True))
        answers = [
            replace(self._remembered[key], list_id=secrets.token_hex(16), as_of=_stated(at))
            for key, at in zip(keys, as_of.tolist(), strict=True)
        ]
        while len(self._remembered) > MOST_PLACES // max(request.k, 10):  # a list costs more than its places
            del self._remembered[next(iter(self._remembered))]
        return answers

    @property
    def _repeats(self) -> bool:
        """Whether a list depends on nothing but the user, the time and what the user took."""
        router = self.bundle.router
        together = any(isinstance(reranker, Spread) for reranker in router.rerankers)  # it looks at all lists at once
        return router.explorer is None and self.known.shown is None and not together

    def _new_lists(
        self, request: Recommend, users: Sequence[Id], as_of: np.ndarray, variant: str | None
    ) -> list[ServedList]:  # fmt: skip
        queries, to_choose = queries_of(self.ids(users), as_of, self.known), self.allowed(request)
        routed = self.route(queries, to_choose, request.k)
        drawn = self.bundle.router.propensities(queries, to_choose, request.k, routed.lists, Scoring())
        items = self.known.data.items.ids[routed.lists.item_idx.ravel().clip(min=0)].to_list()
        places, width = (routed.lists.item_idx >= 0).sum(axis=1).tolist(), routed.lists.width
        scores, sources, at = routed.lists.score.tolist(), routed.source.tolist(), queries.as_of.tolist()
        answers = []
        for q, (user, n) in enumerate(zip(users, places, strict=True)):
            chance = _known(drawn[q, :n].tolist())
            answers.append(ServedList(
                secrets.token_hex(16), user, _stated(at[q]),
                items[q * width : q * width + n], _known(scores[q][:n]), sources[q][:n], [self.version] * n,
                chance if any(p is not None for p in chance) else None, None if variant is None else [variant] * n,
            ))  # fmt: skip
        if not request.explain:
            return answers
        each_query = [queries.take(np.array([q])) for q in range(len(answers))]
        rows = zip(answers, each_query, routed.lists.item_idx, strict=True)
        return [replace(one, reasons=self._reasons(query, to_choose, row, one)) for one, query, row in rows]

    def allowed(self, request: Recommend) -> Candidates:
        """What the request lets be shown. Raises DataError for candidates that the model does not know."""
        items, candidates = self.known.data.items, self.candidates
        if request.candidates:
            wanted = pl.Series("item_id", request.candidates, items.ids.dtype)
            candidates = candidates.only(allowed_items(wanted, self.known.data))
        if request.exclude:
            rows = items.lookup(pl.Series("item_id", request.exclude, items.ids.dtype))
            shown = np.ones(len(items), bool)
            shown[rows[rows >= 0]] = False
            candidates = candidates.only(shown)
        return candidates

    def ids(self, users: Sequence[Id]) -> pl.Series:
        """User ids in the type of the data."""
        return pl.Series("user_id", users, self.known.data.users.ids.dtype)

    def _reasons(self, query: Queries, candidates: Candidates, rows: np.ndarray, answer: ServedList) -> list[str]:
        places = enumerate(zip(rows.tolist(), answer.sources, strict=False), 1)
        router, k = self.bundle.router, len(rows)
        return [explain(router, query, candidates, row, k, (place, source)).sentence for place, (row, source) in places]


def _stated(as_of: int) -> int:
    return service_log.now() if as_of == NO_TIME else as_of


def _known(values: list[float]) -> list[float | None]:
    return [None if value != value else value for value in values]
