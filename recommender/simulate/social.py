"""The follow graph: who follows whom since sign-up, and what followed users took lately."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from recommender.simulate.draw import SCENES
from recommender.simulate.knobs import Knobs
from recommender.simulate.world import Users

DEGREE_SIGMA = 0.9  # of log follows
FAME_SIGMA = 1.2  # of log attractiveness of an account: few are followed by many
MOST = 200  # follows of one user


def make_follows(knobs: Knobs, users: Users, rng: np.random.Generator) -> sp.csr_matrix:
    """Follower x followed, float32 ones (n_users, n_users): accounts that were there when the follower signed up.

    Homophily: a share of the follows goes to users of the same topic and scene (the part of taste that no
    column shows); rings follow their own. The others go anywhere, to famous accounts more often.
    """
    n = knobs.n_users
    if not knobs.follows:
        return sp.csr_matrix((n, n), dtype=np.float32)
    degree = np.minimum(np.floor(knobs.follows * np.exp(DEGREE_SIGMA * rng.standard_normal(n)) + 0.5), MOST)
    follower = np.repeat(np.arange(n), degree.astype(np.int64))
    fame = np.exp(FAME_SIGMA * rng.standard_normal(n)) * (users.ring < 0) + 1e-9
    honest = users.topics[:, 0, 0] * SCENES + users.scene
    group = np.where(users.ring >= 0, honest.max() + 1 + users.ring, honest)
    alike = (rng.random(len(follower)) < knobs.homophily) | (users.ring[follower] >= 0)
    order = np.argsort(group, kind="stable")
    cumulative, in_order = np.concatenate([[0.0], np.cumsum(fame[order])]), group[order]
    low = np.where(alike, np.searchsorted(in_order, group[follower]), 0)
    high = np.where(alike, np.searchsorted(in_order, group[follower], side="right"), n)
    drawn = cumulative[low] + rng.random(len(follower)) * (cumulative[high] - cumulative[low])
    followed = order[np.clip(np.searchsorted(cumulative, drawn, side="right") - 1, low, high - 1)]
    there = users.signed_up[followed] < users.signed_up[follower]
    matrix = sp.csr_matrix(
        (np.ones(there.sum(), np.float32), (follower[there], followed[there])), shape=(n, n), dtype=np.float32
    )
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def taken_lately(follows: sp.csr_matrix, users: np.ndarray, recent: sp.csr_matrix) -> sp.csr_matrix:
    """How many of those whom each user follows took each item lately; float32 (n, n_items).

    users: int64 (n,). recent: bool-like (n_users, n_items), who took what lately.
    """
    counts = follows[users] @ recent
    counts.sort_indices()
    return counts


def looked_up(matrix: sp.csr_matrix, items: np.ndarray) -> np.ndarray:
    """Entries of each row of ``matrix`` (n, n_items) at the columns ``items`` (n, m), float32 (n, m)."""
    if not matrix.nnz:
        return np.zeros(items.shape, np.float32)
    n_items = matrix.shape[1]
    key = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)) * n_items + matrix.indices
    key_of_item = np.arange(len(items))[:, None] * n_items + items
    at = np.minimum(np.searchsorted(key, key_of_item), len(key) - 1)
    return np.where(key[at] == key_of_item, matrix.data[at], 0).astype(np.float32)
