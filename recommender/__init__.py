"""From popularity to collaborative filtering: measure when to climb, for whom, and at what effort.

The names in ``__all__`` are the public API, and stay as they are between minor versions:

    data      ``dataset`` (from frames), ``load_data`` (a source or folder), ``Dataset``
    scenario  ``scenario`` (by name, path or from plain values, with overrides), ``Scenario``
    models    ``fit`` (one rung), ``load_model``, ``Model``
    evidence  ``evaluate`` (several rungs), ``train`` (a whole ladder), ``load_run``, ``Run``
    errors    ``DataError``, ``ConfigError``: what a caller can mend

All else in this package is internal and may change at any time. The libraries behind a name are imported when it is
first used, so that ``import recommender`` itself costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recommender.api.frames import dataset, load_data, scenario
    from recommender.api.model import Model, fit, load_model
    from recommender.api.run import Run, evaluate, load_run, train
    from recommender.config import Scenario
    from recommender.data.dataset import Dataset
    from recommender.errors import ConfigError, DataError

__version__ = "0.1.0"
__all__ = [
    "ConfigError",
    "DataError",
    "Dataset",
    "Model",
    "Run",
    "Scenario",
    "dataset",
    "evaluate",
    "fit",
    "load_data",
    "load_model",
    "load_run",
    "scenario",
    "train",
]

_HOMES = {
    "api.frames": ("dataset", "load_data", "scenario"),
    "api.model": ("Model", "fit", "load_model"),
    "api.run": ("Run", "evaluate", "load_run", "train"),
    "config": ("Scenario",),
    "data.dataset": ("Dataset",),
    "errors": ("ConfigError", "DataError"),
}


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first asked for (PEP 562)."""
    for home, names in _HOMES.items():
        if name in names:
            globals()[name] = value = getattr(import_module(f"recommender.{home}"), name)
            return value
    raise AttributeError(f"module 'recommender' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
