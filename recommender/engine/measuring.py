"""Lists of all users at the test origin, measured where their rows lie: sums of accuracy come back, no list.

Blocks of users are those of reading, by the hash of the id. Their sums are added here, in their order, so that no
number depends on how many partitions there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recommender.data.dataset import Dataset, Table
from recommender.data.events import taken
from recommender.data.horizon import horizon
from recommender.data.spec import STANDARD, Threshold
from recommender.data.split import Fold
from recommender.data.times import to_microseconds
from recommender.engine import checking
from recommender.engine.count_tasks import arrays, read_arrays
from recommender.engine.counting import EngineCounts
from recommender.engine.list_task import FIRST, ListTask, as_frame, as_ipc
from recommender.engine.worker import block
from recommender.evaluation.metric_table import ANSWERED
from recommender.evaluation.statistics import ClusteredValues, Estimate, Sums, numbered, user_sums
from recommender.files import write_atomically
from recommender.hashing import of_values
from recommender.names import ALL, USER_BUCKETS, WITH_HISTORY

GROUPS = (ALL, *USER_BUCKETS, WITH_HISTORY)


def measured(
    everyone: EngineCounts, lists: ListTask, fold: Fold, valid: np.ndarray, resamples: int, seed: int
) -> pl.DataFrame:
    """The table of ``Asker.over_all``. lists: of the model. valid: bool (n_items,), of which items answers count."""
    engine = everyone.engine
    folder = _queries(everyone, fold, valid)
    task = MeasureUsers(lists, str(folder) if engine.shared is not None else "", resamples, seed)
    files = [folder / f"{number:03d}.arrow" for number in range(checking.BLOCKS)]
    there = [file for file in files if file.is_file()]
    if engine.shared is None:  # the queries lie here, and the engine carries them
        contents = engine.run(task, (file.read_bytes() for file in there))
    else:
        contents = engine.run(task, [file.name.encode() for file in there])
    parts = [read_arrays(content) for content in contents]
    sums = [reduce(add, (_sums(part, g) for part in parts)) for g in range(len(GROUPS))]
    return _table(parts[0]["names"].tolist(), [cell.estimate() for cell in sums])


def _sums(part: Mapping[str, np.ndarray], group: int) -> Sums:
    return Sums(*(part[f"{name} {group}"].astype(np.float64) for name in _SUMS))


def _queries(everyone: EngineCounts, fold: Fold, valid: np.ndarray) -> Path:
    """The folder with the queries of each block of users, cut once for all models."""
    origin = to_microseconds(datetime.fromisoformat(fold.origin))
    folder = everyone.store / f"queries-{origin}"
    if not folder.is_dir():
        folder.mkdir()
        users = everyone.users
        task = CutQueries(
            str(everyone.store), str(folder), fold.items, valid, origin, fold.grades is not None, everyone.first,
            everyone.positive, dict(users.roles),
        )  # fmt: skip
        everyone.engine.run_on_rows(task, map(as_ipc, _described(users.frame)))
    return folder


def _described(users: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """What is known of the users of each block."""
    of_block = of_values(users["user_id"]) % checking.BLOCKS
    for number in range(checking.BLOCKS):
        yield users.filter(pl.Series(of_block == number))


@dataclass(frozen=True)
class CutQueries:
    """Leaves the queries of a block's users after the origin, with histories and answers, in ``to``; the block's
    content is what is known of them.

    store: where their rows lie. items: the catalogue. valid: bool (n_items,), of which items answers count. origin:
    int64 microseconds. graded: whether answers differ in weight. once: only the earliest of each user with each item.
    positive: of config, which rows count as taken. roles: of the users' columns.
    """

    store: str
    to: str
    items: Table
    valid: np.ndarray
    origin: int
    graded: bool
    once: bool
    positive: dict[str, Any]
    roles: dict[str, str]

    def run(self, number: int, folder: Path) -> bytes:
        file = Path(self.store) / f"{number:03d}" / checking.CLEAN
        if not file.is_file():
            return b""
        rows = pl.read_ipc(file).filter(taken(Threshold.model_validate(self.positive)))
        active = rows.select(pl.col("user_id").unique().sort())
        users = active.join(pl.read_ipc(block(folder, number)), on="user_id", how="left", maintain_order="left")
        data = Dataset("", rows.select(STANDARD["interactions"]), self.items, Table(users, self.roles, "user_id"))
        data = data.first_interactions() if self.once else data
        column, end = np.arange(len(self.items)), np.iinfo(np.int64).max
        window = horizon(data, self.items, column, self.origin, end, self.graded).only(self.valid).answerable()
        if len(window.queries):
            frame = as_frame(window.queries, window.truth, window.grades).with_columns(pl.Series(FIRST, window.first))
            write_atomically(Path(self.to) / f"{number:03d}.arrow", frame.write_ipc)
        return b""


@dataclass(frozen=True)
class MeasureUsers:
    """Lists of a block's queries, measured and summed by group of users. queries: the folder where they lie, and the
    block's content is the name of their file; empty: they are the content. Returns arrays: names of the columns, and of
    each group, by its number, the fields of ``Sums``."""

    lists: ListTask
    queries: str
    resamples: int
    seed: int

    def run(self, number: int, folder: Path) -> bytes:
        file = block(folder, number)
        return self.summed(pl.read_ipc(Path(self.queries) / file.read_text() if self.queries else file))

    def summed(self, frame: pl.DataFrame) -> bytes:
        columns = self.lists.values(frame)
        values = np.column_stack(list(columns.values()))
        users, keys = numbered(frame[self.lists.key])
        cells = [ClusteredValues(users[mask], values[mask]) for mask in _masks(frame, self.lists)]
        sums = user_sums(cells, keys, self.resamples, self.seed)
        named = {  # seven digits of a draw are enough for a bound
            f"{name} {g}": array.astype(np.float32) if array.ndim == 2 else array
            for g, cell in enumerate(sums)
            for name, array in vars(cell).items()
        }
        return arrays(names=np.array(list(columns)), **named)


_SUMS = tuple(Sums.__dataclass_fields__)


def _masks(frame: pl.DataFrame, lists: ListTask) -> list[np.ndarray]:
    """Which queries are of each of ``GROUPS``, bool (n_queries,)."""
    warmth = lists.queries(frame).buckets
    return [frame[FIRST].to_numpy(), *(warmth == b for b in range(len(USER_BUCKETS))), warmth > 0]


def _table(names: Sequence[str], estimates: Sequence[Estimate]) -> pl.DataFrame:
    rows = []
    for group, e in zip(GROUPS, estimates, strict=True):
        for n, column in enumerate(names):
            metric, _, item_bucket = column.partition(":")
            answered = e.mean[names.index(ANSWERED)]
            rows.append((group, item_bucket or ALL, metric, e.mean[n], e.low[n], e.high[n], int(e.n[n]), answered))
    types = [pl.String] * 3 + [pl.Float64] * 3 + [pl.Int64, pl.Float64]
    heads = ("user_bucket", "item_bucket", "metric", "value", "ci_low", "ci_high", "n_queries", "answered_share")
    return pl.DataFrame(rows, schema=dict(zip(heads, types, strict=True)), orient="row").fill_nan(None)
