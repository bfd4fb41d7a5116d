"""One engine for all files here: Sail in the process, where the extra is installed; else every test is skipped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec

import pytest

from recommender.engine import checking, count_tasks, counting, reading
from recommender.engine.session import LOCAL, Engine, connected


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    if find_spec("pysail") is None:
        missing = pytest.mark.skip(reason="the extra `spark` is not installed: make setup-spark")
        for item in items:
            if item.get_closest_marker("spark"):
                item.add_marker(missing)


@pytest.fixture(scope="session")
def sail() -> Iterator[Engine]:
    """An engine of two partitions, since each is a Python function that starts; tests of their number set their own."""
    with connected(LOCAL, partitions=2) as engine:
        yield engine


@pytest.fixture(scope="module")
def few_blocks() -> Iterator[None]:
    """8 blocks of users and 4 of items, not 64 and 16: most of a small table's time goes into files. For Sail, whose
    workers are threads of this process; the tests of Apache Spark have as many as any other train."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (checking, reading):
            patch.setattr(module, "BLOCKS", 8)
        for module in (count_tasks, counting):
            patch.setattr(module, "ITEM_BLOCKS", 4)
        yield
