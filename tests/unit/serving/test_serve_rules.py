"""A shipped model applies the rules that it was measured with."""

from __future__ import annotations

import logging

import polars as pl
import pytest

from recommender.config import Eligibility
from recommender.data.gate import from_frames
from recommender.models.popularity import Popularity
from recommender.names import USER_BUCKETS
from recommender.ranking.router import Router
from recommender.serving.bundle import Bundle, serve
from tests.helpers.small import at, dataset, table, times

PLACES = [{"lat": 0.0, "lon": float(n)} for n in (0, 0, 9)]
ITEMS = table("item_id", ["a", "b", "c"], place=PLACES, moderated_at=times([None, 7, None]))
USERS = table("user_id", ["u", "v", "w"], place=[PLACES[0], None, None])
DATA = dataset([("u", "a", 1), ("v", "b", 2), ("w", "c", 3)], ITEMS, USERS)
REACH = {"user": "place", "item": "place", "max_km": 100}


def shown(query: dict[str, list[object]], **more: pl.DataFrame) -> list[list[str]]:
    router = Router(dict.fromkeys(USER_BUCKETS, "popular"), {"popular": Popularity()}).fit(DATA)
    rules = Eligibility.model_validate({"repeats": True, "moderated_column": "moderated_at", "reach": REACH})
    lists = serve(Bundle.of(router, DATA, rules), pl.DataFrame(query), 3, **more)
    return [lists.filter(user_id=user)["item_id"].sort().to_list() for user in query["user_id"]]


def test_a_violation_confirmed_after_the_last_interaction_is_not_shown_now() -> None:
    assert shown({"user_id": ["v"]}) == [["a", "c"]]


def test_before_it_was_confirmed_it_is_shown() -> None:
    assert shown({"user_id": ["v"], "as_of": [at(6)]}) == [["a", "b", "c"]]


def test_places_of_new_users_and_items_are_obeyed() -> None:
    users = pl.DataFrame({"user_id": ["new"], "place": [PLACES[2]]})
    items = pl.DataFrame({"item_id": ["near"], "place": [PLACES[2]]})
    assert shown({"user_id": ["u", "new", "stranger"]}, users=users, items=items) == [
        ["a"],
        ["c", "near"],
        ["a", "c", "near"],
    ]


def test_who_can_be_shown_nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    afar = pl.DataFrame({"user_id": ["afar"], "place": [{"lat": 80.0, "lon": 0.0}]})
    with caplog.at_level(logging.WARNING):
        assert shown({"user_id": ["u"]}) == [["a"]]
        assert "nothing" not in caplog.text
        assert shown({"user_id": ["u", "afar"]}, users=afar) == [["a"], []]
    assert "1 of 2 queries get nothing" in caplog.text


def test_where_items_are_users_nobody_is_shown_themselves() -> None:
    links = pl.DataFrame({"user_id": ["a", "b"], "item_id": ["b", "c"], "timestamp": [at(1), at(2)]})
    members = pl.DataFrame({"item_id": ["a", "b", "c", "d"]})
    data = from_frames(links, members, spec={"relation": {"symmetric": True}})
    router = Router(dict.fromkeys(USER_BUCKETS, "popular"), {"popular": Popularity()}).fit(data)
    lists = serve(Bundle.of(router, data, Eligibility()), pl.DataFrame({"user_id": ["a", "d"]}), 4)
    items = {user: lists.filter(user_id=user)["item_id"].sort().to_list() for user in ("a", "d")}
    assert items == {"a": ["c", "d"], "d": ["a", "b", "c"]}
