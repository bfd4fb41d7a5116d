"""Interactions of all users counted on the engine, by the tasks of ``count_tasks.py``."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recommender.data.dataset import NO_TIME, Table
from recommender.data.protocols import UserWeigher, Weigher
from recommender.engine.count_tasks import (
    ITEM_BLOCKS,
    TIME_BINS,
    Counted,
    CountItems,
    CountPairs,
    CountTimes,
    read_arrays,
)
from recommender.engine.session import Engine
from recommender.errors import UserError
from recommender.hashing import of_content, sha256

BLOCK_BYTES = 1 << 28  # of pairs, in the memory of a worker
_NOBODY = Table(pl.DataFrame({"user_id": []}), {}, "user_id")


@dataclass(frozen=True)
class EngineCounts:
    """``Everyone`` (data/protocols.py), counted on the engine when it is asked for; an answer is kept.

    items: sorted ids of all items. history_cap: see ``CountPairs``. users: all that a table describes. end: int64
    microseconds, None: no end. first: only the earliest of each pair. positive: of
    config, which rows of ``store`` count as taken.
    """

    engine: Engine
    store: Path
    items: pl.Series
    history_cap: int
    users: Table = _NOBODY
    end: int | None = None
    first: bool = False
    positive: dict[str, Any] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict, repr=False)

    def before(self, end: int) -> EngineCounts:
        return replace(self, end=end if self.end is None else min(end, self.end))

    def once(self) -> EngineCounts:
        return replace(self, first=True)

    def counts(self, items: Table) -> np.ndarray:
        return self._of(items, self._extent()[0])

    def faded(
        self, items: Table, weigher: Weigher, segment: np.ndarray | None = None, n_segments: int = 1
    ) -> np.ndarray:
        _, earliest, latest = self._extent()
        key = self._key("faded", weigher, None if segment is None else sha256([segment.tobytes()]))
        if key not in self.results:
            bare = replace(weigher)  # type: ignore[type-var]  # its parameters, without what was fitted
            self.results[key] = self._sums(bare, earliest, latest, segment, n_segments)[0]
        return self._of(items, self.results[key])

    def takers(self, items: Table) -> np.ndarray:
        return self.once().counts(items)

    def pairs(self, items: Table, weigher: UserWeigher | None = None) -> Sequence[tuple[np.ndarray, np.ndarray]]:
        wanted = self._known(items)
        at_least = 1 if self.engine.shared is None else self.engine.partitions  # each block reads all rows
        n_blocks = max(at_least, -(-(8 * len(wanted) ** 2) // BLOCK_BYTES))
        key = self._key("pairs", weigher, sha256([wanted.tobytes()]))
        if key not in self.results:  # their files: a matrix is large, and settings of one rung ask for the same
            _require_space(self.store, len(wanted), 4 if weigher is None else 8)
            counted = Counted(str(self.store), self.end, True)
            task = CountPairs(counted, len(self.items), wanted, weigher, self.history_cap, n_blocks)
            self.results[key] = self.engine.run_on_rows(task, [b""] * n_blocks)
        return [
            (
                np.arange(part, len(wanted), n_blocks),
                np.load(self.store / name.decode(), mmap_mode="c", allow_pickle=False),
            )
            for part, name in enumerate(self.results[key])
        ]

    def quantiles(self, shares: Sequence[float]) -> list[int]:
        _, earliest, latest = self._extent()
        if latest == NO_TIME:
            return []
        low, width = np.full(len(shares), earliest), latest - earliest + 1
        while True:  # an interval of each time, until a bin is a microsecond
            width = -(-width // TIME_BINS)
            task = CountTimes(Counted(str(self.store), self.end, self.first), low, width)
            partial = [read_arrays(part) for part in self.engine.run_on_rows(task, [b""] * ITEM_BLOCKS)]
            bins, below, stated = (
                np.sum([part[name] for part in partial], axis=0) for name in ("bins", "below", "stated")
            )
            rank = np.floor((stated - 1) * np.asarray(shares, float)).astype(np.int64)
            low = low + width * ((below[:, None] + np.cumsum(bins, axis=1)) <= rank[:, None]).sum(axis=1)
            if width == 1:
                return [int(time) for time in low]

    def _extent(self) -> tuple[np.ndarray, int, int]:
        """Counts of all items (1, n), and the earliest and the latest time that is stated (NO_TIME: none is)."""
        key = self._key("counts")
        if key not in self.results:
            sums, times = self._sums(None, 0, 0, None, 1)
            stated = times[times != NO_TIME]
            bounds = (int(stated.min()), int(stated.max())) if len(stated) else (NO_TIME, NO_TIME)
            self.results[key] = (sums[0].astype(np.int64), *bounds)
        extent: tuple[np.ndarray, int, int] = self.results[key]
        return extent

    def _sums(
        self, weigher: Weigher | None, earliest: int, latest: int, segment: np.ndarray | None, n_segments: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Counts of all items, float64 (n_segments, n_items); the bounds of times that each block of items states."""
        segments = None
        if segment is not None:
            segments = self.users.frame.select("user_id", segment=pl.Series(segment, dtype=pl.Int64))
        counted = Counted(str(self.store), self.end, self.first)
        task = CountItems(counted, len(self.items), weigher, earliest, latest, segments, n_segments)
        sums, times = np.zeros((n_segments, len(self.items))), []
        for part, content in enumerate(self.engine.run_on_rows(task, [b""] * ITEM_BLOCKS)):
            arrays = read_arrays(content)
            sums[:, part::ITEM_BLOCKS] = arrays["sums"]
            times.append(arrays["times"])
        return sums, np.concatenate(times)

    def _key(self, *what: object) -> str:
        return of_content(self.end, self.first and what[0] != "pairs", *map(repr, what))

    def _known(self, items: Table) -> np.ndarray:
        return Table(self.items.to_frame(items.key), {}, items.key).lookup(items.ids)

    def _of(self, items: Table, values: np.ndarray) -> np.ndarray:
        """Columns of ``values`` (its last axis) for ``items``; 0 for those that are not among all."""
        known = self._known(items)
        return np.where(known >= 0, values[..., np.maximum(known, 0)], 0)


def _require_space(store: Path, n_items: int, bytes_each: int) -> None:
    """Raises UserError where the pairs of so many items do not fit beside the rows."""
    needed, free = n_items**2 * bytes_each, shutil.disk_usage(store).free
    if needed > free:
        raise UserError(
            f"Pairs of {n_items:,} items need {needed / 1e9:,.0f} GB in {store.parent}, where {free / 1e9:,.0f} GB "
            "are free. Leave item_knn out of the ladder, give ease an item_cap, or name a larger folder: SHARED=."
        )
