"""``python -m pipelines.data`` as a user runs it, and the loaders on the real data sets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from recommender.data.dataset import Dataset
from recommender.data.gate import build
from recommender.sources import SOURCES


def make_data(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipelines.data", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)


def test_data_that_is_there_is_reported_with_its_terms(tmp_path: Path) -> None:
    (tmp_path / "ml-100k").mkdir()
    done = make_data("--source", "ml-100k", "--to", str(tmp_path))
    assert done.returncode == 0
    assert done.stdout == f"{tmp_path / 'ml-100k'}\n"
    assert "no commercial use" in done.stderr
    assert f"Set RECOMMENDER_RAW_DIR={tmp_path}" in done.stderr


def test_no_hint_where_the_loaders_look_anyway(tmp_path: Path) -> None:
    (tmp_path / "ml-100k").mkdir()
    done = make_data("--source", "ml-100k", RECOMMENDER_RAW_DIR=str(tmp_path))
    assert done.stdout == f"{tmp_path / 'ml-100k'}\n"
    assert "RECOMMENDER_RAW_DIR" not in done.stderr


def test_no_network_is_one_message_and_exit_code_2(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"  # the discard port: nobody listens
    done = make_data("--source", "ml-1m", "--to", str(tmp_path), HTTPS_PROXY=nowhere, https_proxy=nowhere)
    assert done.returncode == 2
    assert "no network" in done.stderr
    assert "By hand: get https://files.grouplens.org" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_unknown_source_is_exit_code_2(tmp_path: Path) -> None:
    done = make_data("--source", "kuairand", "--to", str(tmp_path))
    assert done.returncode == 2
    assert "did you mean 'kuairand-pure'" in done.stderr


def load(raw_dir: Path, name: str, **options: object) -> Dataset:
    return build(SOURCES[name](raw_dir, **options))


def sizes(data: Dataset) -> tuple[int, int, int]:
    """Positives, distinct (user, item) pairs among them, and users with one."""
    rows = data.interactions
    return rows.height, rows.unique(["user_id", "item_id"]).height, rows["user_id"].n_unique()


def repaired(data: Dataset, rule: str) -> int:
    return sum(repair.count for repair in data.repairs if repair.rule == rule)


def described(data: Dataset, column: str) -> int:
    """Users with at least one value in a list column."""
    return int((data.users.frame[column].list.len() > 0).sum())


def days(data: Dataset) -> tuple[str, str]:
    times = data.interactions["timestamp"]
    return f"{times.min():%Y-%m-%d}", f"{times.max():%Y-%m-%d}"


@pytest.mark.real_data
def test_ml_100k(raw_dir: Path) -> None:
    data = load(raw_dir, "ml-100k")
    assert sizes(data) == (100_000, 100_000, 943)
    assert (len(data.items), len(data.users)) == (1_682, 943)
    assert days(data) == ("1997-09-20", "1998-04-22")
    assert data.items.frame["year"].null_count() == repaired(data, "junk_year") == 2
    assert data.users.roles["gender"] == "protected"


@pytest.mark.real_data
def test_ml_latest_small(raw_dir: Path) -> None:
    data = load(raw_dir, "ml-latest-small")
    assert sizes(data) == (100_836, 100_836, 610)
    assert data.interactions["item_id"].n_unique() == 9_724  # 9,742 are described; 18 only tagged
    assert len(data.items) == 9_742
    assert days(data) == ("1996-03-29", "2018-09-24")
    assert data.items.frame["year"].null_count() == 13
    assert (data.items.frame["genres"].list.len() == 0).sum() == 34


@pytest.mark.real_data
def test_kuairand_pure(raw_dir: Path) -> None:
    tables = SOURCES["kuairand-pure"](raw_dir)
    data = build(tables)
    rows, pairs, users = sizes(data)
    assert (pairs, users) == (99_761, 21_811)
    # 100,900 clicks less those in duplicate exposures, then less those equal in user, video and time
    assert tables.interactions.filter(pl.col("event") == "click").height == 100_070
    assert rows == 100_070 - 62
    assert len(data.items) == 7_583
    assert len(data.users) == 27_285
    assert repaired(data, "duplicate_exposures") == 5_460
    assert repaired(data, "zero_duration") == 3_568
    assert repaired(data, "impossible_watch_time") == 48
    available = data.items.frame["available_from"]
    assert (f"{available.min():%Y-%m-%d}", f"{available.max():%Y-%m-%d}") == ("2022-04-09", "2022-04-11")


@pytest.mark.real_data
def test_kuairand_history_precedes_the_log(raw_dir: Path) -> None:
    data = load(raw_dir, "kuairand-pure", history=True)
    timeless = data.interactions["timestamp"].is_null()
    assert timeless.arg_max() == 0
    assert timeless.sum() + repaired(data, "duplicates") >= 390_929
    assert not timeless.to_numpy()[int(timeless.sum()) :].any()


@pytest.mark.real_data
def test_job_views(raw_dir: Path) -> None:
    tables = SOURCES["job-views"](raw_dir)
    data = build(tables)
    assert tables.interactions.height == 12_370
    assert sizes(data) == (12_370 - 33, 8_920, 3_448)
    assert repaired(data, "duplicates") == 33
    assert (len(data.items), len(data.users)) == (7_047, 3_448)
    assert days(data) == ("2014-11-06", "2015-04-02")
    # what had been entered by the first view; 23% and 15% of the viewers entered something at some time
    assert described(data, "past_positions") == 461
    assert described(data, "wanted_positions") == 460
    assert described(data, "past_cities") == 370
    assert described(data, "past_states") == 365
