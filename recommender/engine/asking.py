"""Lists made on the engine: blocks of queries go out, the same ``recommend`` answers them and the same metrics measure
the lists there; metrics come back, and the lists that are asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from recommender.config import Scoring
from recommender.data.queries import Queries
from recommender.data.split import Fold
from recommender.engine.count_tasks import read_arrays
from recommender.engine.counting import EngineCounts
from recommender.engine.list_task import VALUE, WANTED, ListTask, as_frame, as_ipc, lists_of, routed
from recommender.engine.measuring import measured
from recommender.engine.session import Engine
from recommender.models.base import Recommender
from recommender.ranking.asker import Answer, Judge
from recommender.ranking.candidates import Candidates
from recommender.ranking.lists import Lists
from recommender.ranking.recommend import GENERATED_AT_ONCE, batch_size
from recommender.ranking.router import Routed, Router

AT_LEAST = 1024  # queries of a block


@dataclass(frozen=True)
class EngineAsker:
    """An ``Asker`` (ranking/asker.py) whose lists are made on the engine."""

    engine: Engine

    def recommend(
        self, model: Recommender, queries: Queries, candidates: Candidates, k: int, scoring: Scoring
    ) -> Lists:
        """See ``ranking/recommend.py::recommend``."""
        return Lists.concat([lists_of(read_arrays(c)) for c in self._answers(model, queries, candidates, k, scoring)])

    def judged(
        self, model: Recommender, queries: Queries, candidates: Candidates, k: int, scoring: Scoring, judge: Judge,
        rows: np.ndarray | None,
    ) -> Answer:  # fmt: skip
        """See ``ranking/asker.py``: metrics come back, and of ``rows`` the lists."""
        wanted = np.ones(len(queries), bool) if rows is None else np.isin(np.arange(len(queries)), rows)
        parts = [read_arrays(c) for c in self._answers(model, queries, candidates, k, scoring, judge, wanted)]
        names = [name for name in parts[0] if name.startswith(VALUE)]
        values = {name.removeprefix(VALUE): np.concatenate([part[name] for part in parts]) for name in names}
        return Answer(Lists.concat([lists_of(part) for part in parts]), rows, values)

    def route(self, router: Router, queries: Queries, candidates: Candidates, k: int, scoring: Scoring) -> Routed:
        """See ``Router.recommend``."""
        parts = [routed(content) for content in self._answers(router, queries, candidates, k, scoring)]
        source = np.concatenate([part.source for part in parts])
        return Routed(Lists.concat([p.lists for p in parts]), source, Lists.concat([p.plain for p in parts]))

    def _answers(
        self, model: Recommender | Router, queries: Queries, candidates: Candidates, k: int, scoring: Scoring,
        judge: Judge | None = None, wanted: np.ndarray | None = None,
    ) -> list[bytes]:  # fmt: skip
        task = ListTask.of(model, queries.users, candidates, k, scoring, None if judge is None else judge.item_counts)
        return self.engine.run(task, _blocks(queries, _size(candidates, scoring), judge, wanted))

    def over_all(
        self, model: Recommender | Router, fold: Fold, candidates: Candidates, k: int, scoring: Scoring,
        valid: np.ndarray, resamples: int, seed: int,
    ) -> pl.DataFrame | None:  # fmt: skip
        """See ``ranking/asker.py``: queries are cut from the rows that lie by users, once for all models."""
        everyone = fold.train.everyone
        if not isinstance(everyone, EngineCounts):
            return None
        lists = ListTask.of(model, fold.queries.users, candidates, k, scoring, fold.item_counts)
        return measured(everyone, lists, fold, valid, resamples, seed)


def _size(candidates: Candidates, scoring: Scoring) -> int:
    """Queries of a block: whole batches of ``recommend``, so that BLAS meets the same shapes as without blocks."""
    if candidates.generator is not None:
        return GENERATED_AT_ONCE
    batch = batch_size(len(candidates.items), scoring.memory_mb // scoring.workers)
    return batch * math.ceil(AT_LEAST / batch)


def _blocks(
    queries: Queries, size: int, judge: Judge | None = None, wanted: np.ndarray | None = None
) -> Iterator[bytes]:
    """At least one, that an empty batch of queries has lists of the right width too. judge: what the users then took
    goes along. wanted: bool (n_queries,), whose lists are to come back."""
    for start in range(0, max(len(queries), 1), size):
        part = queries.take(np.arange(start, min(start + size, len(queries))))
        here = slice(start, start + len(part))
        truth, grades = (None, None) if judge is None else (judge.truth[here], judge.grades)
        frame = as_frame(part, truth, None if grades is None else grades[here])
        if wanted is not None:
            frame = frame.with_columns(pl.Series(WANTED, wanted[here]))
        yield as_ipc(frame)
