"""Team-draft interleaving by hand, and fair to equal lists."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.ranking.interleaving import coins, team_draft


def test_a_draft_by_hand() -> None:
    first, second = ["a", "b", "c", "d"], ["b", "e", "a", "f"]
    assert team_draft(first, second, 4, [False, True, False, False]) == (["a", "b", "e", "c"], [0, 1, 1, 0])
    assert team_draft(first, second, 3, [True, False, False]) == (["b", "a", "c"], [1, 0, 0])


def test_a_short_list_leaves_its_places_to_the_other() -> None:
    assert team_draft(["a"], ["b", "c", "d"], 4, [False] * 4) == (["a", "b", "c", "d"], [0, 1, 1, 1])
    assert team_draft([], [], 3, [True] * 3) == ([], [])


@settings(deadline=None, max_examples=60)
@given(st.permutations(range(8)), st.permutations(range(8)), st.integers(1, 8), st.integers(0, 2**60))
def test_no_item_twice_and_teams_take_turns(one: list[int], other: list[int], k: int, seed: int) -> None:
    items, teams = team_draft(one, other, k, coins(np.array([seed], np.uint64), k)[0].tolist())
    assert len(items) == len(set(items)) == k
    assert all(abs(2 * sum(teams[:n]) - n) <= 1 for n in range(1, k + 1))
    for team, ranking in ((0, one), (1, other)):
        team_items = [i for i, t in zip(items, teams, strict=True) if t == team]
        assert team_items == sorted(team_items, key=ranking.index)


def test_equal_lists_get_the_same_credit() -> None:
    """Every place belongs to either team half of the time."""
    flips = coins(np.arange(4000, dtype=np.uint64), 5)
    teams = np.array([team_draft(list("abcde"), list("abcde"), 5, row.tolist())[1] for row in flips])
    np.testing.assert_allclose(teams.mean(axis=0), 0.5, atol=0.03)
