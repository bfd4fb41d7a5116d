"""Two processes share a train's steps: results, errors, messages and effort are those of one."""

from __future__ import annotations

import logging
import os
import signal

import pytest

from recommender.errors import DataError
from recommender.experiment.workers import ALONE, Workers
from tests.helpers.tasks import end_the_helper, process_of, refused, squared


@pytest.fixture(scope="module")
def workers() -> Workers:
    with Workers(helped=True) as two:
        yield two


def test_results_come_in_the_order_of_the_arguments(workers: Workers) -> None:
    begun: list[int] = []
    assert workers.map(squared, 3, range(20), begun.append) == [3 * n**2 for n in range(20)]
    assert sorted(begun) == list(range(20))
    assert ALONE.map(squared, 3, range(20)) == workers.map(squared, 3, range(20))


def test_both_processes_take_tasks(workers: Workers) -> None:
    seen = set(workers.map(process_of, None, [0.05] * 40))
    assert len(seen) == 2
    assert os.getpid() in seen


@pytest.mark.parametrize("helped", [False, True])
def test_the_first_error_is_raised_as_it_was(workers: Workers, helped: bool) -> None:
    with pytest.raises(DataError, match="number 0 is refused"):
        (workers if helped else ALONE).map(refused, None, range(6))
    assert workers.map(squared, 1, [2, 3]) == [4, 9]  # and the next steps go on


def test_what_the_helper_logs_is_logged_here(workers: Workers, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "recommender"):
        pids = workers.map(process_of, None, [0.05] * 20)
    assert sorted(r.getMessage() for r in caplog.records) == sorted(f"done by {pid}" for pid in pids)


def test_a_helper_that_is_killed_costs_no_result(caplog: pytest.LogCaptureFixture) -> None:
    with Workers(helped=True) as two, caplog.at_level(logging.WARNING):
        assert two.map(end_the_helper, os.getpid(), range(8)) == list(range(8))
        assert not two.helped
        assert two.map(squared, 1, [5]) == [25]
    assert f"exit code -{int(signal.SIGKILL)}" in caplog.text
