"""Hard rules: what may be shown to whom at all."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.config import Eligibility, Reach, Seniority
from recommender.data.dataset import Table
from recommender.errors import ConfigError
from recommender.ranking.candidates import Candidates
from recommender.ranking.eligibility import distances, level_gap, unsupported
from tests.helpers.small import ask, dataset, table, times

NAMES = list("abcd")


def shown(
    items: Table, histories: Any = ((),), as_of: Any = 100.0, allowed: Any = None, **rules: Any
) -> list[list[str]]:
    mask = Candidates(items, Eligibility(**rules), np.arange(len(items)), allowed).eligible(
        ask(histories, items, as_of=as_of)
    )
    return [[i for i, ok in zip(items.ids.to_list(), row, strict=True) if ok] for row in mask]


def test_items_not_yet_published_and_expired_are_never_shown() -> None:
    items = table("item_id", NAMES, available_from=times([0, 50, None, None]), expires_at=times([None, None, 50, None]))
    assert shown(items, ((), ()), as_of=[49.0, 50.0]) == [["a", "c", "d"], ["a", "b", "d"]]


def test_without_a_time_of_query_availability_is_not_judged() -> None:
    items = table("item_id", NAMES, available_from=times([0, 50, None, None]))
    assert shown(items, as_of=None) == [NAMES]


def test_items_taken_before_are_shown_only_where_repeats_are_allowed() -> None:
    items = table("item_id", NAMES)
    assert shown(items, (["a", "c"], [])) == [["b", "d"], NAMES]
    assert shown(items, (["a", "c"], []), repeats=True) == [NAMES, NAMES]


@pytest.mark.parametrize("values", [[True, False, None, False], [1, 0, None, 0]])
def test_blocked_items_are_never_shown_and_missing_means_not_blocked(values: list[Any]) -> None:
    items = table("item_id", NAMES, spam=values)
    assert shown(items, blocked_column="spam", repeats=True) == [["b", "c", "d"]]


def test_a_blocked_column_that_does_not_exist_is_an_error_not_a_skipped_rule() -> None:
    with pytest.raises(ConfigError, match="no column 'spma'; did you mean 'spam'"):
        shown(table("item_id", NAMES, spam=[True] * 4), blocked_column="spma")


def test_a_blocked_column_of_words_is_an_error() -> None:
    with pytest.raises(ConfigError, match="must hold booleans"):
        shown(table("item_id", NAMES, spam=["no"] * 4), blocked_column="spam")


def test_allowed_restricts_every_query() -> None:
    allowed = np.array([True, False, True, False])
    assert shown(table("item_id", NAMES), (["a"], []), allowed=allowed) == [["c"], ["a", "c"]]


hour = st.one_of(st.none(), st.integers(0, 9))


@given(
    starts=st.lists(hour, min_size=4, max_size=4),
    stops=st.lists(hour, min_size=4, max_size=4),
    blocked=st.lists(st.booleans(), min_size=4, max_size=4),
    allowed=st.lists(st.booleans(), min_size=4, max_size=4),
    histories=st.lists(st.lists(st.sampled_from(NAMES), max_size=3), min_size=1, max_size=4),
    now=st.integers(0, 9),
    repeats=st.booleans(),
)
def test_an_item_is_eligible_where_every_rule_agrees(starts, stops, blocked, allowed, histories, now, repeats) -> None:
    items = table("item_id", NAMES, available_from=times(starts), expires_at=times(stops), spam=blocked)
    lists = shown(items, histories, float(now), np.array(allowed), blocked_column="spam", repeats=repeats)
    assert lists == [
        [
            i
            for i, start, stop, bad, ok in zip(NAMES, starts, stops, blocked, allowed, strict=True)
            if (start is None or start <= now)
            and (stop is None or now < stop)
            and ok
            and not bad
            and (repeats or i not in history)
        ]
        for history in histories
    ]


BERLIN, POTSDAM, MUNICH = {"lat": 52.52, "lon": 13.405}, {"lat": 52.39, "lon": 13.065}, {"lat": 48.137, "lon": 11.575}
PLACES = table(
    "item_id", NAMES, place=[BERLIN, POTSDAM, MUNICH, None], remote=[False, None, True, False],
    level=["junior", "senior", "lead", None],
)  # fmt: skip
SEEKERS = table(
    "user_id", ["b", "m", "x", "w"], place=[BERLIN, MUNICH, None, BERLIN], moves=[False, None, False, True],
    level=["junior", "lead", None, "unheard of"],
)  # fmt: skip
REACH = {"user": "place", "item": "place", "max_km": 40}
LEVELS = {"user": "level", "item": "level", "order": ["junior", "associate", "senior", "lead"]}


def offered(items: Table = PLACES, users: Table = SEEKERS, **rules: Any) -> list[str]:
    mask = Candidates(items, Eligibility(**rules), np.arange(len(items))).eligible(ask([()] * len(users), items, users))
    return ["".join(i for i, ok in zip(items.ids, row, strict=True) if ok) for row in mask]


def test_great_circle_distances_are_those_of_the_map() -> None:
    near, far = distances(SEEKERS, PLACES, Reach(**REACH))[0, 1:3]
    assert near == pytest.approx(27.2, abs=0.2)
    assert far == pytest.approx(504.4, abs=1)


def test_items_out_of_reach_are_not_shown_and_what_states_no_place_is_within_reach() -> None:
    assert offered(reach=REACH) == ["abd", "cd", "abcd", "abd"]
    assert offered(reach=REACH | {"max_km": 20}) == ["ad", "cd", "abcd", "ad"]


def test_remote_items_and_users_who_would_move_have_no_distance() -> None:
    assert offered(reach=REACH | {"remote": "remote", "willing": "moves"}) == ["abcd", "cd", "abcd", "abcd"]


def test_levels_too_far_apart_are_not_shown_and_unknown_levels_never_block() -> None:
    assert offered(seniority=LEVELS | {"max_gap": 2}) == ["abd", "bcd", "abcd", "abcd"]
    assert offered(seniority=LEVELS | {"max_gap": 0}) == ["ad", "cd", "abcd", "abcd"]


def test_a_rule_that_is_not_hard_blocks_nothing() -> None:
    soft = {"hard": False}
    assert offered(reach=REACH | soft, seniority=LEVELS | soft) == ["abcd"] * 4


@given(
    seeker=st.tuples(st.floats(-90, 90), st.floats(-180, 180)),
    item=st.tuples(st.floats(-90, 90), st.floats(-180, 180)),
    max_km=st.floats(1, 25_000),
)
def test_reach_agrees_with_the_haversine_of_one_pair(seeker: Any, item: Any, max_km: float) -> None:
    (a, b), (c, d) = np.radians(seeker), np.radians(item)
    haversine = np.sin((c - a) / 2) ** 2 + np.cos(a) * np.cos(c) * np.sin((d - b) / 2) ** 2
    km = 2 * 6371.0088 * np.arcsin(np.sqrt(min(haversine, 1)))
    users = table("user_id", ["u"], place=[list(seeker)])
    items = table("item_id", ["i"], place=[list(item)])
    assert distances(users, items, Reach(**REACH))[0, 0] == pytest.approx(km, abs=0.3)
    if abs(km - max_km) > 0.3:
        assert offered(items, users, reach=REACH | {"max_km": max_km}) == ["" if km > max_km else "i"]


def test_pairs_are_judged_as_the_whole_table_is() -> None:
    row, item = (x.ravel() for x in np.indices((4, 4)))
    reach, levels = Reach(**REACH, remote="remote", willing="moves"), Seniority(**LEVELS)
    for measure, rule in ((distances, reach), (level_gap, levels)):
        whole, paired = measure(SEEKERS, PLACES, rule), measure(SEEKERS, PLACES, rule, (row, item))
        np.testing.assert_allclose(whole[row, item], paired, atol=1e-3)


def test_a_violation_is_shown_until_it_is_confirmed_and_never_after() -> None:
    items = table("item_id", NAMES, moderated_at=times([50, None, 51, 0]))
    assert shown(items, ((), ()), as_of=[49.5, 50.0], moderated_column="moderated_at") == [["a", "b", "c"], ["b", "c"]]
    assert shown(items, as_of=None, moderated_column="moderated_at") == [["b"]], "without a time it is not risked"


def test_expired_items_are_shown_where_that_is_to_be_measured_and_unpublished_ones_never() -> None:
    items = table("item_id", NAMES, available_from=times([0, 0, 60, None]), expires_at=times([40, 60, 70, None]))
    assert shown(items, as_of=50.0) == [["b", "d"]]
    assert shown(items, as_of=50.0, expired=True) == [["a", "b", "d"]]


def test_times_of_moderation_may_be_words_of_a_file() -> None:
    items = table("item_id", NAMES, moderated_at=["2025-12-31", None, "2027-01-01 10:00:00", None])
    assert shown(items, moderated_column="moderated_at") == [["b", "c", "d"]]


def test_items_that_the_editors_hold_back_are_not_shown() -> None:
    assert shown(table("item_id", NAMES, rank=[1, -1, None, 0]), holds_column="rank") == [["a", "c", "d"]]


GENDERED = table("user_id", ["u"], {"gender": "protected"}, gender=["junior"], level=["junior"], place=[BERLIN])


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"moderated_column": "moderated"}, "items have no column 'moderated'"),
        ({"moderated_column": "level"}, "items.level must hold times"),
        ({"holds_column": "level"}, "must hold numbers"),
        ({"reach": REACH | {"item": "plaze"}}, "no column 'plaze'; did you mean 'place'"),
        ({"reach": REACH | {"user": "level"}}, "users.level must hold places with lat and lon"),
        ({"reach": REACH | {"remote": "level"}}, "reach.remote: items.level must hold booleans"),
        ({"seniority": LEVELS | {"user": "gender"}}, "users.gender is protected"),
        (
            {"seniority": LEVELS | {"order": ["Junior", "Senior"]}},
            "holds none of the levels Junior, Senior .e.g. junior",
        ),
    ],
)
def test_a_rule_that_cannot_be_applied_is_an_error_not_a_skipped_rule(rules: dict[str, Any], message: str) -> None:
    data = dataset([("u", "a", 1.0)], PLACES, GENDERED)
    ((name, reason),) = unsupported(Eligibility(**rules), data).items()
    assert name in rules
    assert re.search(message, reason)


def test_rules_that_the_data_support_have_no_problem() -> None:
    rules = Eligibility(reach=REACH, seniority=LEVELS)
    assert unsupported(rules, dataset([("u", "a", 1.0)], PLACES, GENDERED)) == {}
    assert unsupported(Eligibility(), dataset([("u", "a", 1.0)])) == {}
