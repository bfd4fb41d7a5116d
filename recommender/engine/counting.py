"""Interactions of all users counted on the engine, item by item, in the order of time.

A sum of floats depends on the order of its terms. Each item's are added in the order in which one machine adds them, so
the sums are the same to the last bit, however many partitions there are.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import polars as pl
import scipy.sparse as sp

from recommender.data.dataset import NO_TIME, US_PER_DAY, Table, ages_of
from recommender.data.protocols import Weigher
from recommender.engine.session import Engine
from recommender.files import write_atomically
from recommender.hashing import of_content

ITEM_BLOCKS = 16
_FOLDER = "items"


def write_for_counting(store: Path, block: int, rows: pl.DataFrame, item: np.ndarray) -> None:
    """Leaves what ``EngineCounts`` counts of a block of users. rows: user_id, item_id and timestamp of what they took,
    sorted by time. item: int64, the number of each row's item among the sorted ids."""
    row = rows.select(
        timestamp=pl.col("timestamp").dt.epoch("us").fill_null(NO_TIME),
        row=pl.col("row"),
        user=(pl.col("user_id").rank("dense") - 1).cast(pl.Int64),
        first=pl.struct("user_id", "item_id").is_first_distinct(),
    ).with_columns(item=pl.Series(item, dtype=pl.Int64), part=pl.Series(item % ITEM_BLOCKS, dtype=pl.Int64))
    for (part,), mine in row.partition_by("part", as_dict=True).items():
        file = store / _FOLDER / f"{part:03d}" / f"{block:03d}.arrow"
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, mine.drop("part").write_ipc)


@dataclass(frozen=True)
class EngineCounts:
    """``Everyone`` (data/dataset.py), counted on the engine when it is asked for; an answer is kept.

    items: sorted ids of all items. end: int64 microseconds, None: no end. first: only the earliest of each pair.
    """

    engine: Engine
    store: Path
    items: pl.Series
    end: int | None = None
    first: bool = False
    results: dict[str, Any] = field(default_factory=dict, repr=False)

    def before(self, end: int) -> EngineCounts:
        return replace(self, end=end if self.end is None else min(end, self.end))

    def once(self) -> EngineCounts:
        return replace(self, first=True)

    def counts(self, items: Table) -> np.ndarray:
        return self._of(items, self._extent()[0])

    def faded(self, items: Table, weigher: Weigher) -> np.ndarray:
        _, earliest, latest = self._extent()
        key = f"{self.end} {self.first} {weigher}"
        if key not in self.results:
            bare = replace(weigher)  # type: ignore[type-var]  # its parameters, without what was fitted
            self.results[key] = self._run(bare, earliest, latest)["sums"]
        return self._of(items, self.results[key])

    def takers(self, items: Table) -> np.ndarray:
        return self.once().counts(items)

    def pairs(self, items: Table) -> np.ndarray:
        numbers = self._known(items)
        key = f"pairs {self.end} {of_content(numbers.tolist())}"
        if key not in self.results:  # their files: a matrix is large, and settings of one rung ask for the same
            task = CountPairs(str(self.store), len(self.items), self.end, numbers)
            self.results[key] = self.engine.run(task, [b""] * ITEM_BLOCKS)
        matrix = np.empty((len(items), len(items)), np.float32)
        for part, name in enumerate(self.results[key]):
            matrix[part::ITEM_BLOCKS] = np.load(self.store / name.decode(), mmap_mode="r", allow_pickle=False)
        return matrix

    def _extent(self) -> tuple[np.ndarray, int, int]:
        """Counts of all items, and the earliest and the latest time that is stated (NO_TIME: none is)."""
        key = f"{self.end} {self.first}"
        if key not in self.results:
            counts = self._run(None, 0, 0)
            stated = counts["times"][counts["times"] != NO_TIME]
            bounds = (int(stated.min()), int(stated.max())) if len(stated) else (NO_TIME, NO_TIME)
            self.results[key] = (counts["sums"].astype(np.int64), *bounds)
        counted: tuple[np.ndarray, int, int] = self.results[key]
        return counted

    def _run(self, weigher: Weigher | None, earliest: int, latest: int) -> Mapping[str, np.ndarray]:
        task = CountItems(str(self.store), len(self.items), self.end, self.first, weigher, earliest, latest)
        sums, times = np.zeros(len(self.items)), []
        for part, content in enumerate(self.engine.run(task, [json.dumps(n).encode() for n in range(ITEM_BLOCKS)])):
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                sums[part::ITEM_BLOCKS] = arrays["sums"]
                times.append(arrays["times"])
        return {"sums": sums, "times": np.concatenate(times)}

    def _known(self, items: Table) -> np.ndarray:
        return Table(self.items.to_frame(items.key), {}, items.key).lookup(items.ids)

    def _of(self, items: Table, values: np.ndarray) -> np.ndarray:
        known = self._known(items)
        return np.where(known >= 0, values[np.maximum(known, 0)], 0)


