"""How the cost of each stage grows with the data: ``python -m experiments.bench_growth [ROWS ...]``.

Synthetic interactions, 140 per user of 27,278 items, few of which have most; each number of rows runs in a process of
its own, one after the other. Writes ``docs/data/growth.json`` (CPU seconds and peak memory of each stage) and the
chart ``docs/pictures/growth.svg``. ``docs/performance.md`` shows both.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pipelines.cli import run  # isort: skip  (it sets BLAS threads before NumPy is imported)

import numpy as np
import polars as pl

from recommender.config import Eligibility, Scoring
from recommender.data.folder import read_folder
from recommender.data.gate import build
from recommender.data.split import time_fold, to_datetime
from recommender.evaluation.effort import EffortLog
from recommender.evaluation.evaluate import Group, Outcome, metrics_table, query_info
from recommender.evaluation.judge import accuracy_values
from recommender.evaluation.shown import Judged
from recommender.models import RECOMMENDERS
from recommender.models.vocabulary import interacted
from recommender.ranking.candidates import Candidates
from recommender.ranking.recommend import recommend

OUT, CHART = Path("docs/data/growth.json"), Path("docs/pictures/growth.svg")
SIZES = (1_000_000, 2_000_000, 5_000_000, 10_000_000, 20_000_000)
PER_USER, N_ITEMS = 140, 27_278
MODELS: dict[str, dict[str, Any]] = {"popularity": {}, "item_knn": {}, "als": {"iterations": 3}}
GATHER = "numpy: values at random places"  # how memory alone grows dearer: the least that ordering rows can cost
Row = dict[str, Any]  # rows, queries, stage, cpu_s, peak_mb


def main(argv: list[str]) -> None:
    if argv[:1] == ["--one"]:
        measured(150_000)  # loads compiled code, which is no cost of the data
        sys.stdout.write(json.dumps(measured(int(argv[1]))))
        return
    rows: list[Row] = []
    for size in map(int, argv) if argv else SIZES:
        command = [sys.executable, "-m", "experiments.bench_growth", "--one", str(size)]
        of_size = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        for row in of_size:
            sys.stdout.write(f"{size:>11,} {row['stage']:<20}{row['cpu_s']:>7.2f} s {row['peak_mb']:>7,.0f} MB\n")
        sys.stdout.flush()
        rows += of_size
    if argv:  # some sizes only: a look, which replaces no result
        return
    growth = exponents(rows)
    sys.stdout.write("".join(f"{stage:<20}grows with the power {power:.2f}\n" for stage, power in growth.items()))
    OUT.write_text(json.dumps({"exponents": growth, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    chart(rows)


def exponents(rows: list[Row]) -> dict[str, float]:
    """Slope of each stage's log CPU seconds over log rows, by least squares."""
    out = {}
    for stage in dict.fromkeys(row["stage"] for row in rows):
        points = [(row["rows"], max(row["cpu_s"], 1e-3)) for row in rows if row["stage"] == stage]
        out[stage] = float(np.polyfit(*np.log(np.array(points)).T, 1)[0])
    return out


def chart(rows: list[Row]) -> None:
    """CPU seconds over rows, both logarithmic, a line per stage."""
    import altair as alt

    x = alt.X("rows:Q", title="interactions").scale(type="log").axis(format="~s")
    y = alt.Y("cpu_s:Q", title="CPU seconds").scale(type="log")
    shown = pl.DataFrame([row for row in rows if row["cpu_s"] > 0])
    lines = alt.Chart(shown).mark_line(point=True).encode(x, y, alt.Color("stage:N", sort=None))
    lines.properties(width=520, height=360).save(str(CHART))


def measured(n_rows: int) -> list[Row]:
    """CPU seconds and peak memory (10**6 bytes, data included) of each stage on ``n_rows`` interactions."""
    effort = EffortLog()
    with tempfile.TemporaryDirectory() as scratch:
        write(Path(scratch), n_rows)
        with effort.stage("read", "prepare", "", ""):
            tables = read_folder(Path(scratch))
    with effort.stage("gate", "prepare", "", ""):
        data = build(tables)
    del tables
    rng = np.random.default_rng(1)
    values, places = rng.random(n_rows), rng.permutation(n_rows)
    with effort.stage(GATHER, "prepare", "", ""):
        values[places]
    del values, places
    with effort.stage("first interactions", "prepare", "", ""):
        once = data.first_interactions()
    del data
    with effort.stage("fold", "prepare", "", ""):
        fold = time_fold(once, "test", to_datetime(int(np.quantile(once.timestamps, 0.9))), None, 1)
    with effort.stage("matrix", "prepare", "", ""):
        interacted(fold.train)
    for name, parameters in MODELS.items():
        with effort.stage(f"fit {name}", "fit", "", ""):
            model = RECOMMENDERS[name](**parameters).fit(fold.train)
    with effort.stage("candidates", "recommend", "", ""):
        candidates = Candidates.after(fold.train, fold.items, Eligibility())
    with effort.stage("recommend als", "recommend", "", ""):
        lists = recommend(model, fold.queries, candidates, 20, Scoring())
    with effort.stage("metrics", "evaluate", "", ""):
        values = accuracy_values(Judged(lists, fold.truth), fold.item_counts)
    with effort.stage("intervals", "evaluate", "", ""):
        info = query_info(fold, [], 30)
        metrics_table(Group("test", fold.origin, [info], [{"als": Outcome(values)}]), 1000, 0)
    size: Row = {"rows": n_rows, "queries": len(fold.queries)}
    stages = effort.frame().select(pl.col("rung").alias("stage"), "cpu_s", "peak_mb")
    return [{**size, **row} for row in stages.to_dicts()]


def write(folder: Path, n_rows: int) -> None:
    """A dataset folder of synthetic interactions, in the order of users; times run over two years."""
    rng = np.random.default_rng(0)
    user = np.sort(rng.integers(0, n_rows // PER_USER, n_rows))
    item = (rng.random(n_rows) ** 3 * N_ITEMS).astype(np.int64)
    seconds = pl.Series(rng.integers(1_600_000_000, 1_663_000_000, n_rows))
    rows = pl.DataFrame({"user_id": user, "item_id": item, "timestamp": seconds})
    rows.write_parquet(folder / "interactions.parquet")
    pl.DataFrame({"item_id": np.arange(N_ITEMS)}).write_parquet(folder / "items.parquet")


if __name__ == "__main__":
    run(main)
