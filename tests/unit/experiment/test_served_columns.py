"""What a shipped model holds of users and items."""

from __future__ import annotations

from dataclasses import replace

import pytest

from recommender import config
from recommender.experiment.served_columns import served_columns
from recommender.models.content import Content
from recommender.models.ease import EASE
from recommender.models.popularity import Popularity
from tests.helpers.small import dataset, table

ITEMS = table("item_id", "ab", {"title": "text", "secret": "ignore", "held": "ignore"},
              title=["x", "y"], secret=[1, 2], held=[0, -1])  # fmt: skip
USERS = table("user_id", "uv", {"was": "text", "gender": "protected", "note": "ignore"},
              was=["x", "y"], gender=["f", "m"], note=["n", "o"])  # fmt: skip


def data():  # type: ignore[no-untyped-def]
    return replace(dataset([("u", "a", 0.0), ("v", "b", 1.0)]), items=ITEMS, users=USERS)


def test_no_protected_or_ignored_column_is_served() -> None:
    served = served_columns(data(), [Content()], config.load("catalog"))
    assert served.users.frame.columns == ["user_id", "was"]
    assert served.items.frame.columns == ["item_id", "title"]


def test_what_users_say_goes_where_no_served_rung_reads_it() -> None:
    served = served_columns(data(), [EASE()], config.load("catalog"))
    assert served.users.frame.columns == ["user_id"]
    assert not served.match


def test_a_column_that_a_rule_or_a_rung_reads_stays() -> None:
    scenario = config.load("catalog", ["eligibility.holds_column=held"])
    served = served_columns(data(), [Popularity(segment=["note"])], scenario)
    assert served.items.frame.columns == ["item_id", "title", "held"]
    assert served.users.frame.columns == ["user_id", "note"]


@pytest.mark.parametrize("where", ["audit", "slices"])
def test_a_protected_column_is_served_to_nobody_even_where_the_scenario_names_it(where: str) -> None:
    overrides = {"audit": "audit={columns: [gender], favourable: {column: secret}}", "slices": "slices=[gender]"}
    served = served_columns(data(), [Content()], config.load("catalog", [overrides[where]]))
    assert "gender" not in served.users.frame.columns
