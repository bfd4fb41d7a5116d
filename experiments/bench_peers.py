"""The cost of stages beside that of other libraries: ``python -m experiments.bench_peers [ROUNDS]`` (needs uv).

Synthetic data of the size of MovieLens-1M. Each library runs in an environment of its own (the inline metadata of
``experiments/peers/``); all take turns, round after round, one thread each. A stage counts only where its result equals
ours. Writes ``docs/data/peers.json``: median CPU seconds of each stage and system. ``docs/performance.md`` shows it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
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
from recommender.models.ease import EASE
from recommender.models.item_knn import ItemKNN
from recommender.ranking.candidates import Candidates
from recommender.ranking.lists import Lists
from recommender.ranking.recommend import recommend

OUT = Path("docs/data/peers.json")
PEERS = ("rectools", "implicit", "irspack")
N_ROWS, N_USERS, N_ITEMS, N_QUERIES, ROUNDS = 936_000, 6_040, 3_706, 50_000, 3
ALIKE = {
    "top-10": 0.001,
    "fit item_knn": 1e-4,
    "fit als": 1e-4,
    "fit ease": 1e-3,
    "metrics": 1e-9,
}  # largest difference
Seconds = dict[str, float]  # stage -> CPU seconds


def main(argv: list[str]) -> None:
    if argv[:1] == ["--ours"]:
        sys.stdout.write(json.dumps(ours(Path(argv[1]))))
        return
    if shutil.which("uv") is None:
        raise UserError("uv is not installed; it makes the environments of the other libraries. See docs.astral.sh/uv.")
    systems = {"ours": [sys.executable, "-m", "experiments.bench_peers", "--ours"]}
    systems |= {peer: ["uv", "run", "-q", "--script", f"experiments/peers/{peer}_peer.py"] for peer in PEERS}
    rounds: dict[str, list[Seconds]] = {name: [] for name in systems}
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        for _ in range(int(argv[0]) if argv else ROUNDS):
            for name, command in systems.items():
                done = subprocess.run([*command, folder], check=True, stdout=subprocess.PIPE, text=True)
                rounds[name].append(json.loads(done.stdout.splitlines()[-1]))
        apart = {(peer, stage): difference(Path(folder), peer, stage) for peer in PEERS for stage in rounds[peer][0]}
    median = {name: {s: float(np.median([r[s] for r in rows])) for s in rows[0]} for name, rows in rounds.items()}
    stages = []
    for (peer, stage), largest in apart.items():
        equal = largest <= ALIKE[stage]
        row = {"stage": stage, "peer": peer, "ours_s": median["ours"][stage], "peer_s": median[peer][stage]}
        stages.append({**row, "equal": equal, "largest_difference": largest})
        words = f"{row['peer_s'] / row['ours_s']:.2f} times ours" if equal else f"not alike: {largest:.2g} apart"
        sys.stdout.write(f"{stage:<14}{peer:<10}{row['peer_s']:>8.2f} s, ours {row['ours_s']:.2f} s: {words}\n")
    OUT.write_text(json.dumps({"ours": median["ours"], "stages": stages}, indent=1) + "\n", encoding="utf-8")


def difference(folder: Path, peer: str, stage: str) -> float:
    """The largest difference of a peer's result from ours; of lists, the share of places with another item."""
    theirs, mine = (dict(np.load(folder / f"{name}-{stage}.npz")) for name in (peer, "ours"))
    ((name, values),) = theirs.items()
    if name == "lists":
        return float((values != mine[name]).mean())
    return float(np.abs(values.astype(np.float64) - mine[name]).max())


