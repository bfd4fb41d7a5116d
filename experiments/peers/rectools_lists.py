# /// script
# requires-python = ">=3.11,<3.12"
# dependencies = ["rectools>=0.19,<1", "numpy<2", "pandas>=2", "pyarrow<20"]
# ///
"""RecTools' side of `make experiment-peers`; see ``experiments/judged_peers.py``.

uv run --script experiments/peers/rectools_lists.py FOLDER
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"
import sys
import warnings
from pathlib import Path

from implicit.als import AlternatingLeastSquares
from implicit.bpr import BayesianPersonalizedRanking
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender
from rectools.dataset import Dataset
from rectools.models import EASEModel, ImplicitALSWrapperModel, ImplicitBPRWrapperModel, ImplicitItemKNNWrapperModel
from tuned import WIDTH, Family, flat, log, whole, write

warnings.filterwarnings("ignore")
SEED = {"random_state": 0, "num_threads": 1}


def lists_of(model):
    """Lists of a model of RecTools; ``model`` makes one from settings."""

    def lists(pairs, users, settings):
        if not users:
            return {}
        data = Dataset.construct(pairs.assign(weight=1.0, datetime="2024-01-01"))
        recommended = model(settings).fit(data).recommend(users, data, k=WIDTH, filter_viewed=True)
        return recommended.groupby("user_id", sort=False)["item_id"].agg(list).to_dict()

    return lists


BM25 = {"K": whole(10, 1000), "K1": log(0.05, 5), "B": flat(0, 1)}
ALS = {"factors": whole(8, 128), "regularization": log(1e-3, 10), "alpha": log(1, 100)}
BPR = {"factors": whole(8, 128), "learning_rate": log(1e-3, 0.5), "regularization": log(1e-4, 1)}
families = [
    Family("cosine", lists_of(lambda s: ImplicitItemKNNWrapperModel(CosineRecommender(**s))), {"K": whole(10, 1000)}),
    Family("bm25", lists_of(lambda s: ImplicitItemKNNWrapperModel(BM25Recommender(**s))), BM25),
    Family("ease", lists_of(lambda s: EASEModel(**s)), {"regularization": log(1, 1e4)}),
    Family("als", lists_of(lambda s: ImplicitALSWrapperModel(AlternatingLeastSquares(**SEED, **s))), ALS),
    Family("bpr", lists_of(lambda s: ImplicitBPRWrapperModel(BayesianPersonalizedRanking(**SEED, **s))), BPR),
]
write("rectools", families, Path(sys.argv[1]))
