"""The router: routes by warmth, slots for new items, lists without gaps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.config import Eligibility, Scoring, Slots
from recommender.data.dataset import Table
from recommender.data.queries import Queries
from recommender.ranking.candidates import Candidates
from recommender.ranking.lists import FALLBACK, NEW, NO_ITEM, RUNG, Lists, with_slots
from recommender.ranking.router import Router
from tests.helpers.routers import ITEMS, TRAIN, Line, ids, serve
from tests.helpers.small import ask

ROUTES = {"0": "up", "1_2": "down", "3_9": "up", "10_plus": "silent"}


def router(slots: Slots | None = None, **rungs: Any) -> Router:
    return Router(ROUTES, {"up": Line(1), "down": Line(-1), "silent": Line(None)} | rungs, slots).fit_rerankers(TRAIN)


def test_each_query_is_served_by_the_rung_of_its_bucket() -> None:
    routed = serve(router(), [[], ["i3"], ["i1", "i2", "i3"], [f"i{n}" for n in range(10)]])
    assert [row[0] for row in routed.source] == ["up", "down", "up", "fallback"]
    assert [ids(routed, q)[0] for q in range(4)] == ["new3", "i0", "new3", "i10"]


def test_users_who_come_back_are_served_by_the_rung_for_them() -> None:
    routes = ROUTES | {"1_2_returning": "up", "3_9_returning": "down"}
    routed = Router(routes, router().rungs, away_days=2).fit_rerankers(TRAIN)
    histories = [["i3"], ["i3"], ["i3"], ["i1", "i2", "i3"], [], [f"i{n}" for n in range(10)]]
    query_rows = ask(histories, ITEMS)  # the last interaction an hour before
    away = np.array([1, 47.99, 48, 48, 500, 500])
    queries = replace(query_rows, as_of=query_rows.as_of + ((away - 1) * 3_600_000_000).astype(np.int64))
    assert routed.route(queries).tolist() == ["down", "down", "up", "down", "up", "silent"]
    lists = routed.recommend(queries, Candidates(ITEMS, Eligibility(), np.arange(len(ITEMS))), 20, Scoring())
    assert [row[0] for row in lists.source] == ["down", "down", "up", "down", "up", "fallback"]


def test_users_of_whom_no_time_is_known_are_not_taken_for_returning() -> None:
    routed = Router(ROUTES | {"1_2_returning": "up"}, router().rungs).fit_rerankers(TRAIN)
    assert routed.route(ask([["i3"]], ITEMS, as_of=None)).tolist() == ["down"]


def test_fit_fits_every_rung_once() -> None:
    routed = router().fit(TRAIN)
    assert [m.fitted for m in routed.rungs.values()] == [1, 1, 1]


def test_a_rung_scores_the_same_queries_once_for_list_blend_and_slots() -> None:
    class Counted(Line):
        n_calls = 0

        def score(self, queries: Queries, items: Table) -> np.ndarray:
            self.n_calls += 1
            return super().score(queries, items)

    one, other = Counted(-1), Counted(-1)
    every = dict.fromkeys(ROUTES, "one")
    model = Router(
        every, {"one": one, "other": other}, Slots(rung="one", n=2, of=5), blends=dict.fromkeys(ROUTES, "other")
    )
    model.fit_rerankers(TRAIN)
    for n in (1, 2):
        routed = serve(model, [["i7"], ["i1", "i2", "i3"]], k=10)
        assert (one.n_calls, other.n_calls) == (n, n)
    assert set(routed.source[0]) == {"one+other", "new:one"}


def test_slots_stand_at_the_end_of_the_first_places_and_keep_the_order_of_the_rest() -> None:
    routed = serve(router(Slots(rung="up", n=2, of=5)), [["i7"]], k=10)  # base list: i0, i1 ... without i7
    assert ids(routed) == ["i0", "i1", "i2", "new3", "new2", "i3", "i4", "i5", "i6", "i8"]
    assert routed.source[0].tolist() == ["down"] * 3 + ["new:up"] * 2 + ["down"] * 5


def test_new_items_that_lead_anyway_are_not_shown_twice() -> None:
    routed = serve(router(Slots(rung="up", n=2, of=5)), [[]], k=10)  # base list: new3, new2, new1, i29 ...
    assert ids(routed) == ["new3", "new2", "new1", "i29", "i28", "i27", "i26", "i25", "i24", "i23"]
    assert "new:up" not in routed.source[0]


def test_a_slot_rung_that_cannot_tell_leaves_the_list_as_it_was() -> None:
    plain, slotted = serve(router(), [["i7"]]), serve(router(Slots(rung="silent", n=3, of=10)), [["i7"]])
    np.testing.assert_array_equal(plain.lists.item_idx, slotted.lists.item_idx)
    np.testing.assert_array_equal(plain.source, slotted.source)


def test_slots_respect_candidates_and_history() -> None:
    allowed = np.ones(len(ITEMS), bool)
    allowed[ITEMS.ids.to_list().index("new3")] = False
    routed = serve(router(Slots(rung="up", n=2, of=5)), [["new2"]], k=10, allowed=allowed)
    assert ids(routed)[:5] == ["i0", "i1", "i2", "new1", "i3"]
    assert not {"new2", "new3"} & set(ids(routed))


@pytest.mark.parametrize("n", [0, 2, 40])
def test_every_list_is_complete_without_duplicates(n: int) -> None:
    histories = [[], ["i3"], ["new1"], [f"i{j}" for j in range(29)]]
    routed = serve(router(Slots(rung="up", n=n, of=5)), histories, k=50)
    for q, history in enumerate(histories):
        assert sorted(ids(routed, q)) == sorted(set(ITEMS.ids.to_list()) - set(history))
        assert (routed.source[q] == "").sum() == len(history)


@st.composite
def merges(draw: st.DrawFn) -> tuple[Lists, Lists, int]:
    def lists(k: int, code: int) -> Lists:
        n_shown = draw(st.integers(0, k))
        shown = draw(st.permutations(range(12)))[:n_shown]
        kinds = [draw(st.sampled_from([RUNG, FALLBACK])) for _ in shown] if code == RUNG else [RUNG] * n_shown
        kinds = sorted(kinds, reverse=True)
        fill = k - n_shown
        score = [float(-p) if w == RUNG else np.nan for p, w in enumerate(kinds)]
        return Lists(
            np.array([shown + [-1] * fill], dtype=np.int64),
            np.array([score + [np.nan] * fill], dtype=np.float32),
            np.array([kinds + [NO_ITEM] * fill], dtype=np.int8),
        )

    return (
        lists(draw(st.integers(1, 10)), RUNG),
        lists(draw(st.integers(1, 4)), draw(st.sampled_from([RUNG, FALLBACK]))),
        draw(st.integers(1, 12)),
    )


@settings(max_examples=300, deadline=None)
@given(merges())
def test_slots_add_only_own_items_and_lose_none_but_the_last(merge: tuple[Lists, Lists, int]) -> None:
    lists, new, of = merge
    filled = with_slots(lists, new, of)
    shown = filled.item_idx[0][filled.item_idx[0] >= 0].tolist()
    base = [i for i in lists.item_idx[0].tolist() if i >= 0]
    slot = [int(i) for i, w in zip(new.item_idx[0], new.source_code[0], strict=True) if w == RUNG]
    k = lists.item_idx.shape[1]
    assert filled.item_idx.shape == (1, k)
    assert len(shown) == len(set(shown)) == min(k, len(set(base) | set(slot)))
    in_slot = filled.source_code[0][: len(shown)] == NEW
    assert set(np.array(shown)[in_slot]) <= set(slot)
    others = [i for i, s in zip(shown, in_slot, strict=True) if not s]
    assert others == [i for i in base if i in others]  # the order of the rest stays
    assert (filled.item_idx[0][len(shown) :] == -1).all()
    assert (filled.source_code[0][len(shown) :] == NO_ITEM).all()
    head = max(min(of, k) - new.item_idx.shape[1], 0)
    assert shown[: min(head, len(base))] == base[:head]
    assert not in_slot[min(of, k) :].any() or new.item_idx.shape[1] > of
