"""Operators change what they say of a data set, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from recommender.data.dataset import Dataset
from recommender.data.operators import OPERATORS, apply, check, described, shuffled_features, shuffled_times
from recommender.data.operators.chance import uniform
from recommender.data.operators.columns import metadata
from recommender.data.operators.inject import noise, spam
from recommender.data.operators.rows import cold, drift, signals, volume
from recommender.data.operators.times import lifetime, timestamps
from recommender.data.stated import Match
from recommender.errors import ConfigError, DataError, UserError
from tests.helpers.small import TIME, at, dataset, table

N = 40
PARAMS: Mapping[str, Mapping[str, Any]] = {  # parameters with which each operator changes ``data``
    "volume": {"share": 0.5},
    "metadata": {"missing": 0.5},
    "lifetime": {"days": 0.5},
    "signals": {"keep": []},
    "noise": {"share": 0.5},
    "spam": {"accounts": 3, "items": 2},
    "timestamps": {"to": "day"},
    "drift": {"share": 0.5},
    "cold": {"items": 0.3, "users": 0.3},
}
SEEDED = ("volume", "metadata", "noise", "spam", "timestamps", "cold", "shuffled_features", "shuffled_times")


def make(n: int = N, seed: int = 0) -> Dataset:
    """n interactions an hour apart, n items and n // 4 users, and a signal that follows every second one."""
    rng = np.random.default_rng(seed)
    ids = [f"i{k:02}" for k in range(n)]
    items = table(
        "item_id",
        ids,
        {"genre": "category", "tags": "multi", "title": "text", "price": "numeric", "owner": "protected"},
        genre=[f"g{k % 7}" for k in range(n)],
        tags=[["a", f"t{k}", "c"] for k in range(n)],
        title=[f"word {k} more words" for k in range(n)],
        price=[float(k) for k in range(n)],
        owner=ids,
        available_from=pl.Series([at(k / 2 - 1) for k in range(n)], dtype=TIME),
        expires_at=pl.Series([at(n + k) for k in range(n)], dtype=TIME),
    )
    users = table(
        "user_id",
        [f"u{k}" for k in range(max(n // 4, 1))],
        {"city": "category"},
        city=[f"c{k}" if k % 2 else None for k in range(max(n // 4, 1))],
    )
    rows = [
        (f"u{rng.integers(len(users))}", f"i{rng.integers(k + 1):02}", None if k < 3 else float(k)) for k in range(n)
    ]
    small_data = dataset(rows, items, users, [Match("city", "genre")])
    likes = small_data.interactions.with_columns(event=pl.lit("like"), weight=pl.Series(range(n), dtype=pl.Float32))
    skips = small_data.interactions.with_columns(event=pl.lit("skip")).gather_every(2)
    return Dataset("small", likes, items, users, small_data.match, signals=skips)


@pytest.fixture
def data() -> Dataset:
    return make()


def tables(data: Dataset) -> list[pl.DataFrame]:
    return [data.interactions, data.signals, data.items.frame, data.users.frame]


def same(one: Dataset, other: Dataset) -> bool:
    return all(a.equals(b) for a, b in zip(tables(one), tables(other), strict=True))


def rows_of(data: Dataset) -> set[tuple[Any, ...]]:
    return set(data.interactions.select("user_id", "item_id", "timestamp").iter_rows())


# --- all of them


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_changes_the_data_repeats_itself_by_seed_and_leaves_its_input(data: Dataset, name: str) -> None:
    before = [t.clone() for t in tables(data)]
    once, again, other = (OPERATORS[name](data, seed, **PARAMS.get(name, {})) for seed in (3, 3, 4))
    for old, new in zip(before, tables(data), strict=True):
        assert_frame_equal(old, new)
    assert not same(once, data)
    assert same(once, again)
    assert same(once, other) == (name not in SEEDED)


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_leaves_types_sorting_and_users_that_have_rows(data: Dataset, name: str) -> None:
    changed = OPERATORS[name](data, 0, **PARAMS.get(name, {}))
    assert changed.interactions.schema == data.interactions.schema
    assert changed.interactions["timestamp"].is_sorted(nulls_last=False)
    assert (changed.user_idx >= 0).all()
    assert (changed.item_idx >= 0).all()
    assert changed.items.ids.is_sorted()


CUTTABLE = [
    ("volume", {"share": 0.5}),
    ("volume", {"share": 0.5, "by": "users"}),
    ("volume", {"share": 0.5, "by": "items"}),
    ("volume", {"per_user": 2}),
    ("metadata", {"missing": 0.5}),
    ("metadata", {"drop": ["title"]}),
    ("lifetime", {"days": 0.5}),
    ("signals", {"keep": []}),
    ("noise", {"share": 0.7}),
    ("cold", {"items": 0.3, "users": 0.3}),
]


@pytest.mark.parametrize(("name", "params"), CUTTABLE)
@given(hour=st.integers(4, N), seed=st.integers(0, 50))
@settings(max_examples=15, deadline=None)
def test_what_an_operator_does_to_the_past_does_not_depend_on_the_future(
    name: str, params: Mapping[str, Any], hour: int, seed: int
) -> None:
    data, cut = make(seed=seed), at(hour)
    try:
        late = OPERATORS[name](data, seed, **params).before(cut)
        early = OPERATORS[name](data.before(cut), seed, **params)
    except DataError:  # nothing left of so few rows
        return
    assert_frame_equal(late.interactions, early.interactions)
    assert_frame_equal(late.signals, early.signals)
    common = set(late.items.ids) & set(early.items.ids)
    for one, other in ((late.items, early.items), (late.users, early.users)):
        both = one.frame.filter(pl.col(one.key).is_in(other.ids.implode()))
        assert_frame_equal(both, other.frame.filter(pl.col(one.key).is_in(one.ids.implode())))
    assert set(late.interactions["item_id"]) <= common


# --- volume, cold, drift


@pytest.mark.parametrize("by", ["events", "users", "items", "time"])
@given(small=st.floats(0.3, 0.6), more=st.floats(0.05, 0.4), seed=st.integers(0, 30))
@settings(max_examples=15, deadline=None)
def test_a_smaller_volume_is_a_subset_of_a_larger_one(by: Any, small: float, more: float, seed: int) -> None:
    try:
        one, other = (volume(make(), seed, share=s, by=by) for s in (small, small + more))
    except DataError:
        return
    assert rows_of(one) <= rows_of(other) <= rows_of(make())


def test_volume_keeps_about_its_share_and_whole_users_or_items() -> None:
    big = make(400)
    for by, column in (("users", "user_id"), ("items", "item_id")):
        rows = volume(big, 0, share=0.5, by=by).interactions  # type: ignore[arg-type]
        gone = big.interactions.join(rows, on=["user_id", "item_id", "timestamp"], how="anti", nulls_equal=True)
        assert not set(rows[column]) & set(gone[column])
    assert 0.4 < volume(big, 0, share=0.5).interactions.height / 400 < 0.6


def test_volume_by_time_keeps_the_latest_share_of_the_period(data: Dataset) -> None:
    left = volume(data, share=0.25, by="time")
    assert left.interactions["timestamp"].min() >= at(39 - (39 - 3) * 0.25)
    assert left.interactions.height == 10


def test_volume_per_user_keeps_the_first_interactions_of_each(data: Dataset) -> None:
    left = volume(data, per_user=2).interactions
    first = data.interactions.group_by("user_id", maintain_order=True).head(2)
    assert set(left.iter_rows()) == set(first.iter_rows())


def test_held_out_items_and_users_have_no_interaction_but_published_items_stay(data: Dataset) -> None:
    changed = cold(data, 1, items=0.3, users=0.3)
    assert 0 < changed.interactions.height < N
    assert changed.items.ids.equals(data.items.ids)  # all of them state when they were published
    left = (set(data.interactions[c]) - set(changed.interactions[c]) for c in ("item_id", "user_id"))
    assert all(left)


def test_drift_is_the_data_as_it_stood(data: Dataset) -> None:
    changed = drift(data, days=0.5)
    assert_frame_equal(
        changed.interactions, data.interactions.filter(pl.col("timestamp").fill_null(at(0)) < at(39 - 12))
    )
    assert same(drift(data, days=0), data)


# --- signals, noise, spam


def test_signals_keep_only_what_is_named_and_may_lose_their_weights(data: Dataset) -> None:
    changed = signals(data, keep=[], weights=False)
    assert changed.signals.is_empty()
    assert_frame_equal(signals(data, keep=["skip"]).signals, data.signals)
    assert changed.interactions["weight"].unique().to_list() == [1.0]
    assert changed.interactions.height == N
    with pytest.raises(ConfigError, match="did you mean 'skip'"):
        signals(data, keep=["skips"])


@given(seed=st.integers(0, 100))
@settings(max_examples=20, deadline=None)
def test_noise_adds_takes_of_items_that_are_known_and_available_at_that_time(seed: int) -> None:
    data = make(seed=seed)
    changed = noise(data, seed, share=0.8)
    assert rows_of(data) <= rows_of(changed)
    first = dict(data.interactions.group_by("item_id").agg(pl.col("timestamp").fill_null(at(0)).min()).iter_rows())
    expiry = dict(data.items.frame.select("item_id", "expires_at").iter_rows())
    for _, item, time in rows_of(changed) - rows_of(data):
        assert time is None or first[item] <= time < expiry[item]


def test_spam_is_a_burst_of_new_accounts_on_few_items(data: Dataset) -> None:
    changed = spam(data, 0, accounts=4, items=2, cover=3, at=0.5)
    fake = changed.interactions.join(data.users.frame, on="user_id", how="anti")
    assert fake["user_id"].n_unique() == 4
    assert fake.height == 4 * 5
    assert (fake["timestamp"].max() - fake["timestamp"].min()).total_seconds() <= 3600
    shared = fake.group_by("item_id").agg(pl.col("user_id").n_unique())
    assert shared.filter(pl.col("user_id") == 4).height >= 2
    assert changed.users.frame.filter(pl.col("user_id").str.starts_with("spam"))["city"].is_null().all()


def test_accounts_that_spam_have_numbers_where_users_have() -> None:
    changed = spam(dataset([(n, n, float(n)) for n in range(20)]), 0, accounts=2, items=1, cover=0)
    assert sorted(changed.users.ids)[-2:] == [20, 21]


# --- times


def test_coarse_times_are_the_start_of_the_day_and_tell_no_order_within_it(data: Dataset) -> None:
    changed = timestamps(data, 0, to="day")
    assert changed.interactions["timestamp"].drop_nulls().unique().sort().to_list() == [at(0), at(24)]
    day = changed.interactions.filter(pl.col("timestamp") == at(0))
    old = data.interactions.filter(pl.col("timestamp") < at(24))
    assert set(day["weight"]) == set(old["weight"])
    assert day["weight"].to_list() != old["weight"].to_list()
    begin, end = changed.items.frame["available_from"], changed.items.frame["expires_at"]
    assert (begin <= data.items.frame["available_from"]).all()
    assert (end >= data.items.frame["expires_at"]).all()


def test_removed_times_leave_none(data: Dataset) -> None:
    changed = timestamps(data, remove=True)
    assert not changed.has_times
    assert sorted(changed.interactions["weight"]) == sorted(data.interactions["weight"])


def test_shorter_lives_take_what_was_taken_after_them_away(data: Dataset) -> None:
    changed = lifetime(data, days=0.5)
    life = changed.items.frame["expires_at"] - changed.items.frame["available_from"]
    assert life.dt.total_hours().max() == 12
    ends = changed.interactions.join(changed.items.frame, on="item_id")
    assert (ends["timestamp"] < ends["expires_at"]).all()
    assert changed.interactions.height < N
    half = lifetime(data, share=0.5).items.frame  # the first item lives from hour -1 to N
    assert half["expires_at"][0] == at(-1 + (N + 1) / 2)


def test_lives_cannot_be_shortened_where_none_is_stated() -> None:
    with pytest.raises(DataError, match="available_from"):
        lifetime(dataset([("u", "a", 1.0)]), days=1)


# --- metadata


def test_dropped_columns_are_gone_with_their_roles_and_matches(data: Dataset) -> None:
    changed = metadata(data, drop=["items.genre"], roles=["text"])
    assert "genre" not in changed.items.frame.columns
    assert "title" not in changed.items.roles
    assert changed.match == ()
    with pytest.raises(ConfigError, match="did you mean 'genre'"):
        metadata(data, drop=["genres"])


@given(small=st.floats(0, 0.5), more=st.floats(0, 0.5), seed=st.integers(0, 30))
@settings(max_examples=15, deadline=None)
def test_a_smaller_share_of_missing_values_is_a_subset_and_protected_columns_stay(
    small: float, more: float, seed: int
) -> None:
    one, other = (metadata(make(), seed, missing=m).items.frame for m in (small, small + more))
    for column in ("genre", "tags", "title", "price"):
        assert not (one[column].is_null() & ~other[column].is_null()).any()
    assert other["owner"].equals(make().items.frame["owner"])
    assert other["available_from"].equals(make().items.frame["available_from"])


def test_blank_rows_lose_every_feature_of_one_table_and_fewer_are_a_subset(data: Dataset) -> None:
    one, other = (metadata(data, blank=n, table="items").items.frame for n in (2, 3))
    assert one.select(pl.col("genre", "title", "price").null_count()).row(0) == (2, 2, 2)
    assert (one["genre"].is_null() & other["genre"].is_null()).sum() == 2
    assert metadata(data, blank=2, table="items").users.frame.equals(data.users.frame)
    with pytest.raises(ValueError, match="items or users"):
        metadata(data, table="rows")


def test_coarse_columns_keep_less(data: Dataset) -> None:
    changed = metadata(data, coarsen={"genre": 2, "tags": 1, "title": 2, "price": 4}).items.frame
    assert set(changed["genre"]) == {"g0", "g1", "other"}
    assert changed["tags"].list.len().max() == 1
    assert changed["title"][5] == "word 5"
    assert changed["price"].unique().sort().to_list() == [0, 1, 2, 3]
    with pytest.raises(UserError, match="cannot be made coarser"):
        metadata(data, coarsen={"owner": 2})


# --- shuffles


def test_shuffled_features_move_together_and_leave_ids_availability_and_protected_columns(data: Dataset) -> None:
    shuffled = shuffled_features(data, seed=0)
    old, new = data.items.frame, shuffled.items.frame
    assert_frame_equal(
        old.select("item_id", "owner", "available_from"), new.select("item_id", "owner", "available_from")
    )
    assert not old["genre"].equals(new["genre"])
    assert new.select("genre", "price").sort("price").equals(old.select("genre", "price").sort("price"))
    assert new.columns == old.columns
    assert shuffled.users.ids.equals(data.users.ids)
    assert sorted(shuffled.users.frame["city"].drop_nulls()) == sorted(data.users.frame["city"].drop_nulls())
    assert not shuffled.users.frame["city"].equals(data.users.frame["city"])
    assert_frame_equal(shuffled.interactions, data.interactions)


def test_shuffled_features_leave_a_column_that_is_to_be_kept(data: Dataset) -> None:
    shuffled = shuffled_features(data, seed=0, keep=["price"])
    assert shuffled.items.frame["price"].equals(data.items.frame["price"])
    assert not shuffled.items.frame["genre"].equals(data.items.frame["genre"])


def test_shuffled_features_of_data_without_any_change_nothing() -> None:
    bare = dataset([("u", "a", 1.0), ("u", "b", 2.0)])
    for old, new in zip(tables(bare), tables(shuffled_features(bare, seed=0)), strict=True):
        assert_frame_equal(old, new)


def test_shuffled_times_keep_who_took_what_and_how_many_at_each_time(data: Dataset) -> None:
    shuffled = shuffled_times(data, seed=0)
    for old, new in ((data.interactions, shuffled.interactions), (data.signals, shuffled.signals)):
        rest = [c for c in old.columns if c != "timestamp"]
        assert_frame_equal(old.select(rest).sort(rest), new.select(rest).sort(rest))
        assert_frame_equal(old.select("timestamp"), new.select("timestamp"))  # both sorted, nulls first
        assert not old["user_id"].equals(new["user_id"])
    assert_frame_equal(shuffled.items.frame, data.items.frame)


# --- configuration


def test_differences_apply_in_turn_with_the_seed_given_unless_one_states_its_own(data: Dataset) -> None:
    listed = [{"volume": {"share": 0.5}}, {"metadata": {"drop": ["title"]}}]
    changed = apply(data, listed, seed=5)
    assert same(changed, metadata(volume(data, 5, share=0.5), 5, drop=["title"]))
    assert same(apply(data, [{"volume": {"share": 0.5, "seed": 5}}], seed=1), volume(data, 5, share=0.5))
    assert apply(data, [], seed=0) is data


@pytest.mark.parametrize(
    ("difference", "message"),
    [
        ({"volumes": {}}, "did you mean 'volume'"),
        ({"volume": {"shares": 1}}, "did you mean 'share'"),
        ({"volume": {"by": "weeks"}}, "parameter by='weeks' of volume"),
        ({"volume": {}, "drift": {}}, "names one operator"),
    ],
)
def test_a_wrong_difference_is_told_before_any_data_is_touched(difference: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check([difference])


def test_a_parameter_out_of_range_is_a_configuration_error(data: Dataset) -> None:
    with pytest.raises(ConfigError, match="volume: share must be above 0"):
        apply(data, [{"volume": {"share": 0}}], 0)


def test_differences_are_told_in_one_line() -> None:
    text = described([{"volume": {"share": 0.5, "by": "users"}}], [{"drift": {"days": 30}}])
    assert text == "volume(share=0.5 by=users); train: drift(days=30)"
    assert described([]) == ""


def test_chance_is_uniform_and_independent_by_seed_and_purpose() -> None:
    keys = np.arange(20_000, dtype=np.uint64)
    one, other, third = uniform(keys, 0, "a"), uniform(keys, 1, "a"), uniform(keys, 0, "b")
    assert abs(one.mean() - 0.5) < 0.02
    assert one.max() < 1
    assert abs(np.corrcoef([one, other, third])[np.triu_indices(3, 1)]).max() < 0.03
