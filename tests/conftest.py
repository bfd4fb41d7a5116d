"""Fixtures that several test files share."""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No test asserts a time: a busy machine, or a kernel that is compiled at its first call, is no failure.
# The examples are the same in every run, so that a change that fails is the one that broke something.
settings.register_profile("fixed", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fixed")

BESIDE = Path(__file__).parents[2] / "shared" / "data"  # where a checkout has the raw data beside it


def pytest_configure() -> None:
    """Names the main module of a process of pytest-xdist, which has no name and no file. pyspark takes such a process
    for its own doctests, and ends it, as soon as MLflow asks for a Spark session."""
    main = sys.modules["__main__"]
    if main.__spec__ is None and not hasattr(main, "__file__"):
        main.__spec__ = ModuleSpec("__main__", None)


@pytest.fixture(scope="session")
def raw_dir() -> Path:
    """Folder of the real data sets, read in place; the test is skipped, visibly, where there is none."""
    folder = Path(os.environ.get("RECOMMENDER_RAW_DIR") or BESIDE)
    if not folder.is_dir():
        pytest.skip("no raw data: RECOMMENDER_RAW_DIR is not set to a folder")
    return folder
