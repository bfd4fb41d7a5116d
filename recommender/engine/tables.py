"""Tables that only the engine can read, copied to a dataset folder: its catalogue's, Delta, Iceberg, Parquet elsewhere.

``table:catalog.schema``, ``delta:ADDRESS``, ``iceberg:ADDRESS`` or ``parquet:ADDRESS`` names the tables interactions,
items and, where there is one, users, with the standard names of columns.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast
from uuid import uuid4

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from recommender.data.memory import PER_ROW_B, PER_TEXT_B, free_mb
from recommender.engine.faults import explained
from recommender.engine.ordering import in_order
from recommender.engine.session import Engine
from recommender.errors import UserError
from recommender.hashing import of_values
from recommender.sources.load import ON_ENGINE

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

T = TypeVar("T")
ORDER = ("timestamp", "user_id", "item_id", "event", "weight")  # of rows, which a table does not have
INTERACTIONS = "interactions.parquet"
GROUP = 500_000  # rows of a row group
ABSENT = ("NOT_FOUND", "not found", "No commit files", "No metadata files", "no columns")  # Spark's and Sail's words
READERLESS = ("DATA_SOURCE_NOT_FOUND", "Failed to find", "No data source found")
PACKAGES = {"delta": "io.delta:delta-spark_2.13", "iceberg": "org.apache.iceberg:iceberg-spark-runtime"}


def is_address(data: str) -> bool:
    """Whether DATA names a table that the engine reads: kind and place, ``delta:s3://team/shop``."""
    kind, _, where = data.partition(":")
    return kind in ON_ENGINE and bool(where)


def copied(engine: Engine, data: str, to: Path, in_passes: bool = False) -> Path:
    """A dataset folder in ``to`` with the tables of an address. in_passes: where no folder is shared, interactions come
    here some users at a time, so that they need not fit the memory.

    Interactions are sorted by all that is read of them, so that the copy is the same however the engine has cut it, by
    the workers where they and this machine share a folder. Raises UserError where the engine cannot read them.
    """
    where = data.partition(":")[2].rstrip("/")
    folder = to / (re.sub(r"[^\w.-]+", "-", re.split(r"[/.]", where)[-1]) or "tables")
    folder.mkdir()
    for name in ("items", "users"):
        frame = _frame(engine, data, name)
        if frame is not None:
            pq.write_table(_answered(engine, frame.toArrow), folder / f"{name}.parquet")
    frame = _frame(engine, data, "interactions")
    assert frame is not None  # only users may lack
    if missing := [column for column in ("user_id", "item_id") if column not in frame.columns]:
        raise UserError(
            f"{data}: the table interactions has no column {' and '.join(missing)}, but {', '.join(frame.columns)}. "
            "Make a view with the standard names."
        )
    frame = frame.select(*[column for column in ORDER if column in frame.columns])
    written, given = folder / INTERACTIONS, folder / "parts"
    given.mkdir()
    if engine.shared is not None:
        parts, n_rows = _by_workers(engine, frame, given)
    else:
        parts, n_rows = _here(engine, data, frame, given, in_passes)
    if parts:
        written.mkdir()
        in_order(engine, parts, n_rows, frame.columns, written)
    else:
        pq.write_table(_answered(engine, frame.limit(0).toArrow), written)
    shutil.rmtree(given)
    return folder


def _by_workers(engine: Engine, frame: DataFrame, given: Path) -> tuple[list[Path], int]:
    """Files of the rows, written by the workers, and how many rows there are."""
    work = partial(write_part, folder=str(given))
    written = _answered(engine, lambda: frame.mapInArrow(work, "file string, n bigint").toArrow())
    names = sorted(written["file"].to_pylist())  # those of a worker that died after it wrote are not among them
    return [given / name for name in names], sum(written["n"].to_pylist())


