"""Hard rules: what may be shown to whom at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small import ask, table, times

from recommender.config import Eligibility
from recommender.data.dataset import Table
from recommender.errors import ConfigError
from recommender.policies import eligible

NAMES = list("abcd")


def shown(
    items: Table, histories: Any = ((),), as_of: Any = 100.0, allowed: Any = None, **rules: Any
) -> list[list[str]]:
    mask = eligible(ask(histories, items, as_of=as_of), items, Eligibility(**rules), allowed)
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
    made = shown(items, histories, float(now), np.array(allowed), blocked_column="spam", repeats=repeats)
    assert made == [
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
