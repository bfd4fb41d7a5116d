"""What reading and checking interactions costs, by their number: on this machine alone, and on Sail.

python -m experiments.engine_scale [ROWS ...]     (default: 3000000 10000000; needs make setup-spark)

Synthetic interactions in Parquet files of 5 million rows: 50 per user, 20,000 items of Zipf popularity, a year. Each
measurement is a process of its own; ``this machine`` runs up to ``LOCAL_ROWS``. Appends to docs/data/engine_scale.csv:
rows, where, partitions, seconds, CPU seconds, peak_mb, users in the sample. Seconds tell only beside each other.

python -m experiments.engine_scale train 20000000      trains four rungs on Sail with the sample; what it took.

python -m experiments.engine_scale cost      writes docs/data/engine_cost.csv from that table: CPU seconds = a + b rows,
fitted to all sizes but the largest, which it predicts; growth exponents over all sizes; and an extrapolation.
"""

from __future__ import annotations

import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as every program does

import numpy as np
import polars as pl

COST_COLUMNS = ("where", "partitions", "cpu_exponent", "memory_exponent", "held_out_rows", "predicted_cpu_s",
                "measured_cpu_s", "cpu_s_at_1e9_rows")  # fmt: skip
TABLE = (Path(__file__).parents[1] / "docs" / "data" / "engine_scale").with_suffix(".csv")
COLUMNS = ("rows", "where", "partitions", "seconds", "cpu_seconds", "peak_mb", "sample_users")
N_ITEMS, PER_USER, FILE_ROWS, LOCAL_ROWS, SAMPLE = 20_000, 50, 5_000_000, 20_000_000, 20_000
LADDER = (
    "ladder=[{name: popularity, recommender: popularity}, {name: recent, recommender: popularity, "
    "params: {half_life_share: 0.05}}, {name: item_knn, recommender: item_knn}, "
    "{name: als, recommender: als, params: {factors: 16, iterations: 3}}]"
)
YEAR_US = 365 * 86_400_000_000


def main(argv: list[str]) -> None:
    if argv[:1] == ["one"]:
        sys.stdout.write(json.dumps(one(argv[1], Path(argv[2]), int(argv[3]))))
        return
    if argv[:1] == ["train"]:
        with tempfile.TemporaryDirectory() as scratch:
            whole_train(write(Path(scratch) / "shop", int(argv[1])), Path(scratch))
        return
    if argv == ["cost"]:
        write_costs()
        return
    for rows in map(int, argv or ["3000000", "10000000"]):
        with tempfile.TemporaryDirectory() as scratch:
            folder = write(Path(scratch) / "shop", rows)
            places = [("sail", 1), ("sail", 2)] + [("this machine", 1)] * (rows <= LOCAL_ROWS)
            for where, partitions in places:
                command = [sys.executable, "-m", "experiments.engine_scale", "one", where, str(folder), str(partitions)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    sys.exit(f"{where}, {rows:,} rows: {done.stderr[-2000:]}")
                add({"rows": rows, "where": where, "partitions": partitions, **json.loads(done.stdout)})


def one(where: str, folder: Path, partitions: int) -> dict[str, float | int]:
    """Reads the folder once; seconds without the imports."""
    from recommender import config
    from recommender.engine.backend import backend_at

    local = where == "this machine"
    engine = config.Engine(partitions=partitions, sample_users=None if local else SAMPLE)
    with backend_at(None if local else "local-spark", None, engine) as backend:
        begun, cpu = time.perf_counter(), time.process_time()
        data = backend.load(str(folder), raw_dir=None)
        seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    users = data.interactions["user_id"].n_unique()
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        "peak_mb": round(peak),
        "sample_users": users,
    }


def whole_train(folder: Path, scratch: Path) -> None:
    """A train as a user starts it; its decision, and what the process took."""
    from pipelines import cli, train

    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{scratch}/mlflow.db"
    os.chdir(scratch)
    changes = [LADDER, f"engine.sample_users={SAMPLE}", "tune.search=0", "bootstrap=100"]
    sets = [part for change in changes for part in ("--set", change)]
    cli.run(train.main, ["--scenario", "catalog", "--data", str(folder), "--engine", "local-spark", *sets])
    used = resource.getrusage(resource.RUSAGE_SELF)
    sys.stdout.write(f"{used.ru_utime + used.ru_stime:.0f} CPU seconds, at most {used.ru_maxrss / 1024:.0f} MB\n")


def write(folder: Path, rows: int) -> Path:
    """A dataset folder, written a file at a time."""
    (folder / "interactions.parquet").mkdir(parents=True)
    rng = np.random.default_rng(0)
    weight = 1 / np.arange(1, N_ITEMS + 1)
    edges = np.cumsum(weight) / weight.sum()
    for number, start in enumerate(range(0, rows, FILE_ROWS)):
        n = min(FILE_ROWS, rows - start)
        times = rng.integers(0, YEAR_US, n) + 1_700_000_000_000_000
        frame = pl.DataFrame({
            "user_id": rng.integers(0, max(rows // PER_USER, 1), n),
            "item_id": np.searchsorted(edges, rng.random(n)),
            "timestamp": pl.Series(times).cast(pl.Datetime("us", "UTC")),
        })  # fmt: skip
        frame.write_parquet(folder / f"interactions.parquet/part-{number:04d}.parquet", row_group_size=500_000)
    pl.DataFrame({"item_id": np.arange(N_ITEMS), "kind": [f"k{i % 50}" for i in range(N_ITEMS)]}).write_parquet(
        folder / "items.parquet"
    )
    (folder / "dataset.yaml").write_text("repairs: {duplicates: keep_first}\n")
    return folder


def write_costs() -> None:
    """Costs are relative, so small sizes weigh as much as large ones."""
    table = pl.read_csv(TABLE).sort("rows")
    lines = []
    for (where, partitions), group in table.group_by("where", "partitions", maintain_order=True):
        rows, cpu_s = group["rows"].to_numpy().astype(float), group["cpu_seconds"].to_numpy()
        terms = np.column_stack([np.ones(len(rows)), rows])
        known = slice(0, len(rows) - 1)
        fitted, *_ = np.linalg.lstsq(terms[known] / cpu_s[known, None], np.ones(len(rows) - 1), rcond=None)
        exponents = [np.polyfit(np.log(rows), np.log(y), 1)[0] for y in (cpu_s, group["peak_mb"].to_numpy())]
        large = f"{fitted @ [1, 1e9]:.0f}" if where == "sail" else ""
        lines.append([where, partitions, *(f"{e:.2f}" for e in exponents), int(rows[-1]), f"{fitted @ terms[-1]:.1f}",
                      cpu_s[-1], large])  # fmt: skip
    with TABLE.with_name("engine_cost" + TABLE.suffix).open("w", newline="") as file:
        csv.writer(file).writerows([COST_COLUMNS, *lines])


def add(row: dict[str, object]) -> None:
    sys.stdout.write(f"{row}\n")
    sys.stdout.flush()
    new = not TABLE.exists()
    with TABLE.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if new:
            writer.writeheader()
        writer.writerow(row)


if __name__ == "__main__":
    main(sys.argv[1:])
