"""What each stage costs on Sail by the number of interactions and workers, and reading them on this machine alone.

python -m experiments.engine_scale [ROWS[:WORKERS] ...]     (default: 3000000 10000000; needs make setup-spark)

Synthetic interactions in Parquet files of 5 million rows: 50 per user, 20,000 items of Zipf popularity, a year. Each
measurement is a process of its own; ``no shared folder`` reads part by part, ``this machine`` all at once. ROWS:1 and
ROWS:2 measure Sail with so many workers, ROWS:0 the other two, and ROWS:lists, with two workers, what a rung takes over
all users: their queries in the last tenth, item-kNN's lists, 1,000 draws. Appends to docs/data/engine_scale.csv
(reading and checking: rows, where, workers, seconds, CPU seconds, peak_mb, users in the sample) and, every stage, to
engine_stages.csv (rows, workers, stage, seconds, CPU seconds, shuffle_mb written to the shared folder, bundle_mb of the
task that each worker loads, back_mb). Seconds tell only beside each other.

python -m experiments.engine_scale train 20000000      trains four rungs on Sail with the sample; what it took.

python -m experiments.engine_scale cost      writes docs/data/engine_cost.csv from engine_stages.csv: a stage takes
a + b * rows^c CPU seconds, fitted to all sizes but the largest, which it predicts; and an extrapolation from all.
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
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as every program does

import numpy as np
import polars as pl
from scipy.optimize import nnls

if TYPE_CHECKING:
    from recommender.data.dataset import Dataset
    from recommender.engine.asking import EngineAsker
    from recommender.engine.session import Engine

DATA = Path(__file__).parents[1] / "docs" / "data"
TABLE, STAGES, COST = (DATA / f"{name}.csv" for name in ("engine_scale", "engine_stages", "engine_cost"))
COLUMNS = ("rows", "where", "workers", "seconds", "cpu_seconds", "peak_mb", "sample_users")
STAGE_COLUMNS = ("rows", "workers", "stage", "seconds", "cpu_seconds", "shuffle_mb", "bundle_mb", "back_mb")
COST_COLUMNS = ("stage", "fixed_cpu_s", "exponent", "held_out_rows", "predicted_cpu_s", "measured_cpu_s",
                "shuffle_gb", "bundle_mb_per_worker", "cpu_s_at_1e9_rows", "shuffle_gb_at_1e9_rows")  # fmt: skip
NAMES = {"CheckPart": "read and check", "CheckUsers": "repeats", "Collect": "sample", "CountItems": "counts",
         "CountTimes": "origins", "CountPairs": "pairs of items", "ListTask": "lists of the sample",
         "CutQueries": "queries of all users", "MeasureUsers": "lists of all users"}  # fmt: skip
READING = ("read and check", "repeats", "sample")
N_ITEMS, PER_USER, FILE_ROWS, SAMPLE = 20_000, 50, 5_000_000, 20_000
LADDER = (
    "ladder=[{name: popularity, recommender: popularity}, {name: recent, recommender: popularity, "
    "params: {half_life_share: 0.05}}, {name: item_knn, recommender: item_knn}, "
    "{name: als, recommender: als, params: {factors: 16, iterations: 3}}]"
)
LISTS = "lists"
ALONE = "no shared folder"  # the tasks of reading run in this process, part by part
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
    for one_size in argv or ["3000000", "10000000"]:
        size, _, only = one_size.partition(":")
        rows, places = int(size), [("sail", 1), ("sail", 2), (LISTS, 2), ("this machine", 1), (ALONE, 1)]
        if only:
            named = {"sail": "", LISTS: LISTS}
            places = [(where, n) for where, n in places if only == (named.get(where, "0") or str(n))]
        with tempfile.TemporaryDirectory() as scratch:
            folder = write(Path(scratch) / "shop", rows)
            for where, workers in places:
                command = [sys.executable, "-m", "experiments.engine_scale", "one", where, str(folder), str(workers)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    sys.exit(f"{where}, {rows:,} rows: {done.stderr[-2000:]}")
                document = json.loads(done.stdout)
                for stage in document.pop("stages"):
                    add(STAGES, STAGE_COLUMNS, {"rows": rows, "workers": workers, **stage})
                if where != LISTS:
                    add(TABLE, COLUMNS, {"rows": rows, "where": where, "workers": workers, **document})


def one(where: str, folder: Path, workers: int) -> dict[str, Any]:
    """Reads the folder once, on Sail also counts and asks; seconds without the imports."""
    from recommender.engine.reading import EngineReader
    from recommender.engine.session import LOCAL, connected
    from recommender.sources.load import load

    stages: list[dict[str, Any]] = []
    if where not in ("sail", LISTS):
        with connected(LOCAL) if where == ALONE else nullcontext() as engine:
            read: Any = EngineReader(replace(engine, shared=None), SAMPLE) if engine else load
            begun, cpu = time.perf_counter(), time.process_time()
            data = read(str(folder), raw_dir=None)
            seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - cpu
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    else:
        data, stages, peak = on_sail(folder, workers, where == LISTS)
        seconds, cpu_seconds = (sum(s[n] for s in stages if s["stage"] in READING) for n in ("seconds", "cpu_seconds"))
    return {
        "seconds": round(seconds, 1), "cpu_seconds": round(cpu_seconds, 1), "peak_mb": round(peak),
        "sample_users": data.interactions["user_id"].n_unique(), "stages": stages,
    }  # fmt: skip


def on_sail(folder: Path, workers: int, lists: bool) -> tuple[Dataset, list[dict[str, Any]], float]:
    """The data, what each task took, and the peak of memory while reading, MB. lists: only those of all users."""
    from recommender.config import Eligibility, Scoring
    from recommender.data.queries import History, Queries
    from recommender.engine.asking import EngineAsker
    from recommender.engine.reading import EngineReader
    from recommender.engine.session import LOCAL, connected
    from recommender.models.item_knn import ItemKNN
    from recommender.models.popularity import Popularity
    from recommender.ranking.candidates import Candidates

    with connected(LOCAL, None, workers) as engine:
        recorded, stages = recording(engine)
        data = EngineReader(recorded, SAMPLE)(str(folder), raw_dir=None)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        if lists:
            of_all_users(data, EngineAsker(recorded))
            stages = [stage for stage in stages if stage["stage"].endswith("all users")]
            return data, stages, peak
        data.time_quantiles([0.8, 0.9])
        Popularity(half_life_share=0.05).fit(data)
        model = ItemKNN().fit(data)
        taken = data.matrix()
        times = np.zeros(taken.nnz, np.int64)
        history = History(taken.indptr.astype(np.int64), taken.indices.astype(np.int64), times)
        queries = Queries(data.users, np.full(len(data.users), int(data.timestamps.max())), history)
        candidates = Candidates.after(data, data.items, Eligibility())
        EngineAsker(recorded).recommend(model, queries, candidates, 20, Scoring())
    table = (
        pl.DataFrame(stages)
        .group_by("stage", maintain_order=True)
        .agg(pl.col("seconds", "cpu_seconds", "shuffle_mb", "back_mb").sum(), pl.col("bundle_mb").max())
    )
    return data, table.with_columns(pl.col(pl.Float64).round(2)).to_dicts(), peak


def of_all_users(data: Dataset, asker: EngineAsker) -> None:
    """Measures item-kNN, fitted on the sample, over all users of the last tenth."""
    from recommender.config import Eligibility, Scoring
    from recommender.data.dataset import at_hand
    from recommender.data.split import time_fold
    from recommender.models.item_knn import ItemKNN
    from recommender.names import DEEPEST
    from recommender.ranking.candidates import Candidates

    origin = datetime.fromtimestamp(data.time_quantiles([0.9])[0] // 1_000_000, UTC)
    fold = time_fold(data.first_interactions(), "test", origin, None, 1)
    candidates = Candidates.after(fold.train, fold.items, Eligibility())
    valid = np.ones(len(fold.items), bool)
    model = ItemKNN().fit(at_hand(fold.train))
    table = asker.over_all(model, fold, candidates, DEEPEST, Scoring(), valid, 1000, 0)
    assert table is not None
    sys.stderr.write(f"{table.filter(user_bucket='all', metric='ndcg_at_10').rows()}\n")


def recording(engine: Engine) -> tuple[Engine, list[dict[str, Any]]]:
    """The engine, which adds a row to the list for each job."""
    from recommender.engine.session import Engine
    from recommender.engine.worker import Task
    from recommender.serving import persistence

    stages: list[dict[str, Any]] = []

    class Recorded(Engine):
        def run(self, task: Task, blocks: Iterable[bytes]) -> list[bytes]:
            name = NAMES.get(type(task).__name__)
            if name is None:
                return super().run(task, blocks)
            with tempfile.TemporaryDirectory() as scratch:
                persistence.save(task, Path(scratch) / "task")
                bundle = size(Path(scratch))
            counted = getattr(task, "counted", task)
            store = getattr(counted, "store", None)
            before = size(Path(store)) if store else 0
            begun, cpu = time.perf_counter(), time.process_time()
            contents = super().run(task, blocks)
            took = {"seconds": time.perf_counter() - begun, "cpu_seconds": time.process_time() - cpu}
            written = size(Path(store)) - before if store else 0
            stages.append({"stage": name, **took, "shuffle_mb": written / 1e6, "bundle_mb": bundle / 1e6,
                           "back_mb": sum(map(len, contents)) / 1e6})  # fmt: skip
            return contents

    return Recorded(**vars(engine)), stages


def size(folder: Path) -> int:
    """Bytes of all files."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


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
    """Writes ``COST``, of all numbers of workers together; exits where a stage has too few sizes."""
    table = pl.read_csv(STAGES).sort("rows", "workers")
    lines, sums = [], np.zeros(4)  # predicted, measured, of a billion; shuffled
    for (stage,), group in table.group_by("stage", maintain_order=True):
        rows, cpu_s = (group[name].to_numpy().astype(float) for name in ("rows", "cpu_seconds"))
        largest = rows == rows[-1]
        if len(np.unique(rows)) < 3:
            sys.exit(f"{stage}: {len(np.unique(rows))} sizes; two to fit and one to predict are the least.")
        known, every = Cost.fitted(rows[~largest], cpu_s[~largest]), Cost.fitted(rows, cpu_s)
        shuffled = np.polyval(np.polyfit(rows, group["shuffle_mb"].to_numpy() / 1e3, 1), [rows[-1], 1e9]).clip(0)
        compared = float(rows[-1] == table["rows"][-1])
        sums += compared * known.at(rows[-1]), compared * cpu_s[largest].mean(), every.at(1e9), shuffled[1]
        measured = " and ".join(f"{seconds:.1f}" for seconds in cpu_s[largest])
        lines.append([
            stage, f"{every.fixed:.1f}", f"{every.exponent:.2f}", int(rows[-1]), f"{known.at(rows[-1]):.1f}", measured,
            f"{shuffled[0]:.2f}", f"{group['bundle_mb'][-1]:.1f}", f"{every.at(1e9):.0f}", f"{shuffled[1]:.1f}",
        ])  # fmt: skip
    lines.append(["all", "", "", int(table["rows"][-1]), f"{sums[0]:.1f}", f"{sums[1]:.1f}", "", "", f"{sums[2]:.0f}",
                  f"{sums[3]:.1f}"])  # fmt: skip
    with COST.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COST_COLUMNS, *lines])


