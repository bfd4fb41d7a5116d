"""The protocol of the experiment on ML-100k: a quarter of each user's interactions is held out."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from experiments.random_75_25 import held_out
from tests.helpers.small import Row, dataset


@given(st.lists(st.integers(1, 25), min_size=1, max_size=6), st.integers(0, 5))
def test_a_quarter_of_each_users_interactions_is_held_out_and_only_among_those_given(n: list[int], seed: int) -> None:
    rows: list[Row] = [(f"u{u}", f"i{i}", float(i)) for u, count in enumerate(n) for i in range(count)]
    data = dataset(rows)
    everything = np.ones(len(rows), bool)
    test = held_out(data, everything, seed)
    inner = held_out(data, ~test, seed + 1)
    assert not (test & inner).any()
    for user in range(len(n)):
        own = data.user_idx == user
        assert (test & own).sum() == np.round(own.sum() * 0.25)
        assert (inner & own).sum() == np.round((own & ~test).sum() * 0.25)
    np.testing.assert_array_equal(test, held_out(data, everything, seed))
