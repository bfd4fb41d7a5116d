"""Items that nobody took yet, asked as in the paper of LightFM (Kula 2015): ``make experiment-cold-items DATA=ml-1m``.

A fifth of the items leave training with all their ratings. For each user: the area under the ROC curve of a rung's
scores, between what the user rated 4 and more among those items and what lower; .5 is chance, and what pure
matrix factorisation gives. The paper describes films of MovieLens-10M by the tag genome, which the sources here leave
out (it is made of what users did): features are those of the data, so read the order of the rungs, not the level.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from experiments.realism import markdown  # first: its import sets BLAS threads before NumPy is imported
from pipelines.cli import run

import numpy as np  # isort: skip
from scipy.stats import rankdata

from recommender.config.files import raw_dir
from recommender.data.dataset import NO_TIME, Dataset
from recommender.data.queries import History, Queries
from recommender.errors import ConfigError
from recommender.experiment.validation_sample import evenly
from recommender.models.als import ALS
from recommender.models.base import Recommender
from recommender.models.content import Content
from recommender.models.content_popularity import ContentPopularity
from recommender.models.lightfm import LightFM
from recommender.sources.load import load

SHARE, LEAST_RATING, MOST_USERS, BATCH = 0.2, 4.0, 5000, 250


def rungs() -> Mapping[str, Recommender]:
    return {
        "als": ALS(),
        "content": Content(),
        "content_popularity": ContentPopularity(),
        "lightfm": LightFM(no_components=64, epochs=30),
    }


def main(argv: list[str]) -> None:
    if len(argv) != 1:
        raise ConfigError("Give the data: a source with ratings such as ml-1m, or a dataset folder (DATA=ml-1m).")
    data = load(argv[0], raw_dir=raw_dir())
    cold = np.random.default_rng(0).random(len(data.items)) < SHARE
    liked = data.weights >= LEAST_RATING
    train = data.only(liked & ~cold[data.item_idx], np.zeros(len(data.items), bool))
    users = rows_to_query(data, cold, liked)
    if not len(users):
        raise ConfigError(f"'{argv[0]}': no user rated some items {LEAST_RATING:g} and more and others lower.")
    rows = [["rung", "users", "AUC on items without interactions"]]
    for name, model in rungs().items():
        values = areas(model.fit(train), data, users, cold, liked)
        rows.append([name, str(len(values)), f"{values.mean():.3f} ± {1.96 * values.std() / np.sqrt(len(values)):.3f}"])
    sys.stdout.write(markdown(rows))


def rows_to_query(data: Dataset, cold: np.ndarray, liked: np.ndarray) -> np.ndarray:
    """Rows of users who liked some of the cold items, disliked others, and took one of the warm items; int64."""
    cold_row = cold[data.item_idx]
    parts = (cold_row & liked, cold_row & ~liked, ~cold_row & liked)
    has = [np.bincount(data.user_idx[part], minlength=len(data.users)) > 0 for part in parts]
    return evenly(np.flatnonzero(np.logical_and.reduce(has)), MOST_USERS)


def areas(model: Recommender, data: Dataset, users: np.ndarray, cold: np.ndarray, liked: np.ndarray) -> np.ndarray:
    """The area of each of the ``users``, float64; items that a rung cannot tell are last, and all alike."""
    cold_row, hits = cold[data.item_idx], []
    rated = np.flatnonzero(cold_row)
    rated = rated[np.argsort(data.user_idx[rated], kind="stable")]
    start, stop = (np.searchsorted(data.user_idx[rated], users, side=side) for side in ("left", "right"))
    for first in range(0, len(users), BATCH):
        batch = slice(first, first + BATCH)
        scores = model.score(queries(data, users[batch], liked & ~cold_row), data.items)
        scores = np.where(np.isnan(scores), -np.inf, scores)
        for row, begin, end in zip(scores, start[batch], stop[batch], strict=True):
            rows = rated[begin:end]
            hits.append(area(row[data.item_idx[rows]], liked[rows]))
    return np.array(hits)


def queries(data: Dataset, users: np.ndarray, given: np.ndarray) -> Queries:
    """What each of the users (ascending) took by the rows ``given`` (bool), as their history."""
    wanted = np.zeros(len(data.users), bool)
    wanted[users] = True
    rows = np.flatnonzero(given & wanted[data.user_idx])
    rows = rows[np.argsort(data.user_idx[rows], kind="stable")]
    lengths = np.bincount(data.user_idx[rows], minlength=len(data.users))[users]
    history = History(np.concatenate([[0], np.cumsum(lengths)]), data.item_idx[rows], np.full(len(rows), NO_TIME))
    return Queries(data.users.take(users), np.full(len(users), NO_TIME), history)


def area(scores: np.ndarray, positive: np.ndarray) -> float:
    """The share of pairs of a positive and a negative that the scores put in this order; ties count half."""
    n = int(positive.sum())
    return float((rankdata(scores)[positive].sum() - n * (n + 1) / 2) / (n * (len(scores) - n)))


if __name__ == "__main__":
    run(main)
