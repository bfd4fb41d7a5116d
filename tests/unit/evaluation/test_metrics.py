"""Metrics by hand arithmetic, and against definitions written out with plain loops."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.evaluation import exposure
from recommender.evaluation.kernels import hits_by_bucket, ideal_gain, positions, row_counts
from recommender.evaluation.metric_table import METRICS, accuracy, of_every_query
from recommender.evaluation.metrics import answered_share, graded_ndcg, item_recall
from recommender.evaluation.shown import Judged, Shown
from recommender.ranking.lists import FALLBACK, NEW, NO_ITEM, RUNG, Lists
from tests.helpers.small import ask, table, times

N_ITEMS = 30
ACCURACY = of_every_query()[:-1]


def lists(rows: list[list[int]], codes: Any = None) -> Lists:
    item = np.array(rows, dtype=np.int64)
    reasons = np.where(item < 0, NO_ITEM, RUNG) if codes is None else np.array(codes)
    return Lists(item, np.zeros(item.shape, np.float32), reasons.astype(np.int8))


def truth(rows: list[set[int]], n_items: int = N_ITEMS) -> sp.csr_matrix:
    dense = np.zeros((len(rows), n_items), bool)
    for q, wanted in enumerate(rows):
        dense[q, sorted(wanted)] = True
    return sp.csr_matrix(dense)


def shown_of(shown_lists: Lists, of: Any, item_rows: Any = None) -> Shown:
    """Lists of a fold (or what a metric reads of one) without a scenario."""
    return Shown(
        shown_lists,
        sp.csr_matrix((len(shown_lists.item_idx), N_ITEMS), dtype=bool),
        of,
        None,
        item_rows,
        grades=getattr(of, "grades", None),
    )  # type: ignore[arg-type]


def score(shown: list[int], wanted: set[int]) -> dict[str, float]:
    return {name: float(accuracy(name, lists([shown]), truth([wanted]))[0]) for name in ACCURACY}


def test_hits_at_ranks_2_and_4_of_3_wanted_by_hand() -> None:
    value = score([9, 1, 8, 2, *range(10, 26)], {1, 2, 3})
    ideal = 1 + 1 / np.log2(3) + 1 / 2
    assert value["ndcg_at_10"] == pytest.approx((1 / np.log2(3) + 1 / np.log2(5)) / ideal)
    assert value["recall_at_20"] == pytest.approx(2 / 3)
    assert value["map_at_10"] == pytest.approx((1 / 2 + 2 / 4) / 3)
    assert value["mrr_at_10"] == pytest.approx(1 / 2)
    assert value["hit_rate_at_10"] == 1
    assert value["acceptance_at_10"] == pytest.approx(2 / 10)


def test_a_hit_of_a_higher_grade_gains_more() -> None:
    grades = sp.csr_matrix(np.array([[0, 5, 1, 0], [0, 5, 1, 0], [0, 0, 0, 0]], np.float32))
    values = graded_ndcg(shown_of(lists([[1, 0, -1], [2, 0, 3], [0, 1, 2]]), SimpleNamespace(grades=grades)))
    ideal = 5 + 1 / np.log2(3)
    np.testing.assert_allclose(values, [5 / ideal, 1 / ideal, np.nan])


def test_hits_between_11_and_20_count_for_recall_only() -> None:
    value = score([*range(10, 20), 1, *range(20, 29)], {1})
    assert value == dict.fromkeys(ACCURACY, 0) | {"recall_at_20": 1}


def test_more_wanted_than_places_is_perfect_where_all_ten_hit() -> None:
    value = score(list(range(20)), set(range(25)))
    assert value["ndcg_at_10"] == pytest.approx(1)
    assert value["map_at_10"] == pytest.approx(1)
    assert value["recall_at_20"] == pytest.approx(20 / 25)  # the denominator is all that was wanted


@st.composite
def ragged(draw: st.DrawFn) -> tuple[np.ndarray, sp.csr_matrix]:
    """Lists with padding, and grades of some items of each query; some queries have none."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, k = draw(st.integers(0, 5)), draw(st.integers(1, 25))
    grades = sp.random_array((n, N_ITEMS), density=draw(st.floats(0, 1)), rng=rng, dtype=np.float32, format="csr")
    grades.sort_indices()
    return rng.integers(-1, N_ITEMS, (n, k)), grades


