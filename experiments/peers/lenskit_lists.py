# /// script
# requires-python = ">=3.12.5,<3.15"
# dependencies = ["lenskit>=2026.4,<2027", "pandas>=2", "pyarrow"]
# ///
"""LensKit's side of `make experiment-peers`; see ``experiments/judged_peers.py``.

uv run --script experiments/peers/lenskit_lists.py FOLDER
"""

import os

os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS", "LK_NUM_THREADS"), "1")
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from lenskit.als import ImplicitMFScorer
from lenskit.batch import recommend
from lenskit.data import from_interactions_df
from lenskit.knn import EASEScorer, ItemKNNScorer, SLIMScorer, UserKNNScorer
from lenskit.pipeline import topn_pipeline
from lenskit.random import set_global_rng
from tuned import WIDTH, Family, log, whole, write

warnings.filterwarnings("ignore")
set_global_rng(0)


def lists_of(scorer, **fixed):
    """Lists of a scorer of LensKit; ids are numbered."""

    def lists(pairs, users, settings):
        rows, ids = pd.factorize(pairs["user_id"])
        columns, items = pd.factorize(pairs["item_id"])
        if not users:
            return {}
        data = from_interactions_df(pd.DataFrame({"user_id": rows, "item_id": columns}))
        pipeline = topn_pipeline(scorer, {**fixed, **settings}, n=WIDTH)
        pipeline.train(data)
        recommended = recommend(pipeline, pd.Index(ids).get_indexer(users).tolist(), WIDTH, n_jobs=1)
        names = np.asarray(items, dtype=object)
        return {ids[key.user_id]: names[np.asarray(some.ids(), int)].tolist() for key, some in recommended}

    return lists


NEAR = {"max_nbrs": whole(5, 500), "min_sim": log(1e-6, 0.1)}
SLIM = {"l1_reg": log(0.01, 10), "l2_reg": log(0.01, 10), "max_nbrs": whole(20, 500)}
ALS = {"embedding_size": whole(8, 128), "regularization": log(1e-3, 1), "weight": log(1, 100)}
families = [
    Family("item_knn", lists_of(ItemKNNScorer, feedback="implicit"), NEAR | {"save_nbrs": whole(20, 1000)}),
    Family("user_knn", lists_of(UserKNNScorer, feedback="implicit"), NEAR),
    Family("ease", lists_of(EASEScorer), {"regularization": log(1, 1e4)}),
    Family("slim", lists_of(SLIMScorer), SLIM),
    Family("als", lists_of(ImplicitMFScorer), ALS),
]
write("lenskit", families, Path(sys.argv[1]))
