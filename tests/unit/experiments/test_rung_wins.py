"""Counting where rungs win, on folders whose numbers are made up."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import yaml

from experiments import rung_wins
from recommender.errors import ConfigError
from recommender.experiment import run_tables
from tests.helpers.out_folder import write_out

CELLS = 4  # all users and three buckets; the fourth has 12 queries


def out(path: Path, value: pl.Expr, p: float = 0.001) -> run_tables.Out:
    """A train whose metrics are ``value`` of the rung, and whose comparisons all have this p."""
    write_out(path)
    metrics = pl.read_parquet(path / "metrics.parquet").with_columns(value=value.cast(pl.Float64))
    metrics.write_parquet(path / "metrics.parquet")
    pairs = pl.read_parquet(path / "comparisons.parquet").with_columns(p_holm=pl.lit(p))
    pairs.write_parquet(path / "comparisons.parquet")
    config = yaml.safe_load((path / "config.yaml").read_text())
    for rung in config["ladder"]:
        rung["control"] = rung["name"] == "random"
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    return run_tables.read_out(path)


def worth(**of: float) -> pl.Expr:
    return pl.col("rung").replace_strict(of, default=0.1, return_dtype=pl.Float64)


def test_the_best_rung_of_each_cell_is_counted_and_neither_router_nor_controls_are(tmp_path: Path) -> None:
    found = rung_wins.wins([out(tmp_path / "out", worth(als=0.3, content=0.2, router=0.9, random=0.8))])
    assert set(found) == {"popularity", "content", "lightfm", "als"}
    assert found["als"]["best on test"] == found["als"]["best on validation"] == CELLS
    assert sum(count["best on test"] for count in found.values()) == CELLS
    assert found["content"]["level with the best on test"] == 0
    assert found["content"]["cells"] == CELLS


def test_of_equal_rungs_the_simplest_is_the_best(tmp_path: Path) -> None:
    found = rung_wins.wins([out(tmp_path / "out", worth())])
    assert found["popularity"]["best on test"] == found["popularity"]["best on validation"] == CELLS


def test_a_rung_not_told_apart_from_the_best_single_one_is_level_where_its_lists_are_its_own(tmp_path: Path) -> None:
    found = rung_wins.wins([out(tmp_path / "out", worth(lightfm=0.3, als=0.2, router=0.9), p=0.5)])
    assert found["lightfm"]["best on test"] == CELLS
    assert found["als"]["level with the best on test"] == CELLS - 1  # no list of users without history is its own
    assert found["popularity"]["level with the best on test"] == 0  # never compared with it


def test_trains_are_added_up_and_who_serves_is_counted_by_train(tmp_path: Path) -> None:
    made = [out(tmp_path / name, worth(als=0.3)) for name in ("a", "b")]
    found = rung_wins.wins(made)
    assert found["als"]["trains"] == found["als"]["trains that serve it"] == 2
    assert found["lightfm"]["trains that serve it"] == 0
    told = rung_wins.as_markdown(found)
    assert told.splitlines()[-1] == "| als | 2 | 8 | 8 | 8 | 0 | 2 |"
    with pytest.raises(ConfigError, match="Name the OUT folders"):
        rung_wins.main([])