def write(folder: Path) -> None:
    """The inputs that every system reads: pairs, factors, lists and what the users of the lists took."""
    rng = np.random.default_rng(0)
    user, item = rng.integers(0, N_USERS, N_ROWS), (rng.random(N_ROWS) ** 3 * N_ITEMS).astype(np.int64)
    user, item = np.divmod(np.unique(np.append(user * N_ITEMS + item, np.arange(N_ITEMS))), N_ITEMS)
    factors = {name: rng.normal(0, 0.1, (n, 64)).astype(np.float32) for name, n in _SIDES}
    lists = np.argsort(rng.random((N_QUERIES, 200)), axis=1)[:, :20]
    query, taken = np.divmod(np.unique(rng.integers(0, N_QUERIES * 200, N_QUERIES * 20)), 200)
    truth = {"truth_query": query, "truth_item": taken, "lists": lists}
    np.savez(folder / "inputs.npz", user=user, item=item, shape=[N_USERS, N_ITEMS], **factors, **truth)


_SIDES = (("user_factors", N_USERS), ("item_factors", N_ITEMS))


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
    rows = pl.DataFrame({"user_id": given["user"], "item_id": given["item"]})
    rows = rows.with_columns(timestamp=pl.lit(None, pl.Datetime("us", "UTC")), event=pl.lit(""), weight=pl.lit(1.0))
    users, items = (Table(pl.DataFrame({key: np.arange(n)}), {}, key) for key, n in _KEYS)

    def train() -> Dataset:
        return Dataset("synthetic", rows, items, users)

    data = train()
    taken = History(np.append(0, np.cumsum(data.user_counts)), data.item_idx, data.timestamps)
    queries = Queries(users, np.full(N_USERS, data.timestamps[0]), taken)
    candidates = Candidates.after(data, items, Eligibility())
    model = _Factors(given["user_factors"], given["item_factors"])
    shape = (N_QUERIES, N_ITEMS)
    cells = (np.ones(len(given["truth_query"]), bool), (given["truth_query"], given["truth_item"]))
    truth = sp.csr_matrix(cells, shape=shape)
    shown = given["lists"]
    lists = Lists(shown, np.zeros(shown.shape, np.float32), np.full(shown.shape, 2, np.int8))

    def metrics() -> dict[str, np.ndarray]:
        return accuracy_values(Judged(lists, truth), data.item_counts)

    def intervals(resamples: int = 1000) -> Any:
        values = np.column_stack(list(metrics().values()))
        users = np.arange(N_QUERIES)
        return estimates([ClusteredValues(users, values)], users.astype(np.uint64), resamples, 0)

    def product() -> None:
        for start in range(0, N_USERS, 128):
            model.users[start : start + 128] @ model.items.T

    metrics(), intervals(2), recommend(model, queries.take(np.arange(200)), candidates, 10, Scoring())
    few = Dataset("few", rows.head(1000), items, users)
    ItemKNN(K=50).fit(few), EASE().fit(few)
    cpu_s: Seconds = {}

    def timed(stage: str, work: Callable[[], Any]) -> Any:
        begun = time.process_time()
        result = work()
        cpu_s[stage] = time.process_time() - begun
        return result

    values = timed("metrics", metrics)
    timed("metrics and intervals", intervals)
    timed("product of factors", product)
    top = timed("top-10", lambda: recommend(model, queries, candidates, 10, Scoring()))
    knn = timed("fit item_knn", lambda: ItemKNN(K=50).fit(train()))
    als = timed("fit als", lambda: ALS(iterations=3).fit(train()))
    ease = timed("fit ease", lambda: EASE(regularization=500.0).fit(train()))
    means = [values[name].mean() for name in ("recall_at_20", "mrr_at_10", "hit_rate_at_10")]
    np.savez(folder / "ours-metrics.npz", values=means)
    np.savez(folder / "ours-top-10.npz", lists=top.item_idx)
    np.savez(folder / "ours-fit item_knn.npz", sums=np.asarray(knn.similarity_.sum(axis=1)).ravel())
    np.savez(folder / "ours-fit als.npz", factors=als.item_factors_)
    np.savez(folder / "ours-fit ease.npz", weights=ease.weights_)
    return cpu_s


_KEYS = (("user_id", N_USERS), ("item_id", N_ITEMS))


if __name__ == "__main__":
    run(main)
