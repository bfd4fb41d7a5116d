# /// script
# requires-python = ">=3.11,<3.12"
# dependencies = ["rectools>=0.16,<1", "numpy<2"]
# ///
"""RecTools' side of `make bench-peers`; see ``experiments/bench_peers.py``.

uv run --script experiments/peers/rectools_peer.py FOLDER
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"
import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from implicit.als import AlternatingLeastSquares
from implicit.bpr import BayesianPersonalizedRanking
from implicit.nearest_neighbours import CosineRecommender
from rectools.dataset import Dataset
from rectools.metrics import MAP, MRR, NDCG, HitRate, Recall, calc_metrics
from rectools.model_selection import TimeRangeSplitter, cross_validate
from rectools.models import (
    EASEModel,
    ImplicitALSWrapperModel,
    ImplicitBPRWrapperModel,
    ImplicitItemKNNWrapperModel,
    PopularModel,
)

folder = Path(sys.argv[1])
data = np.load(folder / "inputs.npz")
cpu_s = {}

if "metrics" in data["stages"]:
    n, k = data["lists"].shape
    reco = pd.DataFrame(
        {
            "user_id": np.repeat(np.arange(n), k),
            "item_id": data["lists"].ravel(),
            "rank": np.tile(np.arange(1, k + 1), n),
        }
    )
    truth = pd.DataFrame({"user_id": data["truth_query"], "item_id": data["truth_item"]})
    metrics = {"ndcg": NDCG(10), "recall": Recall(20), "map": MAP(10), "mrr": MRR(10), "hit_rate": HitRate(10)}
    begun = time.process_time()
    values = calc_metrics(metrics, reco, truth)
    cpu_s["metrics"] = time.process_time() - begun
    np.savez(folder / "rectools-metrics.npz", **{name: values[name] for name in ("recall", "mrr", "hit_rate")})

if "fit ease" in data["stages"]:
    rows = pd.DataFrame(
        {"user_id": data["user"], "item_id": data["item"], "weight": 1.0, "datetime": pd.Timestamp("2024-01-01")}
    )
    dataset = Dataset.construct(rows)
    begun = time.process_time()
    model = EASEModel(regularization=500.0).fit(dataset)
    cpu_s["fit ease"] = time.process_time() - begun
    order = np.argsort(dataset.item_id_map.external_ids)
    np.savez(folder / "rectools-fit ease.npz", weights=model.weight[order][:, order])
FIVE = "five models, two folds"
if FIVE in data["stages"]:
    when = np.datetime64("2024-01-01") + data["day"].astype("timedelta64[D]")
    rows = pd.DataFrame({"user_id": data["user"], "item_id": data["item"], "weight": 1.0, "datetime": when})
    dataset = Dataset.construct(rows)
    metrics = {
        "ndcg": NDCG(10),
        "recall": Recall(20),
        "map": MAP(10),
        "mrr_at_10": MRR(10),
        "hit_rate_at_10": HitRate(10),
    }
    models = {
        "popularity": PopularModel(),
        "item_knn": ImplicitItemKNNWrapperModel(CosineRecommender(K=50, num_threads=1)),
        "ease": EASEModel(regularization=500.0),
        "als": ImplicitALSWrapperModel(
            AlternatingLeastSquares(factors=64, iterations=15, regularization=0.01, alpha=1.0, num_threads=1)
        ),
        "bpr": ImplicitBPRWrapperModel(BayesianPersonalizedRanking(factors=64, iterations=20, num_threads=1)),
    }
    begun = time.process_time()
    validated = cross_validate(dataset, TimeRangeSplitter("10D", 2), metrics, models, k=20, filter_viewed=True)
    cpu_s[FIVE] = time.process_time() - begun
    values = {
        f"{row['model']}-{(80, 90)[row['i_split']]}-{metric}": row[metric]
        for row in validated["metrics"]
        for metric in ("mrr_at_10", "hit_rate_at_10")
        if row["model"] in ("popularity", "item_knn")
    }
    np.savez(folder / f"rectools-{FIVE}.npz", **values)
sys.stdout.write(json.dumps(cpu_s))
