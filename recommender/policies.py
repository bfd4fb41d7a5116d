"""Hard rules: what may be shown to whom at all. They mask before top-k, so lists come back full."""

from __future__ import annotations

import numpy as np
import polars as pl

from recommender.config import Eligibility
from recommender.data.dataset import Table
from recommender.errors import ConfigError, nearest
from recommender.query import Queries
from recommender.split import available


def eligible(queries: Queries, items: Table, rules: Eligibility, allowed: np.ndarray | None = None) -> np.ndarray:
    """Which items each query may be shown: bool (n_queries, n_items).

    Published and not expired at ``as_of`` (where stated), not blocked, not taken before (unless the
    scenario allows repeats), and in ``allowed`` (bool (n_items,); None: all). Raises ConfigError where
    ``blocked_column`` does not exist or holds neither booleans nor numbers: a hard rule is never skipped.
    """
    mask = available(queries.as_of, items)
    if rules.blocked_column is not None:
        mask &= ~_blocked(items, rules.blocked_column)
    if allowed is not None:
        mask &= allowed
    if not rules.repeats:
        mask[queries.history.row, queries.history.item_idx] = False
    return mask


def _blocked(items: Table, column: str) -> np.ndarray:
    """bool (n_items,); null = not blocked."""
    if column not in items.frame.columns:
        raise ConfigError(
            f"eligibility.blocked_column: items have no column '{column}'{nearest(column, items.frame.columns)}"
        )
    values = items.frame[column]
    if values.dtype != pl.Boolean and not values.dtype.is_numeric():
        raise ConfigError(f"eligibility.blocked_column: items.{column} must hold booleans, it holds {values.dtype}.")
    return values.cast(pl.Boolean).fill_null(False).to_numpy()
