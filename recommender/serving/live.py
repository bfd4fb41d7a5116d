"""What a running server knows beyond its model: events since, which lengthen histories at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl

from recommender.data.dataset import NO_TIME, Dataset
from recommender.serving.known import Known
from recommender.serving.log import IMPRESSION, ServiceLog

MINUTE_US = 60_000_000
Id = int | str


class Recent:
    """Takes since the model was trained, by what stands for the user in the log, in the order of time."""

    def __init__(self) -> None:
        self.takes: dict[Id, list[tuple[int, Id]]] = {}
        self.latest = NO_TIME

    def add(self, user: Id, item_id: Id, timestamp: int) -> None:
        """An event that is there already changes nothing. timestamp: int64 microseconds."""
        self.latest = max(self.latest, timestamp)
        theirs = self.takes.get(user, [])
        if (timestamp, item_id) not in theirs:  # replaced, not changed: other threads may be reading the old one
            self.takes[user] = sorted([*theirs, (timestamp, item_id)], key=lambda take: take[0])

    def seen(self, timestamp: int) -> None:
        """Something happened at this time."""
        self.latest = max(self.latest, timestamp)

    def replay(self, log: ServiceLog, counts: Callable[[str], bool]) -> None:
        """What the log of an earlier process holds. counts: whether a kind of event is a take."""
        who = log.served.select("list_id", "user_id").unique("list_id")
        on_lists = log.feedback.join(who, on="list_id", how="inner")
        for rows in (on_lists, log.interactions):
            listed = rows.select("user_id", "item_id", "event", pl.col("timestamp").dt.epoch("us"))
            for user, item_id, event, timestamp in listed.iter_rows():
                self.add(user, item_id, timestamp) if counts(event) else self.seen(timestamp)


def counts_as_take(data: Dataset) -> Callable[[str], bool]:
    """Which kinds of event lengthen a history: those that the data count as taken; by default all but impressions."""
    positive = data.reading.events
    return lambda event: event != IMPRESSION and (positive is None or event in positive)


@dataclass(frozen=True)
class LiveKnown(Known):
    """``Known`` with events since. stands_for: what stands for a user in the log."""

    recent: Recent
    stands_for: Callable[[Id], Id]

    @classmethod
    def over(cls, known: Known, recent: Recent, stands_for: Callable[[Id], Id]) -> Self:
        return cls(known.data, known.histories, known.first, known.last, recent, stands_for)

    def taken(self, ids: pl.Series, users: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        query, item, time = super().taken(ids, users)
        if not self.recent.takes:
            return query, item, time
        return self._with(query, item, time, enumerate(ids))

    def _with(
        self, query: np.ndarray, item: np.ndarray, time: np.ndarray, asking: Iterable[tuple[int, Id | None]]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows = [
            (q, item_id, timestamp)
            for q, user in asking
            if user is not None
            for timestamp, item_id in self.recent.takes.get(self.stands_for(user), ())
        ]
        if not rows:
            return query, item, time
        ids = self.data.items.ids
        text = [i if isinstance(i, str) == (ids.dtype == pl.String) else None for _, i, _ in rows]
        new_item = self.data.items.lookup(pl.Series(text, dtype=ids.dtype))
        new_query, new_time = (np.array([row[n] for row in rows], np.int64) for n in (0, 2))
        there = set(zip(query.tolist(), item.tolist(), time.tolist(), strict=True))  # trained on, and logged
        events = zip(new_query.tolist(), new_item.tolist(), new_time.tolist(), strict=True)
        new = np.array([row[1] >= 0 and row not in there for row in events])
        query = np.concatenate([query, new_query[new]])
        item, time = np.concatenate([item, new_item[new]]), np.concatenate([time, new_time[new]])
        order = np.lexsort((time, query))  # stable
        return query[order], item[order], time[order]

    def latest(self) -> int:
        """As without events, or the end of the minute of the latest one: lists of one minute are of one time."""
        known = super().latest()
        if self.recent.latest <= known:
            return known
        return -(-self.recent.latest // MINUTE_US) * MINUTE_US
