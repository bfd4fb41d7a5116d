"""One engine for all files here: Sail in the process, where the extra is installed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from recommender.engine.session import LOCAL, Engine, connected


@pytest.fixture(scope="session")
def sail() -> Iterator[Engine]:
    with connected(LOCAL) as engine:
        yield engine
