"""Dataset: who took what and when, with what is known of items and users.

Everything here has passed the gate in ``gate.py``; code downstream trusts it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse as sp

from recommender.data.ids import as_ids
from recommender.data.notes import Note, Repair
from recommender.data.protocols import Everyone, Truth, Weigher
from recommender.data.stated import Match, Reading, Relation
from recommender.data.times import ages_of, to_microseconds
from recommender.hashing import of_values

FEATURE_ROLES = ("category", "multi", "text", "numeric", "embedding", "location")
ROLES = (*FEATURE_ROLES, "protected", "ignore")


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
    def _index(self) -> pd.Index[Any]:
        index: pd.Index[Any] = pd.Index(self.ids.to_numpy())
        return index

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
            exact = as_ids(ids, self.ids.dtype)
            known = exact.drop_nulls()  # with a null among them, NumPy would make floats of integers
            rows = self._rows(known)
            if len(known) < len(ids):
                known_rows, rows = rows, np.full(len(ids), -1, np.int64)
                rows[exact.is_not_null().to_numpy()] = known_rows
            latest = self._memo["lookup"] = ids, rows
        return np.asarray(latest[1])

    def _rows(self, ids: pl.Series) -> np.ndarray:
        if ids.dtype == pl.String and len(ids) > len(self) and not self.ids.null_count():  # pandas would make objects
            known = pl.Enum(self.ids)
            return ids.cast(known, strict=False).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
        return self._index.get_indexer(pd.Index(ids.to_numpy())).astype(np.int64, copy=False)

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


NO_TIME = np.iinfo(np.int64).min  # a time that is not stated; sorts before every stated one


def microseconds(times: pl.Series) -> np.ndarray:
    """Timestamps as int64 microseconds since 1970 UTC; null -> ``NO_TIME``."""
    return times.dt.epoch("us").fill_null(NO_TIME).to_numpy()


@dataclass(frozen=True)
class Dataset:
    """Standard tables of one data set.

    interactions: user_id, item_id, timestamp (Datetime us UTC; null = before everything, in the
        order given), event (String), weight (Float32). Positives only, sorted by time, stable.
    signals: same columns; the other events (dislike, short view ...), kept for models that use them.
    users: every user of the interactions has a row; features of a user nobody described are null.
    """

    name: str
    interactions: pl.DataFrame
    items: Table
    users: Table
    match: tuple[Match, ...] = ()
    signals: pl.DataFrame = field(default_factory=pl.DataFrame)
    repairs: tuple[Repair, ...] = ()
    event_weights: Mapping[str, float] = field(default_factory=dict)  # see ``feedback.py``
    notes: tuple[Note, ...] = ()
    reading: Reading = field(default_factory=Reading)
    relation: Relation | None = None  # None: items are not users
    # How to get it. ``before``, ``only`` and ``first_interactions`` drop it: what models are given has none.
    truth: Callable[[], Truth] | None = field(default=None, repr=False, compare=False)
    # Of whom the interactions are a sample; None: they are all. Whatever changes rows one by one drops it.
    everyone: Everyone | None = field(default=None, repr=False, compare=False)
    sample: str = ""  # a sentence about that sample; empty: all users are here

    @cached_property
    def user_idx(self) -> np.ndarray:
        """Row of ``users`` for each interaction, int64 (n,)."""
        return self.users.lookup(self.interactions["user_id"])

    @cached_property
    def item_idx(self) -> np.ndarray:
        """Row of ``items`` for each interaction, int64 (n,)."""
        return self.items.lookup(self.interactions["item_id"])

    @cached_property
    def timestamps(self) -> np.ndarray:
        """int64 microseconds since 1970 UTC (n,); ``NO_TIME`` where the data state none."""
        return microseconds(self.interactions["timestamp"])

    @cached_property
    def weights(self) -> np.ndarray:
        """float32 (n,)."""
        return self.interactions["weight"].to_numpy()

    @property
    def has_times(self) -> bool:
        return bool((self.timestamps != NO_TIME).any())

    def time_quantiles(self, shares: Sequence[float]) -> list[int]:
        """For each share, the time (microseconds) below which that share of all users' stated times lies."""
        if self.everyone is not None:
            return self.everyone.quantiles(shares)
        stated = self.timestamps[self.timestamps != NO_TIME]
        return [int(time) for time in np.quantile(stated, shares, method="lower")]

    @property
    def states_availability(self) -> bool:
        """True where some item says when it was published or expires."""
        return bool(
            ((self.items.times("available_from") != NO_TIME) | (self.items.times("expires_at") != NO_TIME)).any()
        )

    @cached_property
    def age_days(self) -> np.ndarray:
        """Age of each interaction at the last one, float64 (n,); without a time: as old as the oldest stated."""
        stated = self.timestamps != NO_TIME
        if not stated.any():
            return np.zeros(len(self.timestamps))
        return ages_of(self.timestamps, int(self.timestamps[stated].min()), int(self.timestamps[stated].max()))

    @cached_property
    def item_counts(self) -> np.ndarray:
        """Interactions of each item, int64 (n_items,)."""
        return np.bincount(self.item_idx, minlength=len(self.items))

    @cached_property
    def item_totals(self) -> np.ndarray:
        """Interactions of each item, those of users outside the sample too, int64 (n_items,)."""
        return self.item_counts if self.everyone is None else self.everyone.counts(self.items)

    def faded(self, weigher: Weigher) -> np.ndarray:
        """What the interactions of each item count together, by their ages, float64 (n_items,); all users'."""
        if self.everyone is not None:
            return np.asarray(self.everyone.faded(self.items, weigher)[0])
        weights = weigher.faded(self.age_days, float(self.age_days.max(initial=0)))
        return np.bincount(self.item_idx, weights=weights, minlength=len(self.items))

    @cached_property
    def user_counts(self) -> np.ndarray:
        """Interactions of each user, int64 (n_users,)."""
        return np.bincount(self.user_idx, minlength=len(self.users))

    @property
    def symmetric(self) -> bool:
        """Whether each link between two members is two rows."""
        return self.relation is not None and self.relation.symmetric

    @cached_property
    def links(self) -> np.ndarray:
        """Number of each interaction's link, int64 (n,): both rows of a symmetric one share it, else all differ."""
        rows = np.arange(len(self.user_idx))
        if not self.symmetric:
            return rows
        ends = self.interactions.select("user_id", "item_id")
        pair = ends.select(pl.min_horizontal(pl.all()).alias("low"), pl.max_horizontal(pl.all()).alias("high"))
        numbered = pair.with_columns(pl.int_range(pl.len()).alias("row"))
        return numbered.select(pl.col("row").min().over("low", "high")).to_series().to_numpy()

    def matrix(self) -> sp.csr_matrix:
        """users x items, float32; 1 where the user took the item (whatever the weight or how often)."""
        shape = (len(self.users), len(self.items))
        ones = np.ones(len(self.user_idx), np.float32)
        taken = sp.csr_matrix((ones, (self.user_idx, self.item_idx)), shape=shape)
        taken.sum_duplicates()
        taken.data[:] = 1
        return taken

    def first_interactions(self) -> Dataset:
        """Only the earliest interaction of each user with each item (scenarios that allow no repeats)."""
        from recommender.data.kernels import first_of_pairs  # compiles: not for those who only read ids

        first = first_of_pairs(self.user_idx, self.item_idx, len(self.users), len(self.items))
        everyone = None if self.everyone is None else self.everyone.once()
        if first.all():
            return replace(self, truth=None, everyone=everyone)._numbered(self.user_idx, self.item_idx, self.timestamps)
        rows = self.interactions.filter(pl.Series(first))
        once = replace(self, interactions=rows, truth=None, everyone=everyone)
        return once._numbered(self.user_idx[first], self.item_idx[first], self.timestamps[first])

    def before(self, origin: datetime) -> Dataset:
        """What may be known just before ``origin``.

        Rows at or after it go; so do items with neither an interaction nor a stated availability
        before it, and users without an interaction, so that neither can enter a vocabulary.
        """
        end, published = to_microseconds(origin), self.items.times("available_from")
        listed = (published != NO_TIME) & (published < end)
        everyone = None if self.everyone is None else self.everyone.before(end)
        if everyone is not None:
            listed |= everyone.counts(self.items) > 0
        past_data = self.only(self.timestamps < end, listed, everyone)
        if not self.signals.width:
            return past_data
        before = pl.col("timestamp").is_null() | (pl.col("timestamp") < origin)
        return replace(past_data, signals=self.signals.filter(before))

    def only(self, rows: np.ndarray, listed: np.ndarray, everyone: Everyone | None = None) -> Dataset:
        """The interactions ``rows`` (bool), the items that they or ``listed`` (bool) name, and their users."""
        seen = listed | (np.bincount(self.item_idx[rows], minlength=len(self.items)) > 0)
        active = np.bincount(self.user_idx[rows], minlength=len(self.users)) > 0
        interactions = self.interactions.filter(pl.Series(rows))
        items, users = self.items.take(seen), self.users.take(active)
        fewer = replace(self, interactions=interactions, items=items, users=users, truth=None, everyone=everyone)
        user_idx, item_idx = (np.cumsum(active) - 1)[self.user_idx[rows]], (np.cumsum(seen) - 1)[self.item_idx[rows]]
        return fewer._numbered(user_idx, item_idx, self.timestamps[rows])

    def _numbered(self, user_idx: np.ndarray, item_idx: np.ndarray, timestamps: np.ndarray) -> Dataset:
        """This data set with the row numbers and times of its interactions, which need not be looked up again."""
        vars(self).update(user_idx=user_idx, item_idx=item_idx, timestamps=timestamps)
        return self


def at_hand(data: Dataset) -> Dataset:
    """The data as if its interactions were all there are: for whoever changes rows, or adds some."""
    return data if data.everyone is None else replace(data, everyone=None)
