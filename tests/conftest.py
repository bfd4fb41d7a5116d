"""Fixtures that several test files share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from recommender.tracking.store import name_main

# No test asserts a time: a busy machine, or a kernel that is compiled at its first call, is no failure.
# The examples are the same in every run, so that a change that fails is the one that broke something.
settings.register_profile("fixed", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fixed")

BESIDE = Path(__file__).parents[2] / "shared" / "data"  # where a checkout has the raw data beside it


def pytest_configure() -> None:
    """A process of pytest-xdist is one of ``python -c``; tests ask MLflow before any program does."""
    name_main()


@pytest.fixture(scope="session")
def raw_dir() -> Path:
    """Folder of the real data sets, read in place; the test is skipped, visibly, where there is none."""
    folder = Path(os.environ.get("RECOMMENDER_RAW_DIR") or BESIDE)
    if not folder.is_dir():
        pytest.skip("no raw data: RECOMMENDER_RAW_DIR is not set to a folder")
    return folder
