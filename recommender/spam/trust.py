"""How much an interaction is to count, from what its account looks like: for popularity that is hard to buy."""

from __future__ import annotations

import numpy as np

from recommender.data.dataset import NO_TIME, Dataset
from recommender.data.times import US_PER_DAY
from recommender.features.columns import times
from recommender.spam.evidence import US_PER_HOUR, lockstep

CAP_QUANTILE = 0.95  # accounts busier than this share of all count no more, in sum, than one at it
BURST_QUANTILE = 0.99  # what an item gains in an hour counts at most as in this share of all hours of items
GROWN_DAYS = 1.0  # age from which an account's interactions count in full
LEAST = 0.001  # what the interactions of an account that one of the guards refuses count
# Lockstep up to which an account counts in full, as nearly all honest ones do, and from which it counts ``LEAST``.
ALIKE = 0.3, 0.5


def trust(train: Dataset, signed_up_column: str | None = None) -> np.ndarray:
    """Weight of each interaction, 0..1, float64 (n,): the product of five guards that need no labels.

    distinct: an account counts once per item, the first time. cap: all interactions of an account together
    count at most as much as those of an account at the ``CAP_QUANTILE`` of activity. age: an account grows to full
    weight in ``GROWN_DAYS`` of activity, slowly first (by the square), so that accounts made, or left idle, for the
    purpose count ``LEAST``. It grows from its first interaction on; one that signed up before the data begin, for
    what it did then is not known, from ``signed_up_column``; without the column all are grown. lockstep: accounts
    that take the same items first as the same others count less, within ``ALIKE`` (see ``evidence.lockstep``).
    burst: what is left of the interactions of an item within an hour counts together at most as much as in the
    hour at the ``BURST_QUANTILE`` of all items' hours, so that accounts that stood every other test need time.
    """
    user, item = train.user_idx, train.item_idx
    first = np.zeros(len(user))
    first[np.unique(user * max(len(train.items), 1) + item, return_index=True)[1]] = 1
    takes = np.bincount(user, weights=first, minlength=len(train.users))
    active = takes[takes > 0]
    cap = np.quantile(active, CAP_QUANTILE) if len(active) else 1.0
    grown = ((_active_days(train, signed_up_column) / GROWN_DAYS) ** 2).clip(LEAST, 1)
    usual, most = ALIKE
    alone = ((most - lockstep(user, item, len(train.users), len(train.items))) / (most - usual)).clip(LEAST, 1)
    weight = first * (np.minimum(1, cap / np.maximum(takes, 1)) * alone)[user] * grown
    timed = train.timestamps != NO_TIME
    weight[timed] *= _slowed(item[timed], train.timestamps[timed], weight[timed])
    return np.asarray(weight)


def _slowed(item: np.ndarray, time: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Factor for each interaction's weight, below 1 where its item exceeds the cap in that hour; float64 (n,)."""
    hour = time // US_PER_HOUR
    since = hour - hour.min() if len(hour) else hour
    group = np.unique(item * (since.max(initial=0) + 1) + since, return_inverse=True)[1]
    gained = np.bincount(group, weight)
    cap = np.quantile(gained[gained > 0], BURST_QUANTILE, method="higher") if gained.any() else 1.0
    return np.asarray(np.minimum(1, cap / np.maximum(gained, cap))[group])


def _active_days(train: Dataset, column: str | None) -> np.ndarray:
    """Days since the account began, at each interaction, float64 (n,); inf where no time is stated."""
    if column is None or column not in train.users.frame.columns:
        return np.full(len(train.user_idx), np.inf)
    never, stated = np.iinfo(np.int64).max, times(train.users, column, "signed_up_column")
    acted = np.where(train.timestamps == NO_TIME, never, train.timestamps)
    began = np.full(len(train.users), never)
    np.minimum.at(began, train.user_idx, acted)
    before = (stated != NO_TIME) & (stated < acted.min(initial=never))
    start = np.where(before, stated, began)[train.user_idx]
    known = (train.timestamps != NO_TIME) & (start != never)
    return np.where(known, (train.timestamps - np.where(known, start, 0)) / US_PER_DAY, np.inf)
