"""How long one list of a saved model takes, by the size of the data that it knows.

python -m experiments.serving_speed [ROWS USERS ITEMS]     (default: 936000 6040 3706; once: 20000000 140000 27278)

Synthetic interactions; als with factors that nobody has fitted, since only their shape costs time. It saves the model
in a temporary folder, loads it and asks for 10 items for each of 200 known users, one after the other.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as every program does

import numpy as np
import polars as pl

from recommender.config import Eligibility
from recommender.data.dataset import Dataset, Table
from recommender.models.als import ALS
from recommender.models.popularity import Popularity
from recommender.names import USER_BUCKETS
from recommender.ranking.router import Router
from recommender.serving import persistence
from recommender.serving.bundle import Bundle, serve

SIZES = (936_000, 6_040, 3_706)
N_ASKED = 200


def main(argv: list[str]) -> None:
    n_rows, n_users, n_items = map(int, argv) if argv else SIZES
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        persistence.save(model(n_rows, n_users, n_items), folder)
        begun = time.perf_counter()
        bundle = persistence.load(folder)
        loaded = time.perf_counter() - begun
        wall, cpu = [], []
        for user in np.random.default_rng(1).integers(0, n_users, N_ASKED + 1).tolist():
            query = pl.DataFrame({"user_id": [user]})
            begun, spent = time.perf_counter(), time.process_time()
            serve(bundle, query, 10)
            wall.append(time.perf_counter() - begun)
            cpu.append(time.process_time() - spent)
    size = f"{n_rows:,} interactions, {n_users:,} users, {n_items:,} items"
    lines = [f"{size}: load {loaded:.3f} s, first list {wall[0]:.2f} s"]
    for name, seconds in (("wall", wall[1:]), ("CPU", cpu[1:])):
        p50, p95 = 1e3 * np.quantile(seconds, [0.5, 0.95])
        lines.append(f"one list, {name}: p50 {p50:.2f} ms, p95 {p95:.2f} ms")
    sys.stdout.write("\n".join(lines) + "\n")


def model(n_rows: int, n_users: int, n_items: int) -> Bundle:
    """als for known users, popularity for others, over random interactions of which few items have most."""
    rng = np.random.default_rng(0)
    user = rng.integers(0, n_users, n_rows)
    item = (rng.random(n_rows) ** 3 * n_items).astype(np.int64)
    when = pl.Series(np.sort(rng.integers(1_600_000_000_000_000, 1_700_000_000_000_000, n_rows)))
    rows = pl.DataFrame({"user_id": user, "item_id": item, "timestamp": when.cast(pl.Datetime("us", "UTC"))})
    rows = rows.with_columns(event=pl.lit("take"), weight=pl.lit(1, pl.Float32))
    users, items = (
        Table(pl.DataFrame({key: np.arange(n)}), {}, key) for key, n in (("user_id", n_users), ("item_id", n_items))
    )
    data = Dataset("synthetic", rows, items, users)
    als = ALS()
    als.items_, als.item_factors_ = items, rng.normal(0, 0.1, (n_items, als.factors)).astype(np.float32)
    routes = {bucket: "popularity" if bucket == "0" else "als" for bucket in USER_BUCKETS}
    router = Router(routes, {"als": als, "popularity": Popularity().fit(data)}).fit_rerankers(data)
    return Bundle.of(router, data, Eligibility())


if __name__ == "__main__":
    main(sys.argv[1:])
