"""What is known of items at a time that may tell spam: who took them, how fast, whom they copy, their creator's past.

Everything is as of ``at``: rows at or after it, and moderators' decisions made after it, are not read.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl
import scipy.sparse as sp

from recommender.config import Spam
from recommender.data.dataset import NO_TIME, Dataset, Table
from recommender.data.times import US_PER_DAY
from recommender.features.columns import labels, times
from recommender.features.encoder import unit_rows

US_PER_HOUR = US_PER_DAY // 24
EARLY = 200  # first takers of an item: what a ring does it does soon after the upload; fewer miss rings of hundreds
PER_ACCOUNT = 100  # items that an account was early at, the latest ones: bounds the work for the most active
SHARED = 3  # accounts that two items must share at least: one or two are chance
WINDOW = 20_000  # items published before, that an item is compared with
BLOCK = 512  # rows of similarities at a time
SMOOTHING = 3.0  # takes without anything suspicious that every item is assumed to have had


@dataclass(frozen=True)
class SpamEvidence:
    """Numbers per item, float32 (n_items, len(names))."""

    names: tuple[str, ...]
    values: np.ndarray = field(repr=False)


def evidence(data: Dataset, items: Table, at: int, columns: Spam) -> SpamEvidence:
    """The evidence on each row of ``items`` at a time (int64 microseconds).

    takes, age_days (log1p); burst: share of the takes in the busiest hour; one_off: share of takes by accounts
    that took nothing else; young: share by accounts signed up less than a day before; ring: see ``ring_overlap``;
    clone: see ``clone_similarity``; strikes: share of the creator's other items that moderators had confirmed;
    uploads: the creator's items of the day before it (log1p); ``rate <event>``: signals of this kind per take.
    Columns that the data or the configuration lack give 0.
    """
    past = Past(data, items, at)
    takes = past.count(past.item)
    rate = {f"rate {event}": past.count(past.items_of(event)) / (takes + SMOOTHING) for event in past.events}
    hour = past.time // US_PER_HOUR
    by_name = {
        "takes": np.log1p(takes),
        "age_days": _log_age(past.published, at),
        "burst": (_most(past.item, hour, len(items)) - 1).clip(min=0) / (takes + SMOOTHING),
        "one_off": past.count(past.item[past.user_counts[past.user] == 1]) / (takes + SMOOTHING),
        "young": past.count(past.item[past.account_days(columns.signed_up_column) < 1]) / (takes + SMOOTHING),
        "ring": ring_overlap(past.user, past.item, len(past.user_counts), len(items)),
        "clone": clone_similarity(items, columns.creator_column),
        "strikes": strikes(items, at, columns),
        "uploads": np.log1p(_uploads(items, columns.creator_column)),
        **rate,
    }
    return SpamEvidence(tuple(by_name), np.column_stack([*by_name.values()]).astype(np.float32))


def _log_age(published: np.ndarray, at: int) -> np.ndarray:
    """log1p of days, float64 (n_items,); items that state no publication get the mean of those that do."""
    stated = published != NO_TIME
    age = np.log1p(np.maximum(at - np.where(stated, published, at), 0) / US_PER_DAY)
    return np.where(stated, age, age[stated].mean() if stated.any() else 0.0)


class Past:
    """The interactions and signals before ``at``, in rows of ``items``; those of other items are left out."""

    def __init__(self, data: Dataset, items: Table, at: int) -> None:
        row = items.lookup(data.items.ids)
        before = (data.timestamps < at) & (row[data.item_idx] >= 0)
        self.n_items = len(items)
        self.user, self.item = data.user_idx[before], row[data.item_idx[before]]
        self.time = data.timestamps[before]
        self.published = items.times("available_from")
        self.users = data.users
        self.user_counts = np.bincount(data.user_idx[data.timestamps < at], minlength=len(data.users))
        signals = data.signals
        if signals.width:
            before = signals["timestamp"].dt.epoch("us").fill_null(NO_TIME) < at
            signals = signals.filter(before)
        self._signals = signals
        self._items = items
        self.events: list[str] = data.signals["event"].unique().sort().to_list() if data.signals.width else []

    def items_of(self, event: str) -> np.ndarray:
        rows = self._items.lookup(self._signals.filter(pl.col("event") == event)["item_id"])
        return np.asarray(rows[rows >= 0])

    def count(self, item: np.ndarray) -> np.ndarray:
        return np.bincount(item, minlength=self.n_items).astype(np.float64)

    def account_days(self, column: str | None) -> np.ndarray:
        """Age of the account at each interaction, days, float64 (n,); inf where it is not stated."""
        if column is None or column not in self.users.frame.columns:
            return np.full(len(self.time), np.inf)
        since = times(self.users, column, "spam.signed_up_column")[self.user]
        return np.where(since == NO_TIME, np.inf, (self.time - since) / US_PER_DAY)


def ring_overlap(user: np.ndarray, item: np.ndarray, n_users: int, n_items: int) -> np.ndarray:
    """How much more than by chance an item shares its first takers with another one, at most; float64 (n_items,), 0..1.

    Accounts that act together take the same items first (lockstep behaviour; Beutel et al. 2013, CopyCatch). The
    correlation (phi) of who is among the first takers of the one and of the other. user, item: int64 (n,), oldest
    first. Pairs of items with fewer than ``SHARED`` accounts in common count 0.
    """
    audience = _audience(user, item, n_users, n_items)
    out, columns = np.zeros(n_items), audience.T.tocsr()
    n_accounts, size = max(np.count_nonzero(np.diff(columns.indptr)), 1), np.diff(audience.indptr).astype(float)
    deviation = np.sqrt(size * (1 - size / n_accounts)).clip(1e-9)
    for start in range(0, n_items, BLOCK):
        shared = (audience[start : start + BLOCK] @ columns).tocoo()
        counted = (shared.row + start != shared.col) & (shared.data >= SHARED)
        row, column = shared.row[counted] + start, shared.col[counted]
        more = shared.data[counted] - size[row] * size[column] / n_accounts
        np.maximum.at(out, row, more / (deviation[row] * deviation[column]))
    return out.clip(0, 1)


def lockstep(user: np.ndarray, item: np.ndarray, n_users: int, n_items: int) -> np.ndarray:
    """Mean ``ring_overlap`` of the items that an account was among the first to take, float64 (n_users,), 0..1."""
    overlap = ring_overlap(user, item, n_users, n_items)
    accounts = _audience(user, item, n_users, n_items).T.tocsr()
    return np.asarray((accounts @ overlap) / np.maximum(np.diff(accounts.indptr), 1)).clip(0, 1)


def _audience(user: np.ndarray, item: np.ndarray, n_users: int, n_items: int) -> sp.csr_matrix:
    """The first ``EARLY`` takers of each item, csr (n_items, n_users) of ones; ``PER_ACCOUNT`` items of an account."""
    early = _first(item, EARLY)
    user, item = user[early], item[early]
    recent = _first(user[::-1], PER_ACCOUNT)[::-1]
    entries = (np.ones(recent.sum()), (item[recent], user[recent]))
    audience = sp.csr_matrix(entries, shape=(n_items, n_users))
    audience.sum_duplicates()
    audience.data[:] = 1
    return audience


def clone_similarity(items: Table, creator_column: str | None) -> np.ndarray:
    """Likeness of an item to the most alike of those that others published before it, float64 (n_items,), 0..1.

    The cosine of its embeddings with one of the ``WINDOW`` items before it; 1 where a text is that of an earlier
    item, word for word. It depends on nothing that comes after the item. Items without a stated availability,
    or without embedding and text: 0.
    """
    out = np.zeros(len(items))
    published = items.times("available_from")
    order = np.lexsort((items.id_hash, published))
    order = order[published[order] != NO_TIME]
    creator = _codes(items, creator_column)[order]
    for column in items.columns("embedding"):
        rows = _embeddings(items, column)[order]
        best = np.zeros(len(order))
        for start in range(0, len(order), BLOCK):
            stop = min(start + BLOCK, len(order))
            low = max(start - WINDOW, 0)
            alike = rows[start:stop] @ rows[low:stop].T
            place = np.arange(start, stop)[:, None]
            alike[(np.arange(low, stop)[None] >= place) | (creator[low:stop][None] == creator[start:stop, None])] = 0
            best[start:stop] = alike.max(axis=1, initial=0)
        out[order] = np.maximum(out[order], best)
    for column in items.columns("text"):
        out[order] = np.maximum(out[order], _repeated(items.frame[column][order], creator))
    return out.clip(0, 1)


def strikes(items: Table, at: int, columns: Spam) -> np.ndarray:
    """Share of the other items of a creator that moderators had confirmed before ``at``; float64 (n_items,)."""
    creator, published = _codes(items, columns.creator_column), items.times("available_from")
    confirmed = confirmed_before(items, at, columns)
    there = (published < at).astype(float)
    n = creator.max(initial=-1) + 1
    struck, uploaded = (np.bincount(creator, weights=w, minlength=n)[creator] for w in (confirmed, there))
    return np.asarray((struck - confirmed) / (np.maximum(uploaded - there, 0) + SMOOTHING))


def confirmed_before(items: Table, at: int, columns: Spam) -> np.ndarray:
    """Which items moderators had confirmed to break the rules before ``at``: bool (n_items,)."""
    when = items.times(columns.label_column or "")
    return np.asarray((when != NO_TIME) & (when < at))


def _uploads(items: Table, creator_column: str | None) -> np.ndarray:
    """Items of the same creator in the day before each item was published."""
    creator, published = _codes(items, creator_column), items.times("available_from")
    order = np.lexsort((published, creator))
    # creators one after the other on one line of time; a creator's own items lie less than a span apart
    stated = np.where(published == NO_TIME, published[published != NO_TIME].min(initial=0), published)
    day = (stated - stated.min(initial=0)) / US_PER_DAY
    line = (creator * (day.max(initial=0) + 2) + day)[order]
    out = np.zeros(len(items))
    out[order] = np.arange(len(order)) - np.searchsorted(line, line - 1)
    return np.where((published == NO_TIME) | (creator_column is None), 0, out)


def _codes(items: Table, column: str | None) -> np.ndarray:
    """A number for each creator, int64 (n_items,); items that name none are each their own."""
    alone = np.arange(len(items))
    if column is None or column not in items.frame.columns:
        return alone
    named = labels(items, column, "spam.creator_column")
    codes = named.rank("dense").fill_null(0).to_numpy().astype(np.int64)
    return np.where(codes > 0, codes, codes.max(initial=0) + 1 + alone)


def _embeddings(items: Table, column: str) -> np.ndarray:
    """Unit rows, float32 (n_items, width); zeros where there is none."""
    values = items.frame[column]
    lengths = values.list.len().fill_null(0).to_numpy()
    width = int(lengths.max(initial=0))
    rows = np.zeros((len(items), width), np.float32)
    known = lengths == width
    if width and known.any():
        rows[known] = values.filter(pl.Series(known)).explode().to_numpy().reshape(-1, width)
    return np.asarray(unit_rows(sp.csr_matrix(rows)).toarray())


def _repeated(texts: pl.Series, creator: np.ndarray) -> np.ndarray:
    """1.0 where another creator used the same words before; texts in order of publication."""
    joined = texts.cast(pl.List(pl.String)).list.join(" ") if texts.dtype == pl.List else texts.cast(pl.String)
    frame = pl.DataFrame({"text": joined.str.to_lowercase().str.strip_chars(), "creator": creator})
    other = (pl.col("creator") != pl.col("creator").first().over("text")) & (pl.col("text") != "")
    return frame.select(other.fill_null(False).cast(pl.Float64))["creator"].to_numpy()


def _first(key: np.ndarray, n: int) -> np.ndarray:
    """True for the first ``n`` rows of each key, bool."""
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    place = np.arange(len(key)) - np.searchsorted(ordered, ordered)
    out = np.zeros(len(key), bool)
    out[order] = place < n
    return out


def _most(item: np.ndarray, group: np.ndarray, n_items: int) -> np.ndarray:
    """Rows in the largest group of each item, float64 (n_items,)."""
    order = np.lexsort((group, item))
    item, group = item[order], group[order]
    new = np.flatnonzero(np.concatenate([[True], (item[1:] != item[:-1]) | (group[1:] != group[:-1])])[: len(item)])
    out = np.zeros(n_items)
    np.maximum.at(out, item[new], np.diff(np.append(new, len(item))).astype(float))
    return out
