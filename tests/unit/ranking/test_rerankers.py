"""Re-rankers: permutations of the router's lists that do what configuration asks of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender import config
from recommender.config import Eligibility, Scoring
from recommender.data.dataset import Table
from recommender.data.queries import Queries
from recommender.errors import ConfigError
from recommender.models.popularity import Popularity
from recommender.ranking import rerankers
from recommender.ranking.candidates import Candidates
from recommender.ranking.lists import NO_ITEM, RUNG, Lists
from recommender.ranking.rerankers import RERANKERS
from recommender.ranking.rerankers.base import Reranker
from recommender.ranking.router import Router
from recommender.serving import persistence
from tests.helpers.small import ask, at, dataset, table

N = 12
GENRES = [["a"], ["a"], ["a"], ["b"], ["b"], ["c"], ["a", "b"], [], None, ["c"], ["a"], ["b"]]
ITEMS = table(
    "item_id", [f"i{n:02}" for n in range(N)], {"genres": "multi", "title": "text"},
    genres=GENRES,
    title=["red car", "red car", "red car", "blue boat", "blue boat", "tree", "red boat", "", None, "tree", "car", "x"],
    place=[{"lat": 0.0, "lon": float(n)} if n != 5 else None for n in range(N)],
    remote=[n == 11 for n in range(N)],
    level=["low", "mid", "high", None] * 3,
    pay=[1.0, 2, 3, 4, 5, 6, 7, 8, 9, None, 11, 12],
    vacancies=[1, 1, 2, None, 1, 0, 1, 1, 1, 1, 1, 5],
    rank=[None, None, None, 2, -1, 1, None, None, None, 3, None, None],
    doubt=[0.0, 1.0, 0.5, None, 0, 0, 0, 0, 0, 0, 7, 0],
)  # fmt: skip
USERS = table(
    "user_id", [f"u{n}" for n in range(6)], {},
    place=[{"lat": 0.0, "lon": 0.0}, None, {"lat": 0.0, "lon": 5.0}] * 2, level=["low", "high", None] * 2,
    moves=[False, False, False, True, None, False],
    shown=[["i00", "i00", "i02"], None, [], ["i05", "gone"], ["i01"], ["i00"] * 4],
)  # fmt: skip
RULES = {
    "reach": {"user": "place", "item": "place", "max_km": 100, "remote": "remote", "willing": "moves", "hard": False},
    "seniority": {"user": "level", "item": "level", "order": ["low", "mid", "high"], "hard": False},
}
PARAMS: dict[str, dict[str, Any]] = {
    "calibrated": {"column": "genres"},
    "demote": {"column": "doubt"},
    "discount": {"column": "shown", "places": 1.5},
    "fair": {"column": "pay", "at_least": 2},
    "fit": {},
    "mmr": {},
    "pins": {"column": "rank"},
    "spread": {"column": "vacancies", "times": 1.1, "free": 1, "first": 3},
}
TRAIN = dataset([(f"u{n % 3}", f"i{n:02}", n) for n in range(N)], ITEMS, USERS)


def scenario(*entries: dict[str, Any], **more: Any) -> config.Scenario:
    problem = {"what": "", "for_whom": "", "target": 0.1, "cost_of_error": ""}
    ladder = [{"name": "popularity", "recommender": "popularity"}]
    tree = {"name": "x", "problem": problem, "ladder": ladder, "rerank": list(entries), "eligibility": RULES, **more}
    return config.parse(tree)


def fitted(name: str, **params: Any) -> Reranker:
    entry = {"name": "it", "reranker": name, "params": {**PARAMS[name], **params}}
    return rerankers.make(scenario(entry))[0].fit(TRAIN)


def lists(rows: Any) -> Lists:
    """Item rows, -1 = none."""
    item = np.array(rows, np.int64)
    score = np.where(item < 0, np.nan, -np.arange(item.shape[1])).astype(np.float32)
    return Lists(item, score, np.where(item < 0, NO_ITEM, RUNG).astype(np.int8))


def ordered(name: str, rows: Any, histories: Any = None, users: Table = USERS, **params: Any) -> list[list[int]]:
    """The lists of item rows after one re-ranker."""
    given = lists(rows)
    queries = ask(histories or [[]] * len(rows), ITEMS, users.take(np.arange(len(rows))))
    order = fitted(name, **params).order(given, queries, ITEMS)
    return [[int(i) for i in row] for row in given.permute(order).item_idx]


@st.composite
def given_lists(draw: Any) -> tuple[np.ndarray, list[list[str]]]:
    """Lists of six places without repeats, the last ones perhaps empty, and histories."""
    n = draw(st.integers(1, 6))
    rows, histories = np.full((n, 6), -1), []
    for q in range(n):
        ranking = draw(st.permutations(range(N)))[: draw(st.integers(0, 6))]
        rows[q, : len(ranking)] = ranking
        histories.append(draw(st.lists(st.sampled_from(ITEMS.ids.to_list()), max_size=4, unique=True)))
    return rows, histories


@pytest.mark.parametrize("name", RERANKERS)
def test_no_queries_have_no_order(name: str) -> None:
    queries = ask([[]], ITEMS, USERS.take(np.arange(1))).take(np.zeros(0, np.int64))
    assert fitted(name).order(lists(np.zeros((0, 6), np.int64)), queries, ITEMS).shape == (0, 6)


@pytest.mark.parametrize("name", RERANKERS)
@settings(max_examples=30, deadline=None)
@given(drawn=given_lists())
def test_what_is_in_the_lists_stays_and_empty_places_stay_last(name: str, drawn: Any) -> None:
    rows, histories = drawn
    queries = ask(histories, ITEMS, USERS.take(np.arange(len(rows))))
    order = fitted(name).order(lists(rows), queries, ITEMS)
    assert order.dtype == np.int64
    assert (np.sort(order, axis=1) == np.arange(6)).all()
    shown = np.take_along_axis(rows, order, axis=1) >= 0
    assert (shown == (rows >= 0)).all()


@pytest.mark.parametrize("name", RERANKERS)
@settings(max_examples=20, deadline=None)
@given(drawn=given_lists(), random=st.randoms())
def test_the_order_of_the_queries_does_not_matter(name: str, drawn: Any, random: Any) -> None:
    rows, histories = drawn
    turn = np.array(random.sample(range(len(rows)), len(rows)), np.int64)
    queries: Queries = ask(histories, ITEMS, USERS.take(np.arange(len(rows))))
    plain = fitted(name).order(lists(rows), queries, ITEMS)
    mixed = fitted(name).order(lists(rows[turn]), queries.take(turn), ITEMS)
    np.testing.assert_array_equal(plain[turn], mixed)


@pytest.mark.parametrize("name", [n for n in RERANKERS if n not in ("pins", "fair")])
def test_the_neutral_parameter_leaves_the_list(name: str) -> None:
    neutral: dict[str, Any] = {
        "calibrated": {"weight": 0.0}, "demote": {"places": 0}, "discount": {"places": 0}, "mmr": {"weight": 0.0},
        "fit": {"places_per_100_km": 0, "places_per_level": 0}, "spread": {"free": 100},
    }[name]  # fmt: skip
    rows = [[3, 1, 2, 0, -1], [11, 10, 4, 7, 1]]
    assert ordered(name, rows, histories=[["i00"], ["i05"]], **neutral) == rows


def test_mmr_puts_what_the_list_does_not_say_yet_before_a_copy() -> None:
    assert ordered("mmr", [[0, 1, 2, 3]], weight=0.6)[0][:2] == [0, 3]
    assert ordered("mmr", [[0, 1, 2, 3]], weight=0.6, columns=["genres"])[0][:2] == [0, 3]


def test_a_calibrated_list_has_the_users_shares() -> None:
    rows = [[0, 1, 2, 10, 3, 4]] * 2  # four of genre a, then two of b
    calibrated = ordered("calibrated", rows, histories=[["i03", "i11", "i00"], []], weight=0.99)
    assert [sum(GENRES[i] == ["b"] for i in row[:3]) for row in calibrated] == [2, 0]
    assert calibrated[1] == rows[1], "nothing is known of who has no history"


def test_far_and_unfit_items_move_down_by_the_places_stated() -> None:
    far = {"places_per_100_km": 1.0, "places_per_level": 0.0}  # a degree of longitude at the equator: 111 km
    assert ordered("fit", [[3, 0, 5, 11]], **far) == [[0, 5, 11, 3]], "no place and remote: not moved"
    assert ordered("fit", [[3, 0, 5, 11]], users=USERS.take(np.array([3])), **far) == [[3, 0, 5, 11]], "would move"
    level = {"places_per_100_km": 0.0, "places_per_level": 2.0}
    assert ordered("fit", [[2, 3, 1, 0, 4]], **level) == [[3, 0, 2, 1, 4]], "no level: not moved"


def test_suspicious_items_move_down_in_proportion() -> None:
    assert ordered("demote", [[1, 2, 0, 3, 4]], places=4) == [[0, 2, 3, 1, 4]]


def test_pins_come_first_in_the_editors_order() -> None:
    assert ordered("pins", [[0, 9, 4, 3, 5, 1]], n=2) == [[5, 3, 0, 9, 4, 1]]


def test_a_posting_with_one_vacancy_does_not_head_every_list() -> None:
    rows = [[0, 1, 2, 6, 7, 8]] * 6  # 7 vacancies, two of them item 2's
    heads = np.bincount([row[0] for row in ordered("spread", rows, times=1.5, free=2, first=1)], minlength=N)
    assert heads[0] == 2
    assert heads.max() <= 2
    assert ordered("spread", rows, times=1.5, free=6, first=1) == rows


def test_a_list_asked_for_alone_is_not_spread() -> None:
    assert ordered("spread", [[0, 1, 2, 6, 7, 8]], times=1.5, free=1) == [[0, 1, 2, 6, 7, 8]]


def test_what_was_shown_and_not_taken_moves_down_by_each_time() -> None:
    assert ordered("discount", [[0, 1, 2, 6], [0, 1, 2, 6]]) == [[1, 0, 6, 2], [0, 1, 2, 6]]  # 0 by 3, 2 by 1.5
    assert ordered("discount", [[0, 1, 2, 6]], places=0.4) == [[0, 1, 2, 6]]


def test_what_is_shown_after_the_query_is_not_known_yet() -> None:
    since = [[at(5), at(500), at(500)], *[None] * 5]
    users = Table(USERS.frame.with_columns(shown_since=pl.Series(since)), USERS.roles, USERS.key)
    assert ordered("discount", [[0, 1, 2, 6]], users=users, places=1.5) == [[1, 0, 2, 6]]
    assert ordered("discount", [[0, 1, 2, 6]], users=users, places=3.5) == [[1, 2, 6, 0]]


def test_a_floor_of_favourable_items_is_spread_over_the_first_places() -> None:
    rows = [[0, 1, 2, 3, 8, 10, 11, 4]]  # 8, 10 and 11 pay best
    assert ordered("fair", rows, at_least=2, first=4) == [[0, 8, 1, 10, 2, 3, 11, 4]]
    assert ordered("fair", [[0, 1, 2, 8]], at_least=2, first=4) == [[0, 8, 1, 2]], "as far as the list holds them"


def test_the_floor_leaves_a_list_that_keeps_it_anyway() -> None:
    rows = [[8, 0, 10, 1, 2, 3]]
    assert ordered("fair", rows, at_least=2, first=4) == rows


class Line:
    """Scores items by their row, the highest first."""

    def fit(self, train: Any) -> Line:
        return self

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        return np.repeat(np.arange(len(items), dtype=np.float32)[None], len(queries), axis=0)


def served(k: int, *steps: Reranker, histories: Any = ((),), **rules: Any) -> Any:
    routes = dict.fromkeys(("0", "1_2", "3_9", "10_plus"), "line")
    router = Router(routes, {"line": Line()}, rerankers=steps, depth=6).fit_rerankers(TRAIN)
    queries = ask(histories, ITEMS, USERS.take(np.arange(len(histories))))
    return router.recommend(queries, Candidates(ITEMS, Eligibility(**rules), np.arange(N)), k, Scoring())


def test_a_short_list_is_cut_from_the_re_ranked_longer_one() -> None:
    whole, short = (served(k, fitted("fair", at_least=2, first=2, top_share=0.9)) for k in (6, 2))
    assert short.lists.item_idx.tolist() == [row[:2] for row in whole.lists.item_idx.tolist()]
    assert short.plain.item_idx.tolist() == [[11, 10]]


def test_pins_that_no_rung_chose_are_in_the_list_and_say_so() -> None:
    routed = served(4, fitted("pins", n=2))
    assert routed.lists.item_idx.tolist() == [[5, 3, 11, 10]]
    assert routed.source.tolist() == [["pinned", "pinned", "line", "line"]]
    assert routed.plain.item_idx.tolist() == [[11, 10, 9, 8]]


def test_a_pin_that_was_taken_or_is_held_back_gives_its_place_to_the_next() -> None:
    routed = served(3, fitted("pins", n=2), histories=(["i05"],), holds_column="rank")
    assert routed.lists.item_idx.tolist() == [[3, 9, 11]]


@settings(max_examples=25, deadline=None)
@given(
    names=st.lists(st.sampled_from(list(RERANKERS)), max_size=3),
    histories=st.lists(st.lists(st.sampled_from(ITEMS.ids.to_list()), max_size=5, unique=True), min_size=1, max_size=4),
    k=st.integers(1, 8),
)
def test_re_ranked_lists_are_as_long_have_no_repeats_and_keep_hard_rules(names: Any, histories: Any, k: int) -> None:
    routed = served(k, *(fitted(name) for name in names), histories=histories, holds_column="rank")
    items = routed.lists.item_idx
    for row, history in zip(items, histories, strict=True):
        eligible = set(range(N)) - {4} - {int(i[1:]) for i in history}
        shown = [int(i) for i in row if i >= 0]
        assert len(shown) == min(k, len(eligible)) == len(set(shown))
        assert set(shown) <= eligible
    assert ((routed.source == "") == (items < 0)).all()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"reranker": "mrm"}, "unknown re-ranker 'mrm'; did you mean 'mmr'"),
        ({"reranker": "mmr", "params": {"wieght": 1}}, "no parameter 'wieght'; did you mean 'weight'"),
        ({"reranker": "mmr", "params": {"weight": 2}}, "weight must lie between 0 and 1"),
        ({"reranker": "mmr", "params": {"weight": "much"}}, "parameter weight='much'"),
        ({"reranker": "fit", "params": {"rules": {}}}, "no parameter 'rules'"),
        ({"reranker": "calibrated"}, "needs the parameter 'column'"),
        ({"reranker": "fair", "params": {"column": "pay", "at_least": 11}}, "at most first=10"),
    ],
)
def test_what_cannot_be_made_is_named(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        rerankers.make(scenario({"name": "it", **entry}))


def test_a_disabled_re_ranker_is_not_applied() -> None:
    entries = [{"name": "a", "reranker": "mmr", "enabled": False}, {"name": "b", "reranker": "fit"}]
    assert [type(r).__name__ for r in rerankers.make(scenario(*entries))] == ["Fit"]


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("discount", {"column": "show"}, "no column 'show'; did you mean 'shown'"),
        ("discount", {"column": "level"}, "must hold lists"),
        ("spread", {"column": "vacancy"}, "no column 'vacancy'; did you mean 'vacancies'"),
        ("demote", {"column": "title"}, "must hold numbers"),
        ("calibrated", {"column": "title"}, "items.title is text"),
        ("calibrated", {"column": "genre"}, "did you mean 'genres'"),
        ("mmr", {"columns": ["rank"]}, "rank"),
    ],
)
def test_a_column_that_is_not_there_or_holds_something_else_is_named(name: str, params: Any, message: str) -> None:
    entry = {"name": "it", "reranker": name, "params": params}
    assert message in rerankers.unsupported(scenario(entry), TRAIN)["it"]


@pytest.mark.parametrize("name", RERANKERS)
def test_a_shipped_router_re_ranks_as_the_one_that_was_measured(name: str, tmp_path: Path) -> None:
    routes = dict.fromkeys(("0", "1_2", "3_9", "10_plus"), "popular")
    router = Router(routes, {"popular": Popularity()}, rerankers=[fitted(name)], depth=6).fit(TRAIN)
    persistence.save(router, tmp_path / "model")
    queries = ask([["i00"], []], ITEMS, USERS.take(np.arange(2)))
    one, other = (
        r.recommend(queries, Candidates(ITEMS, Eligibility(), np.arange(N)), 4, Scoring())
        for r in (router, persistence.load(tmp_path / "model"))
    )
    np.testing.assert_array_equal(one.lists.item_idx, other.lists.item_idx)
    np.testing.assert_array_equal(one.source, other.source)
