"""The table of this system's lists beside those of others, counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from experiments.accuracy_tables import (
    HEADS,
    Compared,
    beside_each,
    beside_libraries,
    beside_parts,
    beside_the_best,
    main,
)
from experiments.realism import save
from recommender.errors import ConfigError

N = 40  # users; the first 30 have no history


def lists(first: list[str]) -> pl.DataFrame:
    """Each user gets two items: their own of ``first``, then z."""
    rows = [(u, item, rank) for u, items in enumerate(first) for rank, item in enumerate((items, "z"), start=1)]
    return pl.DataFrame(rows, schema=["user_id", "item_id", "rank"], orient="row")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    taken = pl.DataFrame({"user_id": range(30, N), "item_id": ["z"] * 10})
    for name in ("public", "private", "others", "parts"):
        (tmp_path / name).mkdir()
    taken.write_parquet(tmp_path / "public/interactions.parquet")
    answers = pl.DataFrame({"user_id": range(N), "item_id": ["new", *["z"] * (N - 1)]})
    answers.write_parquet(tmp_path / "private/truth.parquet")
    lists(["new", *["?"] * (N - 1)]).write_parquet(tmp_path / "ours.parquet")  # "?" is no item at all
    lists(["?"] * N).write_parquet(tmp_path / "others" / "them.parquet")
    return tmp_path


def test_groups_of_users_are_compared_where_they_are_large_enough(folder: Path) -> None:
    rows = {
        row[0]: dict(zip(HEADS[1:], row, strict=True))
        for row in beside_the_best(Compared(folder, "others"))
        if "NDCG" in row[2]
    }
    assert list(rows) == ["all", "0"]  # ten users with history are too few
    second = 1 / np.log2(3)
    assert rows["all"]["ours"] == f"{(1 + (N - 1) * second) / N:.4f}"
    assert rows["all"]["its value"] == f"{(N - 1) * second / N:.4f}"
    assert rows["0"]["difference"].startswith(f"{1 / 30:+.4f} [+0.0000")


def test_new_items_need_enough_users_who_took_one(folder: Path) -> None:
    assert not [row for row in beside_the_best(Compared(folder, "others")) if "new items" in row[2]]
    pl.DataFrame({"user_id": range(N), "item_id": ["new"] * N}).write_parquet(folder / "private/truth.parquet")
    (row,) = [row for row in beside_the_best(Compared(folder, "others")) if "new items" in row[2]]
    assert row[3:6] == [f"{1 / N:.4f}", "them", "0.0000"]


def test_every_one_of_the_others_has_a_row(folder: Path) -> None:
    lists(["new"] * N).write_parquet(folder / "others/all_new.parquet")
    rows = {row[0]: row[1:] for row in beside_each(Compared(folder, "others"))}
    second = 1 / np.log2(3)
    assert list(rows) == ["all_new", "them"]  # the first user's first item is right: better than none
    assert rows["them"][0].startswith(f"{(N - 1) * second / N:.4f} (+{1 / N:.4f} [")
    assert rows["all_new"][0] == f"{(1 + (N - 1) * second) / N:.4f} (+0.0000 [+0.0000, +0.0000])"
    assert rows["all_new"][2:] == ["", "", "", ""]  # small groups, and new items that one user took


def test_each_library_has_a_row_with_its_best_model(folder: Path) -> None:
    for name, first in {"lk_iknn": "new", "lenskit_als": "?", "rt_knn": "?"}.items():
        lists([first] * N).write_parquet(folder / f"others/{name}.parquet")
    rows = beside_libraries(Compared(folder, "others"))
    assert [row[:3] for row in rows] == [
        ["LensKit", "lk_iknn", "40"],
        ["RecTools", "rt_knn", "40"],
        ["baselines", "them", "40"],
    ]
    assert rows[0][3] == rows[0][4]  # the first user's first item is right in both


def test_each_of_the_parts_has_rows(folder: Path) -> None:
    lists(["new"] * N).write_parquet(folder / "parts/without.parquet")
    rows = {(row[4], row[2]): row[6] for row in beside_parts(Compared(folder, "parts"))}
    assert list(rows) == [("without", m) for m in ("NDCG@10", "recall@20")]
    assert rows["without", "NDCG@10"] == "+0.0000 [+0.0000, +0.0000]"


def test_a_folder_needs_the_name_of_its_set() -> None:
    with pytest.raises(ConfigError, match="SET=FOLDER"):
        main(["somewhere"])


def test_rows_of_other_sets_stay_where_asked(tmp_path: Path) -> None:
    save("table", [["set", "value"], ["a", "1"], ["b", "2"], ["a", "3"]], tmp_path)
    save("table", [["set", "value"], ["a", "4"]], tmp_path, others=True)
    assert (tmp_path / "table.csv").read_text() == "set,value\nb,2\na,4\n"
    save("table", [["set", "value"], ["a", "5"]], tmp_path)
    assert (tmp_path / "table.csv").read_text() == "set,value\na,5\n"
