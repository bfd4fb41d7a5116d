"""What a log of many rows costs: ``python -m experiments.bench_large [ROWS [train]]`` (100M rows, 1.5 GB of disk).

Synthetic interactions in a Parquet file of three numbers, 100 per user, of a thousandth as many items as rows (at most
100,000), over two years; items with a category and a price. The folder is temporary, and ``coldstart data-check`` looks
at it; with ``train``, popularity, content, item-kNN and ALS (3 iterations) are trained on it, with a validation and a
test of 18 hours each, which at 100M rows are about 100,000 queries each. Each program is a process of its own: CPU
seconds, and the peak of its memory, 10**6 bytes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pipelines.cli import run  # isort: skip  (it sets BLAS threads before NumPy is imported)

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from recommender.errors import ConfigError

ROWS, PER_USER, AT_ONCE = 100_000_000, 100, 2_000_000
SCENARIO = """
name: large
problem: {what: which items to show, for_whom: users, metric: ndcg_at_10, target: 0.01, objective: they stay,
  business_metric: starts, users_per_week: 100000, value_per_point: [0.5, 2],
  cost_of_error: {what: a user scrolls on, per_1000: {unavailable_at_10: [1, 5]}}}
data: {source: none}
split: {unit: days, validation: [1.5], test: 0.75}
ladder:
  - {name: popularity, recommender: popularity}
  - {name: content, recommender: content}
  - {name: item_knn, recommender: item_knn}
  - {name: als, recommender: als, params: {iterations: 3}}
tune: {search: 0}
slots: {rung: content, n: 0}
controls: false
scoring: {workers: 1}
"""


def main(argv: list[str]) -> None:
    rows, *train = [*argv, *(str(ROWS),)[len(argv) :]]
    if not rows.isdigit() or train not in ([], ["train"]):
        raise ConfigError(f"expected a number of rows, and 'train' or nothing; got {' '.join(argv)}.")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "large"
        folder.mkdir()
        write(folder, int(rows))
        measured("data-check", ["data-check", "--data", str(folder), "--json"])
        if train:
            scenario = Path(scratch) / "large.yaml"
            scenario.write_text(SCENARIO, encoding="utf-8")
            out, store = Path(scratch) / "out", f"sqlite:///{scratch}/mlflow.db"
            arguments = ["train", "--scenario", str(scenario), "--data", str(folder), "--out", str(out)]
            measured("train", arguments, {"MLFLOW_TRACKING_URI": store})


def measured(name: str, arguments: list[str], environment: dict[str, str] | None = None) -> None:
    """Runs a program and writes what it cost. Raises CalledProcessError where it fails."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "pipelines", *arguments]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    cpu_s, peak_mb = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6
    wall_s = time.perf_counter() - begun
    sys.stdout.write(f"{name:<12}{cpu_s:>8.1f} CPU s {wall_s:>8.1f} s wall {peak_mb:>8,.0f} MB\n")


def write(folder: Path, n_rows: int) -> None:
    """The dataset folder, in pieces, user by user."""
    rng, n_items = np.random.default_rng(0), min(max(n_rows // 1000, 10), 100_000)
    columns = ("user_id", "item_id", "timestamp")
    with pq.ParquetWriter(folder / "interactions.parquet", pa.schema([(c, pa.int64()) for c in columns])) as file:
        for start in range(0, n_rows, AT_ONCE):
            n = min(AT_ONCE, n_rows - start)
            user = np.sort(rng.integers(start // PER_USER, (start + n) // PER_USER, n))
            item = (rng.random(n) ** 3 * n_items).astype(np.int64)
            seconds = rng.integers(1_600_000_000, 1_663_000_000, n)
            file.write_table(pa.table(dict(zip(columns, (user, item, seconds), strict=True))))
    category = pl.Series(rng.integers(0, 20, n_items)).cast(pl.String)
    items = pl.DataFrame({"item_id": np.arange(n_items), "genre": "g" + category, "price": rng.random(n_items)})
    items.write_parquet(folder / "items.parquet")


if __name__ == "__main__":
    run(main)
