"""Permutation controls: values stay what they are, only whose they are is lost."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import polars as pl

from recommender.data.dataset import FEATURE_ROLES, Dataset, Table


def shuffled_features(data: Dataset, seed: int, keep: Collection[str] = ()) -> Dataset:
    """Every item has the features of a random other one, and every user those of another.

    A row's features move together, so that only their tie to the id is lost, not what they are like.
    Ids, availability and columns that are no feature (protected, ignored) stay, and so does ``keep``:
    columns that rules read (a blocked item stays blocked).
    """
    rng = np.random.default_rng(seed)
    items, users = (
        exchanged(table, [c for c in table.columns(*FEATURE_ROLES) if c not in keep], rng)
        for table in (data.items, data.users)
    )
    return replace(data, items=items, users=users)


def shuffled_times(data: Dataset, seed: int) -> Dataset:
    """Interactions exchange their timestamps at random, and so do signals; both are sorted by time again.

    Who took what, how often, and how many at each time stay; what was taken when is lost.
    """
    rng = np.random.default_rng(seed)
    signals = _at_other_times(data.signals, rng) if data.signals.width else data.signals
    return replace(data, interactions=_at_other_times(data.interactions, rng), signals=signals, everyone=None)


def exchanged(table: Table, columns: Collection[str], rng: np.random.Generator) -> Table:
    """The table whose rows have one another's values of ``columns``, those of a row together."""
    other = table.frame[rng.permutation(len(table))]
    return replace(table, frame=table.frame.with_columns(other[column] for column in columns))


def _at_other_times(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    times = rows["timestamp"][rng.permutation(rows.height)]
    # Rows of one time stand in random order too: their old order told which was earlier.
    mixed = rows.with_columns(times)[rng.permutation(rows.height)]
    return mixed.sort("timestamp", nulls_last=False, maintain_order=True)
