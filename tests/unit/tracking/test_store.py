"""What ends a program ends it, also where the store can no longer be written."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from recommender.tracking import store


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("a fault of the program")])
def test_an_error_is_not_replaced_by_that_of_a_locked_store(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    def locked(*_: object) -> None:
        raise MlflowException("database is locked")

    monkeypatch.setattr(MlflowClient, "set_terminated", locked)
    monkeypatch.setattr(MlflowClient, "set_tag", locked)
    with pytest.raises(type(error)), store._closing(MlflowClient(f"sqlite:///{tmp_path}/mlflow.db"), "run"):
        raise error
    assert "could not be marked" in caplog.text
    assert "database is locked" in caplog.text


def test_a_run_that_ended_well_but_cannot_be_closed_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def locked(*_: object) -> None:
        raise MlflowException("database is locked")

    monkeypatch.setattr(MlflowClient, "set_terminated", locked)
    with (
        pytest.raises(MlflowException, match="locked"),
        store._closing(MlflowClient(f"sqlite:///{tmp_path}/mlflow.db"), "run"),
    ):
        pass
