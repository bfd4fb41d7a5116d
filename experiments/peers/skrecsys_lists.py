# /// script
# requires-python = ">=3.12,<3.15"
# dependencies = ["skrecsys>=0.9,<1", "pandas>=2", "pyarrow"]
# ///
"""skrecsys' side of `make experiment-peers`; see ``experiments/judged_peers.py``.

uv run --script experiments/peers/skrecsys_lists.py FOLDER
"""

import os

os.environ |= {"OPENBLAS_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from skrecsys import recommendation
from tuned import WIDTH, Family, choice, flat, log, whole, write


def lists_of(kind, **fixed):
    """Lists of a class of skrecsys; ids are numbered, for it takes a matrix."""

    def lists(pairs, users, settings):
        rows, ids = pd.factorize(pairs["user_id"])
        columns, items = pd.factorize(pairs["item_id"])
        model = getattr(recommendation, kind)(**fixed, **settings).fit(np.column_stack([rows, columns]))
        if not users:
            return {}
        least = len(items) - int(np.bincount(rows).max())  # what is left for the user who took most: it gives no less
        recommended, _ = model.recommend(pd.Index(ids).get_indexer(users), n_recommendations=min(WIDTH, least))
        names = np.asarray(items, dtype=object)
        return {user: names[row.astype(int)].tolist() for user, row in zip(users, recommended, strict=True)}

    return lists


# The ranges are those that skrecsys states for its tuning. Its ALS is for ratings, so it has no list here.
NEAR = whole(5, 1000)
BPR = {"n_factors": whole(8, 256), "learning_rate": log(1e-3, 0.5), "regularization": log(1e-5, 1)}
families = [
    Family("knn", lists_of("ItemKNNRecommender"), {"n_neighbors": NEAR, "shrink": flat(0, 500)}),
    Family("bm25", lists_of("BM25Recommender"), {"n_neighbors": NEAR, "k1": log(0.05, 5), "b": flat(0, 1)}),
    Family("rp3", lists_of("RP3Beta"), {"n_neighbors": NEAR, "alpha": flat(0.1, 2), "beta": flat(0, 1)}),
    Family("ease", lists_of("EASE"), {"l2_reg": log(1, 1e5)}),
    Family("bpr", lists_of("BayesianPersonalizedRanking", random_state=0), BPR | {"use_bias": choice(True, False)}),
    # last: on thousands of items one fit can take minutes, and its budget is looked at between fits only
    Family("slim", lists_of("SLIMElasticNet"), {"alpha": log(1e-4, 10), "l1_ratio": log(1e-3, 1), "n_neighbors": NEAR}),
]
write("skrecsys", families, Path(sys.argv[1]))
