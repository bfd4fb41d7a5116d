"""Blends of two rungs' lists: hand arithmetic, no gaps, chosen only on evidence, served as chosen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from recommender.config import DecisionRule, Slots
from recommender.evaluation.evaluate import QueryInfo
from recommender.experiment.blends import Blend, choose_blends
from recommender.experiment.climb import Choice
from recommender.experiment.decision import Decision
from recommender.experiment.decision_text import sentences
from recommender.experiment.validation_sample import ValidationSample
from recommender.names import RETURNING, USER_BUCKETS, WITH_HISTORY
from recommender.ranking.fusion import RANK_OFFSET, WEIGHT, blended
from recommender.ranking.lists import FALLBACK, NO_ITEM, RUNG, Lists
from recommender.ranking.router import Router
from tests.helpers.routers import ITEMS, TRAIN, Line, ids, serve
from tests.helpers.small import ask


def lists(items: list[list[int]], completed: int = 0) -> Lists:
    """Lists of which the last ``completed`` places are of the fallback."""
    item = np.array(items, dtype=np.int64)
    codes = np.full(item.shape, RUNG, np.int8)
    codes[:, item.shape[1] - completed :] = FALLBACK
    return Lists(item, np.zeros(item.shape, np.float32), np.where(item < 0, NO_ITEM, codes).astype(np.int8))


def test_a_list_is_ordered_by_the_sum_of_weighed_reciprocal_ranks() -> None:
    result_lists = blended(lists([[1, 2, 3]]), lists([[3, 9, 1]]), 4)
    assert result_lists.item_idx.tolist() == [[1, 3, 2]]  # as long as the first list
    first, second = 1 - WEIGHT, WEIGHT
    expected = [
        first / (RANK_OFFSET + 1) + second / (RANK_OFFSET + 3),
        first / (RANK_OFFSET + 3) + second / (RANK_OFFSET + 1),
        first / (RANK_OFFSET + 2),
    ]
    np.testing.assert_allclose(result_lists.score[0], expected, rtol=1e-6)


def test_what_a_rung_could_not_tell_has_no_rank_and_comes_last() -> None:
    result_lists = blended(lists([[1, 7, 8]], completed=2), lists([[9, 8, 5]], completed=1), 3)
    assert result_lists.item_idx.tolist() == [[1, 9, 8]]
    assert result_lists.source_code.tolist() == [
        [RUNG, RUNG, RUNG]
    ]  # 8 by the second list, not as the first one's completion
    result_lists = blended(lists([[1, 7, 8]], completed=2), lists([[1, 6, 5]], completed=2), 3)
    assert result_lists.item_idx.tolist() == [[1, 7, 8]]
    assert result_lists.source_code.tolist() == [[RUNG, FALLBACK, FALLBACK]]
    assert np.isnan(result_lists.score[0, 1:]).all()


shown = st.permutations(range(12)).flatmap(lambda p: st.integers(0, 8).map(lambda n: [*p[:n], *[-1] * (8 - n)]))


@given(first=shown, second=shown, completed=st.integers(0, 8), k=st.integers(1, 8))
def test_a_blend_has_no_gaps_and_no_duplicates(first: list[int], second: list[int], completed: int, k: int) -> None:
    result_lists = blended(lists([first], completed), lists([second]), k)
    items = [i for i in result_lists.item_idx[0].tolist() if i >= 0]
    assert len(items) == len(set(items)) >= min(k, sum(i >= 0 for i in first))
    assert set(items) <= {*first, *second}
    assert (result_lists.item_idx[0][len(items) :] == -1).all()
    assert (result_lists.source_code[0][len(items) :] == NO_ITEM).all()


@given(first=shown, completed=st.integers(0, 8))
def test_a_list_blended_with_itself_stays_as_it_is(first: list[int], completed: int) -> None:
    one = lists([first], completed)
    result_lists = blended(one, one, 8)
    assert result_lists.item_idx.tolist() == one.item_idx.tolist()
    assert result_lists.source_code.tolist() == one.source_code.tolist()


N = 40  # queries of a fold, half of them without history
SETTINGS = {"one": 0, "two": 0, "noise": 0}
RULE = DecisionRule(thin=10)


def sample(seed: int, second_helps: bool) -> tuple[ValidationSample, np.ndarray, QueryInfo]:
    """Everyone took items 0 and 1. "one" leads with 0 and has 1 in place 11, "two" may lead with 1."""
    rng = np.random.default_rng(seed)
    truth = np.zeros((N, 100), bool)
    truth[:, :2] = True
    rest = np.argsort(rng.random((N, 40)), axis=1)[:, :20]

    def of(*places: tuple[int, int], start: int = 5) -> Lists:
        """The items at their places (0 first), others from ``start`` on around them."""
        item = rest + start
        for place, at in places:
            item[:, at] = place
        return lists(item.tolist())

    by_rung = {("one", 0): of((0, 0), (1, 10)), ("noise", 0): of(start=50)}
    by_rung["two", 0] = of((1, 0), start=50) if second_helps else by_rung["one", 0]
    bucket = np.arange(N) % 2
    info = QueryInfo(
        "validation", str(seed), pl.Series([f"u{i}" for i in range(N)]), np.zeros(N), bucket,
        np.ones(N, bool), np.zeros(N, bool), {},
    )  # fmt: skip
    return ValidationSample(np.arange(N), sp.csr_matrix(truth), np.zeros(100, int), by_rung), np.full(N, "one"), info


def chosen(second_helps: bool = True, rule: DecisionRule = RULE) -> dict[str, Blend]:
    samples, served, infos = zip(*(sample(seed, second_helps) for seed in range(2)), strict=True)
    return choose_blends(samples, served, infos, SETTINGS, rule, 200, 0)


def test_a_rung_that_knows_what_the_serving_one_does_not_is_blended_in() -> None:
    blends = chosen()
    assert {group: b.rung for group, b in blends.items()} == {"0": "two", WITH_HISTORY: "two"}
    top, ideal = 1 / np.log2(3), 1 + 1 / np.log2(3)  # 1 moves to the top, 0 to the second place
    assert blends["0"].gain == pytest.approx(top / ideal)
    assert blends["0"].n_queries == N
    assert blends["0"].p_holm < RULE.alpha


def test_nothing_is_blended_where_no_rung_adds_anything() -> None:
    assert chosen(second_helps=False) == {}


def test_nothing_is_blended_where_the_gain_is_below_what_is_asked_or_queries_are_few() -> None:
    assert chosen(rule=RULE.model_copy(update={"min_gain": 0.9})) == {}
    assert chosen(rule=RULE.model_copy(update={"thin": N + 1})) == {}


@pytest.mark.parametrize(("times", "blended_in"), [("of its own", False), ("spread", True)])
def test_a_gain_of_a_few_days_only_is_blended_in_for_nobody(times: str, blended_in: bool) -> None:
    """A third of the queries gains; where they are the last third in time, it may be luck of those days."""
    samples, served, infos = [], [], []
    for seed in range(2):
        helped, names, info = sample(seed, second_helps=True)
        idle, _, _ = sample(seed, second_helps=False)
        late = np.arange(N) >= 2 * N // 3
        item = np.where(late[:, None], helped.lists["two", 0].item_idx, idle.lists["one", 0].item_idx)
        by_rung = helped.lists | {("two", 0): lists(item.tolist())}
        samples.append(replace(helped, lists=by_rung))
        served.append(names)
        as_of = np.arange(N) if times == "of its own" else np.random.default_rng(0).permutation(N)
        infos.append(replace(info, as_of=as_of))
    blends = choose_blends(samples, served, infos, SETTINGS, RULE, 200, 0)
    assert set(blends) == ({"0", WITH_HISTORY} if blended_in else set())


def test_blends_of_groups_become_those_of_their_buckets() -> None:
    blend = chosen()["0"]
    assert Decision().blended == {}
    assert Decision(blends={"0": blend}).blended == {"0": "two"}
    known = Decision(blends={WITH_HISTORY + RETURNING: blend}).blended
    assert known == {bucket + RETURNING: "two" for bucket in USER_BUCKETS[1:]}


def test_the_decision_says_what_is_blended_and_why() -> None:
    segments = [*USER_BUCKETS, *(b + visit for b in (WITH_HISTORY, *USER_BUCKETS[1:]) for visit in ("", RETURNING))]
    decision = Decision(choices=dict.fromkeys(segments, Choice("one")))
    text = " ".join(sentences(replace(decision, blends=chosen()), RULE))
    assert "For users without history the list of two is merged in (reciprocal rank fusion)" in text
    assert "blended" not in " ".join(sentences(decision, RULE))


class TestServing:
    def router(self, **more: object) -> Router:
        routes = dict.fromkeys(USER_BUCKETS, "up")
        rungs = {"up": Line(1), "down": Line(-1), "silent": Line(None)}
        return Router(routes, rungs, **more).fit_rerankers(TRAIN)  # type: ignore[arg-type]

    def test_only_who_has_a_blend_gets_one_and_the_source_says_so(self) -> None:
        routed = serve(self.router(blends={"1_2": "down"}), [[], ["i3"]], k=4)
        assert ids(routed, 0) == ["new3", "new2", "new1", "i29"]
        assert ids(routed, 1) == ["new3", "new2", "new1", "i29"]  # "down" counts half
        assert routed.source.tolist() == [["up"] * 4, ["up+down"] * 4]
        longer = serve(self.router(blends={"1_2": "down"}), [[], ["i3"]], k=30)
        assert ids(longer, 1).index("i0") == 20  # after the first 12 of "up" and 8 items that both lists hold
        assert "i0" not in ids(longer, 0)

    def test_a_silent_second_rung_changes_nothing(self) -> None:
        plain = serve(self.router(), [[], ["i3"]])
        routed = serve(self.router(blends=dict.fromkeys(USER_BUCKETS, "silent")), [[], ["i3"]])
        np.testing.assert_array_equal(routed.lists.item_idx, plain.lists.item_idx)

    @pytest.mark.parametrize("k", [5, 33])
    def test_blended_lists_are_complete_and_hold_no_item_taken_before(self, k: int) -> None:
        model = self.router(blends=dict.fromkeys(USER_BUCKETS, "down"), slots=Slots(rung="up", n=2, of=5))
        histories = [[], ["i3"], [f"i{n}" for n in range(20)]]
        routed = serve(model, histories, k=k)
        for q, history in enumerate(histories):
            second = ids(routed, q)
            assert len(second) == len(set(second)) == min(k, len(ITEMS) - len(history))
            assert not set(second) & set(history)

    def test_a_shorter_list_is_the_head_of_a_longer_one(self) -> None:
        model = self.router(blends=dict.fromkeys(USER_BUCKETS, "down"))
        longest = ids(serve(model, [["i3"]], k=32))
        assert all(ids(serve(model, [["i3"]], k=k)) == longest[:k] for k in (5, 20, 25))

    def test_a_blend_needs_the_time_of_the_query_only_for_who_returns(self) -> None:
        model = self.router(blends={"1_2_returning": "down"}, away_days=2)
        queries = ask([["i3"], ["i3"]], ITEMS)
        late = replace(queries, as_of=queries.as_of + np.array([0, 72]) * 3_600_000_000)
        assert model.second(late).tolist() == ["up", "down"]
