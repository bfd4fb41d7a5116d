"""The log of a service: which lists were shown, and what became of them. Parquet, a folder per day.

``LOG/<table>/day=YYYY-MM-DD/*.parquet`` for each table of ``TABLES``. Files are whole or absent. What a running server
has not yet turned into Parquet lies in ``LOG/journal/`` (``journal.py``); ``read_log`` gives it too.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import polars as pl

from recommender.errors import DataError, UserError
from recommender.files import sync_folder, write_atomically
from recommender.hashing import key_of, pseudonyms
from recommender.serving import journal

TIME = pl.Datetime("us", "UTC")
ID = pl.Null()  # in a schema: an integer (Int64) or text (String), as in the model's data


@dataclass(frozen=True)
class LogTable:
    """Columns with their types, those that may be null, and the time that gives a row its day."""

    columns: Mapping[str, pl.DataType]
    day_of: str
    nullable: tuple[str, ...] = ()


TABLES: Mapping[str, LogTable] = {
    # A row per place of a list. user_id: a pseudonym (32 hex digits) unless the log holds plain ids. as_of: the time
    # for which the list was made. surface: where it was shown. source: as in ``make recommend``. propensity: the
    # probability with which exploration drew the item for this place; null where nothing was drawn.
    "served": LogTable(
        {
            "list_id": pl.String(), "request_id": pl.String(), "user_id": ID, "as_of": TIME,
            "model_version": pl.String(), "variant": pl.String(), "surface": pl.String(), "rank": pl.Int32(),
            "item_id": ID, "source": pl.String(), "propensity": pl.Float64(),
        },
        "as_of",
        ("propensity",),
    ),
    # What happened to an item of a list: ``impression`` where it was seen, else the kind of event of the data.
    "feedback": LogTable(
        {"list_id": pl.String(), "item_id": ID, "event": pl.String(), "timestamp": TIME}, "timestamp"
    ),
    # Events outside any list, such as a take after a search; user_id as in ``served``.
    "interactions": LogTable(
        {"user_id": ID, "item_id": ID, "event": pl.String(), "timestamp": TIME}, "timestamp"
    ),
}  # fmt: skip
IMPRESSION = "impression"
DAY = "day="


@dataclass(frozen=True)
class ServiceLog:
    """The tables of a log, in the columns of ``TABLES``, sorted by time."""

    served: pl.DataFrame
    feedback: pl.DataFrame
    interactions: pl.DataFrame


def read_log(folder: Path, since: date | None = None, until: date | None = None) -> ServiceLog:
    """Everything that ``folder`` holds of the days from ``since`` to ``until``, both included; None: no bound.

    Ids come back exactly, integers as Int64 and text as String. A table of which nothing was logged has no rows.
    Raises UserError where there is no such folder, DataError, in one message, where a file is damaged or is no such
    table.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder. Name the LOG of make serve, or where your own log lies.")
    return ServiceLog(**{name: _read(folder, name, since, until) for name in TABLES})


def write_log(
    folder: Path,
    *,
    served: pl.DataFrame | None = None,
    feedback: pl.DataFrame | None = None,
    interactions: pl.DataFrame | None = None,
    pseudonymous: bool = True,
) -> None:
    """Adds rows to the log in ``folder``, which need not exist: a team's own log, or that of a simulated service.

    pseudonymous: user_id is replaced by its keyed hash; the key is ``folder/pseudonyms.key``, made at the first call.
    Raises DataError, before anything is written, where a table has not the columns and types of ``TABLES``.
    """
    given = {"served": served, "feedback": feedback, "interactions": interactions}
    checked = {name: as_table(name, frame, name) for name, frame in given.items() if frame is not None}
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in checked.items():
        if pseudonymous and "user_id" in frame.columns:
            frame = frame.with_columns(pseudonyms(frame["user_id"], key_of(folder)))
        write_days(folder, name, frame, uuid.uuid4().hex)


def write_days(folder: Path, table: str, frame: pl.DataFrame, stem: str) -> None:
    """A file ``<stem>.parquet`` in the folder of each day that the rows name; each is on the disk when it returns."""
    day = pl.col(TABLES[table].day_of).dt.date().alias("day")
    for (when,), rows in frame.with_columns(day).partition_by("day", as_dict=True, include_key=False).items():
        to = folder / table / f"{DAY}{when}"
        to.mkdir(parents=True, exist_ok=True)
        write_atomically(to / f"{stem}.parquet", partial(_write_synced, rows))
        sync_folder(to)


