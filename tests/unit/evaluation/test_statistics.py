"""Intervals and paired tests with users as clusters."""

from __future__ import annotations

from math import comb

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from recommender.evaluation.kernels import poisson_weights, weighted_sums
from recommender.evaluation.statistics import (
    ClusteredValues,
    Estimate,
    estimates,
    holm,
    numbered,
    period_error,
    period_interval,
    sign_flip_p,
    user_sums,
    user_weights,
)
from recommender.hashing import GOLDEN, mixed


def cell(*columns: list[float], users: list[int] | None = None) -> ClusteredValues:
    values = np.array(columns, dtype=np.float64).T
    return ClusteredValues(np.arange(len(values)) if users is None else np.array(users), values)


def estimate(c: ClusteredValues, resamples: int = 1000, seed: int = 0) -> Estimate:
    return estimates([c], KEYS, resamples, seed)[0]


def p_of(c: ClusteredValues, flips: int = 1999, seed: int = 0) -> np.ndarray:
    return sign_flip_p(c, seed, flips)


KEYS = mixed(np.arange(4000, dtype=np.uint64))


def test_weights_are_poisson_draws_that_go_together_neither_by_user_nor_by_resample() -> None:
    weights = poisson_weights(KEYS, 0, 500)
    for count in range(7):
        expected = poisson(1.0).pmf(count) * weights.size
        assert (weights == count).sum() == pytest.approx(expected, abs=5 * expected**0.5)
    for rows in (weights[:60], weights.T[:60]):
        beside = np.abs(np.corrcoef(rows) - np.eye(60)) * rows.shape[1] ** 0.5
        assert beside.max() < 5
        assert (beside**2).sum() / (60 * 59) == pytest.approx(1, abs=0.1)  # as if they were independent


def test_a_weight_is_the_inverse_of_the_distribution_at_the_users_own_splitmix_number() -> None:
    steps = np.arange(8, 11, dtype=np.uint64) * GOLDEN
    number = mixed(KEYS[:, None] + steps) / 2.0**64
    np.testing.assert_array_equal(poisson_weights(KEYS, 7, 3), poisson(1.0).ppf(number))


def test_a_users_weights_depend_on_nobody_else_and_not_on_their_place() -> None:
    (weights,) = user_weights(KEYS, 90, seed=3)
    (some,) = user_weights(KEYS[[70, 5, 2000]], 90, seed=3)
    np.testing.assert_array_equal(some, weights[[70, 5, 2000]])
    np.testing.assert_array_equal(np.hstack(list(user_weights(KEYS, 250, seed=3)))[:, :90], weights)
    (other,) = user_weights(KEYS, 90, seed=4)
    assert (other == weights).mean() == pytest.approx((poisson(1.0).pmf(np.arange(9)) ** 2).sum(), abs=0.01)


def test_ids_are_numbered_in_their_order_and_a_key_is_the_ids_own() -> None:
    codes, keys = numbered(pl.Series(["b", "a", "b", "c"]))
    assert codes.tolist() == [1, 0, 1, 2]
    assert keys[[1, 2]].tolist() == numbered(pl.Series(["c", "b"]))[1].tolist()
    assert [len(x) for x in numbered(pl.Series([], dtype=pl.String))] == [0, 0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [0, 3, 700])
def test_weighted_sums_are_a_product(n: int, dtype: type) -> None:
    rng = np.random.default_rng(0)
    weights, which = rng.integers(0, 200, (9, 13)).astype(np.uint8), rng.integers(0, 9, n)
    values = rng.integers(-5, 5, (n, 4)).astype(dtype)  # whole numbers: no sum is rounded
    np.testing.assert_array_equal(weighted_sums(weights, which, values), values.T @ weights[which].astype(float))


def test_rare_weights_are_drawn_as_often_as_they_should_be() -> None:
    weights = poisson_weights(np.arange(40_000, dtype=np.uint64) * GOLDEN, 0, 200)
    streams = mixed(np.arange(40_200, dtype=np.uint64)[1:] * GOLDEN)  # the stream of each is the next one's, one later
    at = np.add.outer(np.arange(40_000), np.arange(200))[weights >= 6]
    np.testing.assert_array_equal(weights[weights >= 6], poisson(1.0).ppf(streams[np.minimum(at, 40_198)] / 2.0**64))


