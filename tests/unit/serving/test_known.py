"""What a served model knows, sorted once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from recommender.config import Eligibility
from recommender.models.popularity import Popularity
from recommender.names import USER_BUCKETS
from recommender.ranking.router import Router
from recommender.serving import bundle as serving
from recommender.serving.bundle import Bundle, as_queries, serve
from recommender.serving.known import Known
from tests.helpers.small import dataset, table, us

ROWS = [("v", "b", 3), ("u", "c", 2), ("u", "a", None), ("u", "b", 2), ("v", "c", 1), ("u", "d", 5)]
USERS = table("user_id", ["v", "idle", "u"], {"city": "category"}, city=["x", "y", "z"])
DATA = dataset(ROWS, users=USERS)


def test_histories_are_in_the_order_of_time_rows_of_one_moment_as_they_came() -> None:
    known = Known.of(DATA)
    taken = [DATA.items.ids[int(i)] for i in known.histories.item_idx]
    assert known.histories.indptr.tolist() == [0, 2, 2, 6]
    assert taken == ["c", "b", "a", "c", "b", "d"]
    assert (known.first, known.last) == (us(1), us(5))


def test_interactions_come_back_in_the_order_of_each_user() -> None:
    again = Known.of(Known.of(DATA).dataset())
    one = Known.of(DATA)
    for name in ("indptr", "item_idx", "timestamp"):
        np.testing.assert_array_equal(getattr(again.histories, name), getattr(one.histories, name))


def test_known_and_unknown_users_of_one_request_get_what_is_theirs() -> None:
    query_rows = pl.DataFrame({"user_id": ["u", "new", "v", "u", "idle"]})
    queries = as_queries(query_rows, Known.of(DATA))
    assert queries.users.frame["city"].to_list() == ["z", None, "x", "z", "y"]
    assert queries.ids.to_list() == ["u", "new", "v", "u", "idle"]
    assert queries.history.lengths.tolist() == [4, 0, 2, 4, 0]


def test_what_depends_on_no_request_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(compute: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args: calls.append(compute) or compute(*args)

    monkeypatch.setattr(serving, "completion_order", counted(serving.completion_order))
    router = Router(dict.fromkeys(USER_BUCKETS, "popular"), {"popular": Popularity()}).fit(DATA)
    bundle = Bundle.of(router, DATA, Eligibility())
    monkeypatch.setattr(Known, "of", counted(Known.of))
    for user in ("u", "v", "new"):
        serve(bundle, pl.DataFrame({"user_id": [user]}), 2)
    assert len(calls) == 1
