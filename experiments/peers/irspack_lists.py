# /// script
# requires-python = ">=3.11,<3.12"
# dependencies = ["irspack>=0.5.2,<1", "pandas>=2", "pyarrow", "setuptools<81"]
# ///
"""irspack's side of `make experiment-peers`; see ``experiments/judged_peers.py``.

uv run --script experiments/peers/irspack_lists.py FOLDER
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"
import contextlib
import io
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
from irspack import recommenders
from tuned import Family, best, choice, flat, log, whole, write

BATCH = 500


def lists_of(kind, **fixed):
    """Lists of a class of irspack."""

    def lists(pairs, users, settings):
        rows, ids = pd.factorize(pairs["user_id"])
        columns, items = pd.factorize(pairs["item_id"])
        ones = np.ones(len(pairs))
        taken = sp.csr_matrix((ones, (rows, columns)), shape=(len(ids), len(items)))
        with contextlib.redirect_stdout(io.StringIO()):  # progress bars
            model = getattr(recommenders, kind)(taken, **fixed, **settings).learn()
        place = pd.Index(ids).get_indexer(users)
        best_items = {}
        for start in range(0, len(users), BATCH):
            scores = model.get_score_remove_seen(place[start : start + BATCH])
            best_items |= best(np.asarray(scores), users[start : start + BATCH], np.asarray(items, dtype=object))
        return best_items

    return lists


# The ranges are those that irspack states for its tuning
KNN = {"top_k": whole(4, 1000), "shrinkage": flat(0, 1000), "feature_weighting": choice("NONE", "TF_IDF", "BM_25")}
RP3 = {"top_k": whole(2, 1000), "beta": log(1e-5, 0.5), "normalize_weight": choice(True, False)}
EDLAE = {"reg": log(1, 1e4), "dropout_p": flat(0, 0.99)}
IALS = {"n_components": whole(4, 300), "alpha0": log(3e-3, 1), "reg": log(1e-4, 1e-1)}
families = [
    Family("cosine", lists_of("CosineKNNRecommender", n_threads=1), KNN | {"normalize": choice(True, False)}),
    Family("user_knn", lists_of("CosineUserKNNRecommender", n_threads=1), KNN | {"normalize": choice(True, False)}),
    Family("rp3", lists_of("RP3betaRecommender", n_threads=1), RP3),
    Family("ease", lists_of("DenseSLIMRecommender"), {"reg": log(1, 1e4)}),
    Family("edlae", lists_of("EDLAERecommender"), EDLAE),
    Family("ials", lists_of("IALSRecommender", n_threads=1), IALS),
]
write("irspack", families, Path(sys.argv[1]))
