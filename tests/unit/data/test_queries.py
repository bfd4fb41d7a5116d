"""Queries and their ragged histories."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recommender.data.dataset import NO_TIME
from recommender.data.queries import History, Queries
from recommender.names import USER_BUCKETS
from tests.helpers.small import ask, table, us

ITEMS = table("item_id", list("abcd"))
ragged = st.lists(st.lists(st.sampled_from("abcd"), max_size=5), min_size=1, max_size=8)


def items_of(queries: Queries) -> list[list[str]]:
    h = queries.history
    return [["abcd"[i] for i in h.item_idx[h.indptr[q] : h.indptr[q + 1]]] for q in range(len(queries))]


@given(histories=ragged, data=st.data())
def test_take_gives_the_queries_of_these_rows_in_this_order(histories: list[list[str]], data: st.DataObject) -> None:
    queries = ask(histories, ITEMS)
    rows = data.draw(st.lists(st.integers(0, len(histories) - 1), max_size=10))
    taken = queries.take(np.array(rows, dtype=np.int64))
    assert items_of(taken) == [histories[r] for r in rows]
    assert taken.ids.to_list() == [f"u{r}" for r in rows]
    assert taken.buckets.tolist() == [queries.buckets[r] for r in rows]


@given(histories=ragged)
def test_history_matrix_counts_each_item_of_each_query(histories: list[list[str]]) -> None:
    matrix = ask(histories, ITEMS).history_matrix(np.array([2, -1, 0, 1]), 3).toarray()
    assert matrix.tolist() == [[h.count("c"), h.count("d"), h.count("a")] for h in histories]  # b is left out


def test_position_counts_back_from_the_latest() -> None:
    assert ask([["a", "b", "c"], [], ["d"]], ITEMS).history.position().tolist() == [2, 1, 0, 0]


def test_history_matrix_takes_values_per_entry() -> None:
    matrix = ask([["a", "b"], ["a", "a"]], ITEMS).history_matrix(np.arange(4), 4, np.array([0.5, 1, 0.25, 2]))
    assert matrix.toarray()[:, :2].tolist() == [[0.5, 1], [2.25, 0]]


def test_ages_are_days_before_the_query_and_unknown_without_a_time() -> None:
    history = History(np.array([0, 2, 3]), np.array([0, 1, 2]), np.array([us(0), NO_TIME, us(0)]))
    queries = Queries(table("user_id", ["u", "v"]), np.array([us(36), NO_TIME]), history)
    np.testing.assert_array_equal(queries.age_days(), np.float32([1.5, np.nan, np.nan]))


def test_days_away_are_counted_from_the_latest_interaction() -> None:
    queries = ask([["a", "b"], ["a"], [], ["a"]], ITEMS, as_of=[100.0, 100.0, 100.0, None])
    history = replace(queries.history, timestamp=np.array([us(1), us(52), NO_TIME, NO_TIME]))
    days = replace(queries, history=history).away_days
    np.testing.assert_array_equal(days, [2, np.inf, np.inf, np.nan])  # untimed rows lie before all stated times


def test_bucket_is_the_length_of_the_history() -> None:
    queries = ask([[], ["a"], list("abc"), list("abcd") * 3], ITEMS)
    assert [USER_BUCKETS[b] for b in queries.buckets] == ["0", "1_2", "3_9", "10_plus"]
