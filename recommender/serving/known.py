"""What a served model knows of the data: items, users, and of each user what they took, in the order of time."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import polars as pl

from recommender.data.dataset import NO_TIME, Dataset, Table
from recommender.data.kernels import grouped
from recommender.data.queries import History
from recommender.data.threshold import within


def positive_event(data: Dataset) -> str:
    """A kind of event that counts as taken, for rows whose kind is not known."""
    return (data.reading.events or ("interaction",))[0]


@dataclass(frozen=True)
class Known:
    """Sorted once, so that a query costs no more than its own history.

    data: without its interactions. histories: of each of its users, rows of its items (int32). first, last: times of
    the earliest and the latest interaction, int64 microseconds; NO_TIME where none is stated.
    """

    data: Dataset
    histories: History
    first: int
    last: int

    @classmethod
    def of(cls, data: Dataset) -> Self:
        order, start = grouped(data.user_idx, len(data.users))  # rows ascend in time
        taken = History(start, data.item_idx[order].astype(np.int32), data.timestamps[order])
        stated = data.timestamps[data.timestamps != NO_TIME]
        first, last = (int(stated.min()), int(stated.max())) if len(stated) else (NO_TIME, NO_TIME)
        repairs = tuple(replace(repair, examples=()) for repair in data.repairs)  # which may be users' ids
        bare = replace(data, interactions=data.interactions.clear(), repairs=repairs, notes=(), everyone=None)
        return cls(bare, taken, first, last)

    def dataset(self) -> Dataset:
        """The data with interactions again, each user's in their order; event and weight are those of a positive."""
        past, data = self.histories, self.data
        stated = pl.Series(past.timestamp).set(pl.Series(past.timestamp == NO_TIME), None)
        rows = pl.DataFrame({
            "user_id": data.users.ids.gather(past.row),
            "item_id": data.items.ids.gather(past.item_idx),
            "timestamp": stated.cast(pl.Datetime("us", "UTC")),
            "event": pl.repeat(positive_event(data), len(past.item_idx), eager=True),
            "weight": pl.repeat(within(data.reading.weight), len(past.item_idx), dtype=pl.Float32, eager=True),
        })  # fmt: skip
        return replace(data, interactions=rows.cast(dict(data.interactions.schema)))  # type: ignore[arg-type]

    def entries(self, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Entries of the histories of these users (-1: unknown, none), int64 (n,), and the query of each."""
        start = self.histories.indptr[np.maximum(users, 0)]
        length = np.where(users < 0, 0, self.histories.indptr[np.maximum(users, 0) + 1] - start)
        query = np.repeat(np.arange(len(users)), length)
        return np.arange(len(query)) + np.repeat(start - np.cumsum(length) + length, length), query

    def taken(self, ids: pl.Series, users: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What these users took, each in the order of time: query, row of the item, and time, int64 (n,) each.

        users: rows of ``ids`` in the data, -1 where unknown.
        """
        entries, query = self.entries(users)
        return query, self.histories.item_idx[entries].astype(np.int64), self.histories.timestamp[entries]

    def described(self, ids: pl.Series, rows: np.ndarray) -> Table:
        """What is known of users, one row for each of ``ids``. rows: theirs in the data, -1 where unknown."""
        users = self.data.users
        if (rows >= 0).all():
            return users.take(rows)
        row = pl.Series(rows).set(pl.Series(rows < 0), None)
        frame = users.frame.select(pl.all().gather(row)).with_columns(ids.alias(users.key))
        return Table(frame, users.roles, users.key)

    def latest(self) -> int:
        """When the last thing happened of which the data know, int64 microseconds: an interaction, or what a time of
        an item states (published, moderated ...). When an item is to expire is no event."""
        past = int(np.searchsorted(self._stated, int(time.time() * 1e6), side="right"))
        return max(self.last, int(self._stated[past - 1]) if past else NO_TIME)

    @cached_property
    def _stated(self) -> np.ndarray:
        """Times that items state of themselves, except of their end, ascending, int64 microseconds."""
        items = self.data.items
        dated = [c for c, kind in items.frame.schema.items() if isinstance(kind, pl.Datetime) and c != "expires_at"]
        return np.unique(np.concatenate([np.empty(0, np.int64), *(items.times(c) for c in dated)]))
