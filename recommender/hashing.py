"""The project's hashes: of content, values and names, and of the code whose change makes kept results stale."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import zlib
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import polars as pl

PACKAGE = Path(__file__).parent
KEY = "pseudonyms.key"  # in a run folder or log; never logged anywhere else
GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # the increment of splitmix64

# Modules and rooms that only read, draw or log what was measured. Everything else counts in ``code_digest``; a test
# shows that no measuring module imports one of these.
ONLY_READ = (
    *("api", "report", "tracking", "compare", "planning", "serving", "models/colours.py"),
    *("experiment/run_tables.py", "experiment/facts.py", "experiment/consistency.py"),
    *(f"studies/{name}.py" for name in ("ablation", "ablation_sentences", "ablation_tables", "analyses", "charts")),
    *(f"studies/{name}.py" for name in ("data_volume", "effort_to_goal", "feedback_loop", "staleness", "summary")),
    *("studies/transfer.py", "studies/uncertainty.py"),
    *(f"studies/engine/{name}.py" for name in ("contrast", "curves", "finding", "powerlaw")),
)
# Libraries whose version can change a number.
LIBRARIES = (
    *("fairlearn", "implicit", "lightfm-next", "llvmlite", "numba", "numpy", "optuna", "pandas", "polars", "pyarrow"),
    *("scikit-learn", "scipy", "tokenizers", "wordllama"),
)


def sha256(chunks: Iterable[bytes]) -> str:
    """64 hex digits of the chunks, one after the other."""
    state = hashlib.sha256()
    for chunk in chunks:
        state.update(chunk)
    return state.hexdigest()


def of_file(path: Path) -> str:
    """64 hex digits of a file's bytes."""
    return sha256([path.read_bytes()])


def of_content(*parts: object, digits: int = 16) -> str:
    """Hex digits of JSON values; what JSON lacks counts by its ``repr``. The order of a mapping's keys is the same."""
    return sha256([json.dumps(parts, default=repr, sort_keys=True).encode()])[:digits]


def of_name(name: str) -> int:
    """A fixed number below 2**32 for a name: seeds the random stream that belongs to it."""
    return zlib.crc32(name.encode())


def pseudonyms(ids: pl.Series, key: bytes) -> pl.Series:
    """32 hex digits in place of each id: its keyed BLAKE2b, so that nobody without the key can try ids. Null stays."""
    distinct = ids.unique().drop_nulls()
    hashed = [pseudonym(value, key) for value in distinct]
    return ids.replace_strict(distinct, hashed, default=None, return_dtype=pl.String)


def pseudonym(value: object, key: bytes) -> str:
    """What ``pseudonyms`` gives one id."""
    return hashlib.blake2b(str(value).encode(), key=key, digest_size=16).hexdigest()


def key_of(folder: Path) -> bytes:
    """The folder's key of 32 bytes, which only its owner may read; written whole by whoever asks first."""
    file = folder / KEY
    if not file.exists():
        scratch = folder / f".{KEY}-{os.getpid()}"
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
            opened.write(secrets.token_bytes(32).hex())
        with suppress(FileExistsError):
            os.link(scratch, file)
        scratch.unlink()
    return bytes.fromhex(file.read_text())


def of_values(values: pl.Series | np.ndarray) -> np.ndarray:
    """A fixed pseudo-random uint64 (n,), one for each value: ``mixed`` of a number's bits or of a text's SipHash-2-4.

    These are the numbers of ``pandas.util.hash_array``, which the tests compare; null text has the largest number.
    """
    column = values if isinstance(values, pl.Series) else None if values.dtype != object else pl.Series(values)
    if column is None or column.dtype.is_numeric() or column.dtype.is_temporal() or column.dtype == pl.Boolean:
        numbers = np.ascontiguousarray(values)
        if numbers.dtype.kind == "f":  # one number for both zeros, and for every NaN
            numbers = np.where(np.isnan(numbers), np.array(np.nan, numbers.dtype), numbers + numbers.dtype.type(0))
        return mixed(numbers.view(f"u{numbers.itemsize}").astype(np.uint64))
    from recommender.siphash import of_texts  # compiles

    text = column.cast(pl.String)
    hashed = mixed(of_texts(text.fill_null("")))
    hashed[text.is_null().to_numpy()] = np.iinfo(np.uint64).max
    return hashed


def mixed(state: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64 (Steele, Lea & Flood 2014): uint64 of any shape, every bit depends on every other."""
    with np.errstate(over="ignore"):
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(state ^ (state >> np.uint64(31)))


@cache
def code_digest(package: Path = PACKAGE) -> str:
    """64 hex digits of every module and table that can change a number, and of the installed ``LIBRARIES``.

    package: folder of the library, a checkout or an installation.
    """
    files = sorted([*package.rglob("*.py"), *package.rglob("*.tsv")])
    modules = [path for path in files if counts(path.relative_to(package))]
    code = (f"{path.relative_to(package).as_posix()}\n".encode() + path.read_bytes() for path in modules)
    return sha256([*code, *(f"{name} {_version(name)}\n".encode() for name in LIBRARIES)])


def counts(module: Path) -> bool:
    """Whether a change of this module, a path within the package, makes kept results stale."""
    return not any(module.is_relative_to(listed) for listed in ONLY_READ)


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:  # of an extra that is not installed
        return ""
