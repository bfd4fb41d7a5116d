"""The task of making lists: a block of queries in, the lists of ``recommend`` and what is measured of them out."""

from __future__ import annotations

import io
from collections.abc import Mapping
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
from recommender.engine.worker import block
from recommender.evaluation.judge import AccuracyJudge
from recommender.models.base import Recommender
from recommender.ranking.candidates import Candidates
from recommender.ranking.generator import Generator
from recommender.ranking.lists import Lists
from recommender.ranking.recommend import recommend
from recommender.ranking.router import Routed, Router

_AS_OF, _ITEMS, _TIMES = "__as_of__", "__history__", "__times__"
_TRUTH, _GRADES, WANTED, FIRST = "__truth__", "__grades__", "__wanted__", "__first__"
VALUE = "value "  # before the names of metrics


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

    @classmethod
    def of(
        cls, model: Recommender | Router, users: Table, candidates: Candidates, k: int, scoring: Scoring,
        item_counts: np.ndarray | None = None,
    ) -> ListTask:  # fmt: skip
        """The task of the queries of such users."""
        return cls(
            model, candidates.items, candidates.rules.model_dump(), candidates.fallback, candidates.allowed,
            candidates.members, candidates.generator, k, scoring.model_dump(), users.roles, users.key, item_counts,
        )  # fmt: skip

    @cached_property
    def candidates(self) -> Candidates:
        rules = Eligibility.model_validate(self.rules)
        return Candidates(self.items, rules, self.fallback, self.allowed, self.members, self.generator)

    def run(self, number: int, folder: Path) -> bytes:
        """The lists of a block of queries."""
        frame = pl.read_ipc(block(folder, number))
        lists = self._answers(frame)
        if isinstance(lists, Routed):
            return of_routed(lists)
        if self.item_counts is None:
            return arrays(**of_lists(lists))
        values = {VALUE + name: value for name, value in self._judge(frame).values(lists).items()}
        return arrays(**of_lists(lists.take(frame[WANTED].to_numpy())), **values)

    def values(self, frame: pl.DataFrame) -> dict[str, np.ndarray]:
        """What is measured of the lists of queries that lie in a frame with their answers (``as_frame``)."""
        lists = self._answers(frame)
        return self._judge(frame).values(lists.lists if isinstance(lists, Routed) else lists)

    def queries(self, frame: pl.DataFrame) -> Queries:
        return queries_of(frame, self.roles, self.key)

    def _answers(self, frame: pl.DataFrame) -> Lists | Routed:
        queries = self.queries(frame)
        scoring = Scoring.model_validate(self.scoring)
        if isinstance(self.model, Router):
            return self.model.recommend(queries, self.candidates, self.k, scoring)
        return recommend(self.model, queries, self.candidates, self.k, scoring)

    def _judge(self, frame: pl.DataFrame) -> AccuracyJudge:
        assert self.item_counts is not None
        return judge_of(frame, len(self.items), self.item_counts)


def as_frame(queries: Queries, truth: sp.csr_matrix | None = None, grades: sp.csr_matrix | None = None) -> pl.DataFrame:
    """Queries as rows that a task reads, with what their users then took, see ``Fold``."""
    offsets = queries.history.indptr
    columns = [
        pl.Series(_AS_OF, queries.as_of),
        _ragged(_ITEMS, queries.history.item_idx, offsets),
        _ragged(_TIMES, queries.history.timestamp, offsets),
    ]
    if truth is not None:
        columns.append(_ragged(_TRUTH, truth.indices, truth.indptr))
    if truth is not None and grades is not None:
        columns.append(_ragged(_GRADES, grades.data, truth.indptr))
    return queries.users.frame.with_columns(columns)


def as_ipc(frame: pl.DataFrame) -> bytes:
    """The frame as bytes of an Arrow file."""
    buffer = io.BytesIO()
    frame.write_ipc(buffer)
    return buffer.getvalue()


def _ragged(name: str, values: np.ndarray, indptr: np.ndarray) -> pl.Series:
    return pl.Series(name, pa.LargeListArray.from_arrays(indptr.astype(np.int64), pa.array(values)))


def judge_of(frame: pl.DataFrame, n_items: int, item_counts: np.ndarray) -> AccuracyJudge:
    """What judges lists of the frame's queries: their answers, with grades where it has some. item_counts: int64
    (n_items,)."""
    lengths = frame[_TRUTH].list.len().to_numpy().astype(np.int64)
    where = (frame[_TRUTH].explode(empty_as_null=False).to_numpy(), np.append(0, np.cumsum(lengths)))
    shape = (frame.height, n_items)
    truth = sp.csr_matrix((np.ones(len(where[0]), bool), *where), shape=shape)
    if _GRADES not in frame.columns:
        return AccuracyJudge(truth, None, item_counts)
    grades = frame[_GRADES].explode(empty_as_null=False).to_numpy()
    return AccuracyJudge(truth, sp.csr_matrix((grades, *where), shape=shape), item_counts)


def queries_of(frame: pl.DataFrame, roles: Mapping[str, str], key: str) -> Queries:
    """Queries with their histories, from a row each. roles, key: of the table of users."""
    items, times = (frame[name].explode(empty_as_null=False).to_numpy() for name in (_ITEMS, _TIMES))
    indptr = np.append(0, np.cumsum(frame[_ITEMS].list.len().to_numpy().astype(np.int64)))
    users = Table(frame.drop(_AS_OF, _ITEMS, _TIMES, _TRUTH, _GRADES, WANTED, FIRST, strict=False), roles, key)
    return Queries(users, frame[_AS_OF].to_numpy(), History(indptr, items, times))


def of_lists(lists: Lists, prefix: str = "") -> dict[str, np.ndarray]:
    """Arrays of the lists by name; ``lists_of`` reads them back."""
    named = {"item": lists.item_idx, "score": lists.score, "code": lists.source_code}
    return {prefix + name: array for name, array in named.items()}


def lists_of(named: Mapping[str, np.ndarray], prefix: str = "") -> Lists:
    """Lists from the arrays of ``of_lists``."""
    return Lists(*(named[prefix + name] for name in ("item", "score", "code")))


def of_routed(routed: Routed) -> bytes:
    """Routed lists as bytes; ``routed`` reads them back."""
    names, number = np.unique(routed.source, return_inverse=True)  # few names, told apart by a number per entry
    source = number.reshape(routed.source.shape).astype(np.int16)
    return arrays(**of_lists(routed.lists), **of_lists(routed.plain, "plain_"), names=names, source=source)


def routed(content: bytes) -> Routed:
    """Routed lists from the bytes of ``of_routed``."""
    named = read_arrays(content)
    return Routed(lists_of(named), named["names"][named["source"]], lists_of(named, "plain_"))
