"""Saves and loads fitted objects of this package without pickle: a folder of JSON, .npy and Parquet.

``state.json`` holds the tree of attributes; arrays lie in ``array_<n>.npy`` and frames in ``frame_<n>.parquet``.
Loading builds classes of the ``recommender`` package only and runs no code from the folder. Arrays are mapped into
memory: what is not asked for is not read, and what is changed stays in the process.
"""

from __future__ import annotations

import importlib
import json
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp

from recommender.errors import UserError
from recommender.files import whole_folder

FORMAT = 8  # counts up whenever an older model could not be asked any more
CHECKED = 2**24  # bytes; of larger files only the size is checked, since a model must load in a moment
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
        (scratch / "state.json").write_text(_write(obj, scratch, 0))


@contextmanager
def model_replacement(obj: object, folder: Path) -> Iterator[Callable[[], None]]:
    """Writes ``obj`` beside what ``folder`` holds; a call of what is given puts it in the place of that, in one step.

    Whoever has loaded the model before goes on with that. Nothing is left of an error, or where it is not called.
    """
    numbers = [int(path.stem.partition("_")[2]) for path in _parts(folder)]
    scratch = folder / f".state.json-{os.getpid()}"
    try:
        scratch.write_text(_write(obj, folder, max(numbers, default=-1) + 1))
        yield lambda: os.replace(scratch, folder / "state.json")
    finally:
        scratch.unlink(missing_ok=True)
        listed = json.loads((folder / "state.json").read_text())["files"]
        for path in _parts(folder):
            if path.name not in listed:
                path.unlink()


def _parts(folder: Path) -> list[Path]:
    return [*folder.glob("array_*.npy"), *folder.glob("frame_*.parquet")]


def _write(obj: object, folder: Path, first: int) -> str:
    """Writes arrays and frames, numbered from ``first``; the text of the state.json that names them."""
    writer = _Writer(first)
    root = writer.encode(obj, type(obj).__name__)
    files: dict[str, list[int]] = {}
    for number, array in enumerate(writer.arrays, first):
        np.save(path := folder / f"array_{number}.npy", array, allow_pickle=False)
        files[path.name] = _checksum(path)
    for number, frame in enumerate(writer.frames, first):
        frame.write_parquet(path := folder / f"frame_{number}.parquet")
        files[path.name] = _checksum(path)
    tree = {"format": FORMAT, "files": files, "root": root}
    return json.dumps({**tree, "crc": _crc(tree)}, indent=1)


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
        if tree.pop("crc") != _crc(tree):
            raise ValueError("state.json has changed")
        for name, checksum in tree["files"].items():
            if _checksum(folder / name) != checksum:
                raise ValueError(f"{name} has changed")
        return _Reader(folder).decode(tree["root"])
    except (OSError, ValueError, KeyError, AttributeError, TypeError, pl.exceptions.PolarsError) as error:
        raise UserError(f"{folder}: the saved model is damaged ({error}). Train again, or copy it again.") from error


def _checksum(path: Path) -> list[int]:
    """Bytes of a file, and their CRC-32 (0 where they are more than ``CHECKED``)."""
    size = path.stat().st_size
    return [size, zlib.crc32(path.read_bytes()) if size <= CHECKED else 0]


def _crc(tree: object) -> int:
    return zlib.crc32(json.dumps(tree).encode())


class _Writer:
    """Encodes values as JSON and collects the arrays and frames that go beside it."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.arrays: list[np.ndarray] = []
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

    def _array(self, array: np.ndarray, where: str) -> int:
        if array.dtype.hasobject:
            raise TypeError(f"{where}: cannot save an array of Python objects")
        self.arrays.append(array)
        return self.first + len(self.arrays) - 1

    def _frame(self, frame: pl.DataFrame) -> int:
        self.frames.append(frame)
        return self.first + len(self.frames) - 1

    @staticmethod
    def _kind(kind: str, /, **parts: Any) -> dict[str, Any]:
        return {KIND: kind, **parts}


class _Reader:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def decode(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self.decode(v) for v in node]
        if not isinstance(node, dict):
            return node
        readers: dict[str, Callable[[dict[str, Any]], Any]] = {
            "scalar": lambda n: self._array(n["array"])[()],
            "array": lambda n: self._array(n["array"]),
            "tuple": lambda n: tuple(self.decode(n["items"])),
            "dict": lambda n: {key: self.decode(v) for key, v in n["items"].items()},
            "csr": self._csr,
            "frame": lambda n: self._frame(n["frame"]),
            "series": lambda n: self._frame(n["frame"])["values"].alias(n["name"]),
            "object": self._object,
        }
        return readers[node[KIND]](node)

    def _csr(self, node: dict[str, Any]) -> sp.csr_matrix:
        parts = tuple(self._array(node[part]) for part in ("data", "indices", "indptr"))
        return sp.csr_matrix(parts, shape=tuple(node["shape"]))

    def _array(self, number: int) -> np.ndarray:
        path = self.folder / f"array_{int(number)}.npy"
        if path.stat().st_size < 2**16:  # a page in memory costs more than reading it
            return np.asarray(np.load(path, allow_pickle=False))
        # Copy on write, not read only: libraries compile kernels for arrays that can be written.
        return np.asarray(np.load(path, mmap_mode="c", allow_pickle=False))

    def _frame(self, number: int) -> pl.DataFrame:
        return pl.read_parquet(self.folder / f"frame_{int(number)}.parquet", memory_map=False)

    def _object(self, node: dict[str, Any]) -> Any:
        obj: Any = object.__new__(_class(node["class"]))
        obj.__dict__.update({key: self.decode(v) for key, v in node["state"].items()})
        return obj


def _belongs(module: str) -> bool:
    return module == PACKAGE or module.startswith(f"{PACKAGE}.")


def _class(name: str) -> type:
    """The class ``module:qualname``, defined in this package, there or where it has moved since: what the package
    merely imports is foreign too."""
    module, _, qualname = name.partition(":")
    value: Any = None
    if _belongs(module):
        try:
            value = importlib.import_module(module)
        except ModuleNotFoundError:
            raise UserError(f"Saved class {name} is not in this version of {PACKAGE}. Train again.") from None
        for part in qualname.split("."):
            value = getattr(value, part, None)
    if not isinstance(value, type) or not _belongs(value.__module__):
        raise UserError(f"Refused to load '{name}': only classes of the {PACKAGE} package are loaded.")
    return value


def _fitted_state(obj: object) -> dict[str, Any]:
    computed = {n for n in vars(obj) if isinstance(getattr(type(obj), n, None), cached_property)}
    return {n: None if n.startswith("_") else v for n, v in vars(obj).items() if n not in computed}
