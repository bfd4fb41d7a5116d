"""What leaves the run folder carries no user ids: MLflow gets pseudonyms, the key stays in the folder."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from recommender.hashing import pseudonyms

KEY = "pseudonyms.key"  # in the run folder, readable by its owner only; never logged


@contextmanager
def without_ids(path: Path) -> Iterator[Path]:
    """``path``, or where its table names users a copy in which ``user_id`` is a pseudonym by the folder's key."""
    if path.suffix != ".parquet" or "user_id" not in pl.read_parquet_schema(path):
        yield path
        return
    table, key = pl.read_parquet(path), key_of(path.parent)
    with TemporaryDirectory() as scratch:
        copy = Path(scratch) / path.name
        table.with_columns(pseudonyms(table["user_id"], key)).write_parquet(copy)
        yield copy


def key_of(folder: Path) -> bytes:
    """The folder's key of 32 bytes, made at the first call."""
    file = folder / KEY
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return bytes.fromhex(file.read_text())
    key = secrets.token_bytes(32)
    with os.fdopen(handle, "w") as opened:
        opened.write(key.hex())
    return key
