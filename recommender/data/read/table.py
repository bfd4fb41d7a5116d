"""One file into a table, by its ending: text, JSON, Parquet or Arrow, as it is or packed."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from pathlib import Path
from typing import Any

import polars as pl

from recommender.data.read.json_table import read_json_table
from recommender.data.read.table_file import TableFile
from recommender.data.read.text_table import read_text_table
from recommender.data.spec import TIME_COLUMNS, Read
from recommender.errors import DataError

TEXT, JSON, ARROW = (".csv", ".tsv", ".txt"), (".jsonl", ".ndjson", ".json"), (".arrow", ".feather", ".ipc")
KINDS = (*TEXT, ".parquet", *JSON, *ARROW)
PACKED = (".gz", ".zst", ".zip")
MAX_UNPACKED = 4 << 30  # bytes
EXACT = frozenset({"user_id", "item_id", "event", *TIME_COLUMNS})  # columns whose text must come back as it is
_REMOTE = ("s3://", "gs://", "gcs://", "az://", "abfs://", "abfss://", "http://", "https://")
_FAULTS = (pl.exceptions.PolarsError, OSError, pl.exceptions.PanicException)


def read_table(path: Path, read: Read | None = None, exact: frozenset[str] = EXACT) -> pl.DataFrame:
    """The table of one file; also for query and candidate files. See ``read_file``."""
    return read_file(path, read, exact).frame


def read_file(path: Path, read: Read | None = None, exact: frozenset[str] = EXACT) -> TableFile:
    """A file of one of ``KINDS`` (told by its ending, in any case), as it is or packed as one of ``PACKED``.

    Text: a column becomes Int64, Float64 or Boolean only where all its values are; numbers with leading zeros stay
    text, and ``exact`` columns never become floats. Raises DataError naming the file, the line and what to do.
    """
    packed, kind = endings(path.name)
    if path.is_dir() and kind == ".parquet":
        return _read_parts(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file.")
    if kind is None:
        known = f"{', '.join(KINDS[:-1])} or {KINDS[-1]}"
        raise DataError(f"{path}: expected a file that ends in {known}; {', '.join(PACKED)} may follow.")
    try:
        content = _unpacked(path, packed)
    except (
        OSError,
        EOFError,
        zlib.error,
        zipfile.BadZipFile,
        RuntimeError,
        NotImplementedError,
        ValueError,  # pyarrow's
    ) as e:
        raise DataError(
            f"{path}: cannot be unpacked ({_first_line(e)}). Copy it again, or unpack it yourself."
        ) from None
    if kind in TEXT:
        return read_text_table(path, content, read or Read(), exact)
    if kind in JSON:
        return read_json_table(path, content, by_line=kind != ".json")
    return _read_parquet(path, content) if kind == ".parquet" else _read_arrow(path, content)


def read_address(address: str, read: Read, exact: frozenset[str] = EXACT) -> TableFile:
    """A file at an address of object storage, as polars reaches it: Parquet, Arrow, UTF-8 text or JSON lines.

    Text and JSON lines may be packed as .gz or .zst. Raises DataError naming the address.
    """
    packed, kind = endings(address)
    try:
        if kind == ".parquet" and packed is None:
            return TableFile(pl.read_parquet(address))
        if kind in ARROW and packed is None:
            return TableFile(pl.scan_ipc(address).collect())
        if kind in (*TEXT, ".jsonl", ".ndjson") and packed != ".zip":
            lines = pl.scan_csv(address, has_header=False, separator="\x1f", quote_char=None, infer_schema=False)
            content = "\n".join(line or "" for line in lines.collect().to_series()).encode()
            if kind in TEXT:
                return read_text_table(Path(address), content, read, exact)
            return read_json_table(Path(address), content, by_line=True)
    except (*_FAULTS, ImportError, ValueError) as error:
        raise DataError(f"{address}: cannot be read ({_first_line(error)}).") from None
    raise DataError(f"{address}: at an address, Parquet, Arrow, text and JSON lines are read, text as .gz or .zst too.")


def is_address(name: str) -> bool:
    """Whether the name is an address on the network, no path."""
    return name.lower().startswith(_REMOTE)


def endings(name: str) -> tuple[str | None, str | None]:
    """(how it is packed, its kind), either None: ``items.CSV.gz`` -> (".gz", ".csv")."""
    name = name.lower()
    packed = next((p for p in PACKED if name.endswith(p)), None)
    name = name.removesuffix(packed or "")
    return packed, next((kind for kind in KINDS if name.endswith(kind)), None)


def _unpacked(path: Path, packed: str | None) -> bytes:
    match packed:
        case ".gz":
            with gzip.open(path) as file:
                return _bounded(path, file)
        case ".zst":
            import pyarrow as pa  # one served list unpacks nothing

            with pa.CompressedInputStream(pa.OSFile(str(path)), "zstd") as stream:
                return _bounded(path, stream)
        case ".zip":
            with zipfile.ZipFile(path) as archive:
                inside = [n for n in archive.namelist() if not n.endswith("/") and not n.startswith("__MACOSX/")]
                if len(inside) != 1:
                    raise DataError(f"{path}: holds {len(inside)} files; a .zip of exactly one is read.")
                with archive.open(inside[0]) as file:
                    return _bounded(path, file)
        case _:
            return path.read_bytes()


def _bounded(path: Path, packed: Any) -> bytes:
    """All that a stream unpacks. Raises DataError above ``MAX_UNPACKED``: a few kilobytes can hold terabytes."""
    content = bytearray()
    while part := packed.read(1 << 20):
        content += part
        if len(content) > MAX_UNPACKED:
            raise DataError(
                f"{path}: unpacks to more than {MAX_UNPACKED / 2**30:g} GiB, and no more is read of a packed file. "
                "Unpack it yourself, or save it as Parquet."
            )
    return bytes(content)


def parts(folder: Path) -> list[Path]:
    """The Parquet files of a folder such as engines write, by name. Raises DataError without any."""
    files = sorted(f for f in folder.iterdir() if f.is_file() and f.name.lower().endswith(".parquet"))
    if not files:
        raise DataError(f"{folder}: the folder holds no Parquet file (*.parquet).")
    return files


def _read_parts(folder: Path) -> TableFile:
    frames = [_read_parquet(file, file.read_bytes()).frame for file in parts(folder)]
    if any(frame.schema != frames[0].schema for frame in frames):
        raise DataError(f"{folder}: its files differ in columns or types. Write them anew with one schema.")
    return TableFile(pl.concat(frames))


def _read_parquet(path: Path, content: bytes) -> TableFile:
    if content[:4] != b"PAR1":
        raise DataError(f"{path}: named .parquet, but it is no Parquet file. If it is text, name it {path.stem}.csv.")
    if content[-4:] != b"PAR1":
        raise DataError(f"{path}: the Parquet file is cut short (its end is missing). Write or copy it again.")
    try:
        return TableFile(pl.read_parquet(io.BytesIO(content)))
    except _FAULTS as error:
        reason = _first_line(error)
        raise DataError(f"{path}: the Parquet file is damaged ({reason}). Write or copy it again.") from None


def _read_arrow(path: Path, content: bytes) -> TableFile:
    try:
        if content[:6] == b"ARROW1":
            return TableFile(pl.read_ipc(io.BytesIO(content)))
        return TableFile(pl.read_ipc_stream(io.BytesIO(content)))
    except _FAULTS as error:
        raise DataError(f"{path}: cannot be read as an Arrow file ({_first_line(error)}). Write it again.") from None


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
