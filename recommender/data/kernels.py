"""Compiled loops over interactions grouped by user; tests/unit/data/test_kernels.py has each in a few lines of NumPy.

Interactions are sorted by time, so a stable counting sort by user gives each user's in the order of time: a tenth of
the time of a sort by user and time.
"""

from __future__ import annotations

import numba
import numpy as np


def grouped(user: np.ndarray, n_users: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows user by user, each user's in their order, int64 (n,); and where each user's begin, int64 (n_users + 1,).

    user: int64 (n,), from 0. Raises ValueError for a negative one.
    """
    start = np.zeros(n_users + 1, np.int64)
    np.cumsum(np.bincount(user, minlength=n_users), out=start[1:])
    order = np.empty(len(user), np.int64)
    _grouped(user, start[:-1].copy(), order)
    return order, start


def first_of_pairs(user: np.ndarray, item: np.ndarray, n_users: int, n_items: int) -> np.ndarray:
    """Which rows are the first of their user and item: bool (n,). user, item: int64 (n,), from 0."""
    if item.min(initial=0) < 0:
        raise ValueError("item numbers count from 0")
    order, start = grouped(user, n_users)
    first = np.zeros(len(user), bool)
    _first_of_pairs(order, start, item, np.full(n_items, -1, np.int64), first)
    return first


def taken_items(user: np.ndarray, item: np.ndarray, n_users: int) -> tuple[np.ndarray, np.ndarray]:
    """Each user's items, ascending and each once, as ``indptr`` and ``indices`` of a csr matrix (int32, or int64 where
    they are too many). user, item: int64 (n,), from 0."""
    start = np.zeros(n_users + 1, np.int32 if len(user) < 2**31 else np.int64)
    np.cumsum(np.bincount(user, minlength=n_users), out=start[1:])
    items = np.empty(len(user), start.dtype)
    n = _taken_items(user, item, start, start[:-1].copy(), items)
    return start, items[:n].copy() if n < len(items) else items


def first_in_buckets(
    start: np.ndarray, time: np.ndarray, since: int, bucket_starts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each user's first row from ``since`` on, and the first in each further bucket of rows strictly before its time.

    start: int64 (n_users + 1,), where each user's rows begin in ``time`` (int64 (n,), ascending within a user).
    bucket_starts: int64, ascending from 0. Returns user, row and rows before, int64 each, user by user and by time.
    """
    out = np.empty((3, (len(start) - 1) * len(bucket_starts)), np.int64)
    user, row, before = out[:, : _first_in_buckets(start, time, since, bucket_starts, out)]
    return user, row, before


def gather(start: np.ndarray, stop: np.ndarray, values: np.ndarray) -> np.ndarray:
    """``values[start[q]:stop[q]]`` of each q, one after the other."""
    out = np.empty(int((stop - start).sum()), values.dtype)
    _gather(start, stop, values, out)
    return out


def latest_of_pairs(
    user: np.ndarray, indptr: np.ndarray, wanted: np.ndarray,
    start: np.ndarray, item: np.ndarray, values: np.ndarray, n_items: int,
) -> np.ndarray:  # fmt: skip
    """The value of the last row of each pair of a user and an item, as ``values``; 0 where there is none.

    user: int64 (n_queries,); query q asks for the items ``wanted[indptr[q]:indptr[q + 1]]``. start: where each user's
    rows begin in ``item`` and ``values``, which are in the order of ``grouped``.
    """
    out = np.zeros(len(wanted), values.dtype)
    _latest_of_pairs(user, indptr, wanted, start, item, values, np.zeros(n_items, values.dtype), out)
    return out


def newcomers(week: np.ndarray, key: np.ndarray, known: np.ndarray, n_keys: int) -> tuple[np.ndarray, np.ndarray]:
    """How many keys each week has, and how many of them are in no earlier week and not ``known``: int64 (n_weeks,).

    week: int64 (n,), ascending from 0, none left out. key: int64 (n,), users or items, below ``n_keys``.
    """
    latest = np.full(n_keys, -2, np.int64)  # -2: never met, -1: met before the first week
    latest[known] = -1
    met, new = np.zeros((2, int(week[-1]) + 1), np.int64)
    _newcomers(week, key, latest, met, new)
    return met, new


