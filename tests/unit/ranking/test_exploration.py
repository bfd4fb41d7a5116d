"""Exploration: who may take a slot, in which order, by which lot, and who got a chance in the end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.config import Eligibility, Scoring, Slots
from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.ranking.candidates import Candidates
from recommender.ranking.exploration import Explorer, How
from recommender.ranking.lists import NEW, RUNG, Lists
from recommender.ranking.router import Router
from tests.helpers.small import Row, ask, dataset, table, times

N = 40  # items: 0 to 9 are known, the others were never taken


def catalogue() -> Table:
    hours = [0.0] * 20 + [90.0] * 20
    creator = ["big"] * 20 + [f"small{n}" for n in range(20)]
    return table("item_id", [f"i{n:02}" for n in range(N)], {"creator": "category"},
                 available_from=times(hours), creator=creator)  # fmt: skip


def data(extra: int = 0, back: str | None = None) -> Dataset:
    """Ten items of three takes each; item 10 of ``extra`` late ones; ``back`` comes once more."""
    rows: list[Row] = [(f"u{n}", f"i{n % 10:02}", 3.0 * n) for n in range(30)]
    rows += [(f"v{n}", "i10", 50.0 + n) for n in range(extra)]
    return dataset(rows if back is None else [*rows, (back, "i09", 70.0)], catalogue())


class InOrder:
    """Every item is relevant, the first most."""

    def fit(self, train: Dataset) -> InOrder:
        return self

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        return np.tile(-np.arange(len(items), dtype=np.float32), (len(queries), 1))


def chosen(n: int, n_queries: int = 50, how: How = "ucb", extra: int = 0, allowed: Any = None, **params: Any) -> Lists:
    items, explorer = catalogue(), Explorer(how, **params).fit(data(extra))
    queries = ask([[]] * n_queries, items, as_of=100.0)
    return explorer.choose(InOrder(), queries, Candidates(items, Eligibility(), np.arange(N), allowed), n, Scoring())


def test_only_items_with_few_interactions_are_chosen() -> None:
    for below, first in ((1, 10), (3, 10), (4, 0)):
        drawn = chosen(N, below=below, pool=N, floor=0.5).item_idx
        assert set(drawn[drawn >= 0]) == set(range(first, N))


def test_an_upper_bound_prefers_what_is_new_to_what_had_days_and_no_takes() -> None:
    drawn = chosen(20, pool=N, floor=0.0).item_idx
    assert (np.sort(drawn, axis=1) == np.arange(20, 40)).all()  # published 10 hours ago, not 100
    assert (drawn[0] == drawn).all()


def test_takes_raise_the_bound() -> None:
    assert (chosen(1, extra=4, below=9, pool=N, floor=0.0).item_idx[:, 0] == 10).all()


def test_relevance_limits_what_is_explored_and_breaks_ties() -> None:
    drawn = chosen(3, pool=3, floor=0.0).item_idx
    assert (drawn == [10, 11, 12]).all()  # all as old, so in the order of the rung


def test_draws_differ_between_queries_and_repeat_for_the_same() -> None:
    one, again = (chosen(5, how="thompson", pool=N, floor=0.0).item_idx for _ in range(2))
    np.testing.assert_array_equal(one, again)
    assert len(np.unique(one[:, 0])) > 5


def test_the_lot_gives_every_little_known_item_its_share() -> None:
    """With all places by lot: a creator's 10 items together as much as the one of another."""
    drawn = chosen(1, n_queries=4000, pool=1, floor=1.0, creator_column="creator").item_idx[:, 0]
    shown = np.bincount(drawn, minlength=N)
    assert not shown[:10].any()
    expected = 4000 / 21
    assert shown[10:20].sum() == pytest.approx(expected, rel=0.35)
    np.testing.assert_allclose(shown[20:], expected, rtol=0.35)


def test_the_floor_is_the_share_of_places_by_lot() -> None:
    plain, floored = (chosen(2, n_queries=3000, pool=2, floor=f).item_idx[:, 0] for f in (0.0, 0.2))
    assert (plain != floored).mean() == pytest.approx(0.2, abs=0.03)  # few draws are of what stands there anyway


def test_items_that_are_not_allowed_are_never_chosen() -> None:
    allowed = np.arange(N) % 2 == 0
    drawn = chosen(5, pool=10, floor=0.5, how="thompson", allowed=allowed).item_idx
    assert (drawn[drawn >= 0] % 2 == 0).all()


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 12), st.integers(1, 30), st.sampled_from(["ucb", "thompson"]), st.floats(0, 1))
def test_lists_hold_no_item_twice_and_a_shorter_choice_begins_a_longer_one(
    n: int, pool: int, how: How, floor: float
) -> None:
    params: dict[str, Any] = {"how": how, "pool": max(pool, n + 1), "floor": floor, "n_queries": 5}
    short, long = chosen(n, **params), chosen(n + 1, **params)
    for row in long.item_idx:
        assert len(set(row)) == len(row)
    np.testing.assert_array_equal(long.item_idx[:, :n], short.item_idx)
    assert (long.source_code == RUNG).all()


