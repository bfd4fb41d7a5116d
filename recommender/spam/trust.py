"""How much an interaction is to count, from what its account looks like: for popularity that is hard to buy."""

from __future__ import annotations

import numpy as np

from recommender.data.dataset import NO_TIME, US_PER_DAY, Dataset
from recommender.spam.evidence import lockstep

CAP_QUANTILE = 0.95  # accounts busier than this share of all count no more, in sum, than one at it
GROWN_DAYS = 1.0  # age from which an account's interactions count in full
LEAST = 0.02  # what the first interaction of a new account counts


def trust(train: Dataset, signed_up_column: str | None = None) -> np.ndarray:
    """Worth of each interaction, 0..1, float64 (n,): the product of four guards that need no labels.

    distinct: an account counts once per item, the first time. cap: all interactions of an account together
    count at most as much as those of an account at the ``CAP_QUANTILE`` of activity. age: an account grows to full
    worth in ``GROWN_DAYS`` since ``signed_up_column`` (null: since its first interaction), so that accounts made
    for the purpose count ``LEAST``; without the column all are grown, for data often begin in the midst of
    accounts' lives. lockstep: accounts that take the same items first as the same others count by what is left of
    their independence (see ``evidence.lockstep``).
    """
    user, item = train.user_idx, train.item_idx
    first = np.zeros(len(user))
    first[np.unique(user * max(len(train.items), 1) + item, return_index=True)[1]] = 1
    takes = np.bincount(user, weights=first, minlength=len(train.users))
    active = takes[takes > 0]
    cap = np.quantile(active, CAP_QUANTILE) if len(active) else 1.0
    shared = lockstep(user, item, len(train.users), len(train.items))
    grown = (_account_days(train, signed_up_column) / GROWN_DAYS).clip(LEAST, 1)
    return np.asarray(first * np.minimum(1, cap / np.maximum(takes, 1))[user] * grown * (1 - shared[user]))


def _account_days(train: Dataset, column: str | None) -> np.ndarray:
    """Age of the account at each interaction, days, float64 (n,); inf where no time is stated."""
    if column is None or column not in train.users.frame.columns:
        return np.full(len(train.user_idx), np.inf)
    never, stated = np.iinfo(np.int64).max, train.users.times(column)
    since = np.full(len(train.users), never)
    np.minimum.at(since, train.user_idx, np.where(train.timestamps == NO_TIME, never, train.timestamps))
    own = np.where(stated == NO_TIME, since, stated)[train.user_idx]
    known = (train.timestamps != NO_TIME) & (own != never)
    return np.where(known, (train.timestamps - np.where(known, own, 0)) / US_PER_DAY, np.inf)
