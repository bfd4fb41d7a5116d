"""Sets without times and earlier periods: nothing that is asked for is shown, and draws repeat."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from experiments import unseen_sets
from recommender.errors import ConfigError

PAIR = ["user_id", "item_id"]
FILES = ("interactions", "items", "users", "queries", "candidates")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """300 different pairs, one a day; one item becomes available late, and one user takes nothing."""
    pairs = np.random.default_rng(0).permutation(40 * 30)[:300]
    days = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=int(day)) for day in range(300)]
    users, items = ([f"{letter}{n}" for n in numbers] for letter, numbers in (("u", pairs // 30), ("i", pairs % 30)))
    path = tmp_path / "shop"
    path.mkdir()
    rows = pl.DataFrame({"user_id": users, "item_id": items, "timestamp": days})
    rows.with_columns(pl.col("timestamp").dt.cast_time_unit("us")).write_parquet(path / "interactions.parquet")
    late = [None] * 29 + [datetime(2024, 10, 1, tzinfo=UTC)]
    table = pl.DataFrame({"item_id": [f"i{n}" for n in range(30)], "available_from": late})
    table.write_parquet(path / "items.parquet")
    pl.DataFrame({"user_id": [f"u{n}" for n in range(41)]}).write_parquet(path / "users.parquet")
    (path / "dataset.yaml").write_text("positive: [take]\n")
    return path


def written(folder: Path, *arguments: str, name: str = "set") -> dict[str, pl.DataFrame]:
    to = folder.parent / name
    unseen_sets.main([str(folder), str(to), *arguments])
    shown = {file: pl.read_parquet(to / f"public/{file}.parquet") for file in FILES}
    return shown | {"truth": pl.read_parquet(to / "private/truth.parquet")}


@pytest.mark.parametrize("arguments", [["early"], ["timeless"], ["timeless", "members=20", "least=3", "rows=.5"]])
def test_no_pair_is_both_shown_and_asked_for(folder: Path, arguments: list[str]) -> None:
    tables = written(folder, *arguments)
    rows, truth = tables["interactions"], tables["truth"]
    assert min(rows.height, truth.height) > 0
    assert rows.join(truth, on=PAIR).is_empty()
    assert tables["queries"]["user_id"].to_list() == sorted(set(truth["user_id"]))
    assert set(tables["candidates"]["item_id"]) == {*rows["item_id"], *truth["item_id"]}
    assert set(tables["users"]["user_id"]) == {*rows["user_id"], *truth["user_id"]}
    assert set(tables["items"]["item_id"]) <= set(tables["candidates"]["item_id"])
    assert (folder.parent / "set/public/dataset.yaml").read_text() == (folder / "dataset.yaml").read_text()


def test_an_early_set_has_no_row_after_its_cut(folder: Path) -> None:
    tables, rows = written(folder, "early"), pl.read_parquet(folder / "interactions.parquet")
    first = rows[: int(0.6 * 299)]  # a row a day, in order
    both = pl.concat([tables["interactions"].select(PAIR), tables["truth"]])
    assert sorted(both.rows()) == sorted(first.select(PAIR).rows())
    assert tables["interactions"]["timestamp"].max() < tables["queries"]["as_of"].min()  # type: ignore[operator]
    assert "i29" not in tables["items"]["item_id"]


def test_a_timeless_set_has_no_time(folder: Path) -> None:
    tables = written(folder, "timeless")
    assert tables["interactions"]["timestamp"].is_null().all()
    assert tables["queries"]["as_of"].is_null().all()
    assert "available_from" not in tables["items"].columns
    assert tables["interactions"].height + tables["truth"].height == 300
    assert 30 < tables["truth"].height < 90


def test_rows_members_and_least_are_taken_at_their_word(folder: Path) -> None:
    def both(name: str, *options: str) -> pl.DataFrame:
        tables = written(folder, "timeless", *options, name=name)
        return pl.concat([tables["interactions"].select(PAIR), tables["truth"]])

    assert both("share", "rows=.25").height == 75
    assert both("number", "rows=100").height == 100
    assert both("all", "rows=5000").height == 300
    assert both("members", "members=10")["user_id"].n_unique() <= 10
    assert both("least", "least=8").group_by("user_id").len()["len"].min() == 8


def test_draws_repeat(folder: Path) -> None:
    options = ("timeless", "members=30", "rows=.5")
    first, second = (written(folder, *options, name=name) for name in ("first", "second"))
    assert all(first[name].equals(second[name]) for name in first)


def test_what_cannot_be_made_is_refused_and_nothing_is_written(folder: Path) -> None:
    to = folder.parent / "set"
    for arguments, message in (
        (["late"], "early or timeless"),
        ([], "Give a folder"),
        (["early", "rows=5"], "expected a number"),
        (["timeless", "rows=few"], "rows=few"),
        (["timeless", "rows=0"], "above 0"),
        (["timeless", "least=400"], "too few interactions"),
    ):
        with pytest.raises(ConfigError, match=message):
            unseen_sets.main([str(folder), str(to), *arguments])
    pl.read_parquet(folder / "items.parquet").rename({"item_id": "id"}).write_parquet(folder / "items.parquet")
    with pytest.raises(ConfigError, match="items: item_id"):
        unseen_sets.main([str(folder), str(to), "early"])
    (folder / "users.parquet").unlink()
    with pytest.raises(ConfigError, match=r"users\.parquet"):
        unseen_sets.main([str(folder), str(to), "early"])
    assert not to.exists()


def test_a_set_that_is_there_is_not_replaced_nor_an_early_one_made_without_times(folder: Path) -> None:
    tables = written(folder, "timeless")
    with pytest.raises(ConfigError, match="already"):
        written(folder, "timeless")
    tables["interactions"].write_parquet(folder / "interactions.parquet")
    with pytest.raises(ConfigError, match="no times"):
        written(folder, "early", name="early")
