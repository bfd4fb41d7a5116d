"""What leaves the run folder carries no user ids: MLflow gets pseudonyms, the key stays in the folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from recommender.hashing import key_of, pseudonyms


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
