"""Dataset folders: interactions, items and users as Parquet or CSV, and an optional dataset.yaml."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl
import yaml

from recommender.data.dataset import Dataset
from recommender.data.schema import Spec, Tables, tables_of
from recommender.errors import DataError, UserError
from recommender.files import whole_folder

_INTEGER = r"^-?(0|[1-9]\d{0,17})$"  # a leading zero means a code such as a zip, not a number
_NUMBER = r"(?i)^-?((0|[1-9]\d{0,14})(\.\d*)?|\.\d+)(e[+-]?\d+)?$|^[+-]?(nan|inf|infinity)$"
_BOOLEAN = r"(?i)^(true|false)$"


def read_folder(path: Path) -> Tables:
    """The tables of a dataset folder, not yet checked; other files in it are ignored.

    ``interactions`` has no columns where the file is absent (the gate refuses that but on day zero).
    Raises DataError naming every file that is missing or cannot be read, and what to do; ConfigError
    for an unknown key in dataset.yaml.
    """
    if not path.is_dir():
        raise DataError(f"{path}: no such folder. A dataset folder holds interactions, items and perhaps users.")
    faults: list[str] = []
    frames: dict[str, pl.DataFrame | None] = {}
    for table in ("interactions", "items", "users"):
        try:
            file = _file_of(path, table)
            frames[table] = None if file is None else read_table(file)
        except DataError as error:
            faults.append(str(error))
    if "items" in frames and frames["items"] is None:
        faults.append(f"{path}: there is no items.parquet or items.csv. Add one; item_id alone is enough.")
    try:
        spec = _read_spec(path / "dataset.yaml")
    except DataError as error:
        faults.append(str(error))
    if faults:
        raise DataError("\n".join(faults))
    interactions, items = _given(frames["interactions"]), _given(frames["items"])
    return Tables(path.resolve().name, interactions, items, frames["users"], spec)


def _given(frame: pl.DataFrame | None) -> pl.DataFrame:
    return pl.DataFrame() if frame is None else frame


def _file_of(folder: Path, table: str) -> Path | None:
    files = [f for f in (folder / f"{table}.parquet", folder / f"{table}.csv") if f.exists()]
    if len(files) > 1:
        raise DataError(f"{folder}: both {table}.parquet and {table}.csv are there. Remove one of them.")
    return files[0] if files else None


def read_table(path: Path) -> pl.DataFrame:
    """One Parquet or CSV file (told by its ending); also for query and candidate files.

    CSV: comma, header, quotes as usual. A column becomes Int64, Float64 or Boolean only where all its
    values are; numbers with leading zeros stay strings. Raises DataError naming the file.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file.")
    if path.suffix not in (".parquet", ".csv"):
        raise DataError(f"{path}: expected a file that ends in .parquet or .csv.")
    return _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)


def _read_parquet(path: Path) -> pl.DataFrame:
    with path.open("rb") as file:
        begins = file.read(4)
        file.seek(max(-4, -path.stat().st_size), 2)
        ends = file.read(4)
    if begins != b"PAR1":
        raise DataError(f"{path}: named .parquet, but it is no Parquet file. If it is text, name it {path.stem}.csv.")
    if ends != b"PAR1":
        raise DataError(f"{path}: the Parquet file is cut short (its end is missing). Write or copy it again.")
    try:
        return pl.read_parquet(path, hive_partitioning=False)
    except (pl.exceptions.PolarsError, OSError, pl.exceptions.PanicException) as error:
        raise DataError(
            f"{path}: the Parquet file is damaged ({_first_line(error)}). Write or copy it again."
        ) from None


def _read_csv(path: Path) -> pl.DataFrame:
    _check_separator(path)
    try:
        frame = pl.read_csv(path, infer_schema=False, truncate_ragged_lines=False)
    except pl.exceptions.NoDataError:
        raise DataError(f"{path}: the file is empty. It needs a header line with the names of the columns.") from None
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        advice = "Expected UTF-8, separated by commas, with one header line; quote values that hold commas."
        raise DataError(f"{path}: cannot be read as CSV ({_first_line(error)}). {advice}") from None
    return frame.select(_typed(frame[c]) for c in frame.columns)


def _check_separator(path: Path) -> None:
    with path.open("rb") as file:
        header = file.readline(10_000).decode("utf-8", errors="replace").strip()
    separator = next((name for mark, name in ((";", "';'"), ("\t", "tabs"), ("|", "'|'")) if mark in header), None)
    if separator and "," not in header:
        advice = "Save it separated by commas, or as Parquet."
        raise DataError(f"{path}: one column named {header!r}: the file seems separated by {separator}. {advice}")


def _typed(column: pl.Series) -> pl.Series:
    column = column.set(column == "", None)
    known = column.drop_nulls()
    for pattern, dtype in ((_INTEGER, pl.Int64), (_NUMBER, pl.Float64)):
        if len(known) and bool(known.str.contains(pattern).all()):
            return column.cast(dtype)
    if len(known) and bool(known.str.contains(_BOOLEAN).all()):
        return column.str.to_lowercase() == "true"
    return column


def _read_spec(path: Path) -> Spec:
    if not path.exists():
        return Spec()
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise DataError(f"{path}: cannot be read as YAML ({' '.join(str(error).split())}).") from None
    if tree is not None and not isinstance(tree, dict):
        raise DataError(f"{path}: expected keys such as 'columns:' and 'features:', found {type(tree).__name__}.")
    return Spec.parse(tree, where=str(path))


def write_folder(data: Dataset | Tables, path: Path, also: Callable[[Path], None] | None = None) -> None:
    """Writes a dataset folder (Parquet and dataset.yaml), at once or not at all.

    also: is called with the folder, unfinished and under another name, to put more into it.

    A Dataset is written so that reading it back gives the same one. Raises UserError where ``path``
    exists or cannot be written.
    """
    if path.exists():
        raise UserError(f"{path}: is there already. Name another folder, or remove it.")
    tables = tables_of(data) if isinstance(data, Dataset) else data
    frames: Mapping[str, pl.DataFrame | None] = {
        "interactions": tables.interactions,
        "items": tables.items,
        "users": tables.users,
    }
    try:
        with whole_folder(path) as part:
            for name, frame in frames.items():
                if frame is not None and frame.width:
                    frame.write_parquet(part / f"{name}.parquet")
            content = tables.spec.model_dump(exclude_defaults=True)
            (part / "dataset.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
            if also is not None:
                also(part)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error}). Choose another place, or make room there.") from None


def _first_line(error: BaseException) -> str:
    return re.split(r"[\n]", str(error).strip(), maxsplit=1)[0][:200]
