"""Files and folders that are whole or absent, whatever stops the program; damaged ones are put aside."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl

log = logging.getLogger(__name__)

TOO_LITTLE = (
    "There is not enough memory. Free some, raise the limit of the container or shell (ulimit -v), or take a part of "
    "the data; make data-check estimates what a train takes."
)


def write_atomically(path: Path, writer: Callable[[Path], object]) -> None:
    """``writer`` is called with another name beside ``path``; what it wrote there then takes the place of ``path``."""
    scratch = _scratch(path)
    try:
        writer(scratch)
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


@contextmanager
def replacement(path: Path, writer: Callable[[Path], object]) -> Iterator[Callable[[], None]]:
    """``writer`` is called with another name beside ``path``; a call of what is given puts that in the place of
    ``path``. Nothing is left of an error, or where it is not called."""
    scratch = _scratch(path)
    try:
        writer(scratch)
        yield lambda: os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 under a temporary name and renames it, so that no kill leaves half a file."""
    write_atomically(path, lambda scratch: scratch.write_text(text, encoding="utf-8"))


def write_json(path: Path, tree: Any) -> None:
    """What JSON lacks is written as text. Raises ValueError for NaN and infinity, which are no JSON."""
    write_text(path, json.dumps(tree, indent=1, default=str, allow_nan=False) + "\n")


def write_table(path: Path, table: pl.DataFrame) -> None:
    """Parquet."""
    write_atomically(path, table.write_parquet)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """An empty folder of another name, which takes the place of ``folder`` at the end; nothing is left of an error."""
    scratch = _scratch(folder)
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        yield scratch
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def clear_leftovers(folder: Path) -> None:
    """Removes what killed programs had begun to write in ``folder``."""
    for path in folder.glob(".*-*"):
        begun = re.fullmatch(r"\..+-(\d{1,9})", path.name)
        if begun is None or _runs(int(begun[1])):
            continue
        log.info("%s: removed, left by a program that was killed", path)
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def put_aside(path: Path, damage: str) -> Path:
    """Renames a damaged file or folder, warns with the ``damage``, and returns its new name."""
    names = (path.with_name(f"{path.name}.damaged{f'-{n}' if n else ''}") for n in count())
    new_path = next(name for name in names if not name.exists())
    path.rename(new_path)
    log.warning("%s is damaged (%s). It is put aside as %s and made again.", path, damage, new_path.name)
    return new_path


def ran_out(error: BaseException) -> bool:
    """Whether an error says that memory ran out; threads need some to start."""
    return isinstance(error, MemoryError) or "can't start new thread" in str(error)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # someone else's
        return True
    return True


def _scratch(path: Path) -> Path:
    return path.with_name(f".{path.name}-{os.getpid()}")


def sync_folder(folder: Path) -> None:
    """The names in the folder are on the disk when it returns."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
