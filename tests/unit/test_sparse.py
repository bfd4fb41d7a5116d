"""Products of sparse rows equal SciPy's."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.sparse import add_products, pair_products, transpose

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
