"""What lists cost beside the matrix product behind them: ``python -m experiments.list_speed [ROUNDS]``.

Synthetic interactions of the size of MovieLens-1M (936,000 of 6,040 users and 3,706 items) with titles; als with 64
factors. Medians over the rounds, all measured in turns: 100,000 lists of ten by als beside its product and the top ten
alone, by content beside als, and by two workers beside one (seconds on the clock, so the machine must be idle).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from pipelines.cli import run  # isort: skip  (it sets BLAS threads before NumPy is imported)

import numpy as np
import polars as pl

from recommender.config import Eligibility, Scoring
from recommender.data.dataset import Dataset, Table
from recommender.data.queries import History, Queries
from recommender.models.als import ALS
from recommender.models.content import Content
from recommender.ranking.candidates import Candidates
from recommender.ranking.recommend import recommend
from recommender.ranking.topk import top_k

N_ROWS, N_USERS, N_ITEMS, N_LISTS, ROUNDS = 936_000, 6_040, 3_706, 100_000, 5


def main(argv: list[str]) -> None:
    data = synthetic()
    queries = queries_of(data, N_LISTS)
    some = queries.take(np.arange(20_000))
    candidates = Candidates.after(data, data.items, Eligibility())
    als, content = ALS(iterations=1).fit(data), Content().fit(data)
    one, two = Scoring(workers=1), Scoring(workers=2)
    factors = np.random.default_rng(1).normal(0, 0.1, (N_LISTS, 64)).astype(np.float32)
    works: dict[str, Callable[[], Any]] = {
        "product and top ten": lambda: plain(factors, als.item_factors_),
        "als": lambda: recommend(als, queries, candidates, 10, one),
        "als, some": lambda: recommend(als, some, candidates, 10, one),
        "als, some, two workers": lambda: recommend(als, some, candidates, 10, two),
        "content, some": lambda: recommend(content, some, candidates, 10, one),
    }
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for _ in range(int(argv[0]) if argv else ROUNDS):
        for name, work in works.items():
            cpu, wall = time.process_time(), time.perf_counter()
            work()
            seconds[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    cpu_s = {name: float(np.median([c for c, _ in rows])) for name, rows in seconds.items()}
    wall_s = {name: float(np.median([w for _, w in rows])) for name, rows in seconds.items()}
    lines = [
        f"{N_LISTS:,} lists by als: {cpu_s['als']:.1f} CPU s, "
        f"{cpu_s['als'] / cpu_s['product and top ten']:.1f} times its product and the top ten",
        f"content: {cpu_s['content, some'] / cpu_s['als, some']:.2f} times als",
        f"two workers: {wall_s['als, some'] / wall_s['als, some, two workers']:.2f} times as fast as one",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def synthetic() -> Dataset:
    """Random interactions, of which few items have most; titles of three words of six letters."""
    rng = np.random.default_rng(0)
    user, item = rng.integers(0, N_USERS, N_ROWS), (rng.random(N_ROWS) ** 3 * N_ITEMS).astype(np.int64)
    cells = np.sort(np.append(user * N_ITEMS + item, np.arange(N_ITEMS)))
    user, item = np.divmod(cells[np.append(True, np.diff(cells) > 0)], N_ITEMS)
    rows = pl.DataFrame({"user_id": user, "item_id": item})
    rows = rows.with_columns(timestamp=pl.lit(None, pl.Datetime("us", "UTC")), event=pl.lit(""), weight=pl.lit(1.0))
    letters = rng.choice(list("etaoinshrdlucmfw"), (2_000, 6))
    words = ["".join(word) for word in letters.tolist()]
    titles = [" ".join(words[w] for w in three) for three in rng.integers(0, len(words), (N_ITEMS, 3)).tolist()]
    items = Table(pl.DataFrame({"item_id": np.arange(N_ITEMS), "title": titles}), {"title": "text"}, "item_id")
    return Dataset("synthetic", rows, items, Table(pl.DataFrame({"user_id": np.arange(N_USERS)}), {}, "user_id"))


def queries_of(data: Dataset, n: int) -> Queries:
    """Queries of all users with their whole histories, round and round up to ``n``."""
    history = History(np.append(0, np.cumsum(data.user_counts)), data.item_idx, data.timestamps)
    return Queries(data.users, np.full(N_USERS, data.timestamps[0]), history).take(np.arange(n) % N_USERS)


def plain(users: np.ndarray, items: np.ndarray) -> None:
    """The product of the factors and its top ten, no item left out."""
    mask, order = np.ones((128, len(items)), bool), np.arange(len(items))
    for start in range(0, len(users), 128):
        scores = users[start : start + 128] @ items.T
        top_k(scores, mask[: len(scores)], order, 10)


if __name__ == "__main__":
    run(main)
