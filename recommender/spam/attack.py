"""How far fake accounts push an item: the price of a place in a popularity list."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl

from recommender.data.dataset import NO_TIME, Dataset, Table
from recommender.data.operators.inject import spam
from recommender.models.base import Recommender
from recommender.query import History, Queries
from recommender.split import available


def rank_gain(
    data: Dataset, models: Mapping[str, Callable[[], Recommender]], accounts: int, cover: int, targets: int
) -> pl.DataFrame:
    """Ranks of single items before and after ``accounts`` fake accounts take them, for who has no history.

    For each of ``targets`` seeds, ``operators.spam`` opens the accounts within the last hour of the data; each takes
    ``cover`` popular items, to look like others, and the target, which is an available item of the lower half by
    interactions. The models are fitted on the data without and with them.
    Columns: model, seed, rank_before, rank_after (1 = best, of the available items), n_available.
    """
    end = int(data.timestamps.max(initial=NO_TIME))
    rows = []
    before = {name: _ranks(make().fit(data), data, end) for name, make in models.items()}
    for seed in range(targets):
        attacked = spam(data, seed, accounts=accounts, items=1, cover=cover, at=1.0)
        target = int((attacked.item_counts - data.item_counts).argmax())
        for name, make in models.items():
            after = _ranks(make().fit(attacked), data, end)
            rows.append((name, seed, int(before[name][target]), int(after[target]), int((after > 0).sum())))
    schema = {"model": pl.String, "seed": pl.Int64, "rank_before": pl.Int64, "rank_after": pl.Int64}
    return pl.DataFrame(rows, schema={**schema, "n_available": pl.Int64}, orient="row")


def _ranks(model: Recommender, data: Dataset, now: int) -> np.ndarray:
    """Rank of every item for a user of whom nothing is known, int64 (n_items,); 0 where it is not available."""
    nobody = Table(pl.DataFrame({"user_id": ["nobody"]}), {}, "user_id")
    none = np.zeros(0, np.int64)
    asked = Queries(nobody, np.array([now]), History(np.zeros(2, np.int64), none, none))
    score = np.nan_to_num(model.score(asked, data.items)[0], nan=-np.inf)
    open_ = available(asked.as_of, data.items)[0]
    shown = np.sort(score[open_])
    return np.where(open_, len(shown) - np.searchsorted(shown, score, side="right") + 1, 0)
