"""No input ends in a traceback: mutated folders go through the gate, and on through a train and its lists."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from recommender.data.dataset import Dataset
from recommender.data.folder import read_folder
from recommender.data.gate import build
from recommender.data.summary import summarise
from recommender.errors import UserError
from tests.helpers.mutations import mutated


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