@pytest.mark.parametrize(("how", "floor"), [("ucb", 0.3), ("thompson", 0.3), ("thompson", 0.0), ("ucb", 1.0)])
def test_logged_probabilities_are_those_of_the_draws(how: How, floor: float) -> None:
    """An item is drawn as often as its probability says, given what stands before; and 1 / p counts, on
    average, the items that could stand there."""
    items, explorer = catalogue(), Explorer(how, pool=4, floor=floor, creator_column="creator").fit(data(1))
    queries = ask([[]] * 1500, items, as_of=100.0)
    candidates = Candidates(items, Eligibility(), np.arange(N))
    drawn, chance = explorer.propensities(InOrder(), queries, candidates, 2, Scoring(), np.zeros((1500, 0), np.int64))
    plain = explorer.choose(InOrder(), queries, candidates, 2, Scoring())
    np.testing.assert_array_equal(drawn.item_idx, plain.item_idx)
    for place, given_first in ((0, None), (1, drawn.item_idx[0, 0])):
        rows = np.arange(1500) if given_first is None else np.flatnonzero(drawn.item_idx[:, 0] == given_first)
        drawn_item = drawn.item_idx[rows, place]
        for item in np.unique(drawn_item):
            of_item = chance[rows, place][drawn_item == item]
            assert of_item.std() < 1e-9
            expected, noise = of_item[0], np.sqrt(of_item[0] * (1 - of_item[0]) / len(rows)) + 1e-9
            assert (drawn_item == item).mean() == pytest.approx(expected, abs=4 * noise + 0.004)
    support = 29 if floor else len(np.unique(drawn.item_idx[:, 0]))  # item 10 was taken
    assert (1 / chance[:, 0]).mean() == pytest.approx(support, rel=0.3)


def test_slots_of_the_router_hold_what_is_explored() -> None:
    explorer = Explorer("thompson", pool=N, floor=0.5, creator_column="creator")
    routes = dict.fromkeys(("0", "1_2", "3_9", "10_plus"), "in_order")
    router = Router(routes, {"in_order": InOrder()}, Slots(rung="in_order", n=3, of=10), explorer=explorer).fit(data())
    items = catalogue()
    queries = ask([[]] * 30, items, as_of=100.0)
    routed = router.recommend(queries, Candidates(items, Eligibility(), np.arange(N)), 10, Scoring())
    assert (routed.lists.source_code[:, 7:] == NEW).all()
    assert (routed.lists.item_idx[:, 7:] >= 10).all()
    assert len(np.unique(routed.lists.item_idx[:, 7:])) > 10
    assert set(routed.source[:, 7:].ravel()) == {"new:in_order"}
    candidates = Candidates(items, Eligibility(), np.arange(N))
    chance = router.propensities(queries, candidates, 10, routed.lists, Scoring())
    assert np.isnan(chance[:, :7]).all()
    assert ((chance[:, 7:] > 0) & (chance[:, 7:] <= 1)).all()


@pytest.mark.parametrize("how", ["ucb", "thompson"])
def test_a_draw_that_stands_in_the_list_anyway_fills_no_place_and_does_not_count(how: How) -> None:
    """Any item may be drawn, 0 to 6 stand above: as often as it is logged, each of the 33 others fills the place."""
    items, explorer = catalogue(), Explorer(how, below=100, pool=12, floor=0.5)
    routes = dict.fromkeys(("0", "1_2", "3_9", "10_plus"), "in_order")
    router = Router(routes, {"in_order": InOrder()}, Slots(rung="in_order", n=1, of=8), explorer=explorer).fit(data())
    queries, candidates = ask([[]] * 1500, items, as_of=100.0), Candidates(items, Eligibility(), np.arange(N))
    lists = router.recommend(queries, candidates, 8, Scoring()).lists
    chance = router.propensities(queries, candidates, 8, lists, Scoring())
    filled = lists.source_code[:, 7] == NEW
    drawn_item, logged = lists.item_idx[filled, 7], chance[filled, 7]
    assert np.isnan(chance[:, :7]).all()
    assert 0.2 < filled.mean() < 0.95
    support = np.unique(drawn_item)
    assert (1 / logged).mean() == pytest.approx(len(support), rel=0.2)
    for item in support[:8]:
        p = float(logged[drawn_item == item][0])
        assert (drawn_item == item).mean() == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / len(drawn_item)) + 0.004)
