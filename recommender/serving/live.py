"""What a running server knows beyond its model: events since, which lengthen histories at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import polars as pl

from recommender.data.dataset import NO_TIME, Dataset, Table
from recommender.data.relation import SINCE, entries
from recommender.ranking.rerankers.discount import Discount
from recommender.ranking.router import Router
from recommender.serving.known import Known
from recommender.serving.log import IMPRESSION, TIME, ServiceLog

MINUTE_US = 60_000_000
MOST_SHOWN, MOST_SHOWN_TO = 100, 20_000  # places that are remembered of a user, and users
Id = int | str


class Recent:
    """Takes since the model was trained, by what stands for the user in the log, in the order of time.

    shown: likewise the latest places of lists, of the users who were last shown one; where nothing reads it, it stays
    empty.
    """

    def __init__(self) -> None:
        self.takes: dict[Id, list[tuple[int, Id]]] = {}
        self.shown: dict[Id, tuple[tuple[int, Id], ...]] = {}
        self.latest = NO_TIME

    def add(self, user: Id, item_id: Id, timestamp: int) -> None:
        """An event that is there already changes nothing. timestamp: int64 microseconds."""
        self.latest = max(self.latest, timestamp)
        theirs = self.takes.get(user, [])
        if (timestamp, item_id) not in theirs:  # replaced, not changed: other threads may be reading the old one
            self.takes[user] = sorted([*theirs, (timestamp, item_id)], key=lambda take: take[0])

    def show(self, user: Id, item_ids: Sequence[Id], timestamp: int) -> None:
        """A list that was served."""
        places = (*self.shown.pop(user, ()), *((timestamp, item_id) for item_id in item_ids))
        self.shown[user] = places[-MOST_SHOWN:]  # at the end: the others grow old
        if len(self.shown) > MOST_SHOWN_TO:
            del self.shown[next(iter(self.shown))]

    def seen(self, timestamp: int) -> None:
        """Something happened at this time."""
        self.latest = max(self.latest, timestamp)

    def replay(self, log: ServiceLog, counts: Callable[[str], bool], *, shown: bool = False) -> None:
        """What the log of an earlier process holds. counts: whether a kind of event is a take; shown: lists too."""
        if shown:
            lists = log.served.group_by("list_id", maintain_order=True).agg(
                pl.first("user_id"), pl.col("item_id"), pl.col("as_of").first().dt.epoch("us")
            )
            for user, item_ids, as_of in lists.select("user_id", "item_id", "as_of").iter_rows():
                self.show(user, item_ids, as_of)
        who = log.served.select("list_id", "user_id").unique("list_id")
        on_lists = log.feedback.join(who, on="list_id", how="inner")
        for rows in (on_lists, log.interactions):
            listed = rows.select("user_id", "item_id", "event", pl.col("timestamp").dt.epoch("us"))
            for user, item_id, event, timestamp in listed.iter_rows():
                self.add(user, item_id, timestamp) if counts(event) else self.seen(timestamp)


def shown_column(router: Router) -> str | None:
    """The user column with what was shown so far, which the server fills; None: no re-ranker reads one."""
    return next((r.column for r in router.rerankers if isinstance(r, Discount)), None)


def counts_as_take(data: Dataset) -> Callable[[str], bool]:
    """Which kinds of event lengthen a history: those that the data count as taken; by default all but impressions."""
    positive = data.reading.events
    return lambda event: event != IMPRESSION and (positive is None or event in positive)


@dataclass(frozen=True)
class LiveKnown(Known):
    """``Known`` with events since. stands_for: what stands for a user in the log; shown: as ``shown_column``."""

    recent: Recent
    stands_for: Callable[[Id], Id]
    shown: str | None = None

    @classmethod
    def over(cls, known: Known, recent: Recent, stands_for: Callable[[Id], Id], shown: str | None) -> Self:
        return cls(known.data, known.histories, known.first, known.last, recent, stands_for, shown)

    def n_since(self, user: Id) -> int:
        """How many takes of a user came since: none goes, so that this says whether one came."""
        return len(self.recent.takes.get(self.stands_for(user), ())) if self.recent.takes else 0

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

    def described(self, ids: pl.Series, rows: np.ndarray) -> Table:
        """Users described with what each was shown since, where that is read."""
        table = super().described(ids, rows)
        if self.shown is None:
            return table
        places: list[list[tuple[int | None, Id]]] = [[] for _ in range(len(ids))]
        for row, item_id, timestamp in entries(table.frame, self.shown).iter_rows():  # of the data
            places[row].append((None if timestamp == NO_TIME else timestamp, item_id))
        for mine, user in zip(places, ids, strict=True):
            mine.extend(self.recent.shown.get(self.stands_for(user), ()))
        items = pl.Series([[i for _, i in mine] for mine in places], dtype=pl.List(self.data.items.ids.dtype))
        since = pl.Series([[t for t, _ in mine] for mine in places], dtype=pl.List(pl.Int64)).cast(pl.List(TIME))
        frame = table.frame.with_columns(items.alias(self.shown), since.alias(self.shown + SINCE))
        return replace(table, frame=frame)

    def latest(self) -> int:
        """The latest time, or the end of the minute of the latest event: lists of one minute are of one time."""
        known = super().latest()
        if self.recent.latest <= known:
            return known
        return -(-self.recent.latest // MINUTE_US) * MINUTE_US