@dataclass(frozen=True)
class Cost:
    """CPU seconds = fixed + each * rows^exponent. The fixed part, of the jobs themselves, hides the growth of a stage
    in small data, so a line through logarithms would predict too little."""

    fixed: float
    each: float
    exponent: float

    @classmethod
    def fitted(cls, rows: np.ndarray, cpu_s: np.ndarray) -> Cost:
        """The least relative errors, so that small sizes weigh as much as large ones; of equal fits, the exponent
        nearest to 1: two sizes tell a fixed part and a slope, no bend."""
        best: tuple[float, float, Cost] | None = None
        for exponent in np.arange(0.8, 1.301, 0.05):
            terms = np.column_stack([np.ones(len(rows)), rows**exponent]) / cpu_s[:, None]
            (fixed, each), error = nnls(terms, np.ones(len(rows)))
            fit = (round(error, 3), abs(exponent - 1), cls(fixed, each, exponent))
            best = fit if best is None or fit[:2] < best[:2] else best
        assert best is not None
        return best[2]

    def at(self, rows: float) -> float:
        return float(self.fixed + self.each * rows**self.exponent)


def add(table: Path, columns: tuple[str, ...], row: Mapping[str, object]) -> None:
    sys.stdout.write(f"{row}\n")
    sys.stdout.flush()
    new = not table.exists()
    with table.open("a", newline="") as file:
        writer = csv.DictWriter(file, columns)
        if new:
            writer.writeheader()
        writer.writerow(row)


if __name__ == "__main__":
    main(sys.argv[1:])
