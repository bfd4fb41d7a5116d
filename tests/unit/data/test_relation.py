"""Data whose items are its users: the gate, both rows of a link, and who is never shown to whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.config import Eligibility, Split
from recommender.data import operators
from recommender.data.dataset import Dataset
from recommender.data.folder import read_folder, write_folder
from recommender.data.gate import build, from_frames, tables_of
from recommender.data.split import folds, time_fold
from recommender.errors import ConfigError, DataError, UserError
from recommender.ranking.candidates import Candidates
from tests.helpers.small import ask, at

MEMBERS = pl.DataFrame({"user_id": list("abcdef"), "company": ["x", "x", "y", "y", None, "x"]})
SYMMETRIC = {"relation": {"symmetric": True}}
DIRECTED = {"relation": {"symmetric": False}}
Link = tuple[str, str, float]


def related(rows: list[Link], spec: dict[str, Any] | None = None, users: pl.DataFrame = MEMBERS) -> Dataset:
    links = pl.DataFrame({
        "user_id": [r[0] for r in rows], "item_id": [r[1] for r in rows], "timestamp": [at(r[2]) for r in rows]
    })  # fmt: skip
    items = users.select(pl.col("user_id").alias("item_id"))
    return from_frames(links, items, users, SYMMETRIC if spec is None else spec)


def pairs(data: Dataset) -> list[tuple[Any, ...]]:
    return data.interactions.select("user_id", "item_id").rows()


def test_a_link_given_once_or_twice_is_two_rows_of_one_event_and_one_time() -> None:
    once, twice = related([("b", "a", 1), ("c", "d", 2)]), related([("b", "a", 1), ("a", "b", 1), ("c", "d", 2)])
    assert once.interactions.equals(twice.interactions)
    assert pairs(once) == [("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")]
    assert once.interactions["timestamp"].to_list() == [at(1), at(1), at(2), at(2)]


def test_a_directed_link_stays_one_row() -> None:
    data = related([("b", "a", 1), ("a", "b", 3)], DIRECTED)
    assert pairs(data) == [("b", "a"), ("a", "b")]
    assert len(set(data.links)) == 2


@pytest.mark.parametrize(
    ("row", "rule"),
    [(("a", "a", 1.0), "self_links"), (("z", "a", 1.0), "unknown_items"), (("a", "z", 1.0), "unknown_items")],
)
def test_the_gate_refuses_directed_links_that_cannot_be(row: Link, rule: str) -> None:
    with pytest.raises(DataError, match=rule):
        related([row, ("a", "b", 2.0)], DIRECTED)
    mended = related([row, ("a", "b", 2.0)], {**DIRECTED, "repairs": {rule: "drop"}})
    assert (pairs(mended), [r.rule for r in mended.repairs]) == ([("a", "b")], [rule])


def test_an_answer_after_the_origin_is_asked_for_and_no_part_of_training() -> None:
    """The two directions of a pair are links of their own, each on its side of the origin."""
    data = related([("a", "b", 1), ("c", "a", 2), ("b", "a", 11), ("a", "c", 12)], DIRECTED)
    fold = time_fold(data, "test", at(10), None, 1)
    assert pairs(fold.train) == [("a", "b"), ("c", "a")]
    answers = [fold.items.ids[int(i)] for i in fold.truth.indices]
    assert dict(zip(fold.queries.ids, answers, strict=True)) == {"b": "a", "a": "c"}


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        ([("a", "a", 1.0), ("a", "b", 2.0)], "self_links"),
        ([("a", "b", 1.0), ("b", "a", 2.0)], "link_times"),
        ([("z", "a", 1.0), ("a", "b", 2.0)], "unknown_items"),
        ([("a", "z", 1.0), ("a", "b", 2.0)], "unknown_items"),
    ],
)
def test_the_gate_refuses_links_that_cannot_be_and_repairs_them_where_told(rows: list[Link], rule: str) -> None:
    with pytest.raises(DataError, match=rule):
        related(rows)
    action = "keep_first" if rule == "link_times" else "drop"
    mended = related(rows, {**SYMMETRIC, "repairs": {rule: action}})
    assert pairs(mended) == [("a", "b"), ("b", "a")]
    assert [(r.rule, r.count) for r in mended.repairs] == [(rule, 1)]


def test_an_unknown_key_of_relation_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="symmetric"):
        related([("a", "b", 1)], {"relation": {"symetric": True}})


def test_items_are_the_users_with_their_features_and_matches() -> None:
    data = related([("a", "b", 1)])
    assert data.items.frame["company"].to_list() == data.users.frame["company"].to_list()
    assert [(m.user, m.item) for m in data.match] == [("company", "company")]


def test_a_protected_column_of_members_is_no_feature_of_items() -> None:
    data = related([("a", "b", 1)], users=MEMBERS.with_columns(gender=pl.Series(["f", "m"] * 3)))
    assert data.items.roles["gender"] == data.users.roles["gender"] == "protected"


def test_a_folder_of_links_alone_and_one_with_members(tmp_path: Path) -> None:
    (tmp_path / "dataset.yaml").write_text("relation: {symmetric: true}\n")
    (tmp_path / "interactions.csv").write_text("user_id,item_id,timestamp\n1,2,2026-01-02\n2,3,2026-01-03\n")
    assert build(read_folder(tmp_path)).items.ids.to_list() == [1, 2, 3]
    (tmp_path / "dataset.yaml").write_text("relation: {symmetric: true}\ncolumns: {available_from: joined}\n")
    (tmp_path / "users.csv").write_text(
        "user_id,school,joined\n1,s,2026-01-01\n2,s,2026-01-01\n3,t,2026-01-01\n4,t,2026-01-05\n"
    )
    data = build(read_folder(tmp_path))
    assert data.items.ids.to_list() == [1, 2, 3, 4]
    assert data.states_availability
    assert data.items.frame["school"].to_list() == ["s", "s", "t", "t"]


def test_blocks_and_contacts_come_back_from_a_folder(tmp_path: Path) -> None:
    tables = tables_of(related([("a", "b", 1), ("c", "d", 2)]))
    tables.blocks = pl.DataFrame({"user_id": ["a", "a"], "item_id": ["c", "d"], "timestamp": [at(5), at(6)]})
    tables.contacts = pl.DataFrame({"user_id": ["a", "e"], "contact_key": ["12", "34"]})
    data = build(tables)
    assert data.users.frame.filter(user_id="a").select("blocks", "contacts").row(0) == (["c", "d"], ["12"])
    assert data.items.columns("multi", "text", "category") == ["company"]
    write_folder(data, tmp_path / "again")
    assert build(read_folder(tmp_path / "again")).users.frame.equals(data.users.frame)


def test_tables_of_blocks_and_contacts_are_read_beside_the_links(tmp_path: Path) -> None:
    (tmp_path / "dataset.yaml").write_text("relation: {symmetric: true}\n")
    (tmp_path / "interactions.csv").write_text("user_id,item_id,timestamp\n1,2,2026-01-02\n2,3,2026-01-03\n")
    (tmp_path / "blocks.csv").write_text("user_id,item_id\n1,3\n")
    (tmp_path / "contacts.csv").write_text("user_id,contact_key\n1,0123e4\n")
    frame = build(read_folder(tmp_path)).users.frame
    assert frame["blocks"].to_list() == [[3], None, None]
    assert frame["contacts"].to_list() == [["0123e4"], None, None]


def test_plain_addresses_are_refused() -> None:
    tables = tables_of(related([("a", "b", 1)]))
    tables.contacts = pl.DataFrame({"user_id": ["a"], "contact_key": ["someone@example.org"]})
    with pytest.raises(DataError, match="make contacts-hash") as refused:
        build(tables)
    assert len(refused.value.problems) == 1  # once, not once for items and once for users


LINKS = st.lists(
    st.tuples(st.integers(0, 11), st.integers(0, 11), st.integers(0, 40)).filter(lambda r: r[0] != r[1]),
    min_size=30,
    max_size=60,
    unique_by=lambda r: (min(r[:2]), max(r[:2])),
)


@settings(max_examples=25, deadline=None)
@given(LINKS, st.sampled_from(["time", "random"]))
def test_both_rows_of_a_link_lie_on_one_side_of_every_origin(rows: list[tuple[int, int, int]], kind: str) -> None:
    ids = [f"m{i:02}" for i in range(12)]
    users = pl.DataFrame({"user_id": ids})
    data = related([(ids[a], ids[b], float(h)) for a, b, h in rows], users=users)
    split = Split.model_validate({"kind": kind, "validation": [0.4], "test": 0.6, "min_train": 1})
    seen = 0
    try:
        for fold in folds(data, split, Eligibility()):
            known = set(pairs(fold.train))
            assert known == {(b, a) for a, b in known}
            query, item = fold.truth.nonzero()
            query_pairs = {(fold.queries.ids[int(q)], fold.items.ids[int(i)]) for q, i in zip(query, item, strict=True)}
            assert not query_pairs & known
            seen += len(query_pairs)
    except (DataError, ConfigError, UserError):
        return  # too little on one side to make a fold of
    assert seen


@pytest.mark.parametrize("by", ["events", "users", "items"])
def test_less_data_keeps_whole_links(by: str) -> None:
    ids = [f"m{i:02}" for i in range(30)]
    rows = [(a, b, float(n)) for n, (a, b) in enumerate(zip(ids * 3, ids[1:] + ids[3:] + ids[7:], strict=False))]
    data = related(rows, users=pl.DataFrame({"user_id": ids}))
    less = operators.apply(data, [{"volume": {"share": 0.6, "by": by}}], 1)
    assert 0 < less.interactions.height < data.interactions.height
    assert set(pairs(less)) == {(b, a) for a, b in pairs(less)}


def test_nobody_is_shown_themselves_or_whom_they_have_from_either_side() -> None:
    data = related([("b", "a", 1), ("c", "d", 2)])
    queries = ask([["b"], ["a"]], data.items, data.users.take(np.array([0, 1])))
    shown = Candidates.after(data, data.items, Eligibility()).eligible(queries)
    assert shown.tolist() == [[False, False, True, True, True, True]] * 2


def test_one_way_hides_whom_a_member_follows_and_the_member_but_no_follower() -> None:
    data = related([("a", "b", 1), ("c", "d", 2)], DIRECTED)
    queries = ask([["b"], []], data.items, data.users.take(np.array([0, 1])))
    shown = Candidates.after(data, data.items, Eligibility()).eligible(queries)
    assert shown.tolist() == [[False, False, True, True, True, True], [True, False, True, True, True, True]]


@pytest.mark.parametrize("spec", [SYMMETRIC, DIRECTED])
def test_a_block_holds_for_both_from_its_time_on(spec: dict[str, Any]) -> None:
    tables = tables_of(related([("a", "b", 1), ("c", "d", 2)], spec))
    tables.blocks = pl.DataFrame({"user_id": ["a", "e"], "item_id": ["c", "f"], "timestamp": [at(5), at(500)]})
    data = build(tables)
    rules = Eligibility(blocks_column="blocks")
    for asking, other, hour, may in (
        ("a", "c", 6, False),
        ("c", "a", 6, False),
        ("a", "c", 4, True),
        ("e", "f", 6, True),
    ):
        user = data.users.take(data.users.lookup(pl.Series([asking])))
        shown = Candidates.after(data, data.items, rules).eligible(ask([[]], data.items, user, as_of=hour))
        assert shown[0, data.items.ids.to_list().index(other)] == may
