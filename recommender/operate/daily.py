"""What is watched of the data themselves: how much comes in, from whom, of what, and how the columns of it look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from recommender.data.dataset import NO_TIME, Dataset, Table
from recommender.data.times import US_PER_DAY
from recommender.operate.mix import coded, counted, moved, shared
from recommender.operate.stream import EITHER, FEWER, MORE, Stream

WINDOW = 28  # days that a mix is compared with
LEAST = 3  # rows of a day, for its mix to count
VOLUME, CONCENTRATION = 0.1, 0.06  # the smallest changes that matter: in log rows, as a share of the interactions
NEWS, MIX, TAKEN = 0.05, 0.15, 0.5  # a share of the interactions; in units of ``mix.moved``


@dataclass(frozen=True)
class Span:
    """Whole days since 1970: the first that a stream may have, the first after shipping, the last."""

    first: int
    shipped: int
    until: int

    @classmethod
    def of(cls, data: Dataset, last: int, baseline_days: int, until: int | None = None) -> Span:
        """last: the latest interaction that the model learned from, int64 microseconds. until: the last whole day of
        the data; None: the day before their latest interaction, which may not be over."""
        stated = data.timestamps[data.timestamps != NO_TIME] // US_PER_DAY
        shipped = last // US_PER_DAY + 1
        begin = int(stated.min()) + 1  # the first day may have begun before the data
        end = int(stated.max()) - 1 if until is None else until
        return cls(max(begin, shipped - baseline_days), shipped, max(end, shipped - 1))

    @property
    def days(self) -> np.ndarray:
        return np.arange(self.first, self.until + 1)

    def stream(
        self, name: str, label: str, values: np.ndarray, weight: np.ndarray, worse: int, smallest: float,
        log: bool = False,
    ) -> Stream:  # fmt: skip
        return Stream(name, label, self.days, values, weight, worse, smallest, self.shipped, log)


def data_streams(data: Dataset, known: Dataset, span: Span) -> list[Stream]:
    """The streams of interactions and columns. data: everything, with what came since; known: what the model learned
    from, whose items and users are described as they were then."""
    day = data.timestamps // US_PER_DAY - span.first
    n_days = len(span.days)
    return [*_interactions(data, day, n_days, span), *_columns(data, known, day, n_days, span)]


def _interactions(data: Dataset, day: np.ndarray, n_days: int, span: Span) -> Iterator[Stream]:
    ones = np.ones(n_days)
    within = (day >= 0) & (day < n_days)
    rows = np.bincount(day[within], minlength=n_days).astype(np.float64)
    yield span.stream("interactions", "interactions", np.log1p(rows), ones, FEWER, VOLUME, log=True)
    new_user = _first(data.user_idx, day, len(data.users))[data.user_idx] == day
    new_item = _first(data.item_idx, day, len(data.items))[data.item_idx] == day
    for name, label, new in (
        ("new_users", "share of interactions by users on their first day", new_user),
        ("new_items", "share of interactions with items on their first day", new_item),
    ):
        yield span.stream(name, label, _share(new, day, n_days, rows), rows, EITHER, NEWS)
    window = min(WINDOW, max(1, (span.shipped - span.first) // 3))
    values, n = moved(shared(data.item_idx, day, n_days), window, 20)
    label = f"attention moved against the {window} days before; 1: nothing moved"
    yield span.stream("popularity", label, values, n, MORE, MIX)
    for name, label, rows_of in (
        ("top_item", "share of the most taken item among users known before", ~new_user),
        ("newcomers_top_item", "share of the most taken item among users on their first day", new_user),
    ):
        share, n = _top_share(data.item_idx[rows_of], day[rows_of], n_days)
        yield span.stream(name, label, share, n, MORE, CONCENTRATION)


def _columns(data: Dataset, known: Dataset, day: np.ndarray, n_days: int, span: Span) -> Iterator[Stream]:
    window = min(WINDOW, max(1, (span.shipped - span.first) // 3))
    shipped = span.shipped - span.first
    tables = (("items", data.items, known.items, data.item_idx), ("users", data.users, known.users, data.user_idx))
    for where, now, then, rows in tables:
        first = _first(rows, day, len(now))
        if where == "items":
            published = now.times("available_from")
            first = np.where(published == NO_TIME, first, published // US_PER_DAY - span.first)
        table, old = described(now, then), first < span.shipped - span.first
        for column in (c for c in table.frame.columns if c in table.roles):
            pairs = coded(table, column, old)
            if pairs is None:
                continue
            row, code, n_codes = pairs
            values, _ = moved(counted(code, first[row], n_days, n_codes), window, LEAST, shipped)
            n = np.bincount(first[(first >= 0) & (first < n_days)], minlength=n_days).astype(np.float64)
            label = f"mix of {where}.{column} in new rows against the {window} days before shipping; 1: nothing moved"
            if np.isfinite(values).sum() >= window:
                yield span.stream(f"{where}.{column}", label, values, n, MORE, MIX)
            if where == "items" and table.roles[column] in ("category", "multi"):
                taken = _of_rows(row, code, n_codes, len(now))[rows]
                by_day = np.stack([np.bincount(day[(day >= 0) & (day < n_days)], weights, n_days)
                                   for weights in taken[(day >= 0) & (day < n_days)].T], axis=1)  # fmt: skip
                values, n = moved(by_day, window, 20)
                label = f"mix of {column} in what is taken against the {window} days before; 1: nothing moved"
                yield span.stream(f"taken.{column}", label, values, n, MORE, TAKEN)


def described(now: Table, then: Table) -> Table:
    """The rows of ``now``; what ``then`` knows is described as it was then."""
    columns = [c for c in then.frame.columns if c in now.frame.columns and then.frame[c].dtype == now.frame[c].dtype]
    row = then.lookup(now.ids)
    stayed, new = then.frame[row[row >= 0]].select(columns), now.frame.filter(pl.Series(row < 0)).select(columns)
    order = np.argsort(np.concatenate([np.flatnonzero(row >= 0), np.flatnonzero(row < 0)]))
    roles = {c: then.roles[c] for c in columns if c in then.roles}
    return replace(now, frame=pl.concat([stayed, new])[order], roles=roles)


def _first(row: np.ndarray, day: np.ndarray, n: int) -> np.ndarray:
    """The first day of each of ``n`` users or items, int64; far in the future where there is none."""
    first = np.full(n, np.iinfo(np.int32).max, np.int64)
    np.minimum.at(first, row, day)
    return first


def _share(new: np.ndarray, day: np.ndarray, n_days: int, rows: np.ndarray) -> np.ndarray:
    within = (day >= 0) & (day < n_days)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.bincount(day[within], new[within], n_days) / rows)


def _top_share(item: np.ndarray, day: np.ndarray, n_days: int) -> tuple[np.ndarray, np.ndarray]:
    """Share of each day's most frequent item, float64 (n_days,), NaN below 20 rows; and the rows."""
    within = (day >= 0) & (day < n_days)
    pairs, times = np.unique(day[within] * (item.max(initial=0) + 1) + item[within], return_counts=True)
    of_day = pairs // (item.max(initial=0) + 1)
    top, rows = np.zeros(n_days), np.bincount(day[within], minlength=n_days).astype(np.float64)
    np.maximum.at(top, of_day, times)
    return np.where(rows >= 20, top / np.maximum(rows, 1), np.nan), rows


def _of_rows(row: np.ndarray, code: np.ndarray, n_codes: int, n: int) -> np.ndarray:
    """The codes of each table row as shares that add up to 1, float64 (n, n_codes)."""
    shares = np.zeros((n, n_codes))
    np.add.at(shares, (row, code), 1.0)
    return np.asarray(shares / np.maximum(shares.sum(axis=1, keepdims=True), 1))
