"""What ends a program ends it, also where the store can no longer be written."""

from __future__ import annotations

from unittest import mock

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from recommender.tracking import store


@pytest.fixture
def locked() -> mock.Mock:
    """A client of a store that cannot be written."""
    client = mock.Mock(spec=MlflowClient)
    client.set_terminated.side_effect = client.set_tag.side_effect = MlflowException("database is locked")
    return client


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("a fault of the program")])
def test_an_error_is_not_replaced_by_that_of_a_locked_store(
    error: BaseException, locked: mock.Mock, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(type(error)), store._closing(locked, "run"):
        raise error
    assert "could not be marked" in caplog.text
    assert "database is locked" in caplog.text


def test_a_run_that_ended_well_but_cannot_be_closed_is_an_error(locked: mock.Mock) -> None:
    with pytest.raises(MlflowException, match="locked"), store._closing(locked, "run"):
        pass
