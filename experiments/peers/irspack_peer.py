# /// script
# requires-python = ">=3.11,<3.12"
# dependencies = ["irspack>=0.4,<1", "setuptools<81"]
# ///
"""irspack's side of `make bench-peers`; see ``experiments/bench_peers.py``.

uv run --script experiments/peers/irspack_peer.py FOLDER
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"
import json
import sys
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from irspack.recommenders import DenseSLIMRecommender

folder = Path(sys.argv[1])
data = np.load(folder / "inputs.npz")
cpu_s = {}
if "fit ease" in data["stages"]:
    begun = time.process_time()
    taken = sp.csr_matrix((np.ones(len(data["user"])), (data["user"], data["item"])), shape=data["shape"].tolist())
    model = DenseSLIMRecommender(taken, reg=500.0).learn()
    cpu_s["fit ease"] = time.process_time() - begun
    np.savez(folder / "irspack-fit ease.npz", weights=np.asarray(model.W))
sys.stdout.write(json.dumps(cpu_s))
