"""The control: a fixed score per seed, user and item, without any pattern."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from recommender.models.random import Random
from tests.helpers.small import ask, table

ITEMS = table("item_id", [f"i{n}" for n in range(400)])
ASKING = ask([[]] * 50, ITEMS)


def scores(seed: int) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # an overflow on purpose is no news for the terminal
        return Random(seed=seed).score(ASKING, ITEMS)


@pytest.mark.parametrize("seed", [0, 1, 2, 2**40, -3])
def test_scores_are_uniform_for_every_user_and_item(seed: int) -> None:
    values = scores(seed)
    assert (values >= 0).all()
    assert (values < 1).all()
    assert abs(values.mean() - 0.5) < 0.01
    assert abs(values.mean(axis=0) - 0.5).max() < 0.25  # the mean of 50 users; 6 standard errors
    assert abs(values.mean(axis=1) - 0.5).max() < 0.1


def test_seeds_and_users_are_independent() -> None:
    one, other = scores(1), scores(2)
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.05
    assert abs(np.corrcoef(one[0], one[1])[0, 1]) < 0.25
