"""Users whom nobody trained on, as published: ``make experiment-strong DATA=ml-20m``.

The protocol of Liang et al. 2018 (Mult-VAE), which Steck 2019 (EASE) and many others follow: ratings of 4 and more,
users with at least 5 of them; 10,000 users are asked, as many again are left out, on whom the publications tuned. Four
fifths of what an asked user took are handed over, the rest is the answer. On MovieLens-20M EASE is published with
recall@20 .391, recall@50 .521 and NDCG@100 .420. The split is random, so nothing here is honest in time.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace

from experiments.realism import markdown  # first: its import sets BLAS threads before NumPy is imported
from pipelines.cli import run

import numpy as np  # isort: skip
import scipy.sparse as sp

from recommender.config import Eligibility, Scoring
from recommender.config.files import raw_dir
from recommender.data.dataset import Dataset
from recommender.data.split import Fold, random_fold
from recommender.errors import ConfigError
from recommender.models.als import ALS
from recommender.models.base import Recommender
from recommender.models.ease import EASE
from recommender.models.item_knn import ItemKNN
from recommender.models.popularity import Popularity
from recommender.ranking.candidates import Candidates
from recommender.ranking.recommend import recommend
from recommender.sources.load import load

ASKED, LEAST_TAKEN, LEAST_RATING, WIDTH = 10_000, 5, 4.0, 100
MEASURES = ("recall@20", "recall@50", "NDCG@100")


def rungs() -> Mapping[str, Recommender]:
    return {
        "popularity": Popularity(half_life_share=None),
        "item_knn": ItemKNN(K=200),
        "als": ALS(factors=128, alpha=10.0, regularization=0.1),
        "ease": EASE(regularization=500.0, memory_mb=4000),
    }


def main(argv: list[str]) -> None:
    if len(argv) != 1:
        raise ConfigError("Give the data: a source such as ml-20m, or a dataset folder (DATA=ml-20m).")
    fold = parted(load(argv[0], raw_dir=raw_dir()))
    candidates = Candidates.after(fold.train, fold.items, Eligibility())
    rows = [["rung", "users", *MEASURES]]
    for name, model in rungs().items():
        lists = recommend(model.fit(fold.train), fold.queries, candidates, WIDTH, Scoring(k=WIDTH))
        values = measured(lists.item_idx, fold.truth)
        error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
        shown = [f"{m:.3f} ± {1.96 * e:.3f}" for m, e in zip(values.mean(axis=0), error, strict=True)]
        rows.append([name, str(len(values)), *shown])
    sys.stdout.write(markdown(rows))


def parted(data: Dataset, n_queries: int = ASKED, seed: int = 0) -> Fold:
    """Training without the users who are asked or left out, and the queries of the former.

    With few users, at most a fifth is asked.
    """
    nothing = np.zeros(len(data.items), bool)
    rated = np.ptp(data.weights) > 0
    data = data.only(data.weights >= LEAST_RATING, nothing) if rated else data
    data = data.first_interactions()
    often = np.bincount(data.user_idx, minlength=len(data.users)) >= LEAST_TAKEN
    data = data.only(often[data.user_idx], np.zeros(len(data.items), bool))
    rng, n_users = np.random.default_rng(seed), len(data.users)
    n = min(n_queries, n_users // 5)
    role = np.zeros(n_users, int)
    role[rng.permutation(n_users)[: 2 * n]] = np.repeat([1, 2], n)  # asked, left out
    role = role[data.user_idx]
    known = np.bincount(data.item_idx[role == 0], minlength=len(data.items)) > 0
    query_rows = (role == 1) & known[data.item_idx]  # as published: what training has not seen is asked of nobody
    held = query_rows & last_fifth(data.user_idx, query_rows, rng)
    fold = random_fold(data, "test", 0, (role == 0) | (query_rows & ~held), held)
    return replace(fold, train=data.only(role == 0, np.zeros(len(data.items), bool)))


def last_fifth(user: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random fifth, rounded down, of each user's ``rows``: bool, as long as ``user``."""
    chosen = np.flatnonzero(rows)
    order = chosen[np.lexsort((rng.random(len(chosen)), user[chosen]))]
    _, start, count = np.unique(user[order], return_index=True, return_counts=True)
    place = np.arange(len(order)) - np.repeat(start, count)
    held = np.zeros(len(user), bool)
    held[order[place < np.repeat(count // 5, count)]] = True
    return held


def measured(item_idx: np.ndarray, truth: sp.csr_matrix) -> np.ndarray:
    """The ``MEASURES`` of each list, float64 (n, 3). item_idx: int64 (n, WIDTH), best first, below 0: no item."""
    n_true = np.diff(truth.indptr)
    rows = np.arange(len(item_idx))[:, None]
    hits = np.asarray(truth[rows, np.maximum(item_idx, 0)].todense(), float) * (item_idx >= 0)
    recalls = [hits[:, :k].sum(axis=1) / np.minimum(k, n_true) for k in (20, 50)]
    discount = 1 / np.log2(np.arange(2, WIDTH + 2))
    ideal = np.cumsum(discount)[np.minimum(n_true, WIDTH) - 1]
    return np.column_stack([*recalls, hits @ discount[: hits.shape[1]] / ideal])


if __name__ == "__main__":
    run(main)