@settings(max_examples=100, deadline=None)
@given(ragged())
def test_compiled_loops_equal_numpy(case: Any) -> None:
    item, grades = case
    n, k = item.shape
    keys = np.arange(n)[:, None] * (N_ITEMS + 1) + np.where(item < 0, N_ITEMS, item)
    row = np.repeat(np.arange(n), np.diff(grades.indptr))
    places = positions(item, grades)
    np.testing.assert_array_equal(places >= 0, np.isin(keys, row * (N_ITEMS + 1) + grades.indices).reshape(n, k))
    np.testing.assert_array_equal(grades.indices[places[places >= 0]], item[places >= 0])

    hit, item_bucket = places >= 0, np.arange(N_ITEMS) % 3
    np.testing.assert_array_equal(row_counts(hit), hit.sum(axis=1))
    by_bucket = [(hit & (item_bucket[item] == b)).sum(axis=1) for b in range(3)]
    np.testing.assert_array_equal(hits_by_bucket(hit, item, item_bucket, 3).T, by_bucket)

    discount = 1 / np.log2(np.arange(2, 12))
    best = np.lexsort((-grades.data, row))
    place = np.arange(len(row)) - grades.indptr[row]
    first = place < 10
    expected = np.bincount(row[first], grades.data[best][first] * discount[place[first]], minlength=n)
    np.testing.assert_array_equal(ideal_gain(grades, discount), expected)


def test_padding_is_never_a_hit() -> None:
    assert score([1, -1, -1], {N_ITEMS - 1})["hit_rate_at_10"] == 0
    assert score([1, -1, -1], {1})["ndcg_at_10"] == 1


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[list[int]], list[set[int]]]:
    n, k = draw(st.integers(1, 4)), draw(st.sampled_from([3, 10, 20, 25]))
    shown = [draw(st.permutations(range(N_ITEMS)))[: draw(st.integers(0, k))] for _ in range(n)]
    wanted = [draw(st.sets(st.integers(0, N_ITEMS - 1), min_size=1)) for _ in range(n)]
    return [row + [-1] * (k - len(row)) for row in shown], wanted


@settings(max_examples=150, deadline=None)
@given(cases())
def test_accuracy_equals_the_definitions_written_with_plain_loops(case: Any) -> None:
    shown, wanted = case
    values = {name: accuracy(name, lists(shown), truth(wanted)) for name in ACCURACY}
    for q, (row, want) in enumerate(zip(shown, wanted, strict=True)):
        rel = [i in want for i in row]
        first = [rank for rank, hit in enumerate(rel[:10], start=1) if hit]
        best = min(10, len(want))
        expected = {
            "ndcg_at_10": sum(1 / np.log2(r + 1) for r in first) / sum(1 / np.log2(r + 1) for r in range(1, best + 1)),
            "recall_at_20": sum(rel[:20]) / len(want),
            "map_at_10": sum(sum(rel[:r]) / r for r in first) / best,
            "mrr_at_10": 1 / first[0] if first else 0,
            "hit_rate_at_10": float(bool(first)),
            "acceptance_at_10": len(first) / 10,
        }
        assert set(expected) == set(ACCURACY)
        for name, value in expected.items():
            assert values[name][q] == pytest.approx(value), name
            assert 0 <= values[name][q] <= 1 + 1e-12, name


@settings(max_examples=50, deadline=None)
@given(cases(), st.randoms())
def test_neither_the_order_of_queries_nor_the_numbers_of_items_matter(case: Any, random: Any) -> None:
    shown, wanted = case
    values = {metric: accuracy(metric, lists(shown), truth(wanted)) for metric in ACCURACY}
    name = random.sample(range(N_ITEMS), N_ITEMS)
    rows = random.sample(range(len(shown)), len(shown))
    other_shown = [[name[i] if i >= 0 else -1 for i in shown[q]] for q in rows]
    other_wanted = [{name[i] for i in wanted[q]} for q in rows]
    for metric in ACCURACY:
        np.testing.assert_allclose(accuracy(metric, lists(other_shown), truth(other_wanted)), values[metric][rows])


@settings(max_examples=50, deadline=None)
@given(cases(), st.lists(st.integers(0, 15), min_size=N_ITEMS, max_size=N_ITEMS))
def test_recalls_of_the_item_buckets_add_up_to_the_recall(case: Any, counts: list[int]) -> None:
    shown, wanted = case
    by_bucket = item_recall(Judged(lists(shown), truth(wanted)), np.array(counts))
    for q, want in enumerate(wanted):
        groups = [{i for i in want if low <= counts[i] <= high} for low, high in ((0, 0), (1, 2), (3, 9), (10, 99))]
        for b, group in enumerate(groups):
            hits = len(group & set(shown[q][:20]))
            assert by_bucket[q, b] == pytest.approx(hits / len(group)) if group else np.isnan(by_bucket[q, b])


