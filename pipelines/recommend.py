"""Recommend from a trained model: queries in, a file of ranked items out.

python -m pipelines.recommend --model OUT|models:/NAME@champion --queries FILE --to FILE [--k 10]
    [--candidates FILE] [--items FILE] [--users FILE] [--interactions FILE]
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import polars as pl

from pipelines.cli import console, run, show_log
from recommender.data.folder import read_table
from recommender.errors import ConfigError, DataError
from recommender.experiment.out_folder import disk_fault, finished
from recommender.files import write_atomically
from recommender.serving import persistence
from recommender.serving.bundle import serve
from recommender.tracking.store import model_folder


def main(argv: list[str]) -> None:
    args = parse(argv)
    show_log(quiet=False)
    to = writable(args.to)
    registered = args.model.startswith("models:/")
    bundle = persistence.load(model_folder(args.model) if registered else finished(Path(args.model)) / "model")
    added = {
        name: read_table(Path(file)) for name in ("items", "users", "interactions") if (file := getattr(args, name))
    }
    candidates = None if args.candidates is None else candidate_ids(Path(args.candidates))
    shown = serve(bundle, read_table(Path(args.queries)), args.k, candidates=candidates, **added)
    write(shown, to)
    sources = shown["source"].value_counts(sort=True)
    told = ", ".join(f"{n:,} by {name}" for name, n in sources.iter_rows())
    console.print(f"{shown['user_id'].n_unique():,} users, {shown.height:,} rows ({told}) -> {to}", markup=False)


def candidate_ids(file: Path) -> pl.Series:
    table = read_table(file)
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
        why = disk_fault(error)
        if why is None:
            raise
        raise ConfigError(f"TO={to}: cannot be written ({why}). Free space or choose another place.") from None


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("pipelines.recommend", description=__doc__)
    parser.add_argument("--model", required=True, help="the OUT folder of a train, or a models:/ URI")
    parser.add_argument("--queries", required=True, help="file with user_id and optionally as_of")
    parser.add_argument("--to", required=True, help="file to write, .parquet or .csv")
    parser.add_argument("--k", type=int, default=10, help="length of the lists (default: 10)")
    parser.add_argument("--candidates", help="file with item_id: what may be shown (default: every known item)")
    parser.add_argument("--items", help="file of items that the model has not seen")
    parser.add_argument("--users", help="file of users that the model has not seen")
    parser.add_argument("--interactions", help="file of interactions that the model has not seen")
    args = parser.parse_args(argv)
    if args.k < 1:
        raise ConfigError(f"K={args.k}: a list holds at least one item.")
    return args


if __name__ == "__main__":
    run(main)
