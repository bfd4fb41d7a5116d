"""What costs seconds to make and may be made once for all processes of a test session."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from recommender.files import whole_folder
from recommender.tracking.store import prepare


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder ``name``, filled by ``make`` in the first process that asks; the others wait. Read it, change nothing.

    make: gets an empty folder, which is renamed when it returns: what it writes must not hold the folder's own path.
    """
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            with whole_folder(folder) as scratch:
                make(scratch)
    return folder


def tracking_database(factory: pytest.TempPathFactory) -> Path:
    """A SQLite database of MLflow that is ready and empty, to be copied: making one takes seconds."""
    folder = once(factory, "mlflow-template", lambda to: prepare(f"sqlite:///{to / 'mlflow.db'}", "template"))
    return folder / "mlflow.db"