def fold(items: Any, counts: list[int], n_queries: int, as_of: Any = 100.0) -> Any:
    return SimpleNamespace(items=items, item_counts=np.array(counts), queries=ask([[]] * n_queries, items, as_of=as_of))


def beyond(shown: Shown) -> dict[str, np.ndarray]:
    """What every data set has beside accuracy."""
    measured = [m for m in METRICS.values() if m.section in ("lists", "rules") and m.values and not m.needs]
    return {m.name: m.values(shown) for m in measured if m.values}


def test_what_lists_are_like_by_hand() -> None:
    items = table(
        "item_id", list("abcd"), available_from=times([0, 0, 0, 200]), expires_at=times([None, 50, None, None])
    )
    rows = sp.csr_matrix(np.array([[1, 0], [1, 0], [0, 2], [1, 1]], dtype=np.float32))
    row_values = beyond(shown_of(lists([[0, 1, 2], [3, -1, -1], [-1, -1, -1]]), fold(items, [5, 0, 5, 9], 3), rows))
    percentile = {"a": 0.5, "b": 0, "c": 0.5, "d": 1}  # a and c share the ranks 1 and 2 of 0..3
    assert row_values["popularity_percentile_at_10"][0] == pytest.approx(
        (percentile["a"] + percentile["b"] + percentile["c"]) / 3
    )
    assert row_values["new_item_share_at_10"][:2].tolist() == [pytest.approx(1 / 3), 0]
    assert row_values["unavailable_at_10"][:2].tolist() == [
        pytest.approx(1 / 3),
        1,
    ]  # b expired; d is not published yet
    assert row_values["diversity_at_10"][0] == pytest.approx(1 - (1 + 0 + 0) / 3)  # only a and b are alike
    assert np.isnan(row_values["diversity_at_10"][1])  # one item has no pair
    assert all(np.isnan(values[2]) for values in row_values.values())  # nothing shown: nothing to tell


def test_items_without_features_are_all_different() -> None:
    items = table("item_id", list("abc"))
    values = beyond(shown_of(lists([[0, 1, 2]]), fold(items, [1, 1, 1], 1), sp.csr_matrix((3, 0), dtype=np.float32)))
    assert values["diversity_at_10"].tolist() == [1]
    assert values["unavailable_at_10"].tolist() == [0]


@settings(max_examples=50, deadline=None)
@given(cases(), st.lists(st.integers(0, 15), min_size=N_ITEMS, max_size=N_ITEMS))
def test_shares_lie_between_0_and_1(case: Any, counts: list[int]) -> None:
    shown, _ = case
    items = table("item_id", range(N_ITEMS))
    rows = sp.csr_matrix(np.abs(np.random.default_rng(0).normal(size=(N_ITEMS, 4))).astype(np.float32))
    row_values = shown_of(lists(shown), fold(items, counts, len(shown)), rows)
    for name, values in beyond(row_values).items():
        defined = values[~np.isnan(values)]
        assert ((defined >= -1e-6) & (defined <= 1 + 1e-6)).all(), name
    assert 0 <= exposure.coverage(row_values) <= 1


def test_coverage_counts_distinct_items_of_the_first_ten() -> None:
    def coverage(rows: list[list[int]], n_items: int) -> float:
        return exposure.coverage(shown_of(lists(rows), SimpleNamespace(items=range(n_items))))

    assert coverage([[0, 1, -1], [1, 2, -1]], 6) == pytest.approx(3 / 6)
    assert coverage([list(range(20))], 20) == pytest.approx(10 / 20)
    assert coverage([[-1]], 0) == 0


def test_answered_share_is_what_the_completion_did_not_fill() -> None:
    codes = [[RUNG, NEW, FALLBACK, FALLBACK], [RUNG, RUNG, NO_ITEM, NO_ITEM], [NO_ITEM] * 4]
    shown = [[0, 1, 2, 3], [0, 1, -1, -1], [-1] * 4]
    assert answered_share(Judged(lists(shown, codes), truth([set()] * 3))).tolist() == [0.5, 1, 0]
