"""The cost of stages beside that of other libraries: ``python -m experiments.bench_peers [ROUNDS]`` (needs uv).

Synthetic data of three sizes: S as MovieLens-1M, L as MovieLens-20M, and as many pairs of 8,000 items for EASE. Each
library runs in an environment of its own (the inline metadata of ``experiments/peers/``); all take turns, one thread
each, at S round after round, at the others once. A stage counts only where its result equals ours. Writes
``docs/data/peers.json``: median CPU seconds of each stage and system. ``docs/performance.md`` shows it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.cli import run  # isort: skip  (it sets BLAS threads before NumPy is imported)

import numpy as np
import polars as pl
import scipy.sparse as sp

from recommender.config import Eligibility, Scoring
from recommender.data.dataset import Dataset, Table
from recommender.data.queries import History, Queries
from recommender.errors import UserError
from recommender.evaluation.judge import accuracy_values
from recommender.evaluation.shown import Judged
from recommender.evaluation.statistics import ClusteredValues, estimates
from recommender.models.als import ALS
from recommender.models.base import Recommender
from recommender.models.bpr import BPR
from recommender.models.ease import EASE
from recommender.models.item_knn import ItemKNN
from recommender.models.popularity import Popularity
from recommender.ranking.candidates import Candidates
from recommender.ranking.lists import Lists
from recommender.ranking.recommend import recommend

OUT = Path("docs/data/peers.json")
PEERS = ("rectools", "implicit", "irspack", "lenskit")
N_QUERIES, ROUNDS = 50_000, 3
EVERY = ("metrics", "product of factors", "top-10", "fit item_knn", "fit als", "fit ease")
FIVE = "five models, two folds"


@dataclass(frozen=True)
class Size:
    """rows: pairs drawn, repeats included. n_lists: how many users get a list. rounds: None: the argument."""

    rows: int
    users: int
    items: int
    n_lists: int
    stages: tuple[str, ...]
    rounds: int | None = None


SIZES = {
    "S": Size(936_000, 6_040, 3_706, 6_040, EVERY),
    "S, once": Size(936_000, 6_040, 3_706, 0, (FIVE,), 1),
    "L": Size(20_000_000, 140_000, 27_278, 20_000, EVERY[1:-1], 1),
    "L, 8,000 items": Size(20_000_000, 140_000, 8_000, 0, EVERY[-1:], 1),
}
ALIKE = {
    "top-10": 0.001,
    "fit item_knn": 1e-3,  # of sums of 50 similarities
    "fit als": 1e-4,
    "fit ease": 1e-3,
    "metrics": 1e-9,
    FIVE: 1e-3,  # of MRR and hit rate
}  # largest difference
Seconds = dict[str, float]  # stage -> CPU seconds


def main(argv: list[str]) -> None:
    if argv[:1] == ["--ours"]:
        sys.stdout.write(json.dumps(ours(Path(argv[1]))))
        return
    if shutil.which("uv") is None:
        raise UserError("uv is not installed; it makes the environments of the other libraries. See docs.astral.sh/uv.")
    rows: list[dict[str, Any]] = []
    alone: list[dict[str, Any]] = []
    for name, size in SIZES.items():
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), size)
            median = measured(Path(folder), size.rounds or int(argv[0] if argv else ROUNDS))
            rows += compared(Path(folder), name, median)
        alone += [{"size": name, "stage": stage, "ours_s": cpu_s} for stage, cpu_s in median["ours"].items()]
    OUT.write_text(json.dumps({"ours": alone, "stages": rows}, indent=1) + "\n", encoding="utf-8")


def measured(folder: Path, rounds: int) -> dict[str, Seconds]:
    """Median CPU seconds of each system's stages over the rounds; a library without a stage of this size has none."""
    systems = {"ours": [sys.executable, "-m", "experiments.bench_peers", "--ours"]}
    systems |= {peer: ["uv", "run", "-q", "--script", f"experiments/peers/{peer}_peer.py"] for peer in PEERS}
    seconds: dict[str, list[Seconds]] = {name: [] for name in systems}
    for _ in range(rounds):
        for name, command in systems.items():
            done = subprocess.run([*command, str(folder)], check=True, stdout=subprocess.PIPE, text=True)
            seconds[name].append(json.loads(done.stdout.splitlines()[-1]))
    return {name: {s: float(np.median([r[s] for r in rows])) for s in rows[0]} for name, rows in seconds.items()}


