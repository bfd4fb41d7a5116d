"""The tasks of counting: sums item by item in the order of time, times, and pairs of items.

A sum of floats depends on the order of its terms. Each item's are added in the order in which one machine adds them, so
the sums are the same to the last bit, however many partitions there are. Everything else is a whole number.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import polars as pl

from recommender.data.dataset import NO_TIME
from recommender.data.kernels import grouped
from recommender.data.times import US_PER_DAY, ages_of
from recommender.files import write_atomically
from recommender.models.item_pairs import add_pairs

ITEM_BLOCKS = 16
TIME_BINS = 1 << 14  # of an interval that holds a time which is looked for
_ITEMS, _USERS = "items", "users"


def write_for_counting(store: Path, block: int, rows: pl.DataFrame, item: np.ndarray) -> None:
    """Leaves what the tasks here count of a block of users. rows: user_id, item_id and timestamp of what they took,
    sorted by time. item: int64, the number of each row's item among the sorted ids."""
    row = rows.select(
        timestamp=pl.col("timestamp").dt.epoch("us").fill_null(NO_TIME),
        row=pl.col("row"),
        user=(pl.col("user_id").rank("dense") - 1).cast(pl.Int64),
        first=pl.struct("user_id", "item_id").is_first_distinct(),
    ).with_columns(item=pl.Series(item, dtype=pl.Int64), part=pl.Series(item % ITEM_BLOCKS, dtype=pl.Int64))
    pieces = {
        f"{_ITEMS}/{part:03d}": mine.drop("part") for (part,), mine in row.partition_by("part", as_dict=True).items()
    }
    for folder, piece in {**pieces, _USERS: rows.select(pl.col("user_id").unique().sort())}.items():
        file = store / folder / f"{block:03d}.arrow"
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, piece.write_ipc)


@dataclass(frozen=True)
class Counted:
    """Which interactions are counted. store: where they lie. end: int64 microseconds; None: no end. first: only the
    earliest of each user with each item."""

    store: str
    end: int | None
    first: bool

    def of_items(self, block: int, users: pl.DataFrame | None = None, in_order: bool = True) -> pl.DataFrame:
        """timestamp and item of a block of items, in the order of time. users: user_id and segment; others' go.
        in_order: else in any."""
        parts = []
        for file in sorted((Path(self.store) / _ITEMS / f"{block:03d}").glob("*.arrow")):
            rows = self._chosen(pl.read_ipc(file))
            if users is not None:
                known = pl.read_ipc(Path(self.store) / _USERS / file.name)
                segment = known.join(users, on="user_id", how="left", maintain_order="left")["segment"]
                rows = rows.with_columns(segment=segment.fill_null(-1).gather(rows["user"])).filter(
                    pl.col("segment") >= 0
                )
            parts.append(rows)
        if not parts:
            return pl.DataFrame(schema=dict.fromkeys(("timestamp", "item", "segment"), pl.Int64))
        return pl.concat(parts).sort("timestamp", "row") if in_order else pl.concat(parts)

    def of_users(self) -> Iterator[pl.DataFrame]:
        """user, item, timestamp and row, block of users by block."""
        of_block: dict[str, list[Path]] = {}
        for file in sorted((Path(self.store) / _ITEMS).glob("*/*.arrow")):
            of_block.setdefault(file.name, []).append(file)
        for files in of_block.values():
            yield self._chosen(pl.concat([pl.read_ipc(file) for file in files]))

    def _chosen(self, rows: pl.DataFrame) -> pl.DataFrame:
        rows = rows.filter("first") if self.first else rows
        return rows if self.end is None else rows.filter(pl.col("timestamp") < self.end)


