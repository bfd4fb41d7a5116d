"""Parts of a table put into one order, which an engine need not keep: by ranges, then within each."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from recommender.engine.session import Engine
from recommender.files import write_atomically

ROWS = 1_000_000  # of a sorted part, about
SAMPLES = 1000  # of each part, where ranges are chosen


def in_order(engine: Engine, parts: Sequence[Path], n_rows: int, columns: Sequence[str], to: Path) -> None:
    """Writes the rows of ``parts`` (Parquet, in an ``engine.folder``) sorted by all their ``columns``, nulls
    first, as Parquet files of ``to`` whose names are in that order."""
    files, first = [str(part) for part in parts], columns[0]
    sampled = engine.run_on_rows(SampleKeys(files, first), [b""] * len(files))
    seen = [pl.read_ipc(io.BytesIO(content))[first] for content in sampled]
    keys = pl.concat(seen).drop_nulls().sort()
    n = max(1, round(n_rows / ROWS))
    cuts = keys.gather([len(keys) * k // n for k in range(1, n)]).unique().sort() if len(keys) else keys
    pieces = to.with_name(f"{to.name}-pieces")
    for number in range(len(cuts) + 1):
        (pieces / f"{number:06d}").mkdir(parents=True)
    engine.run_on_rows(Deal(files, first, cuts, str(pieces)), [b""] * len(files))
    engine.run_on_rows(Order(str(pieces), list(columns), str(to)), [b""] * (len(cuts) + 1))
    shutil.rmtree(pieces)


@dataclass(frozen=True)
class SampleKeys:
    """Values of ``column`` in a part, evenly spread over the sorted ones. Returns them as Arrow."""

    files: Sequence[str]
    column: str

    def run(self, number: int, folder: Path) -> bytes:
        keys = pl.read_parquet(self.files[number], columns=[self.column]).sort(self.column)
        buffer = io.BytesIO()
        keys.gather_every(max(1, len(keys) // SAMPLES)).write_ipc(buffer)
        return buffer.getvalue()


@dataclass(frozen=True)
class Deal:
    """Rows of a part, each to its range; those without a key to the first. cuts: sorted; a range ends before one."""

    files: Sequence[str]
    column: str
    cuts: pl.Series
    pieces: str

    def run(self, number: int, folder: Path) -> bytes:
        rows = pl.read_parquet(self.files[number])
        key = rows[self.column]
        ranges = self.cuts.search_sorted(key, side="right") if len(self.cuts) else pl.zeros(len(rows), eager=True)
        marked = rows.with_columns(range=pl.when(key.is_null()).then(0).otherwise(ranges.cast(pl.Int64)))
        for (one,), mine in marked.partition_by("range", as_dict=True).items():
            file = Path(self.pieces) / f"{one:06d}" / f"{number:06d}.parquet"
            write_atomically(file, mine.drop("range").write_parquet)
        return b""


@dataclass(frozen=True)
class Order:
    """The rows of a range, sorted."""

    pieces: str
    columns: Sequence[str]
    to: str

    def run(self, number: int, folder: Path) -> bytes:
        files = sorted((Path(self.pieces) / f"{number:06d}").iterdir())
        if files:
            rows = pl.concat([pl.read_parquet(file) for file in files]).sort(self.columns)
            write_atomically(Path(self.to) / f"part-{number:06d}.parquet", rows.write_parquet)
        return b""
