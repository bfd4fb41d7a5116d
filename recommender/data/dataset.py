"""Dataset: who took what and when, with what is known of items and users.

Everything here has passed the gate in ``gate.py``; code downstream trusts it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

import numpy as np
import polars as pl
import scipy.sparse as sp

from recommender.data.notes import Note, Repair
from recommender.data.protocols import Everyone, Truth, Weigher
from recommender.data.stated import Match, Reading, Relation
from recommender.data.table import NO_TIME as NO_TIME
from recommender.data.table import Table as Table
from recommender.data.table import microseconds as microseconds
from recommender.data.times import ages_of, to_microseconds

FEATURE_ROLES = ("category", "multi", "text", "numeric", "embedding", "location")
ROLES = (*FEATURE_ROLES, "protected", "ignore")
_AT_ONCE = 2**20  # interactions whose weights are made: of all at once they would be the peak of the memory


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
        return self._ages(self.timestamps)

    def _ages(self, times: np.ndarray) -> np.ndarray:
        """``age_days`` of some of the interactions, by their times."""
        earliest, latest = self._span
        return np.zeros(len(times)) if earliest == NO_TIME else ages_of(times, earliest, latest)

    @cached_property
    def _span(self) -> tuple[int, int]:
        """The earliest and the latest stated time, microseconds; NO_TIME where none is stated."""
        stated = self.timestamps[int(np.searchsorted(self.timestamps, NO_TIME, side="right")) :]  # they ascend
        return (int(stated[0]), int(stated[-1])) if len(stated) else (NO_TIME, NO_TIME)

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
        counts, oldest = np.zeros(len(self.items)), float(self._ages(self.timestamps[:1]).max(initial=0))
        for start in range(0, len(self.item_idx), _AT_ONCE):  # in the order of the rows, as one sum would be
            part = slice(start, start + _AT_ONCE)
            np.add.at(counts, self.item_idx[part], weigher.faded(self._ages(self.timestamps[part]), oldest))
        return counts

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
        from recommender.data.kernels import taken_items  # compiles: not for those who only read ids

        indptr, indices = taken_items(self.user_idx, self.item_idx, len(self.users))
        ones, shape = np.ones(len(indices), np.float32), (len(self.users), len(self.items))
        taken = sp.csr_matrix((ones, indices, indptr), shape=shape)
        taken.has_canonical_format = True  # each row ascends, each item once
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
        past_data = self.only(slice(int(np.searchsorted(self.timestamps, end))), listed, everyone)  # they ascend
        if not self.signals.width:
            return past_data
        before = pl.col("timestamp").is_null() | (pl.col("timestamp") < origin)
        return replace(past_data, signals=self.signals.filter(before))

    def only(self, rows: np.ndarray | slice, listed: np.ndarray, everyone: Everyone | None = None) -> Dataset:
        """The interactions ``rows`` (bool, or a slice, which copies nothing), the items that they or ``listed`` (bool)
        name, and their users."""
        seen = listed | (np.bincount(self.item_idx[rows], minlength=len(self.items)) > 0)
        active = np.bincount(self.user_idx[rows], minlength=len(self.users)) > 0
        interactions = self.interactions[rows] if isinstance(rows, slice) else self.interactions.filter(pl.Series(rows))
        items, users = self.items.take(seen), self.users.take(active)
        fewer = replace(self, interactions=interactions, items=items, users=users, truth=None, everyone=everyone)
        user_idx, item_idx = _renumbered(active, self.user_idx[rows]), _renumbered(seen, self.item_idx[rows])
        return fewer._numbered(user_idx, item_idx, self.timestamps[rows])

    def _numbered(self, user_idx: np.ndarray, item_idx: np.ndarray, timestamps: np.ndarray) -> Dataset:
        """This data set with the row numbers and times of its interactions, which need not be looked up again."""
        vars(self).update(user_idx=user_idx, item_idx=item_idx, timestamps=timestamps)
        return self


def _renumbered(remaining: np.ndarray, idx: np.ndarray) -> np.ndarray:
    """Row numbers of a table as those of its ``remaining`` rows (bool)."""
    return idx if remaining.all() else (np.cumsum(remaining) - 1)[idx]


def at_hand(data: Dataset) -> Dataset:
    """The data as if its interactions were all there are: for whoever changes rows, or adds some."""
    return data if data.everyone is None else replace(data, everyone=None)
