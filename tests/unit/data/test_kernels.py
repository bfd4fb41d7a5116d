"""Each compiled loop over interactions against a few lines of NumPy or polars."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.data import checks, kernels, radix, time_order
from recommender.data import table as table_module
from recommender.data.queries import BUCKET_STARTS, bucket
from tests.helpers.small import at, dataset, table

SEEDS = st.integers(0, 2**32 - 1)
N_USERS, N_ITEMS = 7, 5


def rows(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Users, items and ascending times, many of them alike."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 120))
    return rng.integers(0, N_USERS, n), rng.integers(0, N_ITEMS, n), np.sort(rng.integers(0, 30, n))


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_grouped_is_a_stable_sort_by_user(seed: int) -> None:
    user, _, time = rows(seed)
    order, start = kernels.grouped(user, N_USERS)
    np.testing.assert_array_equal(order, np.lexsort((time, user)))
    np.testing.assert_array_equal(start, np.searchsorted(user[order], np.arange(N_USERS + 1)))


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from([1, 1000, 1_000_000, 86_400_000_000]), st.sampled_from([5, 5000, 2**33]))
def test_ascending_is_a_stable_sort(seed: int, unit: int, span: int) -> None:
    rng = np.random.default_rng(seed)
    keys = (rng.integers(-span, span, int(rng.integers(0, 300))) // 3) * unit
    np.testing.assert_array_equal(radix.ascending(keys), np.argsort(keys, kind="stable"))


def test_rows_come_in_the_order_of_time_and_those_without_one_first() -> None:
    times = [3, None, 1, 3, None, 2]
    frames = [pl.DataFrame({"user_id": list("abcdef")}), pl.DataFrame({"timestamp": times}).cast(pl.Datetime("us"))]
    assert time_order.by_time(frames)["user_id"].to_list() == list("becfad")


@pytest.mark.parametrize("low", [-7, 0, 10**15])
def test_numbers_close_together_are_looked_up_as_others_are(low: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    ids, wanted = rng.permutation(50)[:20] + low, rng.integers(-5, 55, 200) + low
    sparse = table("item_id", ids.tolist()).lookup(pl.Series(wanted))
    monkeypatch.setattr(table_module, "_MANY", 1)
    np.testing.assert_array_equal(table("item_id", ids.tolist()).lookup(pl.Series(wanted)), sparse)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_whatever_shares_a_mark_is_perhaps_repeated(seed: int) -> None:
    marks = np.random.default_rng(seed).integers(0, 60, 80).astype(np.uint64)
    shared = np.flatnonzero((marks[:, None] == marks).sum(axis=1) > 1)
    assert set(shared) <= set(kernels.perhaps_repeated(marks).tolist())
    assert len(kernels.perhaps_repeated(np.arange(10_000, dtype=np.uint64))) < 2000


def test_unknown_users_and_items_are_refused() -> None:
    for user, item in (([-1, 0], [0, 0]), ([0, 0], [0, -1])):
        with pytest.raises(ValueError):
            kernels.first_of_pairs(np.array(user), np.array(item), 1, 1)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_first_of_pairs_are_those_that_polars_finds(seed: int) -> None:
    user, item, _ = rows(seed)
    pairs = pl.DataFrame({"user": user, "item": item})
    expected = pairs.select(pl.struct("user", "item").is_first_distinct()).to_series().to_numpy()
    np.testing.assert_array_equal(kernels.first_of_pairs(user, item, N_USERS, N_ITEMS), expected)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(0, 31))
def test_first_in_buckets_are_those_of_numpy(seed: int, since: int) -> None:
    user, _, time = rows(seed)
    order, start = kernels.grouped(user, N_USERS)
    user, time = user[order], time[order]
    before = np.array([((user == u) & (time < t)).sum() for u, t in zip(user, time, strict=True)], np.int64)
    asks = np.flatnonzero(time >= since)
    _, at = np.unique(user[asks] * len(BUCKET_STARTS) + bucket(before[asks]), return_index=True)
    at = asks[at]
    for measured, expected in zip(
        kernels.first_in_buckets(start, time, since, BUCKET_STARTS), (user[at], at, before[at]), strict=True
    ):
        np.testing.assert_array_equal(measured, expected)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_latest_of_pairs_is_the_last_row_of_each(seed: int) -> None:
    user, item, _ = rows(seed)
    rng = np.random.default_rng(seed)
    value = rng.random(len(user)).astype(np.float32)
    order, start = kernels.grouped(user, N_USERS)
    queries, wanted = rng.integers(0, N_USERS, 9), rng.integers(0, N_ITEMS, 27)
    last = dict(zip(zip(user.tolist(), item.tolist(), strict=True), value.tolist(), strict=True))
    expected = [last.get(pair, 0) for pair in zip(queries.repeat(3).tolist(), wanted.tolist(), strict=True)]
    indptr = np.arange(0, 28, 3)
    latest = kernels.latest_of_pairs(queries, indptr, wanted, start, item[order], value[order], N_ITEMS)
    np.testing.assert_array_equal(latest, np.array(expected, np.float32))


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_newcomers_are_those_that_no_earlier_week_has(seed: int) -> None:
    rng = np.random.default_rng(seed)
    week = np.sort(np.append(np.arange(6), rng.integers(0, 6, 60)))
    key, known = rng.integers(0, 20, len(week)), rng.integers(0, 20, 3)
    weeks = [set(key[week == w]) for w in range(6)]
    new = [keys - set(known).union(*weeks[:w]) for w, keys in enumerate(weeks)]
    measured = kernels.newcomers(week, key, known, 20)
    np.testing.assert_array_equal(measured, [list(map(len, weeks)), list(map(len, new))])


@pytest.mark.parametrize("ids", [["b", "a", "c"], [5, 3, 9], [5, -(2**62), 2**62]])
def test_many_ids_are_looked_up_as_few_are(ids: list[Any]) -> None:
    known = table("item_id", ids)
    wanted = [*ids, "x", None, *ids] if isinstance(ids[0], str) else [*ids, 7, None, *ids]
    one_by_one = [known.lookup(pl.Series([i], dtype=known.ids.dtype))[0] for i in wanted]
    assert known.lookup(pl.Series(wanted)).tolist() == one_by_one == [0, 1, 2, -1, -1, 0, 1, 2]


def test_gather_puts_ranges_one_after_the_other() -> None:
    gathered = kernels.gather(np.array([3, 0, 2]), np.array([5, 0, 3]), np.arange(10, 20))
    assert gathered.tolist() == [13, 14, 12]


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.booleans())
def test_repeats_are_those_that_polars_finds(seed: int, dated: bool) -> None:
    user, item, time = rows(seed)
    rng = np.random.default_rng(seed)
    frame = pl.DataFrame({
        "user_id": pl.Series(user).cast(pl.String),
        "item_id": item,
        "event": rng.choice(["view", "take"], len(user)),
        "timestamp": pl.Series(time if dated else np.zeros(len(user))).cast(pl.Int64),
    }).sample(fraction=1, shuffle=True, seed=seed % 1000)  # fmt: skip
    if not dated:
        frame = frame.with_columns(pl.lit(None, pl.Int64).alias("timestamp"))
    expected = ~frame.select(pl.struct("user_id", "item_id", "event", "timestamp").is_first_distinct()).to_series()
    repeated = checks.repeats(frame)
    assert (repeated.to_list() if repeated is not None else [False] * frame.height) == expected.to_list()


def test_equal_hashes_of_different_rows_are_no_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pl.DataFrame({"user_id": [1, 1, 2, 1], "item_id": [1, 2, 1, 1], "event": ["e"] * 4, "timestamp": [0] * 4})
    monkeypatch.setattr(pl, "sum_horizontal", lambda exprs: pl.repeat(7, 4, dtype=pl.UInt64))
    repeated = checks.repeats(frame)
    assert repeated is not None
    assert repeated.to_list() == [False, False, False, True]


def test_row_numbers_that_are_passed_on_are_those_of_a_look_up() -> None:
    data = dataset([("u", "a", 0), ("v", "b", 1), ("u", "a", 2), ("w", "c", 3), ("v", "d", 4)])
    for fewer in (data.first_interactions(), data.before(at(3)), data.first_interactions().before(at(4))):
        np.testing.assert_array_equal(fewer.user_idx, fewer.users.lookup(fewer.interactions["user_id"]))
        np.testing.assert_array_equal(fewer.item_idx, fewer.items.lookup(fewer.interactions["item_id"]))
        np.testing.assert_array_equal(fewer.timestamps, fewer.interactions["timestamp"].dt.epoch("us").to_numpy())
