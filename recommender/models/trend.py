"""Scores that know no time, lifted by what is taken now: one factor per item."""

from __future__ import annotations

import numpy as np

from recommender.data.dataset import Dataset, Table
from recommender.features.feedback import Decay

LEAST_TREND = 0.01  # of the most popular item's, for items that nobody took of late


def by_trend(train: Dataset, items: Table, power: float, half_life_share: float) -> np.ndarray:
    """Factors of items' scores, float32 (n_items,): interactions over those of the most popular item, to ``power``.

    An interaction counts half as much every ``half_life_share`` of the training period. Counts of pairs know what is
    taken together, at whatever time; what is taken now stands above what was.
    """
    recent = train.faded(Decay(half_life_share))
    share = recent[train.items.lookup(items.ids)] / max(float(recent.max()), 1e-12)
    return np.asarray((share + LEAST_TREND) ** power, np.float32)
