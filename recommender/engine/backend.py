"""Where the work of a program is done: in this process, or what an engine can take on that engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recommender import config
from recommender.data.dataset import Dataset
from recommender.ranking.asker import HERE, Asker


def load(source: str, **options: Any) -> Dataset:
    """See ``sources/load.py::load``, which brings every source and the simulator: one served list needs none."""
    from recommender.sources.load import load

    return load(source, **options)


@dataclass(frozen=True)
class Backend:
    """asker: makes lists. load: gives the checked Dataset of a source or folder, as ``sources/load.py::load``."""

    asker: Asker = HERE
    load: Callable[..., Dataset] = load


@contextmanager
def backend_at(
    address: str | None, shared: Path | None = None, engine: config.EngineOptions | None = None
) -> Iterator[Backend]:
    """This process where ``address`` is None, else the engine there; see ``connected`` for what it raises."""
    if address is None:
        yield Backend()
        return
    from recommender.engine.asking import EngineAsker
    from recommender.engine.reading import EngineReader
    from recommender.engine.session import connected

    settings = engine or config.EngineOptions()
    with connected(address, shared, settings.partitions) as session:
        yield Backend(EngineAsker(session), EngineReader(session, settings.sample_users, settings.history_cap))
