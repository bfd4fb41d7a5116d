"""Events, weights and repeated rows: what they mean, and what is asked where that is not plain."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from recommender.data.folder import read_folder, write_folder
from recommender.data.gate import build, from_frames, tables_of
from recommender.errors import DataError
from recommender.serving.new_rows import extended
from tests.helpers.messy import read, refusal

ITEMS = pl.DataFrame({"item_id": ["a", "b", "c"]})


def rows(*values: str) -> dict[str, str | bytes]:
    lines = [f'u{n},{"abc"[n % 3]},2024-01-0{n + 1},"{value}"' for n, value in enumerate(values)]
    return {"interactions.csv": "user_id,item_id,timestamp,weight\n" + "\n".join(lines) + "\n"}


WEIGHTS = {
    "too large for 32 bits": (["1", "1e39", "1"], ["bad_weights, 1 row", "1e+39 in line 3", "too large"]),
    "thousands": (["12", "3", "1,234"], ["bad_weights, 1 row", "'1,234' in line 4", 'thousands: ","']),
    "money": (["12", "$3.99"], ["bad_weights, 1 row", "'$3.99' in line 3", "currency"]),
    "words": (["12", "much"], ["bad_weights, 1 row", "'much' in line 3", "set_one"]),
    "negative": (["12", "-1"], ["bad_weights, 1 row", "-1 in line 3"]),
    "missing": (["12", ""], ["bad_weights, 1 row", "null in line 3"]),
    "zero": (["12", "0"], ["zero_weights, 1 row", "0 in line 3", "'keep'"]),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_that_are_none_are_refused_with_just_these_values(tmp_path: Path, name: str) -> None:
    values, reason = WEIGHTS[name]
    message = refusal(tmp_path, rows(*values))
    for text in reason:
        assert text in message


def test_weights_are_finite_whatever_repair_is_named(tmp_path: Path) -> None:
    spec = "repairs: {bad_weights: set_one, zero_weights: keep}"
    data = read(tmp_path, {**rows("1e39", "-inf", "nan", "0", "7"), "dataset.yaml": spec})
    assert data.interactions["weight"].to_list() == [1, 1, 1, 0, 7]
    spec = 'read: {thousands: ","}'
    assert read(tmp_path, {**rows("1,234", "5"), "dataset.yaml": spec}).interactions["weight"].to_list() == [1234, 5]


def test_a_bound_of_the_weight_says_what_counts_as_taken(tmp_path: Path) -> None:
    for bound, taken in ((">= 4", [4, 5]), ("> 4", [5]), ("< 4", [1]), ("== 1", [1])):
        data = read(tmp_path / "set", {**rows("1", "4", "5"), "dataset.yaml": f'positive: {{weight: "{bound}"}}'})
        assert data.interactions["weight"].to_list() == taken
        assert data.signals.height == 3 - len(taken)
    again = build(tables_of(data))
    assert again.interactions.equals(data.interactions)
    write_folder(data, tmp_path / "copy")
    assert build(read_folder(tmp_path / "copy")).signals.equals(data.signals)


def test_what_a_stated_bound_leaves_out_is_no_fault_and_stays_a_signal(tmp_path: Path) -> None:
    message = refusal(tmp_path, rows("-1", "0", "2"))
    assert "bad_weights, 1 row (e.g. -1 in line 2)" in message
    assert "zero_weights, 1 row (e.g. 0 in line 3)" in message
    for bound, offered, repairs in ((">= 0", True, "zero_weights: keep"), ("> 0", True, ""), (">= 2", False, "")):
        spec = f'positive: {{weight: "{bound}"}}'
        assert (f"'{spec}'" in message) == offered
        data = read(tmp_path, {**rows("-1", "0", "2"), "dataset.yaml": f"{spec}\nrepairs: {{{repairs}}}"})
        assert data.interactions["weight"].to_list() == ([0, 2] if repairs else [2])
        assert data.signals["weight"].to_list() == ([-1] if repairs else [-1, 0])


def test_new_rows_without_a_weight_count_as_taken(tmp_path: Path) -> None:
    data = read(tmp_path, {**rows("1", "4", "5"), "dataset.yaml": 'positive: {weight: "> 4"}'})
    new = pl.DataFrame({"user_id": ["n"], "item_id": ["a"], "timestamp": ["2024-02-01"]})
    assert extended(data, None, None, new).interactions.height == data.interactions.height + 1


def test_repeated_rows_can_be_summed() -> None:
    table = pl.DataFrame({"user_id": ["u", "u", "v", "u"], "item_id": ["a", "a", "a", "b"], "weight": [2, 3, 1, 1]})
    table = table.with_columns(timestamp=pl.lit("2024-01-01"))
    with pytest.raises(DataError, match=r"duplicates, 1 row .*user u, item a"):
        from_frames(table, ITEMS)
    data = from_frames(table, ITEMS, extra_repairs={"duplicates": "sum"})
    assert data.interactions.select("user_id", "item_id", "weight").rows() == [
        ("u", "a", 5),
        ("v", "a", 1),
        ("u", "b", 1),
    ]
    assert [(r.rule, r.action, r.count) for r in data.repairs] == [("duplicates", "sum", 1)]


def test_a_missing_event_is_a_fault_with_a_repair(tmp_path: Path) -> None:
    text = "user_id,item_id,timestamp,event\nu1,a,2024-01-01,apply\nu1,b,2024-01-02,\nu2,a,2024-01-03,view\n"
    files: dict[str, str | bytes] = {"interactions.csv": text}
    assert "missing_events, 1 row (e.g. null in line 3)" in refusal(tmp_path, files)
    assert read(tmp_path, {**files, "dataset.yaml": "repairs: {missing_events: drop}"}).interactions.height == 2
    data = read(tmp_path, {**files, "dataset.yaml": "repairs: {missing_events: keep}"})
    assert sorted(data.interactions["event"]) == ["apply", "interaction", "view"]


@pytest.mark.parametrize("events", [[b"\xff", b"v"], [[1], [2]], [{"a": 1}, {"a": 2}]])
def test_events_that_are_no_text_are_refused(events: list[object]) -> None:
    table = pl.DataFrame(
        {"user_id": ["u", "v"], "item_id": ["a", "b"], "timestamp": ["2024-01-01"] * 2, "event": events}
    )
    with pytest.raises(DataError, match=r"interactions.event: wrong_type, 2 rows"):
        from_frames(table, ITEMS)
