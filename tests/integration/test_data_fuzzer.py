"""No input ends in a traceback: mutated folders go through the gate, and on through a train and its lists."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import polars as pl
import pytest

from pipelines import recommend, train
from recommender.data.dataset import Dataset
from recommender.data.folder import read_folder
from recommender.data.gate import build
from recommender.data.summary import summarise
from recommender.errors import UserError
from tests.helpers.folders import run
from tests.helpers.mutations import mutated

TINY = (
    "split.min_train=5 split.validation=[0.6] bootstrap=100 decision.thin=2 "
    "ladder=[{name: popularity, recommender: popularity}, {name: content, recommender: content}, "
    "{name: als, recommender: als, params: {factors: 2, iterations: 2}}, {name: ranker, recommender: ranker}]"
)


def gate(folder: Path) -> Dataset | None:
    """The data set, or None where a message refuses it; every row is kept or reported."""
    try:
        tables = read_folder(folder)
        data = build(tables)
    except UserError as error:
        refused = str(error)
    else:
        refused = ""
    if refused:
        assert len(refused) < 20_000
        return None
    dropped = {"drop", "keep_first", "sum"}
    reported = sum(r.count for r in data.repairs if r.table == "interactions" and r.action in dropped)
    assert tables.interactions.height == data.interactions.height + data.signals.height + reported
    summarise(data)
    return data


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(15))
def test_mutated_folders_are_read_or_refused_and_no_row_is_lost(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    outcomes = [gate(mutated(rng, tmp_path / "set")) is not None for _ in range(220)]
    assert 10 < sum(outcomes) < 210  # else the mutations show nothing


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_mutated_folders_that_pass_the_gate_go_through_a_train_and_its_lists(untracked: Path, seed: int) -> None:
    rng, trained = random.Random(seed), 0
    for _ in range(10):
        data = mutated(rng, Path("set"))
        while gate(data) is None:
            data = mutated(rng, Path("set"))
        shutil.rmtree("out", ignore_errors=True)
        done = run(train.main, "--scenario", "jobs", "--data", "set", "--out", "out", "--set", TINY)
        assert done.code in (0, 2), done.err
        assert Path("out").exists() == (done.code == 0)
        if done.code == 0:
            trained += 1
            Path("users.csv").write_text("user_id\nu1\nsomebody new\n")
            listed = run(recommend.main, "--model", "out", "--queries", "users.csv", "--to", "lists.csv", "--k", "2")
            assert listed.code == 0, listed.err
            assert pl.read_csv("lists.csv").height >= 2
    assert trained > 5
