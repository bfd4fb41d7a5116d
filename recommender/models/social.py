"""Social: what the people that a user follows took, the latest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import polars as pl
import scipy.sparse as sp

from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.errors import DataError, Problem
from recommender.features.feedback import decay
from recommender.models.base import above, to_catalogue
from recommender.models.space import Float, Space
from recommender.models.vocabulary import ids_only


@dataclass(eq=False)
class Social:
    """Popularity among the accounts that the asking user follows, leaning on popularity with everyone.

    Sharing an interest is why people follow one another (homophily), and what they see their friends take
    they take too (McPherson et al. 2001); as a recommender this is the trust-neighbourhood of Massa & Avesani
    (2007) without ratings. It needs no history of the asking user, so it serves who has just signed up.

    follows_column: user column with a list of user ids, stated at sign-up. The lists are those of the asking
        users, so users unseen in training need nothing else; followed accounts unseen in training tell nothing.
    half_life_share: an interaction weighs half as much every so large a share of the training period;
        None: all count alike.
    prior: strength of what everyone takes, in interactions, as of a segment of ``popularity``: the few
        interactions of a few friends only move its order.

    NaN: everything for users who follow no account that took something; where the users come without the
    column; items that training did not see.
    """

    colour = "#661100"
    person_days = (2, 4)
    needs_interactions = True
    per_user = ("users_", "taken_")
    space: ClassVar[Space] = {"half_life_share": Float(0.005, 1, log=True, also=(None,), needs_times=True)}

    follows_column: str = "follows"
    half_life_share: float | None = 0.05
    prior: float = 20.0

    def __post_init__(self) -> None:
        above(0, half_life_share=self.half_life_share, prior=self.prior)

    @property
    def needs_user_columns(self) -> Sequence[str]:
        return (self.follows_column,)

    @property
    def uses_times(self) -> bool:
        return self.half_life_share is not None

    def fit(self, train: Dataset) -> Self:
        ages, share = train.age_days, self.half_life_share
        weight = np.ones(len(ages)) if share is None else decay(ages, share)
        self.users_, self.items_ = ids_only(train.users), ids_only(train.items)
        shape = (len(train.users), len(train.items))
        taken = sp.csr_matrix((weight.astype(np.float32), (train.user_idx, train.item_idx)), shape=shape)
        taken.sum_duplicates()
        self.taken_ = taken
        of_everyone = np.asarray(taken.sum(axis=0)).ravel()
        self.share_ = (of_everyone / max(float(of_everyone.sum()), 1e-12)).astype(np.float32)
        return self

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        """Expected share of the interactions of who the user follows."""
        seen = (follows(queries.users, self.follows_column, self.users_) @ self.taken_).toarray()
        total = seen.sum(axis=1, keepdims=True)
        scores = (seen + self.prior * self.share_) / (total + self.prior)
        scores[total[:, 0] == 0] = np.nan
        return to_catalogue(scores, self.items_.lookup(items.ids))


def follows(users: Table, column: str, accounts: Table) -> sp.csr_matrix:
    """Whom each user follows, float32 csr (n_users, n_accounts) of ones; empty rows where nothing is stated.

    Ids that are no row of ``accounts`` are left out; following oneself, or twice, adds nothing.
    Raises DataError where the column holds no lists.
    """
    empty = sp.csr_matrix((len(users), len(accounts)), dtype=np.float32)
    nothing_stated = column not in users.frame.columns or users.frame[column].dtype == pl.Null
    if nothing_stated or not len(users) or not len(accounts):
        return empty
    dtype = users.frame[column].dtype
    if not isinstance(dtype, pl.List) or dtype.inner.is_nested():
        rule = f"it holds {dtype}"
        advice = "Give each user the list of the user ids that it follows."
        raise DataError([Problem("users", column, rule, len(users), (), advice)])
    pairs = users.frame.select(
        pl.int_range(pl.len()).alias("row"), pl.col(users.key).alias("user"), pl.col(column).alias("other")
    ).explode("other")
    pairs = pairs.drop_nulls("other").with_columns(pl.col("other").cast(accounts.ids.dtype, strict=False))
    pairs = pairs.drop_nulls("other").filter(pl.col("user") != pl.col("other"))
    account = accounts.lookup(pairs["other"])
    known = account >= 0
    entries = (np.ones(known.sum(), np.float32), (pairs["row"].to_numpy()[known], account[known]))
    matrix = sp.csr_matrix(entries, shape=empty.shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix
