"""Products of sparse rows equal SciPy's."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import normalize

from recommender.features.sparse import add_products, add_profile_products, pair_products, similarity_within, transpose

SEEDS = st.integers(0, 2**32 - 1)


def rows(rng: np.random.Generator, n: int, width: int) -> sp.csr_matrix:
    """Some rows empty, some columns too."""
    return sp.random(n, width, density=0.3, format="csr", dtype=np.float32, random_state=rng)


@settings(max_examples=50, deadline=None)
@given(SEEDS, st.integers(0, 6), st.integers(0, 6), st.integers(1, 8))
def test_products_are_added_to_what_is_there(seed: int, n: int, m: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    left, right = rows(rng, n, width), rows(rng, m, width)
    out = rng.random((n, m), dtype=np.float32)
    expected = out + (left @ right.T).toarray()
    add_products(out, left, transpose(right))
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(SEEDS, st.integers(1, 6), st.integers(1, 6), st.integers(0, 20))
def test_products_of_pairs_in_any_order(seed: int, n: int, m: int, pairs: int) -> None:
    rng = np.random.default_rng(seed)
    left, right = rows(rng, n, 5), rows(rng, m, 5)
    i, j = rng.integers(0, n, pairs), rng.integers(0, m, pairs)
    expected = (left @ right.T).toarray()[i, j]
    np.testing.assert_allclose(pair_products(left, right, i, j), expected, rtol=1e-5, atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(SEEDS, st.integers(1, 6), st.integers(0, 5), st.integers(0, 4))
def test_similarity_within_groups_is_the_sum_of_cosines_of_their_pairs(seed: int, n: int, groups: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    some = rows(rng, n, 5)
    members = np.array([rng.permutation(n)[:k].tolist() + [-1] * max(k - n, 0) for _ in range(groups)], dtype=np.int64)
    members = members.reshape(groups, k)
    members[rng.random(members.shape) < 0.2] = -1
    unit = normalize(some)
    expected = [
        sum((unit[a] @ unit[b].T).toarray()[0, 0] for a, b in permutations([m for m in group if m >= 0], 2))
        for group in members.tolist()
    ]
    np.testing.assert_allclose(similarity_within(some, members), expected, rtol=1e-5, atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(SEEDS, st.integers(0, 5), st.integers(1, 6), st.booleans())
def test_products_of_profiles_equal_unit_sums_of_rows_times_columns(seed: int, n: int, m: int, stated: bool) -> None:
    rng = np.random.default_rng(seed)
    history, items, width = rows(rng, n, m), rows(rng, m, 7), 7
    weights = rng.normal(size=n).astype(np.float32)
    more = rows(rng, n, width) if stated else None
    profile = sp.diags(weights) @ normalize(history @ items) if n else sp.csr_matrix((n, width))
    expected = np.ones((n, m)) + ((profile if more is None else profile + more) @ items.T).toarray()
    out = np.ones((n, m), np.float32)
    add_profile_products(out, history, items, transpose(items), weights, more)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)
