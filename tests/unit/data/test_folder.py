"""Dataset folders: what can be read, what each unreadable file says, and writing at once or not at all."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from recommender.data.folder import read_folder, stated_problem, write_folder
from recommender.data.gate import build, from_frames
from recommender.data.read.table import read_table
from recommender.errors import ConfigError, DataError, UserError
from recommender.sources.load import load

INTERACTIONS = "user_id,item_id,timestamp\n1,007,2024-01-02\n2,010,2024-01-03\n"
ITEMS = 'item_id,title,genres,vector\n007,"Good, ""bad"", ugly",western|war,"[1.0, 2.0]"\n010,Heat,,\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = tmp_path / "films"
    source.mkdir()
    (source / "interactions.csv").write_text(INTERACTIONS)
    (source / "items.csv").write_text(ITEMS)
    return source


def refused(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_folder(folder)
    return str(caught.value)


def test_csv_with_quotes_lists_and_leading_zeros_is_read_as_meant(folder: Path) -> None:
    data = build(read_folder(folder))
    assert data.name == "films"
    assert data.items.frame["item_id"].to_list() == ["007", "010"]
    assert data.items.frame["title"][0] == 'Good, "bad", ugly'
    assert data.items.frame["genres"].to_list() == [["western", "war"], None]
    assert data.items.frame["vector"].to_list() == [[1.0, 2.0], None]
    assert data.users.ids.to_list() == [1, 2]


def test_parquet_and_csv_may_be_mixed_and_other_files_are_ignored(folder: Path) -> None:
    (folder / "items.csv").unlink()
    pl.DataFrame({"item_id": ["007", "010"]}).write_parquet(folder / "items.parquet")
    (folder / "queries.parquet").write_text("not ours")
    assert len(build(read_folder(folder)).items) == 2


def test_csv_types_hold_for_the_whole_column(tmp_path: Path) -> None:
    rows = "\n".join(str(i) for i in range(2000))
    (tmp_path / "t.csv").write_text(
        f"id,x,flag,long\n{rows.replace(chr(10), ',1,true,1' + chr(10))},2.5,false,{'9' * 25}\n"
    )
    table = read_table(tmp_path / "t.csv")
    assert table.dtypes == [pl.Int64, pl.Float64, pl.Boolean, pl.String]


def test_missing_interactions_are_left_to_the_gate(folder: Path) -> None:
    (folder / "interactions.csv").unlink()
    tables = read_folder(folder)
    assert build(tables, require_interactions=False).interactions.height == 0
    with pytest.raises(DataError, match="day_zero=true"):
        build(tables)


def test_missing_items_and_missing_folder_are_named(folder: Path) -> None:
    (folder / "items.csv").unlink()
    tables = read_folder(folder)
    assert tables.items["item_id"].to_list() == ["007", "010"]
    assert "2 items without features are made from the interactions" in str(tables.notes[0])
    (folder / "interactions.csv").unlink()
    assert "no items file and no interactions file" in refused(folder)
    assert "no such folder" in refused(folder / "nowhere")


def test_text_named_parquet_is_refused(folder: Path) -> None:
    (folder / "items.csv").rename(folder / "items.parquet")
    assert "items.parquet: named .parquet, but it is no Parquet file" in refused(folder)


def test_empty_file_named_parquet_is_refused(folder: Path) -> None:
    (folder / "items.csv").unlink()
    (folder / "items.parquet").touch()
    assert "no Parquet file" in refused(folder)


def test_truncated_parquet_is_refused(folder: Path) -> None:
    (folder / "interactions.csv").unlink()
    whole = folder / "interactions.parquet"
    pl.DataFrame({"user_id": range(1000), "item_id": range(1000)}).write_parquet(whole)
    whole.write_bytes(whole.read_bytes()[:-200])
    assert "interactions.parquet: the Parquet file is cut short" in refused(folder)


def test_damaged_parquet_is_refused(folder: Path) -> None:
    (folder / "interactions.csv").unlink()
    whole = folder / "interactions.parquet"
    pl.DataFrame({"user_id": range(1000), "item_id": range(1000)}).write_parquet(whole)
    content = whole.read_bytes()
    whole.write_bytes(content[:-300] + b"\xff" * 292 + content[-8:])
    assert "interactions.parquet: the Parquet file is damaged" in refused(folder)


@pytest.mark.parametrize(("separator", "named"), [(";", "';'"), ("\t", "tabs"), ("|", "'|'")])
def test_another_separator_is_read_and_noted(folder: Path, separator: str, named: str) -> None:
    (folder / "interactions.csv").write_text(INTERACTIONS.replace(",", separator))
    tables = read_folder(folder)
    assert tables.interactions.columns == ["user_id", "item_id", "timestamp"]
    assert f"separated by {named}" in str(tables.notes[0])


def test_broken_csv_and_empty_csv_are_refused(folder: Path) -> None:
    (folder / "interactions.csv").write_text(INTERACTIONS + "1,2,3,4,5\n")
    (folder / "items.csv").write_text("")
    message = refused(folder)
    assert "interactions.csv: cannot be read as CSV" in message
    assert "items.csv: the file is empty" in message  # both are told at once


def test_csv_that_is_not_utf8_is_read_and_noted(folder: Path) -> None:
    (folder / "items.csv").write_bytes("item_id,title\n1,Amélie\n".encode("latin-1"))
    tables = read_folder(folder)
    assert tables.items["title"].to_list() == ["Amélie"]
    assert "text in cp1252" in str(tables.notes[0])


def test_both_formats_of_one_table_are_refused(folder: Path) -> None:
    pl.DataFrame({"item_id": ["007"]}).write_parquet(folder / "items.parquet")
    assert "both items.csv and items.parquet" in refused(folder)


def test_unreadable_yaml_is_refused_and_an_unknown_key_named(folder: Path) -> None:
    (folder / "dataset.yaml").write_text("columns: {user_id: [")
    assert "dataset.yaml: cannot be read as YAML" in refused(folder)
    (folder / "dataset.yaml").write_text("- a list")
    assert "found list" in refused(folder)
    (folder / "dataset.yaml").write_text("feature: {}")
    with pytest.raises(ConfigError, match="did you mean 'features'"):
        read_folder(folder)


def test_table_file_that_is_absent_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_table(tmp_path / "queries.parquet")
    (tmp_path / "queries.xlsx").write_text("{}")
    with pytest.raises(DataError, match=r"ends in \.csv, .*\.parquet"):
        read_table(tmp_path / "queries.xlsx")


def test_what_is_written_reads_back_the_same(tmp_path: Path) -> None:
    data = from_frames(
        pl.DataFrame({"user_id": [1, 2, 2], "item_id": ["a", "b", "b"], "timestamp": [None, 1704190000, 1704190000]}),
        pl.DataFrame(
            {"item_id": ["a", "b"], "tags": [["x"], []], "vec": [[1.0, 2.0], None], "expires_at": ["2999-01-01", None]}
        ),
        pl.DataFrame({"user_id": [1, 2], "gender": ["f", "m"], "likes": [["x"], None]}),
        spec={
            "repairs": {"missing_times": "history", "duplicates": "keep_all"},
            "match": [{"user": "likes", "item": "tags"}],
        },
    )
    write_folder(data, tmp_path / "new" / "copy")
    again = build(read_folder(tmp_path / "new" / "copy"))
    assert again.interactions.equals(data.interactions)
    assert again.items.frame.equals(data.items.frame)
    assert again.users.frame.equals(data.users.frame)
    assert dict(again.users.roles) == {"gender": "protected", "likes": "multi"}
    assert again.match == data.match


def test_signals_survive_writing(tmp_path: Path) -> None:
    table = pl.DataFrame(
        {"user_id": [1, 2], "item_id": [5, 5], "timestamp": [1704190000, 1704190001], "event": ["like", "hate"]}
    )
    data = from_frames(table, pl.DataFrame({"item_id": [5]}), positive=["like"])
    write_folder(data, tmp_path / "copy")
    again = build(read_folder(tmp_path / "copy"))
    assert again.interactions.equals(data.interactions)
    assert again.signals.equals(data.signals)


def test_nothing_is_overwritten_and_nothing_half_written_stays(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = read_folder(folder)
    with pytest.raises(UserError, match="is there already"):
        write_folder(tables, folder)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(UserError, match="No space left"):
        write_folder(tables, tmp_path / "copy")
    assert [p.name for p in tmp_path.iterdir()] == ["films"]


def test_load_takes_a_folder_and_refuses_an_unknown_name(folder: Path) -> None:
    assert load(str(folder), raw_dir=None).interactions.height == 2
    with pytest.raises(ConfigError, match=r"did you mean 'job-views'\?.*path of a dataset folder"):
        load("job-view", raw_dir=None)


def test_load_refuses_an_unknown_option_of_a_source(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'min_rating'"):
        load("ml-100k", raw_dir=tmp_path, options={"ml-100k": {"min_ratings": 4}})


def test_a_folder_says_what_its_data_are_for(folder: Path) -> None:
    assert stated_problem(str(folder)) is None
    assert stated_problem("simulated") is None
    with (folder / "dataset.yaml").open("a") as spec:
        spec.write("\nproblem: {what: Which courses do we show?, for_whom: learners}\n")
    stated = {"what": "Which courses do we show?", "for_whom": "learners", "cost_of_error": ""}
    assert stated_problem(str(folder)) == stated
