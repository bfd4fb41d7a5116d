"""One engine for all files here: Sail in the process, where the extra is installed; else every test is skipped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec

import pytest

from recommender.engine.session import LOCAL, Engine, connected


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    if find_spec("pysail") is None:
        missing = pytest.mark.skip(reason="the extra `spark` is not installed: make setup-spark")
        for item in items:
            if item.get_closest_marker("spark"):
                item.add_marker(missing)


@pytest.fixture(scope="session")
def sail() -> Iterator[Engine]:
    with connected(LOCAL) as engine:
        yield engine
