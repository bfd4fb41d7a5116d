"""The check of the router against the best single rung, on folders whose numbers are made up."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import yaml

from experiments import router_check
from recommender.errors import ConfigError, DataError
from tests.helpers.out_folder import write_out


def folder(tmp_path: Path, router: pl.Expr | None = None) -> Path:
    """A train whose router has these values in place of its own, by ``value`` of the rung als."""
    path = write_out(tmp_path / "out")
    if router is not None:
        table = pl.read_parquet(path / "per_query.parquet")
        others, als = table.filter(pl.col("rung") != "router"), table.filter(pl.col("rung") == "als")
        made = als.with_columns(rung=pl.lit("router"), value=router.cast(pl.Float32))
        pl.concat([others, made]).write_parquet(path / "per_query.parquet")
    return path


def test_a_router_that_copies_the_best_rung_is_nowhere_worse(tmp_path: Path) -> None:
    rows = list(router_check.check(folder(tmp_path, pl.col("value"))))
    assert {r.rung for r in rows} == {"als"}
    assert {(r.difference, r.low, r.high, r.p_holm) for r in rows} == {(0, 0, 0, 1)}
    assert "- nowhere" in router_check.as_markdown(rows)


def test_a_bucket_where_the_router_loses_is_listed_and_only_that(tmp_path: Path) -> None:
    worse_there = pl.col("value") - 0.05 * (pl.col("user_bucket") == "1_2")
    rows = list(router_check.check(folder(tmp_path, worse_there)))
    assert {r.bucket for r in rows if r.worse} >= {"1_2"}
    (loss,) = (r for r in rows if r.bucket == "1_2")
    assert loss.difference == pytest.approx(-0.05, abs=1e-6)
    told = router_check.as_markdown([r for r in rows if r.bucket != "all"])
    assert told.splitlines()[-1].startswith("- jobs on simulated, 1–2: als is better by 0.0500 (adjusted p 0.00")
    assert "nowhere" not in told


def test_buckets_of_few_queries_and_controls_are_left_out(tmp_path: Path) -> None:
    path = folder(tmp_path)
    table = pl.read_parquet(path / "per_query.parquet")
    config = yaml.safe_load((path / "config.yaml").read_text())
    for rung in config["ladder"]:
        rung["control"] = rung["name"] == "random"
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    high = pl.when(pl.col("rung") == "random").then(1).otherwise(pl.col("value")).cast(pl.Float32)
    table.with_columns(value=high).write_parquet(path / "per_query.parquet")
    rows = list(router_check.check(path))
    assert [(r.bucket, r.n) for r in rows] == [("all", 120), ("0", 60), ("1_2", 40), ("3_9", 30)]  # 10_plus: 12
    assert "random" not in {r.rung for r in rows}


def test_all_users_are_compared_on_their_first_queries(tmp_path: Path) -> None:
    rows = list(router_check.check(folder(tmp_path)))
    table = pl.read_parquet(tmp_path / "out/per_query.parquet")
    first = table.filter(pl.col("query_id") < 120, rung="router", split="test", metric="ndcg_at_10")  # 120 users
    assert rows[0].router == pytest.approx(first["value"].mean())


def test_a_folder_without_a_train_or_without_a_router_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no finished train"):
        list(router_check.check(tmp_path))
    unfinished = write_out(tmp_path / "unfinished")
    (unfinished / "per_query.parquet").unlink()
    with pytest.raises(DataError, match="not finished"):
        list(router_check.check(unfinished))
    with pytest.raises(ConfigError, match="no router to check"):
        list(router_check.check(write_out(tmp_path / "bare", rungs=("popularity", "als"))))
    with pytest.raises(ConfigError, match="Name the OUT folders"):
        router_check.main([])
