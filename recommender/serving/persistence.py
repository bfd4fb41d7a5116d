"""Saves and loads fitted objects of this package without pickle: a folder of JSON, .npz and Parquet.

``state.json`` holds the tree of attributes; arrays lie in ``arrays.npz`` and frames in ``frame_<n>.parquet``.
Loading builds classes of the ``recommender`` package only and runs no code from the folder.
"""

from __future__ import annotations

import importlib
import json
import zipfile
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp

from recommender.errors import UserError
from recommender.files import whole_folder

FORMAT = 3  # counts up whenever an older model could not be asked any more
PACKAGE = "recommender"
KIND = "$kind"  # marks what JSON has no word for


def save(obj: object, folder: Path) -> None:
    """Writes ``obj`` to ``folder``, all or nothing; the folder must be absent or empty.

    Attributes may be plain values, lists, tuples, mappings with string keys, numpy arrays, scipy csr
    matrices, polars frames and series, and objects of this package. Private attributes (leading
    underscore) and cached properties are caches: private ones come back as None, the others afresh.
    Raises TypeError naming the attribute that is anything else, UserError where the folder is in use.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} exists already; give a new folder for the model.")
    with whole_folder(folder) as scratch:
        writer = _Writer()
        tree = {"format": FORMAT, "root": writer.encode(obj, type(obj).__name__)}
        (scratch / "state.json").write_text(json.dumps(tree, indent=1))
        np.savez(scratch / "arrays.npz", allow_pickle=False, **writer.arrays)
        for number, frame in enumerate(writer.frames):
            frame.write_parquet(scratch / f"frame_{number}.parquet")


def holds(folder: Path) -> bool:
    """Whether ``save`` wrote to this folder."""
    return (folder / "state.json").is_file()


def load(folder: Path) -> Any:
    """What ``save`` wrote. Raises UserError where the folder is no such thing, is damaged, or names foreign classes."""
    folder = Path(folder)
    if not holds(folder):
        raise UserError(f"{folder} holds no saved model (state.json is missing).")
    try:
        tree = json.loads((folder / "state.json").read_text())
        if (saved := tree.get("format")) != FORMAT:
            raise UserError(f"{folder}: saved in format {saved}, this version reads {FORMAT}. Train again.")
        with (folder / "arrays.npz").open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return _Reader(folder, dict(arrays)).decode(tree["root"])
    except (OSError, ValueError, KeyError, AttributeError, zipfile.BadZipFile, pl.exceptions.PolarsError) as error:
        raise UserError(f"{folder}: the saved model is damaged ({error}). Train again, or copy it again.") from error


class _Writer:
    """Encodes values as JSON and collects the arrays and frames that go beside it."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self.frames: list[pl.DataFrame] = []

    def encode(self, value: Any, where: str) -> Any:
        match value:
            case np.generic():
                return self._kind("scalar", array=self._array(np.asarray(value), where))
            case None | bool() | int() | float() | str():
                return value
            case list():
                return [self.encode(v, f"{where}[{i}]") for i, v in enumerate(value)]
            case tuple():
                return self._kind("tuple", items=self.encode(list(value), where))
            case Mapping():
                return self._kind("dict", items=self._items(value, where))
            case np.ndarray():
                return self._kind("array", array=self._array(value, where))
            case sp.csr_matrix():
                parts = {p: self._array(getattr(value, p), where) for p in ("data", "indices", "indptr")}
                return self._kind("csr", shape=list(map(int, value.shape)), **parts)
            case pl.DataFrame():
                return self._kind("frame", frame=self._frame(value))
            case pl.Series():
                return self._kind("series", name=value.name, frame=self._frame(value.alias("values").to_frame()))
            case _ if _belongs(type(value).__module__):
                state = _fitted_state(value)
                name = f"{type(value).__module__}:{type(value).__qualname__}"
                return {**self._kind("object", state=self._items(state, where)), "class": name}
        raise TypeError(f"{where}: cannot save a {type(value).__module__}.{type(value).__qualname__}")

    def _items(self, items: Mapping[Any, Any], where: str) -> dict[str, Any]:
        if wrong := [key for key in items if not isinstance(key, str)]:
            raise TypeError(f"{where}: cannot save the key {wrong[0]!r}; keys must be strings")
        return {key: self.encode(v, f"{where}.{key}") for key, v in items.items()}

    def _array(self, array: np.ndarray, where: str) -> str:
        if array.dtype.hasobject:
            raise TypeError(f"{where}: cannot save an array of Python objects")
        name = f"a{len(self.arrays)}"
        self.arrays[name] = array
        return name

    def _frame(self, frame: pl.DataFrame) -> int:
        self.frames.append(frame)
        return len(self.frames) - 1

    @staticmethod
    def _kind(kind: str, /, **parts: Any) -> dict[str, Any]:
        return {KIND: kind, **parts}


class _Reader:
    def __init__(self, folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
        self.folder = folder
        self.arrays = arrays

    def decode(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self.decode(v) for v in node]
        if not isinstance(node, dict):
            return node
        readers: dict[str, Callable[[dict[str, Any]], Any]] = {
            "scalar": lambda n: self.arrays[n["array"]][()],
            "array": lambda n: self.arrays[n["array"]],
            "tuple": lambda n: tuple(self.decode(n["items"])),
            "dict": lambda n: {key: self.decode(v) for key, v in n["items"].items()},
            "csr": self._csr,
            "frame": lambda n: self._frame(n["frame"]),
            "series": lambda n: self._frame(n["frame"])["values"].alias(n["name"]),
            "object": self._object,
        }
        return readers[node[KIND]](node)

    def _csr(self, node: dict[str, Any]) -> sp.csr_matrix:
        parts = tuple(self.arrays[node[part]] for part in ("data", "indices", "indptr"))
        return sp.csr_matrix(parts, shape=tuple(node["shape"]))

    def _frame(self, number: int) -> pl.DataFrame:
        return pl.read_parquet(self.folder / f"frame_{int(number)}.parquet", memory_map=False)

    def _object(self, node: dict[str, Any]) -> Any:
        obj: Any = object.__new__(_class(node["class"]))
        obj.__dict__.update({key: self.decode(v) for key, v in node["state"].items()})
        return obj


def _belongs(module: str) -> bool:
    return module == PACKAGE or module.startswith(f"{PACKAGE}.")


def _class(name: str) -> type:
    """The class ``module:qualname``, defined in this package: what it merely imports is foreign too."""
    module, _, qualname = name.partition(":")
    value: Any = None
    if _belongs(module):
        try:
            value = importlib.import_module(module)
        except ModuleNotFoundError:
            raise UserError(f"Saved class {name} is not in this version of {PACKAGE}. Train again.") from None
        for part in qualname.split("."):
            value = getattr(value, part, None)
    if not isinstance(value, type) or value.__module__ != module:
        raise UserError(f"Refused to load '{name}': only classes of the {PACKAGE} package are loaded.")
    return value


def _fitted_state(obj: object) -> dict[str, Any]:
    computed = {n for n in vars(obj) if isinstance(getattr(type(obj), n, None), cached_property)}
    return {n: None if n.startswith("_") else v for n, v in vars(obj).items() if n not in computed}
