"""Operators change what they say of a data set, and nothing else."""

from __future__ import annotations

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from small import TIME, at, dataset, table

from recommender.data.dataset import Dataset
from recommender.data.operators import OPERATORS, shuffled_features, shuffled_times

N = 40


@pytest.fixture
def data() -> Dataset:
    ids = [f"i{n:02}" for n in range(N)]
    items = table(
        "item_id",
        ids,
        {"genre": "category", "price": "numeric", "owner": "protected"},
        genre=[f"g{n}" for n in range(N)],
        price=[float(n) for n in range(N)],
        owner=ids,
        available_from=pl.Series([at(n) for n in range(N)], dtype=TIME),
    )
    users = table(
        "user_id",
        [f"u{n}" for n in range(N)],
        {"city": "category"},
        city=[f"c{n}" if n % 2 else None for n in range(N)],
    )
    made = dataset([(f"u{n}", f"i{n:02}", None if n < 3 else float(n)) for n in range(N)], items, users)
    likes = made.interactions.with_columns(event=pl.lit("like"), weight=pl.Series(range(N), dtype=pl.Float32))
    return Dataset("small", likes, items, users, signals=made.interactions.with_columns(event=pl.lit("skip")))


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_repeats_itself_by_seed_and_leaves_its_input(data: Dataset, name: str) -> None:
    before = [t.clone() for t in (data.interactions, data.signals, data.items.frame, data.users.frame)]
    once, again, other = (OPERATORS[name](data, seed) for seed in (3, 3, 4))
    for old, new in zip(before, (data.interactions, data.signals, data.items.frame, data.users.frame), strict=True):
        assert_frame_equal(old, new)
    assert tables(once)[0].equals(tables(again)[0])
    assert [t.equals(u) for t, u in zip(tables(once), tables(again), strict=True)] == [True] * 4
    assert not all(t.equals(u) for t, u in zip(tables(once), tables(other), strict=True))


def tables(data: Dataset) -> list[pl.DataFrame]:
    return [data.interactions, data.signals, data.items.frame, data.users.frame]


def test_shuffled_features_move_together_and_leave_ids_availability_and_protected_columns(data: Dataset) -> None:
    made = shuffled_features(data, seed=0)
    old, new = data.items.frame, made.items.frame
    assert_frame_equal(
        old.select("item_id", "owner", "available_from"), new.select("item_id", "owner", "available_from")
    )
    assert not old["genre"].equals(new["genre"])
    assert new.select("genre", "price").sort("price").equals(old.select("genre", "price").sort("price"))
    assert new.columns == old.columns
    assert made.users.ids.equals(data.users.ids)
    assert sorted(made.users.frame["city"].drop_nulls()) == sorted(data.users.frame["city"].drop_nulls())
    assert not made.users.frame["city"].equals(data.users.frame["city"])
    assert_frame_equal(made.interactions, data.interactions)


def test_shuffled_features_leave_a_column_that_is_to_be_kept(data: Dataset) -> None:
    made = shuffled_features(data, seed=0, keep=["price"])
    assert made.items.frame["price"].equals(data.items.frame["price"])
    assert not made.items.frame["genre"].equals(data.items.frame["genre"])


def test_shuffled_features_of_data_without_any_change_nothing() -> None:
    bare = dataset([("u", "a", 1.0), ("u", "b", 2.0)])
    for old, new in zip(tables(bare), tables(shuffled_features(bare, seed=0)), strict=True):
        assert_frame_equal(old, new)


def test_shuffled_times_keep_who_took_what_and_how_many_at_each_time(data: Dataset) -> None:
    made = shuffled_times(data, seed=0)
    for old, new in ((data.interactions, made.interactions), (data.signals, made.signals)):
        rest = [c for c in old.columns if c != "timestamp"]
        assert_frame_equal(old.select(rest).sort(rest), new.select(rest).sort(rest))
        assert_frame_equal(old.select("timestamp"), new.select("timestamp"))  # both sorted, nulls first
        assert not old["user_id"].equals(new["user_id"])
    assert_frame_equal(made.items.frame, data.items.frame)
