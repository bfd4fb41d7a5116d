"""Files for ``recommend`` as people have them: own names of columns, times in any form, lists as text, other ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

import recommender
from pipelines import recommend
from recommender.data.gate import from_frames
from recommender.serving.new_rows import extended
from tests.helpers.folders import Done, run

NAMES = {"user_id": "USER_ID", "item_id": "movieId", "timestamp": "TIMESTAMP", "event": "EVENT_TYPE"}
SPEC = """
columns: {interactions: {user_id: USER_ID, item_id: movieId, timestamp: TIMESTAMP, event: EVENT_TYPE},
          items: {item_id: id}, users: {user_id: USER_ID}}
times: {as_of: "%d/%m/%Y"}
positive: [click]
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight films in two genres, integer ids; user n (1 to 6) took film n on day n and film n + 1 on day n + 1."""
    place = tmp_path_factory.mktemp("own names")
    folder = place / "films"
    folder.mkdir()
    rows = [(u, u + step, f"2024-01-{u + step:02}", "click") for u in range(1, 7) for step in (0, 1)]
    pl.DataFrame(rows, schema=list(NAMES.values()), orient="row").write_csv(folder / "interactions.csv")
    films = "".join(f"{n},Film {n},{'Action|Drama' if n % 2 else 'Comedy'}\n" for n in range(1, 9))
    (folder / "items.csv").write_text("id,title,genres\n" + films)
    (folder / "users.csv").write_text("USER_ID,city\n1,Nice\n2,Lyon\n")
    (folder / "dataset.yaml").write_text(SPEC)
    recommender.fit(recommender.load_data(folder), "content").save(place / "model")
    return place / "model"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ask(model: Path, queries: str, **files: str) -> Done:
    """files: argument -> text of its CSV."""
    args: list[Any] = ["--model", model, "--k", "9", "--to", "lists.csv"]
    for name, text in {"queries": queries, **files}.items():
        Path(f"{name}.csv").write_text(text)
        args += [f"--{name}", f"{name}.csv"]
    return run(recommend.main, *args)


def lists(model: Path, queries: str, **files: str) -> pl.DataFrame:
    done = ask(model, queries, **files)
    assert done.code == 0, done.err
    return pl.read_csv("lists.csv", schema_overrides={"user_id": pl.String})


def test_names_of_the_models_own_data_are_read_in_every_file(model: Path, place: Path) -> None:
    shown = lists(
        model, "USER_ID\n9\n",
        interactions="USER_ID,movieId,TIMESTAMP,EVENT_TYPE\n9,3,2024-02-01,click\n9,4,2024-02-02,skip\n",
        items="id,title,genres\n50,New one,Comedy\n", users="USER_ID,city\n9,Nice\n",
    )  # fmt: skip
    assert set(shown["item_id"]) == {1, 2, 4, 5, 6, 7, 8, 50}
    assert shown["source"][0] == "content"
    only = lists(model, "USER_ID\n1\n", candidates="id\n7\n8\n")
    assert set(only["item_id"]) == {7, 8}


def test_standard_names_are_read_as_well(model: Path, place: Path) -> None:
    rows = "user_id,item_id,timestamp\n9,3,2024-02-01\n"
    assert 3 not in lists(model, "user_id\n9\n", interactions=rows, items="item_id,title\n50,New\n")["item_id"]


def test_the_bound_of_the_weight_holds_for_rows_to_add(place: Path) -> None:
    """Though no row of the training data was below it."""
    rows = pl.DataFrame({"user_id": [1, 2], "item_id": [1, 2], "timestamp": ["2024-01-01"] * 2, "weight": [4, 5]})
    items = pl.DataFrame({"item_id": [1, 2, 3]})
    spec = {"positive": {"weight": ">= 4"}}
    recommender.fit(from_frames(rows, items, spec=spec), "popularity").save("model")
    new = "user_id,item_id,timestamp,weight\n1,2,2024-01-03,3.5\n1,3,2024-01-03,4\n"
    assert lists(Path("model"), "user_id\n1\n", interactions=new)["item_id"].to_list() == [2]


@pytest.mark.parametrize("name", ["Timestamp", "time_stamp", "WHEN"])
def test_a_time_under_another_name_is_asked_for(model: Path, place: Path, name: str) -> None:
    done = ask(model, "USER_ID\n9\n", interactions=f"USER_ID,movieId,{name}\n9,3,2024-02-01\n")
    assert done.code == 2
    assert "interactions: no column timestamp in the rows to add" in done.err
    assert f"Valid: {name}, item_id, user_id. " in done.err or f"did you mean '{name}'" in done.err
    assert not Path("lists.csv").exists()


# Times of queries


@pytest.mark.parametrize("as_of", ["05/01/2024", "5/1/2024"])
def test_the_stated_form_of_a_time_holds_for_queries(model: Path, place: Path, as_of: str) -> None:
    # On that day user 4 had taken film 4, and film 5 at its first moment.
    assert set(lists(model, f"user_id,as_of\n4,{as_of}\n")["item_id"]) == {1, 2, 3, 6, 7, 8}
    done = ask(model, "user_id,as_of\n4,2024-01-05\n")
    assert done.code == 2
    assert "'2024-01-05'" in done.err


DAYS = ["20240104", "2024-01-04", "2024/1/4", "2024-01-04T00:00:00Z", "2024-01-04 05:00:00+05:00", "1704326400",
        "1704326400000", "1704326400000000"]  # fmt: skip


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """User n took film n on day n and film n + 1 on day n + 1; no time has a stated form."""
    start = pl.datetime(2023, 12, 31, time_zone="UTC")
    rows = pl.DataFrame(
        {"user_id": [n // 2 + 1 for n in range(12)], "item_id": [n // 2 + 1 + n % 2 for n in range(12)]}
    )
    rows = rows.with_columns(timestamp=start + pl.duration(days=pl.col("item_id")))
    items = pl.DataFrame({"item_id": range(1, 9), "genres": [["Action", "Drama"], ["Comedy"]] * 4})
    place = tmp_path_factory.mktemp("plain")
    recommender.fit(recommender.dataset(rows, items), "content").save(place / "model")
    return place / "model"


@pytest.mark.parametrize("as_of", DAYS)
def test_a_day_is_the_same_day_in_every_form(plain: Path, place: Path, as_of: str) -> None:
    assert set(lists(plain, f"user_id,as_of\n4,{as_of}\n")["item_id"]) == {1, 2, 3, 5, 6, 7, 8}


@pytest.mark.parametrize("as_of", ["4/1/2024", "04-01-24", "2024", "45295", "20241341"])
def test_a_day_that_can_be_read_in_two_ways_or_none_is_refused(plain: Path, place: Path, as_of: str) -> None:
    done = ask(plain, f"user_id,as_of\n4,{as_of}\n")
    assert done.code == 2
    assert "queries.as_of: 1 values are no times" in done.err
    assert as_of in done.err


def test_an_as_of_before_all_data_is_noted(plain: Path, place: Path) -> None:
    done = ask(plain, "user_id,as_of\n4,20180924\n")
    assert done.code == 0
    assert "before all data" in " ".join(done.err.split())


# Rows of new items

LISTS = ["\"['Action', 'Drama']\"", '"[""Action"", ""Drama""]"', "\"['Action' 'Drama']\"", "Action|Drama",
         "Action;Drama",
         "\"[{'id': 1, 'name': 'Action'}, {'id': 2, 'name': 'Drama'}]\"", '"Action, Drama"']  # fmt: skip


@pytest.mark.parametrize("genres", LISTS)
def test_a_list_in_any_common_form_is_that_list(plain: Path, place: Path, genres: str) -> None:
    shown = lists(plain, "user_id\n1\n", items=f"item_id,genres\n500001,{genres}\n")
    scores = dict(shown.select("item_id", "score").iter_rows())
    assert scores[500001] == pytest.approx(scores[3])  # film 3 is of the same genres


def test_a_text_that_is_a_known_word_is_no_list(place: Path) -> None:
    rows = pl.DataFrame({"user_id": [1, 2], "item_id": [1, 3], "timestamp": ["2024-01-01", "2024-01-02"]})
    items = pl.DataFrame({"item_id": [1, 2, 3], "genres": ["Sci-Fi, Space|War", "Drama", "War|Drama"]})
    data = recommender.dataset(rows, items)
    new = pl.DataFrame({"item_id": [4, 5, 6], "genres": ["Sci-Fi, Space", "Drama, War", None]})
    assert extended(data, new, None, None).items.frame["genres"].to_list()[3:] == [
        ["Sci-Fi, Space"], ["Drama", "War"], None,
    ]  # fmt: skip


@pytest.mark.parametrize("genres", ['"[{""a"": 1}]"', '"[[1], [2]]"'])
def test_text_in_brackets_that_is_no_list_of_words_is_refused(plain: Path, place: Path, genres: str) -> None:
    done = ask(plain, "user_id\n1\n", items=f"item_id,genres\n500001,{genres}\n")
    assert done.code == 2
    assert "items.genres: 1 values" in done.err
    assert "role multi" in done.err


@pytest.mark.parametrize("item", ["new-1", "1e5", "007", str(2**63)])
def test_an_id_that_the_model_cannot_hold_is_named_with_its_row(plain: Path, place: Path, item: str) -> None:
    done = ask(plain, "user_id\n1\n", items=f"item_id,genres\n9,Drama\n{item},Drama\n")
    assert done.code == 2
    assert f"items.item_id: 1 id is no integer of 64 bits (e.g. {item!r} in row 2)" in " ".join(done.err.split())
    assert "null" not in done.err
