"""One tracking store and one finished train for all files here: either takes seconds to make."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipelines import train
from recommender.tracking.store import prepare
from tests.helpers.folders import SMALL, NoTracker, Trained, run, shop
from tests.helpers.shared import tracking_database


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """URI of a tracking store that is ready, one for each process of the session."""
    uri = f"sqlite:///{shutil.copy(tracking_database(tmp_path_factory), tmp_path_factory.mktemp('tracking'))}"
    prepare(uri)
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
    version = MlflowClient(store).get_model_version_by_alias("coldstart-jobs-shop", "candidate").version
    return Trained(place / "out", data, done, store, f"models:/coldstart-jobs-shop/{version}")


@pytest.fixture
def untracked(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ``workplace`` where trains are not tracked at all."""
    monkeypatch.setattr(train, "Tracker", NoTracker)
    return workplace
