"""Hard rules: what may be shown to whom at all. They mask before top-k, so lists come back full."""

from __future__ import annotations

import numpy as np

from recommender.config import Eligibility
from recommender.data.dataset import Table
from recommender.query import Queries
from recommender.split import available


def eligible(queries: Queries, items: Table, rules: Eligibility, allowed: np.ndarray | None = None) -> np.ndarray:
    """Which items each query may be shown: bool (n_queries, n_items).

    Published and not expired at ``as_of`` (where stated), not blocked, not taken before (unless the
    scenario allows repeats), and in ``allowed`` (bool (n_items,); None: all).
    """
    mask = available(queries.as_of, items)
    if rules.blocked_column and rules.blocked_column in items.frame.columns:
        mask &= ~items.frame[rules.blocked_column].fill_null(False).to_numpy()
    if allowed is not None:
        mask &= allowed
    if not rules.repeats:
        mask[queries.history.row, queries.history.item_idx] = False
    return mask
