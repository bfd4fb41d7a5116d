# /// script
# requires-python = ">=3.12.5,<3.15"
# dependencies = ["lenskit>=2026.4,<2027", "pandas>=2", "pyarrow"]
# ///
"""LensKit's side of `make bench-peers`; see ``experiments/bench_peers.py``. It brings PyTorch, several gigabytes.

uv run --script experiments/peers/lenskit_peer.py FOLDER
"""

import os

os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS", "LK_NUM_THREADS"), "1")
import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from lenskit.data import ItemListCollection, from_interactions_df
from lenskit.knn import EASEScorer, ItemKNNScorer
from lenskit.metrics import NDCG, Hit, MeasurementCollector, Precision, Recall, RecipRank

folder = Path(sys.argv[1])
data = np.load(folder / "inputs.npz")
cpu_s = {}

if "metrics" in data["stages"]:
    n, k = data["lists"].shape
    shown = {
        "user_id": np.repeat(np.arange(n), k),
        "item_id": data["lists"].ravel(),
        "rank": np.tile(np.arange(1, k + 1), n),
    }
    shown = ItemListCollection.from_df(pd.DataFrame(shown), "user_id")
    truth = pd.DataFrame({"user_id": data["truth_query"], "item_id": data["truth_item"]})
    truth = ItemListCollection.from_df(truth, "user_id")
    measured = MeasurementCollector()
    for name, metric in {"ndcg": NDCG(10), "recall": Recall(20), "precision": Precision(10), "mrr": RecipRank(10),
                         "hit_rate": Hit(10)}.items():  # fmt: skip
        measured.add_metric(metric, name)
    begun = time.process_time()
    values = measured.measure_run(shown, truth).list_metrics
    cpu_s["metrics"] = time.process_time() - begun
    # Its recall is of at most k answers, its discount another one: the others are defined as ours.
    np.savez(folder / "lenskit-metrics.npz", mrr=values["mrr"].mean(), hit_rate=values["hit_rate"].mean())

if not {"fit item_knn", "fit ease"}.isdisjoint(data["stages"]):
    pairs = from_interactions_df(pd.DataFrame({"user_id": data["user"], "item_id": data["item"]}))

if "fit item_knn" in data["stages"]:
    begun = time.process_time()
    knn = ItemKNNScorer(feedback="implicit", save_nbrs=49)
    knn.train(pairs)
    cpu_s["fit item_knn"] = time.process_time() - begun
    similar = knn.sim_matrix.to_scipy()
    order = np.argsort(knn.items.ids())
    # An item is no neighbour of itself here: its similarity of 1 lacks.
    np.savez(folder / "lenskit-fit item_knn.npz", sums=np.asarray(similar.sum(axis=1)).ravel()[order] + 1)

if "fit ease" in data["stages"]:
    begun = time.process_time()
    ease = EASEScorer(regularization=500.0)
    ease.train(pairs)
    cpu_s["fit ease"] = time.process_time() - begun
    order = np.argsort(ease.items.ids())
    np.savez(folder / "lenskit-fit ease.npz", weights=ease.weights[order][:, order])
sys.stdout.write(json.dumps(cpu_s))
