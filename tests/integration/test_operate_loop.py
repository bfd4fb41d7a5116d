"""The loop of a model in use, on small simulated boards."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from pipelines import demo_operate, experiment, retrain, simulate, train
from recommender.experiment.run_folder import read_run
from recommender.serving.log import read_log
from tests.helpers.folders import run

WORLD = ("--set", "n_interactions=3000 n_users=600 n_items=250 span_days=80")
LADDER = "ladder=[{name: popularity, recommender: popularity}, {name: content, recommender: content}]"
SMALL = ("--set", LADDER, "--set", "bootstrap=100 tune.search=0 decision.thin=10 slots.n=0", "--quiet")


@pytest.fixture
def board(untracked: Path) -> Path:
    """The first part of a world, and a model of it."""
    done = run(simulate.main, "--scenario", "jobs", "--to", "board", "--until", 0.6, *WORLD)
    assert done.code == 0, done.err
    done = run(train.main, "--scenario", "jobs", "--data", "board", "--out", "m", *SMALL)
    assert done.code == 0, done.err
    return untracked


@pytest.mark.slow
def test_users_answer_the_lists_of_a_shipped_model(board: Path) -> None:
    known, since = (pl.read_parquet(board / "board" / p / "interactions.parquet") for p in ("", "since"))
    assert known["timestamp"].max() < since["timestamp"].min()  # type: ignore[operator]
    done = run(simulate.main, "--scenario", "jobs", "--to", "used", "--serve", "m", *WORLD)
    assert done.code == 0, done.err
    log, rows = read_log(board / "used/log"), pl.read_parquet(board / "used/interactions.parquet")
    assert log.served["as_of"].min().date() > known["timestamp"].max().date()  # type: ignore[union-attr]
    assert rows["timestamp"].min() > known["timestamp"].max()  # type: ignore[operator]
    shown = log.served.select("list_id", "item_id")
    assert log.feedback.join(shown, on=["list_id", "item_id"], how="anti").is_empty()  # nothing unseen is taken
    assert log.feedback.height > 100
    sources = set(log.served["source"])
    assert sources & {"popularity", "content"}


@pytest.mark.slow
def test_a_second_model_is_shown_to_half_of_the_users(board: Path) -> None:
    until = ("--until", 0.7)
    done = run(simulate.main, "--scenario", "jobs", "--to", "used", "--serve", "m", *until, *WORLD)
    assert done.code == 0, done.err
    demo_operate.grow(board / "board", board / "used")
    done = run(train.main, "--scenario", "jobs", "--data", "board", "--out", "m2", *SMALL)
    assert done.code == 0, done.err
    done = run(simulate.main, "--scenario", "jobs", "--to", "tested", "--serve", "m", "--beside", "m2", *WORLD)
    assert done.code == 0, done.err
    earlier, test = read_log(board / "used/log").served, read_log(board / "tested/log").served
    assert earlier["as_of"].max() < test["as_of"].min()  # type: ignore[operator]
    assert set(earlier["variant"]) == {"champion"}
    assert set(test["variant"]) == {"champion", "candidate"}
    assert test.group_by("variant").agg(pl.col("model_version").n_unique())["model_version"].to_list() == [1, 1]
    begun = test.filter(variant="candidate")["as_of"].min()
    users = test.filter(pl.col("as_of") >= begun).group_by("user_id").agg(pl.col("variant").n_unique())
    assert users["variant"].to_list() == [1] * users.height
    rows = ("--served", "tested/log", "--before", "board/interactions.parquet")
    done = run(experiment.main, "--scenario", "jobs", *rows, "--out", "e")
    assert done.code == 0, done.err


@pytest.mark.slow
def test_training_again_keeps_the_rungs_that_serve_or_decides_again(board: Path) -> None:
    served = set(read_run(board / "m").decision.served)
    done = run(retrain.main, "--model", "m", "--out", "again", "--quiet")
    assert done.code == 0, done.err
    assert {r.name for r in read_run(board / "again").scenario.ladder} == served
    done = run(retrain.main, "--model", "m", "--out", "decided", "--decide", "--quiet")
    assert done.code == 0, done.err
    assert [r.name for r in read_run(board / "decided").scenario.ladder] == ["popularity", "content"]


@pytest.mark.slow
def test_the_demonstration_tells_the_whole_story(workplace: Path) -> None:
    done = run(demo_operate.main, "--quick", "--out", "d")
    assert done.code == 0, done.err
    page = (workplace / "d/demo.html").read_text()
    for words in (
        "first version",
        "look at the data",
        "items.salary",
        "Who was promoted",
        "what the test says",
        "needs",
        "verdict:",
        "the split",
    ):
        assert words.lower() in page.lower()
    assert (workplace / "d/online.csv").exists() == ("in d/online.csv" in page)
    assert not (workplace / "experiments").exists()  # a simulated test tells nothing of the team's own gains
