"""Lists made on the engine: blocks of queries go out, the same ``recommend`` answers them and the same metrics measure
the lists there; metrics come back, and the lists that are asked for."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import scipy.sparse as sp

from recommender.config import Eligibility, Scoring
from recommender.data.dataset import Table
from recommender.data.queries import History, Queries
from recommender.engine.count_tasks import arrays, read_arrays
from recommender.engine.session import Engine
from recommender.engine.worker import block
from recommender.evaluation.judge import AccuracyJudge
from recommender.models.base import Recommender
from recommender.ranking.asker import Answer, Judge
from recommender.ranking.candidates import Candidates
from recommender.ranking.generator import Generator
from recommender.ranking.lists import Lists
from recommender.ranking.recommend import GENERATED_AT_ONCE, batch_size, recommend
from recommender.ranking.router import Routed, Router

AT_LEAST = 1024  # queries of a block
_AS_OF, _ITEMS, _TIMES = "__as_of__", "__history__", "__times__"
_TRUTH, _GRADES, _WANTED = "__truth__", "__grades__", "__wanted__"
_VALUE = "value "  # before the names of metrics


@dataclass(frozen=True)
class EngineAsker:
    """An ``Asker`` (ranking/asker.py) whose lists are made on the engine."""

    engine: Engine

    def recommend(
        self, model: Recommender, queries: Queries, candidates: Candidates, k: int, scoring: Scoring
    ) -> Lists:
        """See ``ranking/recommend.py::recommend``."""
        return Lists.concat([_lists(read_arrays(c)) for c in self._answers(model, queries, candidates, k, scoring)])

    def judged(
        self, model: Recommender, queries: Queries, candidates: Candidates, k: int, scoring: Scoring, judge: Judge,
        rows: np.ndarray | None,
    ) -> Answer:  # fmt: skip
        """See ``ranking/asker.py``: metrics come back, and of ``rows`` the lists."""
        wanted = np.ones(len(queries), bool) if rows is None else np.isin(np.arange(len(queries)), rows)
        parts = [read_arrays(c) for c in self._answers(model, queries, candidates, k, scoring, judge, wanted)]
        names = [name for name in parts[0] if name.startswith(_VALUE)]
        values = {name.removeprefix(_VALUE): np.concatenate([part[name] for part in parts]) for name in names}
        return Answer(Lists.concat([_lists(part) for part in parts]), rows, values)

    def route(self, router: Router, queries: Queries, candidates: Candidates, k: int, scoring: Scoring) -> Routed:
        """See ``Router.recommend``."""
        parts = [_routed(content) for content in self._answers(router, queries, candidates, k, scoring)]
        source = np.concatenate([part.source for part in parts])
        return Routed(Lists.concat([p.lists for p in parts]), source, Lists.concat([p.plain for p in parts]))

    def _answers(
        self, model: Recommender | Router, queries: Queries, candidates: Candidates, k: int, scoring: Scoring,
        judge: Judge | None = None, wanted: np.ndarray | None = None,
    ) -> list[bytes]:  # fmt: skip
        users = queries.users
        task = ListTask(
            model, candidates.items, candidates.rules.model_dump(), candidates.fallback, candidates.allowed,
            candidates.members, candidates.generator, k, scoring.model_dump(), users.roles, users.key,
            None if judge is None else judge.item_counts,
        )  # fmt: skip
        return self.engine.run(task, _blocks(queries, _size(candidates, scoring), judge, wanted))


@dataclass(frozen=True)
class ListTask:
    """The task: a model or router with what its lists are chosen from. Arrays are mapped into a worker's memory.

    rules, scoring: plain values of ``config.Eligibility`` and ``config.Scoring``. roles, key: of the queries' users.
    item_counts: where lists are measured, see ``AccuracyJudge``.
    """

    model: Any
    items: Table
    rules: Mapping[str, Any]
    fallback: np.ndarray
    allowed: np.ndarray | None
    members: bool
    generator: Generator | None
    k: int
    scoring: Mapping[str, Any]
    roles: Mapping[str, str]
    key: str
    item_counts: np.ndarray | None = None

    @cached_property
    def candidates(self) -> Candidates:
        rules = Eligibility.model_validate(self.rules)
        return Candidates(self.items, rules, self.fallback, self.allowed, self.members, self.generator)

    def run(self, number: int, folder: Path) -> bytes:
        """The lists of a block of queries."""
        frame = pl.read_ipc(block(folder, number))
        queries = _queries(frame, self.roles, self.key)
        scoring = Scoring.model_validate(self.scoring)
        if isinstance(self.model, Router):
            return _of_routed(self.model.recommend(queries, self.candidates, self.k, scoring))
        lists = recommend(self.model, queries, self.candidates, self.k, scoring)
        if self.item_counts is None:
            return arrays(**_of_lists(lists))
        judge = _judge(frame, len(self.items), self.item_counts)
        values = {_VALUE + name: value for name, value in judge.values(lists).items()}
        return arrays(**_of_lists(lists.take(frame[_WANTED].to_numpy())), **values)


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
        offsets, stop = part.history.indptr, start + len(part)
        columns = [
            pl.Series(_AS_OF, part.as_of),
            _ragged(_ITEMS, part.history.item_idx, offsets),
            _ragged(_TIMES, part.history.timestamp, offsets),
        ]
        if judge is not None:
            truth = judge.truth[start:stop]
            columns.append(_ragged(_TRUTH, truth.indices, truth.indptr))
            if judge.grades is not None:
                columns.append(_ragged(_GRADES, judge.grades[start:stop].data, truth.indptr))
        if wanted is not None:
            columns.append(pl.Series(_WANTED, wanted[start:stop]))
        yield _ipc(part.users.frame.with_columns(columns))


def _ragged(name: str, values: np.ndarray, indptr: np.ndarray) -> pl.Series:
    return pl.Series(name, pa.LargeListArray.from_arrays(indptr.astype(np.int64), pa.array(values)))


def _judge(frame: pl.DataFrame, n_items: int, item_counts: np.ndarray) -> AccuracyJudge:
    lengths = frame[_TRUTH].list.len().to_numpy().astype(np.int64)
    where = (frame[_TRUTH].explode(empty_as_null=False).to_numpy(), np.append(0, np.cumsum(lengths)))
    shape = (frame.height, n_items)
    truth = sp.csr_matrix((np.ones(len(where[0]), bool), *where), shape=shape)
    if _GRADES not in frame.columns:
        return AccuracyJudge(truth, None, item_counts)
    grades = frame[_GRADES].explode(empty_as_null=False).to_numpy()
    return AccuracyJudge(truth, sp.csr_matrix((grades, *where), shape=shape), item_counts)


def _queries(frame: pl.DataFrame, roles: Mapping[str, str], key: str) -> Queries:
    items, times = (frame[name].explode(empty_as_null=False).to_numpy() for name in (_ITEMS, _TIMES))
    indptr = np.append(0, np.cumsum(frame[_ITEMS].list.len().to_numpy().astype(np.int64)))
    users = Table(frame.drop(_AS_OF, _ITEMS, _TIMES, _TRUTH, _GRADES, _WANTED, strict=False), roles, key)
    return Queries(users, frame[_AS_OF].to_numpy(), History(indptr, items, times))


def _of_lists(lists: Lists, prefix: str = "") -> dict[str, np.ndarray]:
    named = {"item": lists.item_idx, "score": lists.score, "code": lists.source_code}
    return {prefix + name: array for name, array in named.items()}


def _lists(named: Mapping[str, np.ndarray], prefix: str = "") -> Lists:
    return Lists(*(named[prefix + name] for name in ("item", "score", "code")))


def _of_routed(routed: Routed) -> bytes:
    names, number = np.unique(routed.source, return_inverse=True)  # few names, told apart by a number per entry
    source = number.reshape(routed.source.shape).astype(np.int16)
    return arrays(**_of_lists(routed.lists), **_of_lists(routed.plain, "plain_"), names=names, source=source)


def _routed(content: bytes) -> Routed:
    named = read_arrays(content)
    return Routed(_lists(named), named["names"][named["source"]], _lists(named, "plain_"))


def _ipc(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_ipc(buffer)
    return buffer.getvalue()
