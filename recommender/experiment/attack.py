"""How far fake accounts push an item: the price of a place in a popularity list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
import polars as pl

from recommender.data.dataset import NO_TIME, Dataset, Table
from recommender.data.operators.inject import spam
from recommender.data.queries import History, Queries
from recommender.data.split import available
from recommender.models.base import Recommender

Guise = Literal["new", "idle", "grown"]
AHEAD_DAYS = 3  # how long before they push an item idle and grown accounts are opened


def rank_gain(
    data: Dataset,
    models: Mapping[str, Callable[[], Recommender]],
    accounts: int,
    cover: int,
    targets: int,
    guise: Guise = "new",
    signed_up_column: str = "signed_up_at",
) -> pl.DataFrame:
    """Ranks of single items before and after ``accounts`` fake accounts take them, for who has no history.

    For each of ``targets`` seeds, ``operators.spam`` makes accounts that, within the last hour of the data, each take
    ``cover`` popular items, to look like others, and the target, which is an available item of the lower half by
    interactions. guise: new, accounts opened in that hour; idle, opened ``AHEAD_DAYS`` before; grown, opened then and
    busy with the popular items, so that only the target is taken in that hour. The models are fitted on the data
    without and with them. Columns: model, seed, rank_before, rank_after (1 = best, of the available items),
    n_available.
    """
    end = int(data.timestamps.max(initial=NO_TIME))
    rows = []
    before = {name: _ranks(make().fit(data), data, end) for name, make in models.items()}
    for seed in range(targets):
        attacked = spam(data, seed, accounts=accounts, items=1, cover=cover, at=1.0)
        target = int((attacked.item_counts - data.item_counts).argmax())
        if guise != "new":
            attacked = _opened_before(attacked, len(data.users), target, guise == "grown", signed_up_column)
        for name, make in models.items():
            after = _ranks(make().fit(attacked), data, end)
            rows.append((name, seed, int(before[name][target]), int(after[target]), int((after > 0).sum())))
    schema = {"model": pl.String, "seed": pl.Int64, "rank_before": pl.Int64, "rank_after": pl.Int64}
    return pl.DataFrame(rows, schema={**schema, "n_available": pl.Int64}, orient="row")


def _opened_before(attacked: Dataset, n_honest: int, target: int, busy: bool, column: str) -> Dataset:
    """Opens the accounts after the first ``n_honest`` before; ``busy``: what they take but the target moves there."""
    rows, users = attacked.interactions, attacked.users.frame
    fake = attacked.user_idx >= n_honest
    earlier = pl.col("timestamp").dt.offset_by(f"-{AHEAD_DAYS}d")
    if busy:
        moved = pl.Series(fake & (attacked.item_idx != target))
        rows = rows.with_columns(pl.when(moved).then(earlier).otherwise("timestamp").alias("timestamp"))
        rows = rows.sort("timestamp", nulls_last=False, maintain_order=True)
    if column in users.columns:
        opened = attacked.interactions.filter(pl.Series(fake)).select(earlier.min()).item()
        since = pl.when(pl.int_range(pl.len()) >= n_honest).then(opened).otherwise(column)
        users = users.with_columns(since.alias(column))
    return replace(attacked, interactions=rows, users=replace(attacked.users, frame=users))


def _ranks(model: Recommender, data: Dataset, now: int) -> np.ndarray:
    """Rank of every item for a user of whom nothing is known, int64 (n_items,); 0 where it is not available."""
    nobody = Table(pl.DataFrame({"user_id": ["nobody"]}), {}, "user_id")
    none = np.zeros(0, np.int64)
    queries = Queries(nobody, np.array([now]), History(np.zeros(2, np.int64), none, none))
    score = np.nan_to_num(model.score(queries, data.items)[0], nan=-np.inf)
    open_ = available(queries.as_of, data.items)[0]
    shown = np.sort(score[open_])
    return np.where(open_, len(shown) - np.searchsorted(shown, score, side="right") + 1, 0)
