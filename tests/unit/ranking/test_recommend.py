"""From scores to lists: order, ties, completion, batches, memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from recommender.config import Eligibility, Scoring
from recommender.data.dataset import Table
from recommender.data.queries import Queries
from recommender.errors import ConfigError
from recommender.ranking.candidates import Candidates, fallback_order
from recommender.ranking.lists import FALLBACK, NO_ITEM, RUNG
from recommender.ranking.recommend import batch_size, recommend
from recommender.ranking.topk import top_k
from tests.helpers.small import ask, dataset, table, times

TIED = st.sampled_from([np.nan, -np.inf, -1.5, -0.0, 0.0, 1e-40, 0.25, 2.0, np.inf])
ANY = st.floats(width=32, allow_nan=True)


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    n, m = draw(st.integers(1, 5)), draw(st.integers(1, 12))
    scores = draw(hnp.arrays(np.float32, (n, m), elements=draw(st.sampled_from([TIED, ANY]))))
    mask = draw(hnp.arrays(bool, (n, m)))
    order = np.array(draw(st.permutations(range(m))), dtype=np.int64)
    return scores, mask, order, draw(st.integers(1, m))


@settings(max_examples=300, deadline=None)
@given(problems())
def test_top_k_equals_a_sort_written_with_plain_loops(problem: Any) -> None:
    scores, mask, order, k = problem
    lists = top_k(scores, mask, order, k)
    item, score, source = lists.item_idx, lists.score, lists.source_code
    place = {int(i): p for p, i in enumerate(order)}
    for q in range(len(scores)):
        eligible = [i for i in range(scores.shape[1]) if mask[q, i]]
        ranked = sorted((i for i in eligible if not np.isnan(scores[q, i])), key=lambda i: (-scores[q, i], place[i]))
        rest = sorted((i for i in eligible if np.isnan(scores[q, i])), key=place.__getitem__)
        best = (ranked + rest)[:k]
        empty = k - len(best)
        assert item[q].tolist() == best + [-1] * empty
        n_scored = min(len(ranked), k)
        assert source[q].tolist() == [RUNG] * n_scored + [FALLBACK] * (len(best) - n_scored) + [NO_ITEM] * empty
        np.testing.assert_array_equal(score[q, :n_scored], scores[q, best[:n_scored]])
        assert np.isnan(score[q, n_scored:]).all()


@pytest.mark.parametrize(
    ("n_items", "k", "shown"),
    [(64, 15, 0.8), (200, 15, 0.8), (320, 15, 0.8), (320, 10, 0.03), (1100, 20, 0.8), (700, 3, 1)],
)
@pytest.mark.parametrize("kinds", [25, 100_000])
def test_top_k_of_many_items_equals_a_sort_of_numpy(n_items: int, k: int, shown: float, kinds: int) -> None:
    rng = np.random.default_rng(n_items)
    scores = rng.integers(0, kinds, (30, n_items)).astype(np.float32)  # many ties, of which the order decides, or few
    scores[rng.random(scores.shape) < 0.2] = np.nan
    scores[rng.random(scores.shape) < 0.02] = -np.inf
    mask, order = rng.random(scores.shape) < shown, rng.permutation(n_items)
    lists = top_k(scores, mask, order, k)
    place = np.argsort(order)
    for row, (score, eligible) in enumerate(zip(scores, mask, strict=True)):
        ranked = np.lexsort((place, -np.where(eligible, score, -np.inf), np.isnan(score), ~eligible))
        best = ranked[: min(k, eligible.sum())]
        np.testing.assert_array_equal(lists.item_idx[row], np.append(best, np.full(k - len(best), -1)))


def test_top_k_of_columns_that_were_chosen_is_that_of_their_copy() -> None:
    rng = np.random.default_rng(0)
    scores, mask, columns = rng.random((5, 40), np.float32), rng.random((5, 40)) < 0.7, np.arange(0, 40, 3)
    order = np.arange(len(columns))
    lists = top_k(scores[:, columns], mask[:, columns], order, 4)
    copied = top_k(scores[:, columns].copy(order="C"), mask[:, columns].copy(order="C"), order, 4)
    assert not mask[:, columns].flags.c_contiguous
    np.testing.assert_array_equal(lists.item_idx, copied.item_idx)


def test_minus_zero_ties_with_zero() -> None:
    lists = top_k(np.float32([[-0.0, 0.0, -0.0]]), np.ones((1, 3), bool), np.array([2, 0, 1]), 3)
    assert lists.item_idx.tolist() == [[2, 0, 1]]


class Fixed:
    """Scores by user number and item number; NaN for users ``silent``."""

    def __init__(self, silent: bool = False) -> None:
        self.silent, self.batches = silent, [0]

    def fit(self, train: object) -> Fixed:
        return self

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        self.batches.append(len(queries))
        user = queries.ids.str.strip_prefix("u").cast(int).to_numpy()
        scores = np.sin(user[:, None] * 7.0 + np.arange(len(items))).astype(np.float32)
        return np.full_like(scores, np.nan) if self.silent else scores


ITEMS = table("item_id", [f"i{n}" for n in range(20_000)])


def run(model: Any, n_queries: int, k: int, items: Table = ITEMS, memory_mb: int = 256, histories: Any = None) -> Any:
    queries = ask(histories or [[]] * n_queries, items)
    candidates = Candidates(items, Eligibility(), np.arange(len(items))[::-1])
    return recommend(model, queries, candidates, k, Scoring(memory_mb=memory_mb))


def test_batches_change_nothing_and_stay_within_the_memory_bound() -> None:
    few, many = Fixed(), Fixed()
    small, large = run(few, 150, 20, memory_mb=16), run(many, 150, 20)
    assert max(few.batches) < max(many.batches)
    assert max(few.batches) * len(ITEMS) * 8 * 4 < 16 * 2**20  # scores and mask, with room for a model's own arrays
    for name in ("item_idx", "score", "source_code"):
        np.testing.assert_array_equal(getattr(small, name), getattr(large, name))


@given(st.integers(0, 10**7), st.integers(16, 10**5))
def test_a_batch_holds_at_least_one_query_and_fits_where_one_fits(n_items: int, memory_mb: int) -> None:
    size = batch_size(n_items, memory_mb)
    assert size >= 1
    assert (
        size == 1 or size * n_items * 8 * 2 <= memory_mb * 2**20
    )  # room for two 8-byte arrays of the size of the scores


def test_a_silent_rung_is_completed_in_the_fallback_order() -> None:
    items = ITEMS.take(np.arange(30))
    lists = run(Fixed(silent=True), 1, 20, items, histories=[["i29", "i27"]])
    assert lists.item_idx[0].tolist() == [i for i in range(29, -1, -1) if i not in (29, 27)][:20]
    assert (lists.source_code == FALLBACK).all()


def test_k_above_the_eligible_items_gives_all_of_them() -> None:
    items = ITEMS.take(np.arange(6))
    lists = run(Fixed(), 2, 50, items, histories=[["i1"], []])
    assert lists.item_idx.shape == (2, 6)
    assert (lists.item_idx >= 0).sum(axis=1).tolist() == [5, 6]
    assert lists.item_idx[0, 5] == -1
    assert lists.source_code[0, 5] == NO_ITEM


def test_no_queries_give_empty_lists() -> None:
    lists = run(Fixed(), 0, 20)
    assert lists.item_idx.shape == (0, 20)
    assert lists.item_idx.dtype == np.int64


class TestFallbackOrder:
    """Recent popularity, then editorial order, then newest by stated availability, then the id's hash."""

    ROWS = (("u", "old", 0), ("v", "old", 0), ("u", "recent", 100), ("v", "middle", 50))

    def order(self, items: Table, editorial: str | None = None) -> list[str]:
        return [items.ids[int(i)] for i in fallback_order(dataset(list(self.ROWS)), items, editorial)]

    def test_recent_interactions_outweigh_more_but_older_ones(self) -> None:
        assert self.order(table("item_id", ["old", "middle", "recent"])) == ["recent", "middle", "old"]

    def test_items_without_interactions_follow_the_editorial_column_lowest_first_then_the_newest(self) -> None:
        items = table(
            "item_id",
            ["n1", "n2", "n3", "n4", "old"],
            pin=[None, None, 2, 1, None],
            available_from=times([5, 9, 1, 1, 0]),
        )
        assert self.order(items, "pin") == ["old", "n4", "n3", "n2", "n1"]
        assert self.order(items)[:3] == ["old", "n2", "n1"]

    def test_items_that_state_no_availability_come_after_those_that_do(self) -> None:
        items = table("item_id", ["n1", "n2"], available_from=times([None, -1e6]))
        assert self.order(items) == ["n2", "n1"]

    def test_the_order_of_rows_tells_nothing(self) -> None:
        names = [f"i{n}" for n in range(50)]
        assert self.order(table("item_id", names)) == self.order(table("item_id", names[::-1]))
        assert self.order(table("item_id", names)) not in (names, names[::-1])

    @pytest.mark.parametrize("column", ["absent", "words"])
    def test_an_editorial_column_that_is_absent_or_no_number_is_an_error(self, column: str) -> None:
        with pytest.raises(ConfigError, match=f"no numeric column '{column}'"):
            self.order(table("item_id", ["a"], words=["first"]), column)