@dataclass(frozen=True)
class CountItems:
    """Sums over the interactions of a block of items: every ``ITEM_BLOCKS``-th, from the block's number on.

    weigher: what each counts; None: 1. earliest, latest: of all stated times. segments: user_id and segment; None: one
    of all users. Returns arrays: sums, float64 (n_segments, items of the block); times, int64: the earliest and the
    latest stated here.
    """

    counted: Counted
    n_items: int
    weigher: Any
    earliest: int
    latest: int
    segments: pl.DataFrame | None = None
    n_segments: int = 1

    def run(self, number: int, folder: Path) -> bytes:
        n = len(range(number, self.n_items, ITEM_BLOCKS))
        rows = self.counted.of_items(number, self.segments, in_order=self.weigher is not None)
        times, cell = rows["timestamp"].to_numpy(), rows["item"].to_numpy() // ITEM_BLOCKS
        if self.segments is not None:
            cell = cell + n * rows["segment"].to_numpy()
        weights = None if self.weigher is None else self.weigher.faded(*self._ages(times))
        stated = times[times != NO_TIME]
        bounds = [stated.min(), stated.max()] if len(stated) else [NO_TIME, NO_TIME]
        sums = np.bincount(cell, weights=weights, minlength=n * self.n_segments).reshape(self.n_segments, n)
        return arrays(sums=sums, times=np.array(bounds, np.int64))

    def _ages(self, times: np.ndarray) -> tuple[np.ndarray, float]:
        if self.latest == NO_TIME:
            return np.zeros(len(times)), 0.0
        return ages_of(times, self.earliest, self.latest), (self.latest - self.earliest) / US_PER_DAY


@dataclass(frozen=True)
class CountTimes:
    """How many stated times of a block of items lie in each bin of each interval.

    low: int64 (n,), where the intervals begin. width: of a bin, microseconds. Returns arrays: bins, int64 (n,
    ``TIME_BINS``); below, int64 (n,): stated times before the interval; stated, int64: all.
    """

    counted: Counted
    low: np.ndarray
    width: int

    def run(self, number: int, folder: Path) -> bytes:
        times = self.counted.of_items(number, in_order=False)["timestamp"].to_numpy()
        times = times[times != NO_TIME]
        bins = np.zeros((len(self.low), TIME_BINS), np.int64)
        for n, low in enumerate(self.low):
            at = (times - low) // self.width
            bins[n] = np.bincount(at[(at >= 0) & (at < TIME_BINS)], minlength=TIME_BINS)
        return arrays(bins=bins, below=(times[:, None] < self.low).sum(axis=0), stated=np.array(len(times)))


@dataclass(frozen=True)
class CountPairs:
    """Rows of X'WX from each user's first of each item, X users x items with a one where the user took the item:
    every ``n_blocks``-th, from the block's number on. Whole numbers, so that no order matters; n items cost n^2.

    wanted: int64, the items' numbers among all. weigher: ``UserWeigher``, what a user counts; None: 1. history_cap:
    of each user, only the latest so many items. Returns the name of a file in ``store``:
    int32 (int64 with a weigher), (rows, len(wanted)).
    """

    counted: Counted
    n_items: int
    wanted: np.ndarray
    weigher: Any
    history_cap: int
    n_blocks: int

    def run(self, number: int, folder: Path) -> bytes:
        column = np.full(self.n_items, -1)
        column[self.wanted] = np.arange(len(self.wanted))
        dtype = np.int32 if self.weigher is None else np.int64
        counts = np.zeros((len(range(number, len(self.wanted), self.n_blocks)), len(self.wanted)), dtype)
        for rows in self.counted.of_users():
            indptr, items = self._taken(rows, column)
            lengths = np.diff(indptr)
            weights = np.ones(len(lengths), np.int64) if self.weigher is None else self.weigher.weights(lengths)
            add_pairs(indptr, items, weights, number, self.n_blocks, counts)
        result = Path(self.counted.store) / f"pairs-{uuid4().hex}.npy"
        write_atomically(result, lambda scratch: _save(scratch, counts))
        return result.name.encode()

    def _taken(self, rows: pl.DataFrame, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The wanted items of a block's users, user by user: where each user's begin, and the items; int64."""
        if np.bincount(rows["user"]).max(initial=0) > self.history_cap:
            rows = rows.sort("timestamp", "row")
            rows = rows.filter(pl.col("item").cum_count(reverse=True).over("user") <= self.history_cap)
        user, item = rows["user"].to_numpy(), column[rows["item"].to_numpy()]
        known = item >= 0
        order, start = grouped(user[known], int(user.max(initial=-1)) + 1)
        return start, item[known][order]


def arrays(**named: np.ndarray) -> bytes:
    """Arrays as the bytes of a result; ``read_arrays`` reads them."""
    buffer = io.BytesIO()
    np.savez(buffer, **named)  # type: ignore[arg-type]
    return buffer.getvalue()


def read_arrays(content: bytes) -> dict[str, np.ndarray]:
    """See ``arrays``."""
    with np.load(io.BytesIO(content), allow_pickle=False) as named:
        return dict(named)


def _save(file: Path, array: np.ndarray) -> None:
    with file.open("wb") as out:  # by its name, NumPy would add an ending
        np.save(out, array, allow_pickle=False)