@dataclass(frozen=True)
class CountItems:
    """Sums over the interactions of a block of items: every ``ITEM_BLOCKS``-th, from the block's number on.

    weigher: what each counts; None: 1. earliest, latest: of all stated times. Returns arrays: sums, float64, one per
    item of the block; times, int64: the earliest and the latest stated here.
    """

    store: str
    n_items: int
    end: int | None
    first: bool
    weigher: Any
    earliest: int
    latest: int

    def run(self, number: int, folder: Path) -> bytes:
        n = len(range(number, self.n_items, ITEM_BLOCKS))
        rows = self._rows(number)
        times, item = rows["timestamp"].to_numpy(), rows["item"].to_numpy() // ITEM_BLOCKS
        weights = None if self.weigher is None else self.weigher.faded(*self._ages(times))
        stated = times[times != NO_TIME]
        bounds = [stated.min(), stated.max()] if len(stated) else [NO_TIME, NO_TIME]
        buffer = io.BytesIO()
        np.savez(buffer, sums=np.bincount(item, weights=weights, minlength=n), times=np.array(bounds, np.int64))
        return buffer.getvalue()

    def _rows(self, number: int) -> pl.DataFrame:
        files = sorted((Path(self.store) / _FOLDER / f"{number:03d}").glob("*.arrow"))
        if not files:
            return pl.DataFrame(schema={"timestamp": pl.Int64, "item": pl.Int64})
        rows = pl.concat([self._chosen(pl.read_ipc(file)) for file in files])
        return rows.sort("timestamp", "row")

    def _chosen(self, rows: pl.DataFrame) -> pl.DataFrame:
        if self.first:
            rows = rows.filter("first")
        return rows if self.end is None else rows.filter(pl.col("timestamp") < self.end)

    def _ages(self, times: np.ndarray) -> tuple[np.ndarray, float]:
        if self.latest == NO_TIME:
            return np.zeros(len(times)), 0.0
        return ages_of(times, self.earliest, self.latest), (self.latest - self.earliest) / US_PER_DAY


@dataclass(frozen=True)
class CountPairs:
    """Rows of X'X, X users x items with a one where the user took the item: every ``ITEM_BLOCKS``-th, from the block's
    number on. Whole numbers, so that no order matters; a user with n items costs n^2.

    wanted: int64, the items' numbers among all. Returns the name of a file in ``store``: int32 (rows, len(wanted)).
    """

    store: str
    n_items: int
    end: int | None
    wanted: np.ndarray

    def run(self, number: int, folder: Path) -> bytes:
        column = np.full(self.n_items, -1)
        column[self.wanted] = np.arange(len(self.wanted))
        counted = np.zeros((len(range(number, len(self.wanted), ITEM_BLOCKS)), len(self.wanted)), np.int32)
        of_users: dict[str, list[Path]] = {}
        for file in sorted((Path(self.store) / _FOLDER).glob("*/*.arrow")):
            of_users.setdefault(file.name, []).append(file)
        for files in of_users.values():
            rows = pl.concat([pl.read_ipc(file, columns=["timestamp", "user", "item"]) for file in files])
            taken = self._taken(rows, column)
            counted += (taken[:, number::ITEM_BLOCKS].T @ taken).toarray()
        result = Path(self.store) / f"pairs-{uuid4().hex}.npy"
        write_atomically(result, lambda scratch: _save(scratch, counted))
        return result.name.encode()

    def _taken(self, rows: pl.DataFrame, column: np.ndarray) -> sp.csr_matrix:
        """int32 (users of a block, wanted items)."""
        rows = rows if self.end is None else rows.filter(pl.col("timestamp") < self.end)
        user, item = rows["user"].to_numpy(), column[rows["item"].to_numpy()]
        ones = np.ones(int((item >= 0).sum()), np.int32)
        shape = (int(user.max(initial=-1)) + 1, int(column.max(initial=-1)) + 1)
        taken = sp.csr_matrix((ones, (user[item >= 0], item[item >= 0])), shape=shape)
        taken.sum_duplicates()
        taken.data[:] = 1
        return taken


def _save(file: Path, array: np.ndarray) -> None:
    with file.open("wb") as out:  # by its name, NumPy would add an ending
        np.save(out, array, allow_pickle=False)
