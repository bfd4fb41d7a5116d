"""Files as people have them: what is read, what is noted, and the line of what cannot be read."""

from __future__ import annotations

import gzip
import io
import json
import re
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from recommender.data.folder import read_folder
from recommender.data.gate import build, from_frames
from recommender.data.read import table
from recommender.data.read.table import read_table
from tests.helpers.messy import INTERACTIONS, ITEMS, notes, read, refusal, write

FRAME = pl.read_csv(io.StringIO(INTERACTIONS))


def zipped(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("inside.csv", content)
    return out.getvalue()


def written(method: str, **options: object) -> bytes:
    out = io.BytesIO()
    getattr(FRAME, method)(out, **options)
    return out.getvalue()


CSV = INTERACTIONS.encode()
FORMS = {
    "interactions.tsv": INTERACTIONS.replace(",", "\t").encode(),
    "interactions.txt": INTERACTIONS.replace(",", "|").encode(),
    "Interactions.CSV": CSV,
    "interactions.csv.gz": gzip.compress(CSV),
    "interactions.csv.zst": pa.compress(CSV, codec="zstd", asbytes=True),
    "interactions.csv.zip": zipped(CSV),
    "interactions.jsonl": written("write_ndjson"),
    "interactions.ndjson": written("write_ndjson"),
    "interactions.json": json.dumps(FRAME.to_dicts()).encode(),
    "interactions.PARQUET": written("write_parquet"),
    "interactions.parquet.gz": gzip.compress(written("write_parquet")),
    "interactions.arrow": written("write_ipc"),
    "interactions.feather": written("write_ipc", compression="zstd"),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_interactions(tmp_path: Path, name: str) -> None:
    data = read(tmp_path / "set", {name: FORMS[name]})
    assert data.interactions.equals(read(tmp_path / "csv").interactions)


ENCODINGS = {
    "utf-8-sig": "Amélie",
    "utf-16": "Amélie",
    "utf-16-le": "Amélie",
    "utf-16-be": "Amélie",
    "cp1252": "Amélie – 3 €",
    "latin-1": "Am\x81lie é",
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings_are_detected_and_noted(tmp_path: Path, encoding: str) -> None:
    title = ENCODINGS[encoding]
    text = ITEMS.replace("Alpha one", title)
    data = read(tmp_path, {"items.csv": text.encode(encoding)})
    assert data.items.frame["title"][0] == title
    assert encoding == "utf-8-sig" or f"text in {encoding}" in notes(data)


def test_what_is_stated_is_not_detected(tmp_path: Path) -> None:
    rows = 'user_id;item_id;timestamp;weight\nu1;a;2024-01-01;"3,5"\nu2;b;2024-01-02;1.234,0\n'
    spec = 'read: {separator: ";", encoding: latin-1, null_values: ["?", "-"], decimal: ",", thousands: "."}'
    items = "item_id;pages;title\na;?;Amélie\nb;12;-\nc;1.300;é\n".encode("latin-1")
    data = read(tmp_path, {"interactions.csv": rows, "items.csv": items, "dataset.yaml": spec})
    assert data.interactions["weight"].to_list() == [3.5, 1234.0]
    assert data.items.frame["pages"].to_list() == [None, 12.0, 1300.0]
    assert data.items.frame["title"].to_list() == ["Amélie", None, "é"]


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".ZST": lambda content: bytes(pa.compress(content, codec="zstd", asbytes=True)),
    ".zip": zipped,
}


@pytest.mark.parametrize("separator", [";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("packing", PACKINGS)
def test_an_export_without_items_is_read_value_by_value(
    tmp_path: Path, packing: str, encoding: str, separator: str
) -> None:
    rows = [["user_id", "item_id", "timestamp", "event"], ["Zoë", "007", "2024-01-31", "bought, paid"],
            ["1e2", '5" disk', "2024-02-01 08:30", "seen"]]  # fmt: skip
    lines = (separator.join(value.replace('"', '""').join('""') for value in row) for row in rows)
    content = PACKINGS[packing]("\r\n".join(lines).encode(encoding))
    (tmp_path / f"interactions.csv{packing}").write_bytes(content)
    data = build(read_folder(tmp_path))
    wanted = [("Zoë", "007", datetime(2024, 1, 31, tzinfo=UTC), "bought, paid"),
              ("1e2", '5" disk', datetime(2024, 2, 1, 8, 30, tzinfo=UTC), "seen")]  # fmt: skip
    assert data.interactions.select("user_id", "item_id", "timestamp", "event").rows() == wanted
    assert data.items.ids.to_list() == ["007", '5" disk']
    assert "2 items without features are made from the interactions" in notes(data)


@pytest.mark.parametrize("packing", [".gz", ".ZST", ".zip"])
def test_a_packed_file_may_not_unpack_without_end(
    tmp_path: Path, packing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "MAX_UNPACKED", 2**21)
    assert b"u1" in table._unpacked(write(tmp_path, {"a.csv.gz": gzip.compress(CSV)}) / "a.csv.gz", ".gz")
    bomb = PACKINGS[packing](CSV + b"\n" * 2**22)
    message = refusal(tmp_path / "set", {f"interactions.csv{packing}": bomb})
    assert f"interactions.csv{packing}: unpacks to more than 0.00195312 GiB" in message


def test_two_header_lines_are_refused_with_the_line_of_the_second(tmp_path: Path) -> None:
    head, rows = INTERACTIONS.split("\n", 1)
    assert "header stands again in line 2" in refusal(tmp_path, {"interactions.csv": f"{head}\n{head}\n{rows}"})
    message = refusal(tmp_path, {"interactions.csv": f"{head}\nid,id,date\n{rows}"})
    assert "'date' in line 2" in message
    message = refusal(tmp_path, {"interactions.csv": f"Export,of,May\n{head}\n{rows}"})
    assert "No column 'user_id'" in message


@pytest.mark.parametrize("end", ["\n\n\n", "\r\n\r\n", "\n,,\n,,\n"])
def test_lines_with_nothing_in_them_are_skipped_and_noted(tmp_path: Path, end: str) -> None:
    data = read(tmp_path, {"interactions.csv": INTERACTIONS + end})
    assert data.interactions.height == 4
    assert "without any value skipped" in notes(data)


def test_old_line_ends_are_read(tmp_path: Path) -> None:
    for end in ("\r\n", "\r"):
        assert read(tmp_path, {"interactions.csv": INTERACTIONS.replace("\n", end)}).interactions.height == 4


# file, its content, texts of the message
BROKEN = {
    "column twice": ("items.csv", "item_id,title,title\na,x,y\n", ["line 1", "columns of one name: 'title'"]),
    "one field too many": ("interactions.csv", INTERACTIONS + "u3,a,2024-01-05,x\n", ["line 6", "4 fields", "u3,a"]),
    "one field too few": ("interactions.csv", INTERACTIONS + "u3,a\n", ["line 6 has 2 of 3 fields", "u3,a"]),
    "quote inside": ("items.csv", 'item_id,title\na,5" disk\nb,The "Best" book\n', ["line 2", 'a,5" disk', '""']),
    "two inch marks": ("items.csv", 'item_id,title\nb,z\na,5" disk\nc,6" disk\n', ["line 3", '5" disk']),
    "open quote": ("items.csv", 'item_id,title\na,x\nb,"open\nc,z\n', ["items.csv"]),
    "junk above": ("items.csv", "Export of May\nitem_id,title\na,x\nb,y\n", ["line 1", "'Export of May'", "no header"]),
    "header again": ("interactions.csv", INTERACTIONS + INTERACTIONS, ["header stands again in line 6"]),
    "a note below": ("interactions.csv", INTERACTIONS + "(4 rows)\n", ["line 6 has 1 of 3 fields", "(4 rows)"]),
    "empty": ("items.csv", "", ["items.csv: the file is empty"]),
    "broken JSON": ("interactions.jsonl", '{"user_id": 1}\n{"user_id": \n', ["line 2", "JSON"]),
    "no object": ("interactions.jsonl", "[1]\n", ["line 1", "one object"]),
    "no packed file": ("interactions.csv.gz", b"plain", ["interactions.csv.gz: cannot be unpacked"]),
    "an unread kind": ("interactions.xlsx", b"PK", ["found interactions.xlsx", "interactions.csv"]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_with_its_line_and_text(tmp_path: Path, name: str) -> None:
    file, content, reason = BROKEN[name]
    message = refusal(tmp_path, {file: content})
    for text in reason:
        assert text in message


def test_rows_are_told_by_the_line_of_the_file(tmp_path: Path) -> None:
    items = 'item_id,title\na,"two\nlines"\n\nb,x\n,y\nc,z\n'
    assert "items.item_id: null_ids, 1 row (e.g. null in line 6)" in refusal(tmp_path, {"items.csv": items})


def test_a_file_without_header_is_noticed(tmp_path: Path) -> None:
    rows = "u1,a,2024-01-01\nu1,b,2024-01-02\nu2,a,2024-01-03\n"
    assert "no_header" in refusal(tmp_path / "plain", {"interactions.csv": rows})
    spec = 'columns: {user_id: u1, item_id: a, timestamp: "2024-01-01"}'
    message = refusal(tmp_path / "mapped", {"interactions.csv": rows, "dataset.yaml": spec})
    assert "interactions: no_header" in message
    assert "missing_column" not in message


def test_numbers_that_are_names_of_columns_are_no_missing_header(tmp_path: Path) -> None:
    data = read(tmp_path, {"items.csv": "item_id,2019,2020\na,1,2\nb,3,1\nc,5,6\n"})
    assert list(data.items.roles) == ["2019", "2020"]


@pytest.mark.parametrize("name", ["*", "^.*$", "__row__", "__raw__", "^title$"])
def test_reserved_names_are_refused_by_name(tmp_path: Path, name: str) -> None:
    message = refusal(tmp_path, {"items.csv": f"item_id,title,{name}\na,x,1\nb,y,2\nc,z,3\n"})
    assert f"items.{name}: reserved_column" in message
    assert "missing_column" not in message


# Names of files and columns


@pytest.mark.parametrize("name_there", ["ratings.csv", "interaction.csv", "interactions_1.csv"])
def test_files_of_nearly_the_right_name_are_told(tmp_path: Path, name_there: str) -> None:
    folder = write(tmp_path / "set")
    (folder / "interactions.csv").rename(folder / name_there)
    message = _refused(folder)
    assert "empty_table" in message
    assert f"Found {name_there}" in message
    (folder / "dataset.yaml").write_text(f"interactions: {{file: {name_there}}}")
    assert build(read_folder(folder)).interactions.height == 4


def _refused(folder: Path) -> str:
    with pytest.raises(Exception, match="interactions") as caught:
        build(read_folder(folder))
    return str(caught.value)


@pytest.mark.parametrize("name", ["dataset.yml", "Dataset.YAML"])
def test_dataset_yaml_may_be_named_otherwise(tmp_path: Path, name: str) -> None:
    rows = "user_id,item_id,timestamp,event\nu1,a,2024-01-01,buy\nu2,a,2024-01-03,skip\n"
    data = read(tmp_path, {"interactions.csv": rows, name: "positive: [buy]"})
    assert data.interactions.height == 1
    assert f"read from {name}" in notes(data)


def test_items_are_made_of_the_interactions_where_there_is_no_file(tmp_path: Path) -> None:
    folder = write(tmp_path / "set")
    (folder / "items.csv").unlink()
    data = build(read_folder(folder))
    assert data.items.ids.to_list() == ["a", "b", "c"]
    assert "3 items without features are made from the interactions" in notes(data)


def test_names_of_columns_may_differ_between_tables(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "interactions.csv": INTERACTIONS.replace("item_id", "movie_id"),
        "items.csv": ITEMS.replace("item_id", "id"),
    }
    message = refusal(tmp_path, {**files, "dataset.yaml": "columns: {item_id: movie_id}"})
    assert "'columns: {items: {item_id: id}}'" in message
    for spec in (
        "{item_id: movie_id, items: {item_id: id}}",
        "{interactions: {item_id: movie_id}, items: {item_id: id}}",
    ):
        data = read(tmp_path, {**files, "dataset.yaml": f"columns: {spec}"})
        assert data.items.ids.to_list() == ["a", "b", "c"]
        assert data.reading.columns["items"] == {"item_id": "id"}


@pytest.mark.parametrize(
    "name", ["ITEM_ID", "ItemId", "item-id", "itemid", " item_id", "item_id\u00a0", "\ufeffitem_id"]
)
def test_the_name_that_differs_in_case_and_marks_is_offered_and_the_offer_works(tmp_path: Path, name: str) -> None:
    files: dict[str, str | bytes] = {"interactions.csv": INTERACTIONS.replace("item_id", name)}
    message = refusal(tmp_path, files)
    assert f"did you mean {name!r}" in message
    (line,) = re.findall(r"'(columns: \{.*\})'", message)
    assert read(tmp_path, {**files, "dataset.yaml": line}).reading.columns["interactions"]["item_id"] == name


@pytest.mark.parametrize(
    ("header", "name"), [(",", "Unnamed: 0"), (" ,", "Unnamed: 0"), (",Unnamed: 0,", "Unnamed: 0.1")]
)
def test_a_column_without_a_name_is_called_as_pandas_calls_it_and_ignored(
    tmp_path: Path, header: str, name: str
) -> None:
    values = "7," * header.count(",")
    data = read(tmp_path, {"items.csv": f"{header}item_id,title\n{values}a,x\n{values}b,y\n{values}c,z\n"})
    assert data.items.frame[name].to_list() == [7, 7, 7]
    assert data.items.roles[name] == "ignore"
    assert data.items.frame["title"].to_list() == ["x", "y", "z"]


@pytest.mark.parametrize("blank", ["\n\n", "\r\n"])
def test_blank_lines_above_the_header_take_no_row_away(tmp_path: Path, blank: str) -> None:
    assert read(tmp_path, {"interactions.csv": blank + INTERACTIONS}).interactions.height == 4
    assert "null in line 4" in refusal(tmp_path, {"items.csv": "\n\nitem_id,title\n,x\na,y\n"})


# Frames


def test_arrow_pandas_and_polars_frames_are_the_same_data() -> None:
    items = pl.read_csv(io.StringIO(ITEMS))
    wanted = from_frames(FRAME, items)
    pandas = FRAME.to_pandas()
    for given in (FRAME.to_arrow(), pandas, FRAME.lazy(), pandas.astype({"item_id": "category"})):
        assert from_frames(given, items).interactions.equals(wanted.interactions)


def test_a_duckdb_relation_is_the_same_data() -> None:
    duckdb = pytest.importorskip("duckdb", reason="the extra sql is not installed")
    items = pl.read_csv(io.StringIO(ITEMS))
    given = from_frames(duckdb.from_arrow(FRAME.to_arrow()), items)
    assert given.interactions.equals(from_frames(FRAME, items).interactions)


def test_pandas_integers_with_gaps_stay_exact() -> None:
    big = pd.DataFrame(
        {"user_id": pd.array([2**60 + 1, None], "Int64"), "item_id": ["a", "b"], "timestamp": [1704190000] * 2}
    )
    data = from_frames(big, pl.DataFrame({"item_id": ["a", "b"]}), extra_repairs={"null_ids": "drop"})
    assert data.users.ids.to_list() == [2**60 + 1]


def test_json_integers_stay_exact(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(f'{{"user_id": {2**60 + 1}}}\n{{"user_id": "{2**60 + 3}"}}\n')
    assert read_table(tmp_path / "t.jsonl")["user_id"].to_list() == [str(2**60 + 1), str(2**60 + 3)]