def compared(folder: Path, size: str, median: dict[str, Seconds]) -> list[dict[str, Any]]:
    """A row per stage and peer, printed too."""
    rows = []
    for peer, stage in [(name, stage) for name in PEERS for stage in median[name]]:
        row = {"size": size, "stage": stage, "peer": peer, "ours_s": median["ours"][stage]}
        row |= {"peer_s": median[peer][stage], "largest_difference": difference(folder, peer, stage)}
        row["equal"] = row["largest_difference"] <= ALIKE[stage]
        ratio = f"{row['peer_s'] / row['ours_s']:.2f} times ours"
        words = ratio if row["equal"] else f"not alike: {row['largest_difference']:.2g} apart"
        sys.stdout.write(
            f"{size:<15}{stage:<14}{peer:<10}{row['peer_s']:>8.2f} s, ours {row['ours_s']:.2f} s: {words}\n"
        )
        sys.stdout.flush()
        rows.append(row)
    return rows


def difference(folder: Path, peer: str, stage: str) -> float:
    """The largest difference of a peer's result from ours; of lists, the share of places with another item."""
    theirs, mine = (dict(np.load(folder / f"{name}-{stage}.npz")) for name in (peer, "ours"))
    if "lists" in theirs:
        return float((theirs["lists"] != mine["lists"]).mean())
    return max(float(np.abs(values.astype(np.float64) - mine[name]).max()) for name, values in theirs.items())


def write(folder: Path, size: Size) -> None:
    """The inputs that every system reads: pairs, factors, lists and what the users of the lists took."""
    rng = np.random.default_rng(0)
    user, item = rng.integers(0, size.users, size.rows), (rng.random(size.rows) ** 3 * size.items).astype(np.int64)
    cells = np.sort(np.append(user * size.items + item, np.arange(size.items)))  # np.unique takes thirty times as long
    user, item = np.divmod(cells[np.append(True, np.diff(cells) > 0)], size.items)
    sides = (("user_factors", size.users), ("item_factors", size.items))
    factors = {name: rng.normal(0, 0.1, (n, 64)).astype(np.float32) for name, n in sides}
    lists = np.argsort(rng.random((N_QUERIES, 200)), axis=1)[:, :20]
    query, taken = np.divmod(np.unique(rng.integers(0, N_QUERIES * 200, N_QUERIES * 20)), 200)
    truth = {"truth_query": query, "truth_item": taken, "lists": lists}
    shape = {"shape": [size.users, size.items], "n_lists": size.n_lists, "stages": list(size.stages)}
    day = rng.integers(0, 100, len(user))
    np.savez(folder / "inputs.npz", user=user, item=item, day=day, **shape, **factors, **truth)


def _five(given: dict[str, np.ndarray], users: Table, items: Table) -> dict[str, float]:
    """Fits, lists of 20 and five metrics of five models at days 80 and 90: MRR and hit rate of those defined alike.

    Fits by als and bpr depend on luck. RecTools scores with the transposed weights of EASE, which are not symmetric.
    """
    models: dict[str, Callable[[], Recommender]] = {
        "popularity": Popularity, "item_knn": lambda: ItemKNN(K=50), "ease": lambda: EASE(regularization=500.0),
        "als": ALS, "bpr": lambda: BPR(iterations=20),
    }  # fmt: skip
    values: dict[str, float] = {}
    for origin in (80, 90):
        past, next_days = given["day"] < origin, (given["day"] >= origin) & (given["day"] < origin + 10)
        rows = pl.DataFrame({"user_id": given["user"][past], "item_id": given["item"][past]})
        rows = rows.with_columns(timestamp=pl.lit(None, pl.Datetime("us", "UTC")), event=pl.lit(""), weight=pl.lit(1.0))
        data = Dataset("synthetic", rows, items, users)
        known = next_days & (data.user_counts[given["user"]] > 0) & (data.item_counts[given["item"]] > 0)
        user, item = given["user"][known], given["item"][known]
        truth = sp.csr_matrix((np.ones(len(user), bool), (user, item)), shape=(len(users), len(items)))
        with_truth = np.flatnonzero(np.diff(truth.indptr))
        taken = History(np.append(0, np.cumsum(data.user_counts)), data.item_idx, data.timestamps)
        queries = Queries(users, np.full(len(users), data.timestamps[0]), taken).take(with_truth)
        candidates = Candidates.after(data, items, Eligibility())
        for name, model in models.items():
            lists = recommend(model().fit(data), queries, candidates, 20, Scoring(workers=1))
            of = accuracy_values(Judged(lists, truth[with_truth]), data.item_counts)
            if name in ("popularity", "item_knn"):
                values |= {f"{name}-{origin}-{metric}": of[metric].mean() for metric in ("mrr_at_10", "hit_rate_at_10")}
    return values


