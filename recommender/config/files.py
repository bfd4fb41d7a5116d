"""Configuration files: where they lie, how they are read, how single keys are overridden."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from recommender.config.yaml_text import parse_yaml, read_yaml
from recommender.errors import ConfigError, nearest

PACKAGE = Path(__file__).parents[1]
Overrides = Sequence[str] | Mapping[str, Any]  # ["split.test=0.7"] (the value as YAML) or {"split.test": 0.7}


def shipped(folder: str) -> Path:
    """A folder of YAML files that goes with the library: beside the package in a checkout, inside it in a wheel."""
    packed = PACKAGE / "shipped" / folder
    return packed if packed.is_dir() else PACKAGE.parent / folder


def raw_dir() -> Path | None:
    """Folder of raw data sets: ``RECOMMENDER_RAW_DIR``, else ``../shared/data``, else ``./data``; None without one."""
    stated = os.environ.get("RECOMMENDER_RAW_DIR")
    if stated:
        return Path(stated)
    return next((folder for folder in (Path("../shared/data"), Path("data")) if folder.is_dir()), None)


def names_in(folder: Path) -> list[str]:
    """Names of the YAML files of a folder, sorted."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def read_named(name: str | Path, folder: Path, kind: str) -> tuple[Any, Path]:
    """The content of ``folder/<name>.yaml``, or of any file that ``name`` is the path of, and where it lies.

    kind: what the file is, for errors. Raises ConfigError where there is none, or where it cannot be read as YAML.
    """
    path = folder / f"{name}.yaml"
    if str(name) not in names_in(folder):
        path = Path(name).expanduser()
        if path.suffix not in (".yaml", ".yml"):
            hint = nearest(str(name), names_in(folder))
            raise ConfigError(f"Unknown {kind} '{name}'{hint}. The path of a YAML file is accepted too.")
    if not path.is_file():
        raise ConfigError(f"{path}: this {kind} cannot be read (no such file).")
    return read_yaml(path, ConfigError, aliases=True), path


def overridden(tree: Mapping[str, Any], overrides: Overrides) -> dict[str, Any]:
    """A copy of a scenario's plain values with some keys set; a list of named entries (the ladder) is entered by name:
    ``ladder.als.params.factors``. What an override names is meant, so ``optional`` lists it no longer."""
    changed = copy.deepcopy(dict(tree))
    for key, value, given in _pairs(overrides):
        _assign(changed, key.split("."), value, given)
        if key != "optional" and isinstance(changed.get("optional"), list):
            changed["optional"] = [part for part in changed["optional"] if part not in key.split(".")]
    return changed


def _pairs(overrides: Overrides) -> Iterator[tuple[str, Any, str]]:
    """(key, value, how it was given) of each override."""
    if isinstance(overrides, Mapping):
        yield from ((key, value, f"override {key}={value!r}") for key, value in overrides.items())
        return
    for given in overrides:
        yield *key_value(given, "KEY=VALUE, for example --set split.test=0.7"), f"--set {given}"


def key_value(given: str, expected: str) -> tuple[str, Any]:
    """``split.test=0.7`` -> ("split.test", 0.7). expected: the form, for the error. Raises ConfigError."""
    key, separator, text = given.partition("=")
    if not separator or not key:
        raise ConfigError(f"--set {given}: expected {expected}")
    return key, parse_yaml(text, f"--set {given}", ConfigError)


def _assign(tree: Any, keys: list[str], value: Any, override: str) -> None:
    node: Any = tree
    for depth, key in enumerate(keys):
        last = depth == len(keys) - 1
        if isinstance(node, list):
            named = {e["name"]: position for position, e in enumerate(node) if isinstance(e, dict) and "name" in e}
            if key not in named:
                raise ConfigError(f"{override}: no '{key}' there{nearest(key, named)}")
            key = named[key]  # type: ignore[assignment]
        elif not isinstance(node, dict):
            raise ConfigError(f"{override}: '{'.'.join(keys[:depth])}' holds a value, not keys")
        if last:
            node[key] = value
        else:
            node = node.setdefault(key, {}) if isinstance(node, dict) else node[key]
