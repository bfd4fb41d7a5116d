"""Folds: who asks when, what is known of them then, and what they took."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender import config
from recommender.data.dataset import NO_TIME, Dataset
from recommender.data.gate import build, tables_of
from recommender.data.queries import bucket
from recommender.data.split import Fold, available, folds, time_fold
from recommender.data.stated import Relation
from recommender.data.times import to_microseconds
from recommender.errors import ConfigError, DataError
from recommender.names import USER_BUCKETS
from tests.helpers.small import Row, at, dataset, table, times, us

ORIGIN, END = 10, 20
BEFORE: list[Row] = [("w", "a", 1), ("w", "b", 2)]
OTHER: list[Row] = [("other", "a", 1), ("other", "b", ORIGIN)]  # so that someone and something known is there


def fold(rows: list[Row], **tables: Any) -> Fold:
    """The fold of these rows, without the query of ``OTHER``."""
    tested = time_fold(dataset([*rows, *OTHER], **tables), "test", at(ORIGIN), at(END), 1)
    numbers = np.flatnonzero(tested.queries.ids.to_numpy() != "other")
    return replace(
        tested, queries=tested.queries.take(numbers), first=tested.first[numbers], truth=tested.truth[numbers]
    )


def window(rows: list[Row]) -> Fold:
    return time_fold(dataset(rows), "test", at(ORIGIN), at(END), 1)


def histories(tested: Fold) -> list[list[Any]]:
    h, ids = tested.queries.history, tested.items.ids.to_list()
    return [[ids[i] for i in h.item_idx[h.indptr[q] : h.indptr[q + 1]]] for q in range(len(tested.queries))]


def truths(tested: Fold) -> list[set[Any]]:
    ids = tested.items.ids.to_list()
    return [{ids[i] for i in tested.truth[q].indices} for q in range(len(tested.queries))]


def users_and_times(tested: Fold) -> list[tuple[Any, int]]:
    return list(zip(tested.queries.ids.to_list(), tested.queries.as_of.tolist(), strict=True))


def test_a_user_asks_at_the_first_event_after_the_origin_and_in_each_further_bucket() -> None:
    rows: list[Row] = [("w", i, ORIGIN + n) for n, i in enumerate("cdef")]  # histories of 2, 3, 4, 5
    tested = fold(BEFORE + rows)
    assert users_and_times(tested) == [("w", us(10)), ("w", us(11))]
    assert tested.queries.buckets.tolist() == [1, 2]
    assert tested.first.tolist() == [True, False]
    assert histories(tested) == [["a", "b"], ["a", "b", "c"]]
    assert truths(tested) == [{"c", "d", "e", "f"}, {"d", "e", "f"}]


def test_an_event_at_the_origin_is_not_training() -> None:
    tested = fold([*BEFORE, ("w", "c", ORIGIN)])
    assert tested.train.interactions["item_id"].to_list() == ["a", "a", "b"]
    assert users_and_times(tested) == [("w", us(ORIGIN))]


def test_events_of_one_moment_are_truth_together_and_no_history_of_each_other() -> None:
    tested = fold([*BEFORE, ("n", "a", 12), ("n", "b", 12), ("n", "c", 12), ("n", "d", 13)])
    assert users_and_times(tested) == [("n", us(12)), ("n", us(13))]
    assert histories(tested)[0] == []
    assert truths(tested)[0] == {"a", "b", "c", "d"}
    assert tested.queries.buckets.tolist() == [0, 2]  # three at once: the bucket 1_2 was never reached


def test_the_horizon_ends_before_the_next_origin() -> None:
    tested = fold([*BEFORE, ("w", "c", 12), ("w", "late", END)])
    assert truths(tested) == [{"c"}]
    assert "late" not in tested.items.ids


def test_rows_without_a_time_come_before_everything() -> None:
    tested = fold([*BEFORE, ("old", "a", None), ("old", "b", None), ("old", "c", 12)])
    assert ("old", "a") in tested.train.interactions.select("user_id", "item_id").rows()
    assert histories(tested) == [["a", "b"]]
    assert tested.queries.history.timestamp.tolist() == [NO_TIME, NO_TIME]


def test_what_was_not_available_when_asked_is_outside_the_truth_and_counted() -> None:
    items = table(
        "item_id",
        list("abcde"),
        available_from=times([0, 0, 13, 0, None]),
        expires_at=times([None, None, None, 12, None]),
    )
    tested = fold([*BEFORE, ("w", "c", 14), ("w", "d", 15), ("w", "e", 12)], items=items)
    assert truths(tested)[0] == {"e"}  # c appears an hour after the query, d expired at its very moment
    assert tested.outside == 2 + 1  # the second query (three taken) finds c available, d not
    assert truths(tested)[1] == {"c"}


def test_a_query_without_a_truth_goes_and_the_next_one_is_the_first() -> None:
    items = table("item_id", list("abcd"), available_from=times([0, 0, 14, 13]))
    rows: list[Row] = [("w", "c", 11), ("w", "d", 13)]  # both taken after w's query at 11, when neither was there
    tested = fold([*BEFORE, *rows], items=items)
    assert users_and_times(tested) == [("w", us(13))]
    assert tested.first.tolist() == [True]
    assert truths(tested) == [{"d"}]


def test_items_published_but_never_taken_are_candidates_where_availability_is_stated() -> None:
    items = table("item_id", ["a", "b", "c", "shelf", "future"], available_from=times([0, 0, 0, 11, 30]))
    tested = fold([*BEFORE, ("w", "c", 12)], items=items)
    assert tested.items.ids.to_list() == ["a", "b", "c", "shelf"]


def test_items_that_state_no_availability_are_candidates_once_used_before_the_horizon_ends() -> None:
    items = table("item_id", ["a", "b", "c", "unused"])
    assert fold([*BEFORE, ("w", "c", 12)], items=items).items.ids.to_list() == ["a", "b", "c"]


def test_item_counts_are_those_of_training() -> None:
    tested = fold([*BEFORE, ("v", "a", 3), ("w", "c", 12), ("v", "b", 13)])
    assert dict(zip(tested.items.ids.to_list(), tested.item_counts.tolist(), strict=True)) == {"a": 3, "b": 1, "c": 0}


@pytest.mark.parametrize("kind", ["start", "expiry"])
def test_available_from_the_first_to_before_the_last_moment(kind: str) -> None:
    stated = {"available_from": times([5])} if kind == "start" else {"expires_at": times([5])}
    items = table("item_id", ["a"], **stated)
    seen = available(np.array([us(4.9), us(5), us(5.1), us(None)]), items)[:, 0].tolist()
    assert seen == ([False, True, True, True] if kind == "start" else [True, False, False, True])


hours = st.one_of(st.none(), st.integers(0, 24))
events = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 12), hours), min_size=1, max_size=60)
windows = st.lists(
    st.tuples(st.one_of(st.none(), st.integers(0, 24)), st.one_of(st.none(), st.integers(25, 30))),
    min_size=13,
    max_size=13,
)


def reference(rows: list[Row], windows: list[tuple[Any, Any]], repeats: bool) -> tuple[dict[Any, Any], int]:
    """(user, as_of) -> (first, sorted history, truth) of the folds, by plain loops; and what was outside."""
    rows = sorted(rows, key=lambda r: us(r[2]))
    if not repeats:
        rows = [r for n, r in enumerate(rows) if (r[0], r[1]) not in {(q[0], q[1]) for q in rows[:n]}]
    rows = [r for r in rows if us(r[2]) < us(END)]
    expected, outside = {}, 0
    for user in sorted({r[0] for r in rows}):
        mine, reached, first = [r for r in rows if r[0] == user], set(), True
        for moment in sorted({us(r[2]) for r in mine if us(r[2]) >= us(ORIGIN)}):
            history = [r[1] for r in mine if us(r[2]) < moment]
            warmth = next(b for b, start in ((3, 10), (2, 3), (1, 1), (0, 0)) if len(history) >= start)
            if warmth in reached:
                continue
            reached.add(warmth)
            taken = [r[1] for r in mine if us(r[2]) >= moment]
            open_ = [
                us(windows[i][0]) <= moment and (windows[i][1] is None or moment < us(windows[i][1])) for i in taken
            ]
            outside += open_.count(False)
            if any(open_):
                expected[user, moment] = first, sorted(history), {i for i, o in zip(taken, open_, strict=True) if o}
                first = False
    return expected, outside


@settings(max_examples=60, deadline=None)
@given(rows=events, windows=windows, repeats=st.booleans())
def test_folds_equal_a_reference_written_with_plain_loops(rows: list[Row], windows: list[Any], repeats: bool) -> None:
    items = table(
        "item_id",
        list(range(13)),
        available_from=times([w[0] for w in windows]),
        expires_at=times([w[1] for w in windows]),
    )
    data = dataset(rows, items=items)
    data = data if repeats else data.first_interactions()
    expected, outside = reference(rows, windows, repeats)
    known = {r[0] for r in rows if us(r[2]) < us(ORIGIN)}
    old = {r[1] for r in rows if us(r[2]) < us(ORIGIN)}
    taken = set().union(*(truth for *_, truth in expected.values()))
    if not ({user for user, _ in expected} & known and taken & old):
        with pytest.raises(DataError):
            time_fold(data, "test", at(ORIGIN), at(END), 1)
        return
    tested = time_fold(data, "test", at(ORIGIN), at(END), 1)
    actual = zip(users_and_times(tested), tested.first.tolist(), histories(tested), truths(tested), strict=True)
    assert {key: (first, sorted(history), truth) for key, first, history, truth in actual} == expected
    assert tested.outside == outside
    h = tested.queries.history
    for start, stop in zip(h.indptr, h.indptr[1:], strict=False):
        assert h.timestamp[start:stop].tolist() == sorted(h.timestamp[start:stop].tolist())
    assert (h.timestamp < tested.queries.as_of[h.row]).all()


def description(tested: Fold) -> Any:
    train = tested.train.interactions.select("user_id", "item_id", "timestamp").rows()
    queries = zip(
        users_and_times(tested), tested.first.tolist(), map(sorted, histories(tested)), truths(tested), strict=True
    )
    return Counter(train), list(queries), tested.items.ids.to_list(), tested.outside


def busy(n: int = 300, seed: int = 0) -> Dataset:
    rng = np.random.default_rng(seed)
    return dataset([(f"u{rng.integers(25)}", f"i{rng.integers(40)}", float(h)) for h in rng.uniform(0, 100, n)])


@pytest.mark.parametrize("repeats", [False, True])
def test_shuffled_and_duplicated_rows_change_nothing(repeats: bool) -> None:
    data = busy()
    tables = tables_of(data)
    given_ = pl.concat([tables.interactions, tables.interactions]).sample(fraction=1, shuffle=True, seed=3)
    repaired = build(replace(tables, interactions=given_), extra_repairs={"duplicates": "keep_first"})
    split, rules = config.Split(min_train=10), config.Eligibility(repeats=repeats)
    clean = build(tables, extra_repairs={"duplicates": "keep_first"})
    for one, other in zip(folds(clean, split, rules), folds(repaired, split, rules), strict=True):
        assert description(one) == description(other)


def us_of(iso: str) -> int:
    return to_microseconds(datetime.fromisoformat(iso)) if iso else 0


def test_what_moderators_confirm_then_or_later_is_no_answer() -> None:
    data, rules = busy(), config.Eligibility(moderated_column="moderated_at")
    when = [at(30 + 3 * n) if n % 4 == 0 else None for n in range(len(data.items))]
    items = data.items.frame.with_columns(moderated_at=pl.Series(when, dtype=data.interactions["timestamp"].dtype))
    judged = replace(data, items=replace(data.items, frame=items, roles={"moderated_at": "ignore"}))
    split = config.Split(min_train=10)
    for plain, with_rules in zip(folds(judged, split, config.Eligibility()), folds(judged, split, rules), strict=True):
        since = with_rules.items.times("moderated_at")
        wrong = (since != NO_TIME) & ((with_rules.split == "test") | (since < us_of(with_rules.end)))
        assert not with_rules.truth[:, wrong].nnz
        assert with_rules.truth.nnz == plain.truth[:, ~wrong].nnz
        assert with_rules.outside == plain.outside + plain.truth[:, wrong].nnz
        assert with_rules.truth.getnnz(axis=1).all()
        assert with_rules.queries.ids.filter(pl.Series(with_rules.first)).is_unique().all()


def test_folds_come_oldest_first_and_the_test_last() -> None:
    tested = list(folds(busy(), config.Split(min_train=10), config.Eligibility()))
    assert [f.split for f in tested] == ["validation", "validation", "test"]
    assert tested[0].end == tested[1].origin
    assert tested[1].end == tested[2].origin
    assert tested[2].end == ""


def test_days_are_counted_back_from_the_end() -> None:
    data = busy().first_interactions()
    split = config.Split(validation=[3, 2], test=1, unit="days", min_train=10)
    last = data.interactions["timestamp"].max()
    origins = [f.origin for f in folds(data, split, config.Eligibility())]
    assert origins == [(last - timedelta(days=d)).isoformat(timespec="seconds") for d in (3, 2, 1)]


class TestShortHorizons:
    """``retrain_days``: validation as a team uses a model that it trains again and again."""

    @staticmethod
    def origins(days: float | str, n: int = 3000, **more: float) -> list[datetime]:
        given = {"validation": [0.5], "test": 0.8, "retrain_days": days, "min_train": 10, **more}
        split = config.Split.model_validate(given)
        tested = list(folds(busy(n), split, config.Eligibility(repeats=True)))
        assert [f.split for f in tested] == ["validation"] * (len(tested) - 1) + ["test"]
        assert [f.end for f in tested[:-1]] == [f.origin for f in tested[1:]]
        return [datetime.fromisoformat(f.origin) for f in tested]

    def test_as_many_days_apart_from_the_first_origin_to_the_test(self) -> None:
        first, *_, test = self.origins("auto")
        few = self.origins(8 / 24)
        assert {b - a for a, b in pairwise(few)} == {timedelta(hours=8)}
        assert few[-1] == test
        assert abs(few[0] - first) < timedelta(hours=4)

    def test_auto_is_as_long_as_a_model_lasts_where_that_is_known(self) -> None:
        assert self.origins("auto", stale_days=8 / 24) == self.origins(8 / 24) != self.origins("auto")
        assert self.origins(4 / 24, stale_days=8 / 24) == self.origins(4 / 24)

    def test_at_most_twelve_the_latest(self) -> None:
        assert len(self.origins(1 / 24, 5000)) == 13

    def test_a_horizon_with_few_interactions_is_joined_to_the_one_before(self) -> None:
        gaps = [b - a for a, b in pairwise(self.origins(1 / 24, 600))]
        assert len(gaps) < 12
        assert max(gaps) > min(gaps)

    def test_no_horizon_has_enough(self) -> None:
        with pytest.raises(ConfigError, match=r"retrain_days: no 0\.001 days"):
            self.origins(0.001)

    def test_a_random_split_has_none(self) -> None:
        with pytest.raises(ConfigError, match="retrain_days needs times"):
            next(folds(busy(), config.Split(kind="random", retrain_days=1), config.Eligibility()))


def test_without_repeats_only_the_first_time_counts() -> None:
    data = dataset([*OTHER, ("v", "b", 2), ("w", "a", 1), ("w", "a", 12), ("w", "b", 13)])
    once = time_fold(data.first_interactions(), "test", at(ORIGIN), None, 1)
    assert users_and_times(once)[-1] == ("w", us(13))
    assert truths(once)[-1] == {"b"}
    assert truths(time_fold(data, "test", at(ORIGIN), None, 1))[1] == {"a", "b"}  # with repeats


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000))
def test_random_split_puts_no_row_on_both_sides(seed: int) -> None:
    data = busy(seed=seed % 7)
    pairs = set(data.first_interactions().interactions.select("user_id", "item_id").iter_rows())
    for tested in folds(data, config.Split(kind="random", seed=seed, min_train=10), config.Eligibility()):
        train = set(tested.train.interactions.select("user_id", "item_id").iter_rows())
        held = {(u, i) for u, t in zip(tested.queries.ids.to_list(), truths(tested), strict=True) for i in t}
        assert not train & held
        assert train | held <= pairs
        if tested.split == "test":
            assert train | held == pairs
        for user, history in zip(tested.queries.ids.to_list(), histories(tested), strict=True):
            assert {(user, i) for i in history} == {p for p in train if p[0] == user}


@pytest.mark.parametrize("seed", range(3))
def test_random_validation_asks_for_every_row_of_its_users_once_and_of_nobody_in_the_test(seed: int) -> None:
    data, split = busy(seed=seed), config.Split(kind="random", seed=seed, min_train=10)
    *validation, test = folds(data, split, config.Eligibility())
    rows = [(u, i) for f in validation for u, t in zip(f.queries.ids.to_list(), truths(f), strict=True) for i in t]
    users = {u for u, _ in rows}
    pairs = data.first_interactions().interactions.select("user_id", "item_id").rows()
    assert len(validation) == split.most_origins
    assert not users & set(test.queries.ids.to_list())
    assert sorted(rows) == sorted(p for p in pairs if p[0] in users)


def test_a_random_split_without_validation_has_the_same_test() -> None:
    """A study of a cell makes the test alone, for what it had to learn from."""
    split = config.Split(kind="random", min_train=10)
    only = split.model_copy(update={"validation": []})
    (alone,) = folds(busy(), only, config.Eligibility())
    assert description(alone) == description(list(folds(busy(), split, config.Eligibility()))[-1])


def test_a_random_split_of_links_asks_nobody_in_validation_and_test_and_splits_no_link() -> None:
    rng = np.random.default_rng(0)
    pairs = {tuple(sorted(rng.choice(40, 2, replace=False).tolist())) for _ in range(400)}
    rows: list[Row] = [(f"u{a}", f"u{b}", None) for pair in pairs for a, b in (pair, pair[::-1])]
    members = [f"u{n}" for n in range(40)]
    data = dataset(rows, items=table("item_id", members), users=table("user_id", members))
    data = replace(data, relation=Relation(True))
    *validation, test = folds(data, config.Split(kind="random", min_train=10), config.Eligibility())
    assert not set(test.queries.ids) & {u for f in validation for u in f.queries.ids}
    for fold in (*validation, test):
        train = set(fold.train.interactions.select("user_id", "item_id").iter_rows())
        held = {(u, i) for u, t in zip(fold.queries.ids.to_list(), truths(fold), strict=True) for i in t}
        assert {(b, a) for a, b in held} == held
        assert not train & held


def test_parts_of_a_random_split_that_cannot_be_asked_are_left_out() -> None:
    rows: list[Row] = [(f"u{n}", item, None) for n in range(2) for item in "abc"]
    n_parts, messages = [], []
    for seed in range(20):
        split = config.Split(kind="random", seed=seed, min_train=1)
        try:
            n_parts.append(len(list(folds(dataset(rows), split, config.Eligibility()))) - 1)
        except DataError as error:
            messages.append(str(error))
    assert n_parts
    assert all(0 < n < 5 for n in n_parts)
    assert messages
    assert all("Draw others (SET='split.seed=1')" in message for message in messages)


def test_random_split_repeats_with_its_seed() -> None:
    split = config.Split(kind="random", seed=4, min_train=10)
    one, other = (list(map(description, folds(busy(), split, config.Eligibility()))) for _ in range(2))
    assert one == other


def test_random_validation_folds_never_see_the_test_rows() -> None:
    tested = list(folds(busy(), config.Split(kind="random", min_train=10), config.Eligibility()))
    held = {(u, i) for u, t in zip(tested[-1].queries.ids.to_list(), truths(tested[-1]), strict=True) for i in t}
    for early in tested[:-1]:
        train = set(early.train.interactions.select("user_id", "item_id").iter_rows())
        shown = {(u, i) for u, t in zip(early.queries.ids.to_list(), truths(early), strict=True) for i in t}
        assert not held & (train | shown)


class TestErrors:
    def test_no_times(self) -> None:
        with pytest.raises(ConfigError, match=r"states no times.*split\.kind=random"):
            next(folds(dataset([("u", "a", None)] * 3), config.Split(), config.Eligibility()))

    def test_too_little_before_an_origin(self) -> None:
        with pytest.raises(DataError, match=r"rows of 'small' lie before the validation origin .* asks for 200"):
            next(folds(busy(), config.Split(min_train=200), config.Eligibility()))
        with pytest.raises(DataError, match=r"'small' has 3 rows.*split\.min_train asks for 100"):
            next(folds(dataset([("u", "a", 1), ("v", "a", 1), ("v", "b", 2)]), config.Split(), config.Eligibility()))

    def test_origins_that_do_not_ascend(self) -> None:
        with pytest.raises(ConfigError, match="origins must ascend"):
            next(folds(busy(), config.Split(validation=[0.7, 0.6], test=0.8), config.Eligibility()))

    def test_times_that_are_all_alike(self) -> None:
        rows: list[Row] = [(f"u{n}", "a", 5) for n in range(50)]
        with pytest.raises(ConfigError, match="all alike"):
            next(folds(dataset(rows), config.Split(min_train=1), config.Eligibility()))

    @pytest.mark.parametrize("kind", ["time", "random"])
    def test_quantiles_outside_of_0_and_1(self, kind: str) -> None:
        with pytest.raises(ConfigError, match="between 0 and 1"):
            next(folds(busy(), config.Split(kind=kind, validation=[0.5], test=1.5), config.Eligibility()))

    def test_all_users_new(self) -> None:
        with pytest.raises(DataError, match=r"all users are new in the test window .* 1 row .*e\.g\. n"):
            window([*BEFORE, ("n", "a", 12)])

    def test_all_items_new(self) -> None:
        with pytest.raises(DataError, match="all items taken are new"):
            window([*BEFORE, ("w", "c", 12)])

    def test_both_are_reported_at_once(self) -> None:
        with pytest.raises(DataError, match=r"(?s)all users are new.*all items taken are new"):
            window([*BEFORE, ("n", "c", 12)])

    def test_nobody_asks(self) -> None:
        with pytest.raises(DataError, match="no query with an answer"):
            window(BEFORE)


def test_buckets_start_at_0_1_3_and_10() -> None:
    names = [USER_BUCKETS[b] for b in bucket(np.array([0, 1, 2, 3, 9, 10, 1000]))]
    assert names == ["0", "1_2", "1_2", "3_9", "3_9", "10_plus", "10_plus"]


def rated(rows: list[Row], weights: list[float]) -> Dataset:
    """``rows`` sorted by time, with a weight each."""
    data = dataset(rows)
    return replace(data, interactions=data.interactions.with_columns(weight=pl.Series(weights, dtype=pl.Float32)))


def test_answers_have_the_weight_of_their_interaction_where_weights_differ() -> None:
    rows: list[Row] = [*OTHER[:1], *BEFORE, ("other", "b", 10), ("w", "d", 11), ("w", "c", 12)]
    ordered = sorted(rows, key=lambda r: us(r[2]))
    weights = [float(n) for n in range(1, len(ordered) + 1)]
    tested = time_fold(rated(rows, weights), "test", at(ORIGIN), at(END), 1)
    assert tested.grades is not None
    assert tested.grades.indices.tolist() == tested.truth.indices.tolist()
    assert tested.grades.indptr.tolist() == tested.truth.indptr.tolist()
    of_item = dict(zip([r[1] for r in ordered[-3:]], weights[-3:], strict=True))
    ids = tested.items.ids.to_list()
    assert tested.grades.data.tolist() == [of_item[ids[i]] for i in tested.truth.indices]


def test_answers_have_no_grades_where_all_weigh_alike() -> None:
    assert window([*OTHER, *BEFORE, ("w", "c", 12)]).grades is None


def confirmed(when: dict[str, float]) -> Dataset:
    """Two users take a to f, an hour each, twice as fast at first; moderators confirm some items at some hours."""
    rows: list[Row] = [(f"{u}", i, 10 * n + m) for m, u in enumerate("uvw") for n, i in enumerate("abcdef")]
    items = table(
        "item_id", list("abcdef"), {"moderated_at": "ignore"}, moderated_at=times([when.get(i) for i in "abcdef"])
    )
    return dataset([*rows, ("x", "a", 1), ("x", "c", 21), ("x", "e", 41)], items)


def allowed_truths(when: dict[str, float]) -> dict[str, list[set[Any]]]:
    split = config.Split(validation=[30 / 24], test=10 / 24, unit="days", min_train=1)
    rules = config.Eligibility(moderated_column="moderated_at")
    return {tested.split: truths(tested) for tested in folds(confirmed(when), split, rules)}


def test_what_moderators_confirm_leaves_the_truth_of_every_window_that_has_not_ended_by_then() -> None:
    plain, late = allowed_truths({}), allowed_truths({"d": 500})
    assert any("d" in users for users in plain["validation"])
    assert late["validation"] == plain["validation"], "confirmed after the window: it cannot be known there"
    soon = allowed_truths({"d": 35})
    assert not any("d" in users for users in soon["validation"])
    assert not any("f" in users for users in allowed_truths({"f": 500})["test"])
    assert any("f" in users for users in plain["test"])