def as_table(table: str, frame: pl.DataFrame, where: str) -> pl.DataFrame:
    """``frame`` in the columns, order and types of the table; other columns go. where: what messages begin with.

    Raises DataError for a column that is missing or of another type, and for nulls where none may be.
    """
    form = TABLES[table]
    if missing := [c for c in form.columns if c not in frame.columns and c not in form.nullable]:
        present = ", ".join(frame.columns)
        raise DataError(f"{where}: no column {', '.join(missing)} (found {present}). The table {table} needs it.")
    columns = []
    for name, kind in form.columns.items():
        column = frame[name] if name in frame.columns else pl.Series(name, [None] * frame.height, kind)
        cast = _typed(column, kind)
        if cast is None or cast.null_count() > column.null_count():
            wanted = "integers or text" if kind == ID else str(kind)
            raise DataError(f"{where}: {name} holds {column.dtype}; the table {table} has {wanted} there.")
        if cast.null_count() and name not in form.nullable:
            raise DataError(f"{where}: {name} is null in {cast.null_count():,} rows. Every row needs it.")
        columns.append(cast)
    return pl.DataFrame(columns)


def log_files(folder: Path, table: str, since: date | None = None, until: date | None = None) -> list[Path]:
    """The Parquet files of a table, by day."""
    low, high = f"{DAY}{since or date.min}", f"{DAY}{until or date.max}"
    days = [day for day in sorted((folder / table).glob(f"{DAY}*")) if low <= day.name <= high]
    return [file for day in days for file in sorted(day.glob("*.parquet")) if not file.name.startswith(".")]


def pending(folder: Path, table: str) -> dict[str, pl.DataFrame]:
    """Rows that lie in the journal only: name of the segment -> rows."""
    segments = {file.stem: journal.rows(file) for file in journal.segments(folder / journal.FOLDER, table)}
    return {stem: journal_frame(table, columns) for stem, columns in segments.items() if columns is not None}


def journal_frame(table: str, columns: Mapping[str, list[object]]) -> pl.DataFrame:
    """Rows of the journal, whose times are microseconds, as the table."""
    if not columns:
        return _empty(table)
    types = {c: pl.Int64() if kind == TIME else kind for c, kind in TABLES[table].columns.items()}
    series = [pl.Series(c, columns[c], None if kind == ID else kind, strict=True) for c, kind in types.items()]
    timed = [c for c, kind in TABLES[table].columns.items() if kind == TIME]
    return as_table(table, pl.DataFrame(series).with_columns(pl.col(timed).cast(TIME)), f"the journal of {table}")


def now() -> int:
    """UTC, int64 microseconds since 1970."""
    return int(datetime.now(UTC).timestamp() * 1_000_000)


def _read(folder: Path, table: str, since: date | None, until: date | None) -> pl.DataFrame:
    # The journal first: a segment that becomes Parquet in between is then there twice, and is dropped by its name.
    live = pending(folder, table)
    frames = [_file(table, file) for file in log_files(folder, table, since, until) if file.stem not in live]
    day = pl.col(TABLES[table].day_of).dt.date()
    frames += [rows.filter(day.is_between(since or date.min, until or date.max)) for rows in live.values()]
    frames = [frame for frame in frames if frame.height]
    if not frames:
        return _empty(table)
    for name in (c for c, kind in TABLES[table].columns.items() if kind == ID):
        if len({frame.schema[name] for frame in frames}) > 1:
            raise DataError(
                f"{folder}: {table}.{name} is text in some files and integers in others. Give each its LOG."
            )
    return pl.concat(frames).sort(TABLES[table].day_of, maintain_order=True)


def _file(table: str, file: Path) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(file, hive_partitioning=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{file} is damaged ({reason}). Restore it from a copy, or remove it to go on without."
        ) from None
    return as_table(table, frame, str(file))


def _typed(column: pl.Series, kind: pl.DataType) -> pl.Series | None:
    """None where the values cannot be of this type without a change."""
    if kind == ID:
        if column.dtype.is_integer():
            return column.cast(pl.Int64, strict=False)
        return column.cast(pl.String) if column.dtype in (pl.String, pl.Categorical, pl.Enum, pl.Null) else None
    if isinstance(kind, pl.Datetime):
        if not isinstance(column.dtype, pl.Datetime):
            return None
        timed = column.cast(pl.Datetime("us", column.dtype.time_zone))
        return (
            timed.dt.replace_time_zone("UTC") if column.dtype.time_zone is None else timed.dt.convert_time_zone("UTC")
        )
    if column.dtype == pl.Null or (kind.is_numeric() and column.dtype.is_numeric()):
        return column.cast(kind, strict=False)
    return column.cast(kind) if column.dtype in (kind, pl.Categorical, pl.Enum) else None


def _empty(table: str) -> pl.DataFrame:
    return pl.DataFrame(schema={c: pl.String() if k == ID else k for c, k in TABLES[table].columns.items()})


def _write_synced(rows: pl.DataFrame, path: Path) -> None:
    rows.write_parquet(path)
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
