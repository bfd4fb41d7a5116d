"""Popularity: all time, of a recent window, with exponential decay, overall or within segments.

The bar to beat: under an honest split in time, recent popularity with a tuned window wins or ties
against collaborative filtering on many data sets, and no fixed window is right everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
import polars as pl

from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.errors import ConfigError, nearest
from recommender.features.feedback import Feedback, decay, feedback, hyperbolic_decay
from recommender.models.base import above, to_catalogue
from recommender.models.space import Float, Space
from recommender.models.vocabulary import ids_only
from recommender.spam.trust import trust

_SEPARATOR = "\x1f"
FADES = {"exponential": decay, "hyperbolic": hyperbolic_decay}


@dataclass(eq=False)
class Popularity:
    """Counts of interactions per item, as of the end of training; other events as ``data.event_weights`` weighs them.

    window_days: only interactions of the last so many days count; None: all. Rows without a time
        are the oldest.
    half_life_days: an interaction weighs half as much every so many days; None: no decay.
    half_life_share: the same, as a share of the training period, for data sets of any time scale.
    fade: how an interaction of ``half_life_share`` goes on fading: exponential (a quarter at twice that age), or
        hyperbolic (a third, as 1 / (1 + age)): what is long ago is not forgotten, as attention to people is not.
    returning_share: the half-life, as such a share, for who was last seen ``away_days`` or more ago: they want what
        is new since, users in a visit want the rest of what everyone takes. None: as for all.
    segment: user columns, e.g. [region, category]: popularity among users with the same values; a list (of past
        positions, say) stands for its first one. A segment borrows from the wider one (the last column dropped, at
        the end everyone) as if it had seen ``prior`` interactions there, so thin segments fall back smoothly.
    prior: strength of the wider segment, in interactions.
    weighted: an interaction counts its weight (a rating, say) over the mean weight, instead of 1.
    trusted: interactions count by what their accounts look like, so that fake accounts buy little (see
        ``spam/trust.py``). signed_up_column: timestamp user column that it reads, where there is one.
    """

    colour = "#E69F00"
    person_days = (1, 2)
    needs_interactions = True
    space: ClassVar[Space] = {"half_life_share": Float(0.005, 1, log=True, also=(None,), needs_times=True)}

    window_days: float | None = None
    half_life_days: float | None = None
    half_life_share: float | None = None
    fade: Literal["exponential", "hyperbolic"] = "exponential"
    segment: Sequence[str] = ()
    prior: float = 20.0
    weighted: bool = False
    trusted: bool = False
    signed_up_column: str | None = "signed_up_at"
    returning_share: float | None = None
    away_days: float = 1.0

    def __post_init__(self) -> None:
        if self.fade not in FADES:
            raise ConfigError(f"popularity: unknown fade '{self.fade}'{nearest(self.fade, FADES)}")
        above(0, returning_share=self.returning_share, away_days=self.away_days)
        above(0, window_days=self.window_days, half_life_days=self.half_life_days, half_life_share=self.half_life_share)
        above(0, prior=self.prior)  # 0 / 0 in a segment that the window left empty

    @property
    def needs_times(self) -> bool:
        decays = (self.window_days, self.half_life_days, self.half_life_share, self.returning_share)
        return self.trusted or any(value is not None for value in decays)

    @property
    def user_columns(self) -> Sequence[str]:
        return self.segment

    def fit(self, train: Dataset) -> Self:
        self.items_ = ids_only(train.items)
        self.levels_: list[dict[str, int]] = []
        self.tables_: list[np.ndarray] = []
        self.returning_ = None if self.returning_share is None else self._recent(self.returning_share).fit(train)
        _check(train.users, self.segment)
        by_age_alone = not (self.weighted or self.trusted or train.event_weights)
        if by_age_alone and (train.everyone is not None or not self.segment):
            self.counts_ = train.faded(self).astype(np.float32)[None]
            if train.everyone is not None:
                for row, n in self._segments(train.everyone.users):
                    self.tables_.append(train.everyone.faded(train.items, self, row, n).astype(np.float32))
            return self
        events = feedback(train)
        weight = self._weights(train, events)
        self.counts_ = _count(np.zeros(len(weight), np.int64), events.item, weight, 1, len(train.items))
        for row, n in self._segments(train.users):
            row = row[events.user]
            inside = row >= 0
            self.tables_.append(_count(row[inside], events.item[inside], weight[inside], n, len(train.items)))
        return self

    def _segments(self, users: Table) -> Iterator[tuple[np.ndarray, int]]:
        """For each depth: the segment of each user, int64 (-1: none), and how many there are; adds them to levels_."""
        for depth in range(1, len(self.segment) + 1):
            keys = _keys(users, self.segment[:depth])
            known = [k for k in dict.fromkeys(keys.to_list()) if k is not None]
            self.levels_.append(dict(zip(known, range(len(known)), strict=True)))
            yield _numbers(keys, self.levels_[-1]), len(known)

    def _recent(self, half_life_share: float) -> Popularity:
        """This recommender with another half-life, not fitted."""
        return Popularity(
            half_life_share=half_life_share,
            fade=self.fade,
            segment=self.segment,
            prior=self.prior,
            weighted=self.weighted,
            trusted=self.trusted,
            signed_up_column=self.signed_up_column,
        )

    def faded(self, ages: np.ndarray, oldest: float) -> np.ndarray:
        """What an interaction counts by its age; see ``Weigher``."""
        weight: np.ndarray = np.ones(len(ages))
        if self.half_life_days is not None:
            weight *= 0.5 ** (ages / self.half_life_days)
        if self.half_life_share is not None:
            weight *= FADES[self.fade](ages, self.half_life_share, oldest)
        if self.window_days is not None:
            weight *= ages <= self.window_days
        return weight

    def _weights(self, train: Dataset, events: Feedback) -> np.ndarray:
        """What each event counts, float64 (n,)."""
        weight: np.ndarray = events.weight * self.faded(events.age_days, float(events.age_days.max(initial=0)))
        if self.weighted and len(train.weights):
            weight[: len(train.weights)] *= train.weights / max(float(train.weights.mean()), 1e-9)
        if self.trusted:
            trusted = trust(train, self.signed_up_column)
            of_account = np.bincount(train.user_idx, trusted, len(train.users)) / np.maximum(train.user_counts, 1)
            weight *= np.concatenate([trusted, of_account[events.user[len(trusted) :]]])  # signals: as their account
        return weight

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        """Expected share of interactions; items that training did not see are NaN."""
        total = max(float(self.counts_.sum()), 1e-12)
        model_item_idx = self.items_.lookup(items.ids)
        if not self.segment:
            scores = np.repeat(to_catalogue(self.counts_ / total, model_item_idx), len(queries), axis=0)
            return self._for_returning(scores, queries, items)
        share = np.repeat(self.counts_ / total, len(queries), axis=0)
        for depth, (numbers, table) in enumerate(zip(self.levels_, self.tables_, strict=True), start=1):
            row = _numbers(_keys(queries.users, self.segment[:depth]), numbers)
            at = np.flatnonzero(row >= 0)
            seen = table[row[at]]
            share[at] = (seen + self.prior * share[at]) / (seen.sum(axis=1, keepdims=True) + self.prior)
        return self._for_returning(to_catalogue(share, model_item_idx), queries, items)

    def _for_returning(self, scores: np.ndarray, queries: Queries, items: Table) -> np.ndarray:
        """The scores with those of ``returning_share`` for who comes back."""
        if self.returning_ is not None:
            back = np.flatnonzero((queries.history.lengths > 0) & (queries.away_days >= self.away_days))
            scores[back] = self.returning_.score(queries.take(back), items)
        return scores


def _check(users: Table, columns: Sequence[str]) -> None:
    """Raises ConfigError for a column that cannot make segments."""
    for column in columns:
        if column not in users.frame.columns:
            raise ConfigError(f"popularity: users have no column '{column}'{nearest(column, users.frame.columns)}")
        if users.roles.get(column) == "protected":
            raise ConfigError(f"popularity: users.{column} is protected and can never be a model feature.")
        dtype = users.frame[column].dtype
        if (dtype.inner if isinstance(dtype, pl.List) else dtype).is_nested():
            raise ConfigError(f"popularity: users.{column} holds {dtype}; a segment needs one value per user.")


def _count(row: np.ndarray, item: np.ndarray, weight: np.ndarray, n_rows: int, n_items: int) -> np.ndarray:
    """float32 (n_rows, n_items): summed weights of the events of each row and item; dislikes leave 0 at least."""
    flat = np.bincount(row * n_items + item, weights=weight, minlength=n_rows * n_items).clip(0)
    return flat.reshape(n_rows, n_items).astype(np.float32)


def _keys(users: Table, columns: Sequence[str]) -> pl.Series:
    """One string per user for its segment; null where a value, or the column, is missing."""
    if any(c not in users.frame.columns for c in columns):  # users that come as bare ids
        return pl.Series("key", [None] * len(users), dtype=pl.String)
    listed = [isinstance(users.frame[c].dtype, pl.List) for c in columns]
    values = [pl.col(c).list.first() if many else pl.col(c) for c, many in zip(columns, listed, strict=True)]
    joined = pl.concat_str([value.cast(pl.String) for value in values], separator=_SEPARATOR)
    return users.frame.select(joined.alias("key"))["key"]


def _numbers(keys: pl.Series, numbers: Mapping[str, int]) -> np.ndarray:
    """Row number of each key, int64 (n,); -1 where missing or unknown."""
    if not numbers:  # which replace_strict refuses
        return np.full(len(keys), -1)
    rows = keys.replace_strict(numbers, default=-1, return_dtype=pl.Int64)
    return rows.fill_null(-1).to_numpy()
