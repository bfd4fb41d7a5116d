"""Presets: what differs from the defaults (a curated catalog) for each kind of service, ``configs/simulator/*.yaml``.

A file may start from another one (``preset: ugc``) and then says what differs from that.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from recommender.config import CONFIGS
from recommender.config.files import names_in, read_named
from recommender.errors import ConfigError
from recommender.simulate.knobs import Knobs, make_knobs

FOLDER = CONFIGS / "simulator"
BASE = "preset"  # the key that names the preset to start from


def preset_names(folder: Path | None = None) -> list[str]:
    """Names of all presets; none where the library stands without its configuration."""
    return names_in(folder or FOLDER)


def resolve(preset: str, knobs: Mapping[str, Any]) -> Knobs:
    """The preset with some knobs turned. Raises ConfigError naming the nearest valid preset or knob."""
    return make_knobs({**_given(preset, FOLDER), **knobs})


@cache
def _given(preset: str, folder: Path) -> dict[str, Any]:
    """The knobs that a preset turns. Raises ConfigError naming the file where one is wrong."""
    knobs = _read(preset, folder)
    if BASE in knobs:
        base = _read(knobs.pop(BASE), folder)
        if BASE in base:
            raise ConfigError(f"{folder / preset}.yaml: starts from a preset that starts from another: one step only")
        knobs = {**base, **knobs}
    try:
        make_knobs(knobs)
    except ConfigError as error:
        raise ConfigError(f"{folder / preset}.yaml: {error}") from None
    return knobs


def _read(preset: str, folder: Path) -> dict[str, Any]:
    tree, path = read_named(preset, folder, "preset")
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: expected lines of 'knob: value', got {tree!r}")
    return tree
