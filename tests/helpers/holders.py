"""Which of all written files hold a text, also where it is compressed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl


def holders(folder: Path, texts: Iterable[str]) -> set[str]:
    """Paths below ``folder`` of the files that hold one of the texts."""
    wanted = [text.encode() for text in texts]
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(folder)) for path in files if any(text in content(path) for text in wanted)}


def content(path: Path) -> bytes:
    if path.suffix == ".parquet":
        return repr(pl.read_parquet(path).to_dict(as_series=False)).encode()
    if path.suffix == ".npy":
        return repr(np.load(path, allow_pickle=False).tolist()).encode()
    if path.suffix == ".db":
        with sqlite3.connect(path) as database:
            return "\n".join(database.iterdump()).encode()
    return path.read_bytes()