def test_holm_by_hand() -> None:
    adjusted = holm(np.array([0.01, 0.04, 0.03, 0.005]))
    np.testing.assert_allclose(adjusted, [0.03, 0.06, 0.06, 0.02])  # x3, then 2 x .03 holds for .04 too, x4


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.randoms())
def test_holm_lies_between_the_plain_and_the_bonferroni_p_and_keeps_their_order(p: list[float], random) -> None:
    values = np.array(p)
    adjusted = holm(values)
    assert (adjusted >= values).all()
    assert (adjusted <= np.minimum(values * len(p), 1)).all()
    assert (np.diff(adjusted[np.argsort(values, kind="stable")]) >= 0).all()
    shuffled = random.sample(range(len(p)), len(p))
    np.testing.assert_array_equal(holm(values[shuffled]), adjusted[shuffled])


def test_the_interval_of_a_mean_is_the_one_of_the_textbook() -> None:
    values = np.random.default_rng(1).normal(3, 2, 2000)
    interval = estimate(cell(values.tolist()), resamples=2000)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert interval.mean[0] == pytest.approx(values.mean(), rel=1e-5)
    assert interval.low[0] == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert interval.high[0] == pytest.approx(values.mean() + half, abs=0.15 * half)


def test_the_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    columns = rng.normal(0, 1, (60, 400))  # 400 samples of 60 users
    interval = estimates([ClusteredValues(np.arange(60), columns)], KEYS, 500, 0)[0]
    covered = ((interval.low <= 0) & (interval.high >= 0)).mean()
    assert 0.88 < covered < 0.99


def test_queries_of_one_user_do_not_count_as_independent() -> None:
    values = np.random.default_rng(3).normal(0, 1, 100)
    single = estimate(cell(values.tolist()))
    tenfold = estimate(cell(np.repeat(values, 10).tolist(), users=np.repeat(np.arange(100), 10).tolist()))
    naive = estimate(cell(np.repeat(values, 10).tolist()))
    width = (single.high - single.low)[0]
    assert (tenfold.high - tenfold.low)[0] == pytest.approx(width, rel=1e-4)
    assert (naive.high - naive.low)[0] < width / 2


def test_sums_of_blocks_of_users_give_the_mean_and_interval_of_all() -> None:
    """A block without a value and a column that only one block has are among them."""
    rng = np.random.default_rng(0)
    users, values = rng.integers(0, 300, 900), rng.random((900, 3))
    values[:, 1] = np.where(rng.random(900) < 0.3, np.nan, values[:, 1])
    values[users >= 40, 2] = np.nan
    keys = KEYS[:300]
    (whole,) = estimates([ClusteredValues(users, values)], keys, 250, 7)
    blocks = []
    for rows in (users < 40, (users >= 40) & (users < 170), users >= 170, np.zeros(900, bool)):
        blocks += user_sums([ClusteredValues(users[rows], values[rows])], keys, 250, 7)
    added = sum(blocks[1:], blocks[0]).estimate()
    assert added.n.tolist() == whole.n.tolist()
    for name in ("mean", "low", "high"):
        np.testing.assert_allclose(getattr(added, name), getattr(whole, name), rtol=1e-6)


def test_one_user_has_an_interval_without_width_and_no_significance() -> None:
    c = cell([0.4])
    interval = estimate(c)
    assert (interval.mean[0], interval.n[0]) == (pytest.approx(0.4), 1)
    assert interval.low[0] == interval.high[0] == pytest.approx(0.4)
    assert p_of(c)[0] == 1


def test_undefined_values_leave_the_mean_and_a_column_of_them_has_none() -> None:
    nan = float("nan")
    interval = estimate(cell([1, nan, 3], [nan, nan, nan]))
    assert interval.mean[0] == 2
    assert interval.n.tolist() == [2, 0]
    assert 1 <= interval.low[0] <= interval.high[0] <= 3
    assert np.isnan([interval.mean[1], interval.low[1], interval.high[1]]).all()
    assert p_of(cell([1, nan, 3], [nan, nan, nan]))[1] == 1


