"""Finding and reading raw files; every failure names the file and what to do."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from recommender.errors import DataError


def find(
    source: str, raw_dir: Path | None, folders: Sequence[str], layouts: Mapping[str, Sequence[str]]
) -> tuple[Path, str]:
    """The first folder that holds all files of a layout, and that layout's name.

    folders are tried in order, each one level down (``raw_dir/*/folder``) before ``raw_dir/folder``.
    Raises DataError saying where it looked and what was missing.
    """
    advice = f"Fetch it with `make data SOURCE={source}`, or set RECOMMENDER_RAW_DIR to the folder that holds it."
    if raw_dir is None:
        raise DataError(f"{source}: no folder of raw data is set. {advice}")
    looked = []
    for folder in (place for name in folders for place in (*sorted(raw_dir.glob(f"*/{name}")), raw_dir / name)):
        looked.append(str(folder))
        for layout, files in layouts.items():
            if all((folder / file).is_file() for file in files):
                return folder, layout
    wanted = ", or ".join(" + ".join(files) for files in layouts.values())
    raise DataError(f"{source}: found no folder with {wanted}. Looked in {', '.join(looked)}. {advice}")


def read_csv(
    path: Path, *, needs: Sequence[str] = (), latin1: bool = False, separator: str = ",", **options: Any
) -> pl.DataFrame:
    """A delimited text file; ``separator`` may have several characters, ``options`` go to ``pl.read_csv``.

    Raises DataError naming the file where it is truncated, is not text or lacks a column of ``needs``.
    """
    try:
        source: Path | io.BytesIO = path
        if latin1 or len(separator) > 1:  # Polars reads only UTF-8 and separators of one byte
            text = path.read_bytes().decode("latin-1" if latin1 else "utf-8")
            if len(separator) > 1:
                text, separator = text.replace(separator, "\t"), "\t"
            source = io.BytesIO(text.encode())
        return _with(pl.read_csv(source, separator=separator, **options), needs, path)
    except (pl.exceptions.PolarsError, UnicodeDecodeError, OSError) as error:
        raise _unreadable(path, error) from None


def read_parquet(path: Path, needs: Sequence[str]) -> pl.DataFrame:
    """Raises DataError naming the file where it is truncated, is not Parquet or lacks a column of ``needs``."""
    try:
        return _with(pl.read_parquet(path), needs, path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(path, error) from None


def parse_utc(frame: pl.DataFrame, column: str, path: Path) -> pl.DataFrame:
    """``frame`` with "2014-12-12 20:12:35 UTC" text in ``column`` as Datetime us UTC.

    Raises DataError with the count and three examples of what is not such a time.
    """
    parsed = pl.col(column).str.to_datetime("%Y-%m-%d %H:%M:%S UTC", strict=False, time_unit="us")
    bad = frame.filter(parsed.is_null() & pl.col(column).is_not_null())[column]
    if len(bad):
        raise DataError(
            f"{path}: column {column}: {len(bad):,} value{'s' * (len(bad) != 1)} not like "
            f"'2014-12-12 20:12:35 UTC' (e.g. {', '.join(bad.head(3))}). Mend or remove these rows."
        )
    return frame.with_columns(parsed.dt.replace_time_zone("UTC"))


def _with(frame: pl.DataFrame, needs: Sequence[str], path: Path) -> pl.DataFrame:
    missing = [column for column in needs if column not in frame.columns]
    if missing:
        raise DataError(
            f"{path}: no column {', '.join(missing)}; it has {', '.join(frame.columns[:8])}. Fetch the original again."
        )
    return frame


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return DataError(f"{path}: cannot be read as its publisher's layout ({reason}). Fetch the original again.")
