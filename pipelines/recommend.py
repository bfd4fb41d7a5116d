"""Recommend from a trained model: queries in, a file of ranked items out.

coldstart recommend --model OUT|models:/NAME@champion --queries FILE --to FILE [--k 10]
    [--candidates FILE] [--items FILE] [--users FILE] [--interactions FILE] [--engine local-spark|sc://...]
"""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl

from pipelines import arguments
from pipelines.cli import console, run, show_log
from recommender.api.model import load_model
from recommender.data.dataset import Dataset
from recommender.data.read.table import EXACT, read_table
from recommender.engine.backend import backend_at
from recommender.errors import ConfigError, DataError
from recommender.experiment.out_folder import disk_fault
from recommender.files import write_atomically
from recommender.serving.bundle import serve


def main(argv: list[str]) -> None:
    args = arguments.parse("recommend", argv)
    if args.k < 1:
        raise ConfigError(f"K={args.k}: a list holds at least one item.")
    show_log(quiet=False)
    to = writable(args.to)
    model = load_model(args.model)
    data = model.bundle.data
    exact = exact_columns(data)
    tables = {name: getattr(args, name) for name in ("items", "users", "interactions")}
    added = {name: read_table(Path(file), exact=exact) for name, file in tables.items() if file}
    candidates = None if args.candidates is None else candidate_ids(Path(args.candidates), data, exact)
    queries = read_table(Path(args.queries), exact=exact)
    with backend_at(args.engine, args.shared) as backend:
        shown = serve(model.bundle, queries, args.k, candidates=candidates, asker=backend.asker, **added)
    write(shown, to)
    sources = shown["source"].value_counts(sort=True)
    counts = ", ".join(f"{n:,} by {name}" for name, n in sources.iter_rows())
    n = shown["user_id"].n_unique()
    console.print(f"{n:,} user{'s' * (n != 1)}, {shown.height:,} rows ({counts}) -> {to}", markup=False)


def exact_columns(data: Dataset) -> frozenset[str]:
    """Columns whose text must come back as it is: ids and times, by the data's own names too, and categories."""
    renamed = {name for names in data.reading.columns.values() for name in names.values()}
    texts = {c for table in (data.items, data.users) for c in table.columns("category", "multi", "text", "protected")}
    return EXACT | renamed | texts


def candidate_ids(file: Path, data: Dataset, exact: frozenset[str]) -> pl.Series:
    table = read_table(file, exact=exact)
    id_column = data.reading.columns.get("items", {}).get("item_id", "item_id")
    if id_column in table.columns and "item_id" not in table.columns:
        table = table.rename({id_column: "item_id"})
    if "item_id" not in table.columns:
        raise DataError(f"{file}: no column item_id (found {', '.join(table.columns)}). Name it item_id.")
    return table["item_id"]


def writable(to: str) -> Path:
    """Checked before the work, so that an hour of scoring is not lost to a wrong path."""
    path = Path(to)
    if path.suffix not in (".parquet", ".csv"):
        raise ConfigError(f"TO={to}: expected a name that ends in .parquet or .csv.")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise ConfigError(f"TO={to}: the folder {path.parent} is not there or cannot be written.")
    return path


def write(table: pl.DataFrame, to: Path) -> None:
    """All or nothing."""
    try:
        write_atomically(to, table.write_parquet if to.suffix == ".parquet" else table.write_csv)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = disk_fault(error)
        if reason is None:
            raise
        raise ConfigError(f"TO={to}: cannot be written ({reason}). Free space or choose another place.") from None


if __name__ == "__main__":
    run(main)
