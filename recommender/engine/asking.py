"""Lists made on the engine: blocks of queries go out, the same ``recommend`` answers them there, lists come back."""

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

from recommender.config import Eligibility, Scoring
from recommender.data.dataset import Table
from recommender.data.queries import History, Queries
from recommender.engine.session import Engine
from recommender.engine.worker import block
from recommender.models.base import Recommender
from recommender.ranking.candidates import Candidates
from recommender.ranking.generator import Generator
from recommender.ranking.lists import Lists
from recommender.ranking.recommend import GENERATED_AT_ONCE, batch_size, recommend
from recommender.ranking.router import Routed, Router

AT_LEAST = 1024  # queries of a block
_AS_OF, _ITEMS, _TIMES = "__as_of__", "__history__", "__times__"


@dataclass(frozen=True)
class EngineAsker:
    """An ``Asker`` (ranking/asker.py) whose lists are made on the engine."""

    engine: Engine

    def recommend(
        self, model: Recommender, queries: Queries, candidates: Candidates, k: int, scoring: Scoring
    ) -> Lists:
        """See ``ranking/recommend.py::recommend``."""
        return Lists.concat([_lists(c) for c in self._answers(model, queries, candidates, k, scoring)])

    def route(self, router: Router, queries: Queries, candidates: Candidates, k: int, scoring: Scoring) -> Routed:
        """See ``Router.recommend``."""
        parts = [_routed(content) for content in self._answers(router, queries, candidates, k, scoring)]
        source = np.concatenate([part.source for part in parts])
        return Routed(Lists.concat([p.lists for p in parts]), source, Lists.concat([p.plain for p in parts]))

    def _answers(
        self, model: Recommender | Router, queries: Queries, candidates: Candidates, k: int, scoring: Scoring
    ) -> list[bytes]:
        users = queries.users
        asked = Asked(
            model, candidates.items, candidates.rules.model_dump(), candidates.fallback, candidates.allowed,
            candidates.members, candidates.generator, k, scoring.model_dump(), users.roles, users.key,
        )  # fmt: skip
        return self.engine.run(asked, _blocks(queries, _size(candidates, scoring)))


@dataclass(frozen=True)
class Asked:
    """The task: a model or router with what its lists are chosen from. Arrays are mapped into a worker's memory.

    rules, scoring: plain values of ``config.Eligibility`` and ``config.Scoring``. roles, key: of the queries' users.
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

    @cached_property
    def candidates(self) -> Candidates:
        rules = Eligibility.model_validate(self.rules)
        return Candidates(self.items, rules, self.fallback, self.allowed, self.members, self.generator)

    def run(self, number: int, folder: Path) -> bytes:
        """The lists of a block of queries."""
        queries = _queries(pl.read_ipc(block(folder, number)), self.roles, self.key)
        scoring = Scoring.model_validate(self.scoring)
        if isinstance(self.model, Router):
            return _of_routed(self.model.recommend(queries, self.candidates, self.k, scoring))
        return _of_lists(recommend(self.model, queries, self.candidates, self.k, scoring))


def _size(candidates: Candidates, scoring: Scoring) -> int:
    """Queries of a block: whole batches of ``recommend``, so that BLAS meets the same shapes as without blocks."""
    if candidates.generator is not None:
        return GENERATED_AT_ONCE
    batch = batch_size(len(candidates.items), scoring.memory_mb // scoring.workers)
    return batch * math.ceil(AT_LEAST / batch)


def _blocks(queries: Queries, size: int) -> Iterator[bytes]:
    """At least one, that an empty batch of queries has lists of the right width too."""
    for start in range(0, max(len(queries), 1), size):
        part = queries.take(np.arange(start, min(start + size, len(queries))))
        offsets = part.history.indptr
        yield _ipc(part.users.frame.with_columns(
            pl.Series(_AS_OF, part.as_of),
            _ragged(_ITEMS, part.history.item_idx, offsets),
            _ragged(_TIMES, part.history.timestamp, offsets),
        ))  # fmt: skip


def _ragged(name: str, values: np.ndarray, indptr: np.ndarray) -> pl.Series:
    return pl.Series(name, pa.LargeListArray.from_arrays(indptr.astype(np.int64), pa.array(values.astype(np.int64))))


def _queries(frame: pl.DataFrame, roles: Mapping[str, str], key: str) -> Queries:
    items, times = (frame[name].explode(empty_as_null=False).to_numpy() for name in (_ITEMS, _TIMES))
    indptr = np.append(0, np.cumsum(frame[_ITEMS].list.len().to_numpy().astype(np.int64)))
    users = Table(frame.drop(_AS_OF, _ITEMS, _TIMES), roles, key)
    return Queries(users, frame[_AS_OF].to_numpy(), History(indptr, items, times))


def _of_lists(lists: Lists) -> bytes:
    return _arrays(item=lists.item_idx, score=lists.score, code=lists.source_code)


def _lists(content: bytes, prefix: str = "") -> Lists:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return Lists(*(arrays[prefix + name] for name in ("item", "score", "code")))


def _of_routed(routed: Routed) -> bytes:
    names, number = np.unique(routed.source, return_inverse=True)  # few names, told apart by a number per entry
    lists, plain = routed.lists, routed.plain
    return _arrays(
        item=lists.item_idx, score=lists.score, code=lists.source_code,
        plain_item=plain.item_idx, plain_score=plain.score, plain_code=plain.source_code,
        names=names, source=number.reshape(routed.source.shape).astype(np.int16),
    )  # fmt: skip


def _routed(content: bytes) -> Routed:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        source = arrays["names"][arrays["source"]]
    return Routed(_lists(content), source, _lists(content, "plain_"))


def _arrays(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _ipc(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_ipc(buffer)
    return buffer.getvalue()
