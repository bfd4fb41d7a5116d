"""Ids come back byte for byte, join only by that, and say so where a program has spoilt them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings

from recommender.data.folder import read_folder, write_folder
from recommender.data.gate import build, from_frames
from recommender.data.ids import as_ids, near_misses
from recommender.data.read.table import read_table
from recommender.errors import DataError
from recommender.serving.bundle import as_queries
from recommender.serving.known import Known
from recommender.serving.new_rows import extended
from tests.helpers.exact_ids import INTEGERS, TEXTS, sound
from tests.helpers.messy import notes, read, refusal


def events(users: list[Any], dtype: Any = None) -> pl.DataFrame:
    """Two rows for each user, of items that tell the users apart."""
    times = pl.datetime_range(
        pl.datetime(2024, 1, 1), pl.datetime(2024, 1, 1) + pl.duration(hours=len(users) - 1), "1h", eager=True
    )
    items = [f"i{n}" for n in range(len(users))]
    return pl.DataFrame({"user_id": pl.Series(users, dtype=dtype), "item_id": items, "timestamp": times})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS)
def test_text_ids_of_a_csv_come_back_byte_for_byte_and_keep_their_own_history(tmp_path: Path, ids: list[str]) -> None:
    ids = sound(ids) or ["x"]
    folder = tmp_path / "set"
    folder.mkdir(exist_ok=True)
    events(ids).write_csv(folder / "interactions.csv", quote_style="always")
    (folder / "items.csv").write_text("item_id\n" + "".join(f"i{n}\n" for n in range(len(ids))))
    data = build(read_folder(folder))
    assert sorted(map(str, data.users.ids.to_list())) == sorted(ids)
    user_rows = pl.DataFrame({"user_id": [*ids, "somebody else"]})
    queries = as_queries(user_rows, Known.of(data))
    items = data.items.ids.gather(queries.history.item_idx).to_list()
    assert items == [f"i{n}" for n in range(len(ids))]
    assert queries.history.lengths.tolist() == [1] * len(ids) + [0]


@pytest.mark.parametrize("kind", INTEGERS)
def test_integers_of_any_width_are_exact_through_gate_folder_and_look_up(tmp_path: Path, kind: str) -> None:
    dtype, low, high = INTEGERS[kind]
    ids = [low, low + 1, high - 1, high]
    items = pl.DataFrame({"item_id": [f"i{n}" for n in range(4)]})
    data = from_frames(events(ids, dtype), items)
    assert sorted(int(i) for i in data.users.ids) == ids
    write_folder(data, tmp_path / "copy")
    again = build(read_folder(tmp_path / "copy"))
    assert again.users.ids.equals(data.users.ids)
    for wanted in (pl.Series(ids, dtype=dtype), pl.Series([str(i) for i in ids]), pl.Series([*map(str, ids), "abc"])):
        queries = as_queries(wanted.alias("user_id").to_frame(), Known.of(again))
        assert again.items.ids.gather(queries.history.item_idx).to_list() == ["i0", "i1", "i2", "i3"]


def test_one_asked_id_that_is_no_integer_changes_nothing_for_the_others() -> None:
    ids = [2**60 + n for n in range(6)]
    data = from_frames(events(ids), pl.DataFrame({"item_id": [f"i{n}" for n in range(6)]}))
    alone = as_queries(pl.DataFrame({"user_id": ids}), Known.of(data))
    beside = as_queries(pl.DataFrame({"user_id": [*map(str, ids), "abc"]}), Known.of(data))
    assert np.array_equal(alone.history.item_idx, beside.history.item_idx)
    assert np.array_equal(alone.users.id_hash, beside.users.id_hash[:-1])
    assert beside.history.lengths[-1] == 0


def test_an_integer_equals_a_text_only_where_it_is_written_so() -> None:
    whole = as_ids(pl.Series(["17", "017", "17.0", "+17", " 17", "1e1", "-0", "0", str(2**63)]), pl.Int64())
    assert whole.to_list() == [17, None, None, None, None, None, None, 0, None]
    assert as_ids(pl.Series([17, 2**63], dtype=pl.UInt64), pl.String()).to_list() == ["17", str(2**63)]
    assert as_ids(pl.Series([17.0, 0.5, None, float("nan"), 2.0**53]), pl.Int64()).to_list() == [
        17,
        None,
        None,
        None,
        None,
    ]
    assert as_ids(pl.Series([Decimal(2**70)]), pl.String()).to_list() == [str(2**70)]


def test_floats_that_have_lost_digits_are_no_ids() -> None:
    data = events([float(2**60), float(2**60 + 256)])
    with pytest.raises(DataError, match="have lost their last digits"):
        from_frames(data, pl.DataFrame({"item_id": ["i0", "i1"]}))


# The cases: name of the kind, users of the file, texts that the message must hold.
SPOILT = [
    ("1.23E+12", ["1.23E+12", "1.24E+12", "shortened_ids", "2 rows", "line 2", "Export the ids as text"]),
    ("9.78043902348e+12", ["shortened_ids", "'9.78043902348e+12' in line 2"]),
    ("1,23E+12", ["shortened_ids", "'1,23E+12' in line 2"]),
    ("17.0", ["float_ids", "'17.0' in line 2", "to_integer"]),
    ("nan", ["placeholder_ids", "null_ids", "'nan' in line 2"]),
    ("NULL", ["placeholder_ids", "'NULL' in line 2"]),
    ("N/A", ["placeholder_ids", "'N/A' in line 2"]),
    ("undefined", ["placeholder_ids"]),
]


@pytest.mark.parametrize(("value", "messages"), SPOILT)
def test_spoilt_ids_are_an_error_that_says_so(tmp_path: Path, value: str, messages: list[str]) -> None:
    second = "1.24E+12" if "1.24E+12" in messages else "guest"
    rows = f'user_id,item_id,timestamp\n"{value}",a,2024-01-01\n{second},b,2024-01-02\n'
    message = refusal(tmp_path, {"interactions.csv": rows})
    for text in messages:
        assert text in message


def test_spoilt_ids_can_be_kept_or_made_integers_on_demand(tmp_path: Path) -> None:
    rows = "user_id,item_id,timestamp\n17.0,a,2024-01-01\nguest,b,2024-01-02\n"
    files: dict[str, str | bytes] = {"interactions.csv": rows, "users.csv": "user_id,city\n17,Lyon\nguest,Nice\n"}
    data = read(tmp_path, {**files, "dataset.yaml": "repairs: {float_ids: keep}"})
    assert data.users.ids.to_list() == ["17", "17.0", "guest"]
    assert "1 of 2 users with interactions have a row" in notes(data)
    whole = read(tmp_path, {**files, "dataset.yaml": "repairs: {float_ids: to_integer}"})
    assert whole.users.ids.to_list() == ["17", "guest"]


@pytest.mark.parametrize("users", [" u1,Lyon\nu2 ,Nice\n", "U1,Lyon\nU2,Nice\n", "x,Lyon\ny,Nice\n"])
def test_users_that_hardly_join_are_noted_with_share_and_examples(tmp_path: Path, users: str) -> None:
    notes_then = notes(read(tmp_path, {"users.csv": f"user_id,city\n{users}"}))
    assert "0 of 2 users with interactions have a row in users (0%)" in notes_then
    assert "'u1'" in notes_then


def test_unknown_items_that_nearly_join_say_what_keeps_them_apart(tmp_path: Path) -> None:
    message = refusal(tmp_path, {"items.csv": "item_id\nA\nb\nc\n"})
    assert "unknown_items, 2 rows" in message
    assert "'a' (there: 'A')" in message
    assert near_misses(pl.Series(["7", "x"]), pl.Series(["007", "8"])) == ["'7' (there: '007')"]
    assert near_misses(pl.Series(["a"]), pl.Series(["\u200ba"])) == ["'a' (there: '\\u200ba')"]


def test_query_ids_that_a_spreadsheet_spoilt_are_refused(tmp_path: Path) -> None:
    data = read(tmp_path, {"interactions.csv": "user_id,item_id,timestamp\n17,a,2024-01-01\n18,b,2024-01-02\n"})
    (tmp_path / "queries.csv").write_text("user_id\n17.0\nguest\n")
    with pytest.raises(DataError, match=r"queries.user_id: 1 ids that a spreadsheet or pandas changed"):
        as_queries(read_table(tmp_path / "queries.csv"), Known.of(data))


@pytest.mark.parametrize("ids", [[0.5], [2.0**60], [True], [b"1"], [[1]]])
def test_query_ids_that_cannot_be_ids_are_refused_and_not_taken_for_strangers(ids: list[Any]) -> None:
    data = from_frames(events([1, 2**60]), pl.DataFrame({"item_id": ["i0", "i1"]}))
    with pytest.raises(DataError, match=r"queries.user_id: 1 values \(e.g. .*Ids (of type|are integers)"):
        as_queries(pl.DataFrame({"user_id": ids}), Known.of(data))
    assert as_queries(pl.DataFrame({"user_id": [1.0, None]}).drop_nulls(), Known.of(data)).history.lengths.tolist() == [
        1
    ]


def test_rows_to_add_say_which_of_their_ids_the_model_cannot_hold() -> None:
    data = from_frames(events([1, 2]).with_columns(item_id=pl.Series([5, 6])), pl.DataFrame({"item_id": [5, 6]}))
    with pytest.raises(DataError, match=r"items.item_id: 1 id is no integer of 64 bits \(e.g. 'new-1' in row 2\)"):
        extended(data, pl.DataFrame({"item_id": ["7", "new-1"]}), None, None)
    assert extended(data, pl.DataFrame({"item_id": ["7"]}), None, None).items.ids.to_list() == [5, 6, 7]
