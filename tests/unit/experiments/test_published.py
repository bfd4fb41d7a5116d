"""The experiments that repeat published protocols, on a small stand-in for the publisher's data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

from experiments import cold_items, strong_generalisation
from recommender.data.dataset import Dataset
from recommender.errors import ConfigError
from recommender.sources.load import load

N_USERS, N_ITEMS = 150, 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Users like one of two genres, and rate half of the items."""
    out, rng = tmp_path_factory.mktemp("films"), np.random.default_rng(0)
    user, item = (cell.ravel() for cell in np.nonzero(rng.random((N_USERS, N_ITEMS)) < 0.5))
    stars = np.where(user % 2 == item % 2, 5.0, 2.0)
    time = pl.Series(rng.integers(1_600_000_000, 1_700_000_000, len(user))).cast(pl.Int64)
    rows = pl.DataFrame({"user_id": user, "item_id": item, "weight": stars, "timestamp": pl.from_epoch(time)})
    rows.write_parquet(out / "interactions.parquet")
    genre = [("drama", "comedy")[i % 2] for i in range(N_ITEMS)]
    pl.DataFrame({"item_id": range(N_ITEMS), "genre": genre}).write_parquet(out / "items.parquet")
    return out


@pytest.fixture(scope="module")
def films(folder: Path) -> Dataset:
    return load(str(folder), raw_dir=None)


def test_users_who_are_asked_are_not_trained_on(films: Dataset) -> None:
    fold = strong_generalisation.parted(films)
    often = int((np.bincount(films.user_idx[films.weights == 5]) >= 5).sum())
    assert len(fold.queries) == often // 5
    assert not set(fold.queries.ids) & set(fold.train.users.ids)
    assert len(fold.train.users) == often - 2 * (often // 5)
    assert (fold.train.weights == 5).all()
    given, n_truths = fold.queries.history.lengths, np.diff(fold.truth.indptr)
    assert (n_truths == (given + n_truths) // 5).all()


def test_measures_by_hand() -> None:
    truth = sp.csr_matrix(np.array([[True, False, True, False]]))
    lists = np.full((1, 100), -1)
    lists[0, :3] = [1, 2, 0]
    third, second = 1 / np.log2(4), 1 / np.log2(3)
    expected = [1, 1, (second + third) / (1 + second)]
    assert strong_generalisation.measured(lists, truth)[0] == pytest.approx(expected)


def test_content_tells_cold_items_apart_and_factors_do_not(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cold_items.main([str(folder)])
    table = dict(line.split(" | ")[0::2] for line in capsys.readouterr().out.splitlines()[2:])
    values = {name.strip("| "): float(value.split(" ")[0]) for name, value in table.items()}
    assert values["als"] == 0.5
    assert values["content"] > 0.9
    assert values["lightfm"] > 0.6


def test_an_area_by_hand() -> None:
    assert cold_items.area(np.array([3.0, 2.0, 1.0]), np.array([True, False, True])) == 0.5
    assert cold_items.area(np.array([1.0, 1.0]), np.array([True, False])) == 0.5
    assert cold_items.area(np.array([2.0, -np.inf]), np.array([True, False])) == 1.0


def test_strong_generalisation_is_a_table_of_rungs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strong_generalisation.main([str(folder)])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == [f"| {name}" for name in strong_generalisation.rungs()]


@pytest.mark.parametrize("program", [strong_generalisation, cold_items])
def test_data_must_be_given(program: object) -> None:
    with pytest.raises(ConfigError, match="Give the data"):
        program.main([])  # type: ignore[attr-defined]
