"""Lists for a judge: a plain train on a folder without its answers."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from experiments import judged
from experiments.accuracy_tables import Compared, beside_parts
from recommender.errors import ConfigError
from tests.helpers.folders import SMALL, shop

SETTINGS = " ".join(SMALL[1::2])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The last fifth of a shop's time is asked for."""
    source = shop()
    rows = source.interactions
    cut = rows["timestamp"].quantile(0.8)
    source.interactions = rows.filter(pl.col("timestamp") < cut)
    source.write(tmp_path / "public")
    window = rows.filter(pl.col("timestamp") >= cut)
    queries = window.group_by("user_id").agg(as_of=pl.col("timestamp").min()).sort("user_id")
    queries.write_parquet(tmp_path / "public/queries.parquet")
    rows.select(pl.col("item_id").unique()).write_parquet(tmp_path / "public/candidates.parquet")
    (tmp_path / "private").mkdir()
    window.select("user_id", "item_id").write_parquet(tmp_path / "private/truth.parquet")
    return tmp_path


@pytest.mark.slow
def test_lists_for_every_query_are_compared_by_the_answers(folder: Path) -> None:
    judged.main(["jobs", str(folder), "small", SETTINGS])
    lists = pl.read_parquet(folder / "parts/small.parquet")
    queries = pl.read_parquet(folder / "public/queries.parquet")
    assert set(lists["user_id"]) == set(queries["user_id"])
    assert lists.filter(pl.col("rank") == 1).height == queries.height
    lists.write_parquet(folder / "ours.parquet")
    rows = {row[2]: row for row in beside_parts(Compared(folder, "parts"))}
    assert rows["NDCG@10"][6] == "+0.0000 [+0.0000, +0.0000]"
    assert float(rows["recall@20"][3]) > 0.2


def test_a_folder_without_queries_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"queries\.parquet"):
        judged.main(["jobs", str(tmp_path)])
    with pytest.raises(ConfigError, match="Give a scenario"):
        judged.main(["jobs"])