def _here(engine: Engine, data: str, frame: DataFrame, given: Path, in_passes: bool) -> tuple[list[Path], int]:
    """Files of the rows, brought here in as many passes over the table as the memory asks for, and how many rows."""
    n_rows, free = _answered(engine, frame.count), free_mb()
    needed = int(n_rows * (PER_ROW_B + PER_TEXT_B * len(frame.columns)) / 1e6)
    if needed > free and not in_passes:
        raise UserError(
            f"{data}: to hold {n_rows:,} interactions takes about {needed:,} MB of memory, and {free:,} MB can be had "
            "here. Let models be fitted on a sample of users (SET='engine.sample_users=100000'), or name a folder that "
            "the engine's workers and this machine share, and they are read there: SHARED=/mnt/shared."
        )
    passes, parts = max(1, -(-4 * needed // max(free, 1))), list[Path]()
    n_read = 0
    for number in range(passes):
        work = partial(rows_of_pass, number=number, passes=passes)
        rows = _answered(engine, lambda work=work: frame.mapInArrow(work, frame.schema).toArrow())  # type: ignore[misc]
        if rows.num_rows:
            parts.append(given / f"{number:06d}.parquet")
            pq.write_table(rows, parts[-1])
        n_read += rows.num_rows
    if n_read != n_rows:
        raise UserError(f"{data}: {n_read:,} interactions came, of {n_rows:,}. Did the table change? Try again.")
    return parts, n_rows


def rows_of_pass(batches: Iterator[pa.RecordBatch], number: int, passes: int) -> Iterator[pa.RecordBatch]:
    """For ``mapInArrow``: the rows of every ``passes``-th user, by the hash of the id; pass 0 has those without."""
    for batch in batches:
        users = cast(pl.Series, pl.from_arrow(batch.column("user_id")))
        exact = users.cast(pl.Int64() if users.dtype.is_integer() else pl.String())
        chosen = of_values(exact.fill_null(0 if exact.dtype.is_integer() else "")) % np.uint64(passes) == number
        yield batch.filter(pa.array(np.where(exact.is_null().to_numpy(), number == 0, chosen)))


def write_part(batches: Iterator[pa.RecordBatch], folder: str) -> Iterator[pa.RecordBatch]:
    """For ``mapInArrow``: the rows of a partition as a Parquet file in ``folder``; gives its name and how many there
    are, nothing where there are none."""
    n = 0
    name, writer, held = f"{uuid4().hex}.parquet", None, list[pa.RecordBatch]()
    for batch in (*batches, None):
        held += [] if batch is None or not batch.num_rows else [batch]
        if held and (batch is None or sum(part.num_rows for part in held) >= GROUP):
            writer = writer or pq.ParquetWriter(Path(folder) / name, held[0].schema)
            writer.write_table(pa.Table.from_batches(held))
            n += sum(part.num_rows for part in held)
            held = []
    if writer is not None:
        writer.close()
        yield pa.RecordBatch.from_pydict({"file": [name], "n": [n]})


def _frame(engine: Engine, data: str, table: str) -> DataFrame | None:
    """The engine's plan of reading a table; None for users where there are none."""
    kind, _, where = data.partition(":")
    where = where.rstrip("/")
    try:
        if kind == "table":
            frame = engine.spark.table(f"{where}.{table}")
        else:
            frame = engine.spark.read.format(kind).load(f"{where}/{table}")
        if not frame.columns:  # what Sail finds in a folder that is none
            raise ValueError("no columns")
    except Exception as error:
        text = str(error)
        shown = next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)[:300]
        if any(sign in text for sign in READERLESS):
            raise UserError(
                f"{data}: the engine has no reader for {kind} ({shown}). Start its server with one"
                f"{f' ({PACKAGES[kind]})' if kind in PACKAGES else ''}, or write Parquet files."
            ) from None
        if table == "users" and any(sign in text for sign in ABSENT):
            return None
        raise UserError(
            f"{data}: the engine cannot read the table {table} ({shown}). An address names the tables interactions, "
            "items and, where there is one, users."
        ) from None
    return frame


def _answered(engine: Engine, ask: Callable[[], T]) -> T:
    try:
        return ask()
    except Exception as error:
        raise explained(error, engine.address) from error