def test_a_cell_without_queries_has_no_estimate() -> None:
    interval = estimates([ClusteredValues(np.zeros(0, np.int64), np.zeros((0, 2)))], KEYS, 100, 0)[0]
    assert np.isnan(interval.mean).all()
    assert interval.n.tolist() == [0, 0]
    assert estimates([], KEYS, 100, 0) == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1)), min_size=1, max_size=30), st.randoms())
def test_the_mean_lies_in_its_interval_and_the_order_of_queries_does_not_matter(rows: list, random) -> None:
    users, values = zip(*rows, strict=True)
    interval = estimate(cell(list(values), users=list(users)), resamples=200)
    shuffled = random.sample(rows, len(rows))
    other_users, other = zip(*shuffled, strict=True)
    again = estimate(cell(list(other), users=list(other_users)), resamples=200)
    for name in ("mean", "low", "high", "n"):
        np.testing.assert_allclose(getattr(interval, name), getattr(again, name), rtol=1e-4, atol=1e-6)
    assert min(values) - 1e-6 <= interval.low[0] <= interval.high[0] <= max(values) + 1e-6


def test_p_is_the_share_of_sign_flips_that_do_as_well() -> None:
    """All of 8 differences equal: a sum as far from 0 needs all signs alike, 2 of 2^8 ways."""
    assert p_of(cell([1.0] * 8), flips=20_000)[0] == pytest.approx(2 / 2**8, rel=0.3)
    # 7 of 8 signs agree: |sum| >= 6 has 2 x (1 + 8) ways
    assert p_of(cell([1.0] * 7 + [-1.0]), flips=20_000)[0] == pytest.approx(2 * (1 + comb(8, 1)) / 2**8, rel=0.15)


def test_p_is_uniform_where_there_is_no_difference() -> None:
    p = p_of(ClusteredValues(np.arange(50), np.random.default_rng(4).normal(0, 1, (50, 600))), flips=499)
    for level in (0.05, 0.25, 0.5, 0.75):
        assert (p <= level).mean() == pytest.approx(level, abs=0.06)


def test_p_is_small_for_a_clear_gain_never_0_and_1_without_any() -> None:
    gain = np.random.default_rng(5).normal(0.5, 1, 200)
    p = p_of(cell(gain.tolist(), [0.0] * 200))
    assert p[0] == pytest.approx(1 / 2000)
    assert p[1] == 1


def test_p_takes_a_users_queries_together() -> None:
    """40 queries that gain alike are strong evidence from 40 users and none from one."""
    assert p_of(cell([0.1] * 40))[0] < 0.001
    assert p_of(cell([0.1] * 40, users=[0] * 40))[0] == 1


# Periods as clusters


def test_periods_of_equal_size_count_as_their_means_do() -> None:
    values = np.array([[1.0], [3.0], [4.0], [6.0], [2.0], [2.0]])  # means 2, 5, 2 of three periods
    error, n = period_error(values, np.array([7, 7, 1, 1, 4, 4]))
    assert n == 3
    assert error == pytest.approx([np.std([2, 5, 2], ddof=1) / np.sqrt(3)])
    low, high = period_interval(values, np.array([7, 7, 1, 1, 4, 4]))
    assert [low[0], high[0]] == pytest.approx([3 - 4.302653 * error[0], 3 + 4.302653 * error[0]])


def test_each_query_as_its_own_period_gives_the_usual_error() -> None:
    values = np.random.default_rng(0).normal(size=(50, 2))
    error, _ = period_error(values, np.arange(50))
    np.testing.assert_allclose(error, values.std(axis=0, ddof=1) / np.sqrt(50))


def test_one_period_says_nothing_of_periods() -> None:
    error, n = period_error(np.arange(5.0)[:, None], np.zeros(5, int))
    assert (error.tolist(), n) == ([0], 1)