class _Factors:
    """A model that scores users by stored factors, for the cost of lists alone."""

    def __init__(self, users: np.ndarray, items: np.ndarray) -> None:
        self.users, self.items = users, items

    def fit(self, train: Dataset) -> _Factors:
        return self

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        scores: np.ndarray = self.users[queries.ids.to_numpy()] @ self.items.T
        return scores


def ours(folder: Path) -> Seconds:
    """CPU seconds of our stages; what a process pays once, such as loading compiled code, is paid before."""
    given = dict(np.load(folder / "inputs.npz"))
    n_users, n_items = given["shape"].tolist()
    users, items = (
        Table(pl.DataFrame({k: np.arange(n)}), {}, k) for k, n in (("user_id", n_users), ("item_id", n_items))
    )

    def train(n: int | None = None) -> Dataset:
        rows = pl.DataFrame({"user_id": given["user"][:n], "item_id": given["item"][:n]})
        rows = rows.with_columns(timestamp=pl.lit(None, pl.Datetime("us", "UTC")), event=pl.lit(""), weight=pl.lit(1.0))
        return Dataset("synthetic", rows, items, users)

    few, cpu_s, values = train(1000), Seconds(), dict[str, float]()
    ItemKNN(K=50).fit(few), EASE().fit(few)

    def timed(stage: str, work: Callable[[], Any]) -> Any:
        begun = time.process_time()
        result = work()
        cpu_s[stage] = time.process_time() - begun
        return result

    if "metrics" in given["stages"]:
        _metrics(folder, given, n_items, timed)
    if "top-10" in given["stages"]:
        _lists(folder, given, train(), timed)
    if FIVE in given["stages"]:
        few_days = {name: given[name][:50_000] for name in ("user", "item", "day")}
        _five(few_days, users, items), timed(FIVE, lambda: values.update(_five(given, users, items)))
        np.savez(folder / f"ours-{FIVE}.npz", **values)
    if "fit item_knn" in given["stages"]:
        knn = timed("fit item_knn", lambda: ItemKNN(K=50).fit(train()))
        np.savez(folder / "ours-fit item_knn.npz", sums=np.asarray(knn.similarity_.sum(axis=1)).ravel())
    if "fit als" in given["stages"]:
        als = timed("fit als", lambda: ALS(iterations=3).fit(train()))
        np.savez(folder / "ours-fit als.npz", factors=als.item_factors_)
    if "fit ease" in given["stages"]:
        ease = timed("fit ease", lambda: EASE(regularization=500.0).fit(train()))
        np.savez(folder / "ours-fit ease.npz", weights=ease.weights_)
    return cpu_s


def _metrics(folder: Path, given: dict[str, np.ndarray], n_items: int, timed: Callable[..., Any]) -> None:
    cells = (np.ones(len(given["truth_query"]), bool), (given["truth_query"], given["truth_item"]))
    shown = given["lists"]
    truth = sp.csr_matrix(cells, shape=(len(shown), n_items))
    lists = Lists(shown, np.zeros(shown.shape, np.float32), np.full(shown.shape, 2, np.int8))
    counts, users = np.bincount(given["item"], minlength=n_items), np.arange(len(shown))

    def metrics() -> dict[str, np.ndarray]:
        return accuracy_values(Judged(lists, truth), counts)

    def intervals(resamples: int = 1000) -> Any:
        values = np.column_stack(list(metrics().values()))
        return estimates([ClusteredValues(users, values)], users.astype(np.uint64), resamples, 0)

    metrics(), intervals(2)
    values = timed("metrics", metrics)
    timed("metrics and intervals", intervals)
    named = {"recall": "recall_at_20", "mrr": "mrr_at_10", "hit_rate": "hit_rate_at_10"}
    np.savez(folder / "ours-metrics.npz", **{name: values[metric].mean() for name, metric in named.items()})


def _lists(folder: Path, given: dict[str, np.ndarray], data: Dataset, timed: Callable[..., Any]) -> None:
    taken = History(np.append(0, np.cumsum(data.user_counts)), data.item_idx, data.timestamps)
    every = Queries(data.users, np.full(len(data.users), data.timestamps[0]), taken)
    queries = every.take(np.arange(int(given["n_lists"])))
    candidates = Candidates.after(data, data.items, Eligibility())
    model = _Factors(given["user_factors"], given["item_factors"])

    def product() -> None:
        for start in range(0, len(queries), 128):
            model.users[start : min(start + 128, len(queries))] @ model.items.T

    recommend(model, queries.take(np.arange(200)), candidates, 10, Scoring())
    timed("product of factors", product)
    top = timed("top-10", lambda: recommend(model, queries, candidates, 10, Scoring()))
    np.savez(folder / "ours-top-10.npz", lists=top.item_idx)


if __name__ == "__main__":
    run(main)
