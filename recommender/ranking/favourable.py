"""Which items are favourable to be shown, by a column that the audit names."""

from __future__ import annotations

import numpy as np

from recommender.config import Favourable
from recommender.data.dataset import Table
from recommender.features.columns import numbers


def threshold(items: Table, rule: Favourable) -> float:
    """The value from which on an item is favourable: of the items that state one, ``top_share`` reach it.
    inf where none does."""
    values = numbers(items, rule.column, "favourable.column")
    known = values[~np.isnan(values)]
    return float(np.quantile(known, 1 - rule.top_share)) if len(known) else np.inf


def favourable(items: Table, column: str, at_least: float) -> np.ndarray:
    """bool (n_items,); null is not."""
    return numbers(items, column, "favourable.column") >= at_least