def perhaps_repeated(marks: np.ndarray) -> np.ndarray:
    """Rows whose mark may be another's too, ascending, int64: all that share one, and about one in nine that do not.

    marks: uint64 (n,), hashes. A bit for each of eight times as many places tells, in place of a sort.
    """
    bits = max((8 * len(marks)).bit_length(), 6)
    met, again = np.zeros((2, 2 ** (bits - 6)), np.uint64)
    return np.flatnonzero(_perhaps_repeated(marks, np.uint64(64 - bits), met, again))


def look_up(ids: np.ndarray, low: int, rows: np.ndarray) -> np.ndarray:
    """``rows[ids - low]``, -1 for ids outside it: int64 (n,). ids: int64 (n,)."""
    out = np.empty(len(ids), np.int64)
    _look_up(ids, low, rows, out)
    return out


@numba.njit(cache=True, nogil=True)
def _look_up(ids, low, rows, out):  # type: ignore[no-untyped-def]
    for row in range(len(ids)):
        within = low <= ids[row] and ids[row] < low + len(rows)
        out[row] = rows[ids[row] - low] if within else -1


@numba.njit(cache=True, nogil=True)
def _perhaps_repeated(marks, shift, met, again):  # type: ignore[no-untyped-def]
    one, last = np.uint64(1), np.uint64(63)
    for row in range(len(marks)):
        place = (marks[row] * np.uint64(0x9E3779B97F4A7C15)) >> shift
        word, bit = place >> np.uint64(6), one << (place & last)
        again[word] |= met[word] & bit
        met[word] |= bit
    out = np.zeros(len(marks), np.bool_)
    for row in range(len(marks)):
        place = (marks[row] * np.uint64(0x9E3779B97F4A7C15)) >> shift
        out[row] = (again[place >> np.uint64(6)] >> (place & last)) & one
    return out


@numba.njit(cache=True, nogil=True)
def _newcomers(week, key, latest, met, new):  # type: ignore[no-untyped-def]
    for row in range(len(week)):
        if latest[key[row]] != week[row]:
            met[week[row]] += 1
            new[week[row]] += latest[key[row]] == -2
            latest[key[row]] = week[row]


@numba.njit(cache=True, nogil=True)
def _taken_items(user, item, start, place, items):  # type: ignore[no-untyped-def]
    for row in range(len(user)):
        items[place[user[row]]] = item[row]
        place[user[row]] += 1
    n = 0
    for u in range(len(start) - 1):
        first, last = start[u], start[u + 1]
        items[first:last].sort()
        start[u] = n
        for at in range(first, last):
            if at == first or items[at] != items[at - 1]:  # what was moved lies before
                items[n] = items[at]
                n += 1
    start[-1] = n
    return n


@numba.njit(cache=True, nogil=True)
def _grouped(user, place, order):  # type: ignore[no-untyped-def]
    for row in range(len(user)):
        order[place[user[row]]] = row
        place[user[row]] += 1


@numba.njit(cache=True, nogil=True)
def _first_of_pairs(order, start, item, last_user, first):  # type: ignore[no-untyped-def]
    for user in range(len(start) - 1):
        for at in range(start[user], start[user + 1]):
            row = order[at]
            first[row] = last_user[item[row]] != user
            last_user[item[row]] = user


@numba.njit(cache=True, nogil=True)
def _first_in_buckets(start, time, since, bucket_starts, out):  # type: ignore[no-untyped-def]
    n = 0
    for user in range(len(start) - 1):
        begin, moment, bucket = start[user], start[user], -1
        for row in range(begin, start[user + 1]):
            if time[row] != time[moment]:
                moment = row
            if time[row] < since:
                continue
            reached = bucket
            while reached + 1 < len(bucket_starts) and bucket_starts[reached + 1] <= moment - begin:
                reached += 1
            if reached > bucket:
                out[0, n], out[1, n], out[2, n] = user, row, moment - begin
                n += 1
                bucket = reached
    return n


@numba.njit(cache=True, nogil=True)
def _gather(start, stop, values, out):  # type: ignore[no-untyped-def]
    n = 0
    for q in range(len(start)):
        for at in range(start[q], stop[q]):
            out[n] = values[at]
            n += 1


@numba.njit(cache=True, nogil=True)
def _latest_of_pairs(user, indptr, wanted, start, item, values, latest, out):  # type: ignore[no-untyped-def]
    for q in range(len(user)):
        rows = range(start[user[q]], start[user[q] + 1])
        for row in rows:
            latest[item[row]] = values[row]
        for at in range(indptr[q], indptr[q + 1]):
            out[at] = latest[wanted[at]]
        for row in rows:
            latest[item[row]] = 0
