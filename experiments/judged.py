"""Lists for answers that nobody here sees: ``make experiment-judged SCENARIO=catalog DATA=judged/ml-100k``.

A plain train on DATA/public, a dataset folder with ``queries`` (user_id, as_of) and ``candidates`` (item_id) beside its
tables, then 50 items for each query. Writes DATA/ours.parquet (user_id, item_id, rank); with ``NAME=`` and ``SET=``,
DATA/parts/NAME.parquet, of a train with settings changed. ``experiments/accuracy_tables.py`` compares them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pipelines.cli import run  # isort: skip  (it sets BLAS threads before NumPy is imported)

import polars as pl

import recommender
from pipelines.arguments import pairs
from recommender.errors import ConfigError

WIDTH = 50


def main(argv: list[str]) -> None:
    if len(argv) not in (2, 4):
        raise ConfigError("Give a scenario and a folder; to change settings, a name and 'KEY=YAML ...' too.")
    scenario, folder, name, settings = [*argv, "", ""][:4]
    to = Path(folder) / (f"parts/{name}.parquet" if name else "ours.parquet")
    begun = time.process_time()
    lists = judged_lists(scenario, Path(folder) / "public", list(pairs(settings)))
    to.parent.mkdir(exist_ok=True)
    lists.write_parquet(to)
    users, spent = lists["user_id"].n_unique(), time.process_time() - begun
    sys.stdout.write(f"{to}: {users:,} users, {spent:.0f} CPU seconds for the train and the lists\n")


def judged_lists(scenario: str, public: Path, settings: Sequence[str]) -> pl.DataFrame:
    """user_id, item_id, rank: the lists of a train on ``public`` for its queries."""
    files = {name: public / f"{name}.parquet" for name in ("queries", "candidates")}
    if missing := [str(path) for path in files.values() if not path.is_file()]:
        raise ConfigError(f"No file {' and '.join(missing)}: who is to get lists, and of which items?")
    queries, candidates = (pl.read_parquet(path) for path in files.values())
    run_ = recommender.train(str(public), scenario, overrides=settings)
    for sentence in run_.sentences:
        sys.stdout.write(f"{sentence}\n")
    lists = run_.model.recommend(queries, k=WIDTH, candidates=candidates["item_id"])
    return lists.select("user_id", "item_id", "rank")


if __name__ == "__main__":
    run(main)
