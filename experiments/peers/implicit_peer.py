# /// script
# requires-python = ">=3.11,<3.12"
# dependencies = ["implicit>=0.7.3,<0.8"]
# ///
"""implicit's side of `make bench-peers`; see ``experiments/bench_peers.py``.

uv run --script experiments/peers/implicit_peer.py FOLDER
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"
import json
import sys
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from implicit.cpu.als import AlternatingLeastSquares
from implicit.nearest_neighbours import CosineRecommender

folder = Path(sys.argv[1])
data = np.load(folder / "inputs.npz")
n_users, n_items = data["shape"].tolist()
cpu_s = {}


def matrix():
    ones = np.ones(len(data["user"]), np.float32)
    return sp.csr_matrix((ones, (data["user"], data["item"])), shape=(n_users, n_items))


if "top-10" in data["stages"]:
    model = AlternatingLeastSquares(factors=64, num_threads=1)
    model.user_factors, model.item_factors = data["user_factors"], data["item_factors"]
    users = np.arange(int(data["n_lists"]))
    taken = matrix()[users]
    begun = time.process_time()
    lists, _ = model.recommend(users, taken, N=10, filter_already_liked_items=True)
    cpu_s["top-10"] = time.process_time() - begun
    np.savez(folder / "implicit-top-10.npz", lists=lists)

if "fit item_knn" in data["stages"]:
    begun = time.process_time()
    knn = CosineRecommender(K=50, num_threads=1)
    knn.fit(matrix(), show_progress=False)
    cpu_s["fit item_knn"] = time.process_time() - begun
    np.savez(folder / "implicit-fit item_knn.npz", sums=np.asarray(knn.similarity.sum(axis=1)).ravel())

if "fit als" in data["stages"]:
    begun = time.process_time()
    als = AlternatingLeastSquares(
        factors=64, iterations=3, regularization=0.01, alpha=1.0, num_threads=1, random_state=0
    )
    als.fit(matrix(), show_progress=False)
    cpu_s["fit als"] = time.process_time() - begun
    np.savez(folder / "implicit-fit als.npz", factors=als.item_factors)
sys.stdout.write(json.dumps(cpu_s))
