"""Tables of items and users: their ids, row numbers and columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import repeat
from typing import Any

import numpy as np
import polars as pl

from recommender.data.ids import as_ids
from recommender.hashing import of_values

NO_TIME = np.iinfo(np.int64).min  # a time that is not stated; sorts before every stated one
_MANY = 100_000  # ids, from which on a table of their numbers pays

FEW = 16  # ids of a served request


@dataclass(frozen=True)
class Table:
    """Items or users: one row each, unique ids, plus feature columns and the role of each."""

    frame: pl.DataFrame
    roles: Mapping[str, str]
    key: str  # "item_id" or "user_id"

    def __len__(self) -> int:
        return self.frame.height

    @cached_property
    def ids(self) -> pl.Series:
        return self.frame[self.key]

    @cached_property
    def _row_of(self) -> dict[str, int]:
        """Row of each text id."""
        return dict(zip(self.ids.to_list(), range(len(self)), strict=True))

    @cached_property
    def _ascending(self) -> tuple[np.ndarray, np.ndarray]:
        """Ids that are numbers, ascending, and the row of each; both int64."""
        rows = np.flatnonzero(self.ids.is_not_null().to_numpy())
        ids = self.ids.drop_nulls().to_numpy()
        order = np.argsort(ids, kind="stable")
        return ids[order], rows[order]

    @cached_property
    def _memo(self) -> dict[str, Any]:
        return {}

    @cached_property
    def id_hash(self) -> np.ndarray:
        """A fixed pseudo-random uint64 (n,) for each id: the same in every process and for every row order.

        Asked ids that the type of this table cannot hold are null, and share one number.
        """
        return of_values(self.ids.fill_null(0) if self.ids.dtype.is_integer() else self.ids.fill_null(""))

    def lookup(self, ids: pl.Series) -> np.ndarray:
        """Row numbers of ``ids`` as int64 (n,); -1 where unknown. Ids of another type are compared as ``as_ids`` says.

        The latest answer is kept: models look up the same items for every batch of queries.
        """
        latest = self._memo.get("lookup")
        if latest is None or latest[0] is not ids:
            if len(ids) <= FEW and ids.dtype == self.ids.dtype == pl.String:  # else as costly as a served list
                return np.array([self._row_of.get(one, -1) if one else -1 for one in ids.to_list()], np.int64)
            exact = as_ids(ids, self.ids.dtype)
            # With a null among them, NumPy would make floats of integers.
            known = exact.drop_nulls() if exact.null_count() else exact
            rows = self._rows(known)
            if len(known) < len(ids):
                known_rows, rows = rows, np.full(len(ids), -1, np.int64)
                rows[exact.is_not_null().to_numpy()] = known_rows
            latest = self._memo["lookup"] = ids, rows
        return np.asarray(latest[1])

    def _rows(self, ids: pl.Series) -> np.ndarray:
        if ids.dtype == pl.String:
            if len(ids) > len(self) and not self.ids.null_count():  # Python would make an object of each
                known = pl.Enum(self.ids)
                return ids.cast(known, strict=False).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
            return np.fromiter(map(self._row_of.get, ids.to_list(), repeat(-1)), np.int64, len(ids))
        if len(ids) >= _MANY and self._places is not None:
            from recommender.data.kernels import look_up  # compiles: not for those who look up a few ids

            return look_up(ids.to_numpy(), *self._places)
        wanted, (ascending, rows) = ids.to_numpy(), self._ascending
        if not len(rows):
            return np.full(len(wanted), -1, np.int64)
        place = np.minimum(np.searchsorted(ascending, wanted), len(rows) - 1)
        return np.where(ascending[place] == wanted, rows[place], -1)

    @cached_property
    def _places(self) -> tuple[int, np.ndarray] | None:
        """The smallest id, and the row of each number from it on (int32, -1: none); None where ids are no numbers that
        lie close together."""
        known = self.ids.drop_nulls()
        if not known.dtype.is_integer() or not len(known) or len(known) >= 2**31:
            return None
        low, high = int(known.min()), int(known.max())  # type: ignore[arg-type]
        if high - low >= 4 * len(known) or len(known) < len(self):
            return None
        rows = np.full(high - low + 1, -1, np.int32)
        rows[self.ids.to_numpy() - low] = np.arange(len(self), dtype=np.int32)
        return low, rows

    def take(self, rows: np.ndarray) -> Table:
        """The table with these rows, in this order (a boolean mask or row numbers)."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        # A batch of queries is a stretch of them, and a slice copies nothing.
        stretch = len(rows) > 0 and rows[-1] - rows[0] + 1 == len(rows) and bool((np.diff(rows) == 1).all())
        taken = replace(self, frame=self.frame.slice(rows[0], len(rows)) if stretch else self.frame[rows])
        for memo, (whole, of_whole) in (("source", self.source), ("taken_from", self.taken_from)):
            taken._memo[memo] = whole, rows if of_whole is None else of_whole[rows]
        return taken

    @property
    def taken_from(self) -> tuple[Table, np.ndarray | None]:
        """The table whose rows these are, all columns alike, and which of its rows (int64; None: it is that table)."""
        whole: tuple[Table, np.ndarray | None] = self._memo.get("taken_from", (self, None))
        return whole

    @property
    def source(self) -> tuple[Table, np.ndarray | None]:
        """The table that this one was taken from, and which rows of it (int64; None: it is that table).

        For what depends on nothing but the row itself, such as its hashed tokens: made once for the whole
        table, it serves every origin, rung and batch. Whatever learns must read ``frame``.
        """
        source: tuple[Table, np.ndarray | None] = self._memo.get("source", (self, None))
        return source

    def columns(self, *roles: str) -> list[str]:
        """Names of the columns with one of these roles, in the order of the frame."""
        return [c for c in self.frame.columns if self.roles.get(c) in roles]

    def times(self, column: str) -> np.ndarray:
        """A timestamp column as int64 microseconds since 1970 UTC (n,); the column or value absent: int64 min."""
        key = f"times of {column}"
        if key not in self._memo:
            absent = column not in self.frame.columns
            self._memo[key] = np.full(len(self), NO_TIME) if absent else microseconds(self.frame[column])
        return np.asarray(self._memo[key])


def microseconds(times: pl.Series) -> np.ndarray:
    """Timestamps as int64 microseconds since 1970 UTC; null -> ``NO_TIME``."""
    return times.dt.epoch("us").fill_null(NO_TIME).to_numpy()
