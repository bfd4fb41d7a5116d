"""Lists: the operations that slots, blends, re-rankers, exploration and the router are made of."""

from __future__ import annotations

import numpy as np

from recommender.ranking.lists import FALLBACK, NEW, NO_ITEM, RUNG, Lists

THREE = Lists(
    np.array([[3, 4, 5], [6, 7, -1]]),
    np.array([[0.3, 0.2, np.nan], [0.9, np.nan, np.nan]], np.float32),
    np.array([[RUNG, RUNG, FALLBACK], [RUNG, FALLBACK, NO_ITEM]], np.int8),
)


def same(one: Lists, other: Lists) -> None:
    for name in ("item_idx", "score", "source_code"):
        left, right = getattr(one, name), getattr(other, name)
        np.testing.assert_array_equal(left, right)
        assert left.dtype == right.dtype


def test_rows_and_first_entries_are_taken_with_scores_and_sources() -> None:
    changed = THREE.take(np.array([1])).head(2)
    assert changed.item_idx.tolist() == [[6, 7]]
    assert changed.source_code.tolist() == [[RUNG, FALLBACK]]
    assert changed.width == 2
    same(THREE.take(np.array([False, True])), THREE.take(np.array([1])))


def test_lists_put_into_some_rows_leave_the_others_and_the_given_ones() -> None:
    changed = THREE.put(np.array([1]), THREE.take(np.array([0])))
    assert changed.item_idx.tolist() == [[3, 4, 5], [3, 4, 5]]
    assert THREE.item_idx[1].tolist() == [6, 7, -1]


def test_permuted_entries_move_together_and_those_behind_stay() -> None:
    changed = THREE.permute(np.array([[1, 0], [0, 1]]))
    assert changed.item_idx.tolist() == [[4, 3, 5], [6, 7, -1]]
    assert changed.score[0, :2].tolist() == THREE.score[0, 1::-1].tolist()


def test_emptied_entries_hold_nothing_and_gaps_close() -> None:
    changed = THREE.only(np.array([[False, True, True], [True, True, True]]), NEW).close_gaps()
    assert changed.item_idx.tolist() == [[4, 5, -1], [6, 7, -1]]
    assert changed.source_code.tolist()[0] == [NEW, NEW, NO_ITEM]
    assert np.isnan(changed.score[0, 2])
    assert changed.source_code.dtype == np.int8


def test_lists_join_by_query_and_by_entry() -> None:
    same(Lists.concat([THREE.take(np.array([0])), THREE.take(np.array([1]))]), THREE)
    same(Lists.concat([THREE.head(1), THREE.map(lambda entries: entries[:, 1:])], axis=1), THREE)


def test_lists_without_scores_keep_items_and_sources_in_less_memory() -> None:
    light = THREE.without_scores()
    assert light.item_idx.dtype == np.int32
    np.testing.assert_array_equal(light.item_idx, THREE.item_idx)
    assert np.isnan(light.score).all()
    same(light.put(np.array([0]), light.take(np.array([0]))), light)
