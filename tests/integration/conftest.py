"""One tracking store and one finished train for all files here: either takes seconds to make."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from pipelines import train
from recommender import tracking
from tests.integration.folders import SMALL, Done, run, shop


@dataclass(frozen=True)
class Trained:
    """A finished train of ``shop()``."""

    out: Path
    data: Path
    done: Done
    store: str  # tracking URI


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """URI of a tracking store that is ready."""
    uri = f"sqlite:///{tmp_path_factory.mktemp('tracking') / 'mlflow.db'}"
    tracking.prepare(uri)
    return uri


@pytest.fixture
def workplace(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory whose trains are tracked in ``store``."""
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    monkeypatch.setenv("COLUMNS", "160")
    return place


@pytest.fixture(scope="session")
def trained(store: str, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    place = tmp_path_factory.mktemp("trained")
    data = shop().write(place / "shop")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("MLFLOW_TRACKING_URI", store)
        patch.setenv("COLUMNS", "160")
        done = run(train.main, "--scenario", "jobs", "--data", data, "--out", place / "out", *SMALL)
    assert done.code == 0, done.err
    return Trained(place / "out", data, done, store)


class NoTracker:
    """In place of ``Tracker``, whose logging takes longer than a small train."""

    def __init__(self, scenario: str, data: str) -> None:
        self.logged: list[Path] = []

    def __enter__(self) -> NoTracker:
        return self

    def log(self, folder: Path) -> None:
        self.logged.append(folder)

    def __exit__(self, *_: object) -> None:
        return None


@pytest.fixture
def untracked(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As ``workplace``, and trains are not tracked at all."""
    monkeypatch.setattr(train, "Tracker", NoTracker)
    return workplace
