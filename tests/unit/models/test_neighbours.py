"""Neighbours and contacts, counted by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest

from recommender.data.dataset import Dataset, Table
from recommender.data.gate import build, from_frames, tables_of
from recommender.data.queries import Queries
from recommender.errors import ConfigError
from recommender.experiment.run_folder import warnings
from recommender.experiment.rungs import NO_DIRECTION, options
from recommender.models.contacts import Contacts
from recommender.models.follow_back import FollowBack
from recommender.models.neighbours import Neighbours
from tests.helpers.small import ask, at, dataset, scenario, table

#   a - b, a - c, b - d, c - d, c - e, f alone
LINKS = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("c", "e")]
MEMBERS = pl.DataFrame({"user_id": list("abcdef")})


def network(links: Sequence[tuple[str, str]] = LINKS, symmetric: bool = True) -> Dataset:
    rows = pl.DataFrame(
        {
            "user_id": [a for a, _ in links],
            "item_id": [b for _, b in links],
            "timestamp": [at(hour) for hour in range(len(links))],
        }
    )
    items = MEMBERS.rename({"user_id": "item_id"})
    return from_frames(rows, items, MEMBERS, {"relation": {"symmetric": symmetric}})


def query(member: str, history: Sequence[str], data: Dataset, as_of: float = 100.0) -> Queries:
    return ask([history], data.items, data.users.take(data.users.lookup(pl.Series([member]))), as_of)


def scores(model: Any, queries: Queries, items: Table) -> dict[str, float]:
    (row,) = model.score(queries, items)
    return {member: round(float(s), 4) for member, s in zip(items.ids, row, strict=True) if not np.isnan(s)}


@pytest.mark.parametrize(
    ("weight", "d", "e"),
    [
        ("count", 2, 1),
        ("adamic_adar", 1 / np.log(3) + 1 / np.log(4), 1 / np.log(4)),
        ("resource_allocation", 1 / 2 + 1 / 3, 1 / 3),
    ],
)
def test_common_neighbours_count_as_the_weight_says(weight: Any, d: float, e: float) -> None:
    data = network()
    model = Neighbours(weight=weight).fit(data)
    assert scores(model, query("a", ["b", "c"], data), data.items) == {"d": round(d, 4), "e": round(e, 4)}


def test_a_member_without_links_in_training_is_served_by_those_since() -> None:
    data = network()
    model = Neighbours(weight="count").fit(data)
    assert scores(model, query("f", ["e"], data), data.items) == {"c": 1}
    assert scores(model, query("f", [], data), data.items) == {}


def test_an_old_link_of_the_neighbour_counts_less() -> None:
    data = network()
    values = scores(Neighbours("count", half_life_share=0.25).fit(data), query("a", ["b", "c"], data), data.items)
    assert values == {"d": round(0.5 + 0.25, 4), "e": 1}  # b-d two, c-d one, c-e no hour old; a half-life is an hour


def test_a_directed_relation_is_followed_along_the_links() -> None:
    data = network(symmetric=False)
    model = Neighbours(weight="count").fit(data)
    assert scores(model, query("a", ["b", "c"], data), data.items) == {"d": 2, "e": 1}
    assert scores(model, query("d", [], data), data.items) == {}


def test_who_linked_to_the_member_is_followed_back_the_latest_first() -> None:
    links = [("a", "d"), ("b", "d"), ("d", "b"), ("c", "d"), ("a", "d")]  # at the hours 0 to 4
    data = network(links, symmetric=False)
    values = scores(FollowBack().fit(data), query("d", ["b"], data), data.items)
    assert values == {"a": 1, "c": round(1 / (1 + 1 / 24), 4)}
    assert scores(FollowBack().fit(data), query("a", ["d"], data), data.items) == {}


def test_a_member_who_linked_to_nobody_can_follow_back() -> None:
    data = network(symmetric=False)
    assert scores(FollowBack().fit(data), query("e", [], data), data.items) == {"c": 1}


def test_nobody_follows_back_where_links_hold_both_ways() -> None:
    parts = scenario(ladder=[{"name": "follow_back", "recommender": "follow_back"}])
    assert options(parts.ladder[0], parts, network()) == ([], NO_DIRECTION)
    assert options(parts.ladder[0], parts, network(symmetric=False)) == ([{}], "")


def test_a_rung_for_directed_links_is_no_warning_where_links_hold_both_ways() -> None:
    parts, off = scenario(slices=[]), {"follow_back": NO_DIRECTION, "content": "users have no column city"}
    assert [note for note in warnings(network(), parts, off) if " is off" in note] == [
        "content is off: users have no column city."
    ]


def test_all_step_aside_where_items_are_not_users() -> None:
    users = table("user_id", ["u"], contacts=[["k"]], contact_key=["l"])
    data = dataset([("u", "i", 1.0)], users=users)
    for name in ("neighbours", "contacts", "follow_back"):
        parts = scenario(ladder=[{"name": name, "recommender": name}])
        assert options(parts.ladder[0], parts, data) == ([], "the items are not users (relation in dataset.yaml)")


def test_unknown_words_name_the_nearest() -> None:
    with pytest.raises(ConfigError, match="adamic_adar"):
        Neighbours(weight="adamic")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="theirs"):
        Contacts(direction="their")  # type: ignore[arg-type]


def with_books() -> Dataset:
    tables = tables_of(network())
    tables.contacts = pl.DataFrame(
        {
            "user_id": ["a", "a", "d", "e"],
            "contact_key": ["kf", "kd", "ka", "kf"],
            "timestamp": [at(5), at(5), at(5), at(90)],
        }
    )
    assert tables.users is not None
    tables.users = tables.users.with_columns(contact_key=pl.format("k{}", pl.col("user_id")))
    return build(tables)


def test_contacts_and_reverse_contacts_serve_members_without_links() -> None:
    data = with_books()
    for member, direction, expected in (
        ("a", "both", {"f": 1, "d": 2}),
        ("a", "mine", {"f": 1, "d": 1}),
        ("a", "theirs", {"d": 1}),
        ("f", "both", {"a": 1, "e": 1}),  # a newcomer who imported nothing
        ("b", "both", {}),
    ):
        assert scores(Contacts(direction).fit(data), query(member, [], data), data.items) == expected  # type: ignore[arg-type]


def test_contacts_of_some_candidates_are_those_of_all_in_their_columns() -> None:
    data = with_books()
    few = np.array([5, 0, 3])
    for member in "adf":
        all_, some = (
            Contacts().fit(data).score(query(member, [], data), t) for t in (data.items, data.items.take(few))
        )
        np.testing.assert_array_equal(some, all_[:, few])
        assert np.isfinite(all_).any()


def test_a_book_imported_after_the_query_is_not_known() -> None:
    data = with_books()
    assert scores(Contacts().fit(data), query("f", [], data, as_of=50.0), data.items) == {"a": 1}
    assert scores(Contacts().fit(data), query("f", [], data, as_of=4.0), data.items) == {}
