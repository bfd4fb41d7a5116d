"""Effects of ratio metrics against references, and bounds that hold at every look."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import norm, ttest_ind

from recommender.online.ratio import Sample, detectable, early_width, effect, needed


def test_with_one_list_each_it_is_welchs_test() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(1, 1, 300), rng.normal(1.2, 2, 200)
    ratio = effect(Sample(a, np.ones(300)), Sample(b, np.ones(200)), 0.05)
    assert ratio.difference == pytest.approx(b.mean() - a.mean())
    assert ratio.difference / ratio.error == pytest.approx(ttest_ind(b, a, equal_var=False).statistic)
    assert ratio.high - ratio.low == pytest.approx(2 * norm.ppf(0.975) * ratio.error)


def test_users_not_lists_are_the_unit() -> None:
    rng = np.random.default_rng(1)
    n = rng.integers(1, 30, 500).astype(float)
    x = n * rng.beta(1, 3, 500)  # a user's lists are alike
    ratio = effect(Sample(x, n), Sample(x, n), 0.05)
    drawn = [rng.integers(0, 500, 500) for _ in range(2000)]
    resampled = float(np.std([x[d].sum() / n[d].sum() for d in drawn]))
    assert ratio.error / np.sqrt(2) == pytest.approx(resampled, rel=0.06)
    naive = np.sqrt(x.sum() / n.sum() * (1 - x.sum() / n.sum()) / n.sum())  # as if lists were independent
    assert resampled > 1.5 * naive


def test_over_all_ways_to_split_the_users_there_is_no_bias() -> None:
    """Six users, three of them treated: all 20 splits are enumerated."""
    untreated, gain = np.array([0.0, 1.0, 1.0, 2.0, 5.0, 3.0]), np.array([1.0, 0.0, 2.0, -1.0, 0.5, 1.0])
    covered = []
    for chosen in combinations(range(6), 3):
        t = np.isin(np.arange(6), chosen)
        e = effect(Sample(untreated[~t], np.ones(3)), Sample((untreated + gain)[t], np.ones(3)), 0.05)
        covered.append(e.difference)
    assert np.mean(covered) == pytest.approx(gain.mean())


def test_cuped_takes_away_what_the_past_explains_and_moves_no_mean() -> None:
    rng = np.random.default_rng(2)
    past = [rng.normal(5, 1, 4000), rng.normal(5, 1, 4000)]
    noise = [rng.normal(0, 1, 4000) for _ in past]
    x = [past[0] + noise[0], past[1] + noise[1] + 0.1]
    ones = np.ones(4000)
    plain = effect(Sample(x[0], ones), Sample(x[1], ones), 0.05)
    sharp = effect(Sample(x[0], ones, past[0]), Sample(x[1], ones, past[1]), 0.05)
    assert sharp.explained == pytest.approx(0.5, abs=0.03)
    assert sharp.error == pytest.approx(plain.error * np.sqrt(0.5), rel=0.03)
    slope, past_gap = 1.0, past[1].mean() - past[0].mean()
    assert sharp.difference == pytest.approx(plain.difference - slope * past_gap, abs=0.003)
    same = effect(Sample(x[0], ones, ones), Sample(x[1], ones, ones), 0.05)
    assert (same.difference, same.error) == (plain.difference, plain.error)


def test_sample_size_by_hand() -> None:
    users, error, difference = 1000, 0.02, 0.05
    z = 1.959964 + 0.841621
    assert needed(error, users, difference, 0.05, 0.8) == pytest.approx(1000 * (z * 0.4) ** 2, rel=1e-5)
    assert detectable(error, 0.05, 0.8) == pytest.approx(z * error, rel=1e-5)
    assert needed(detectable(error, 0.05, 0.8) / detectable(1, 0.05, 0.8), users, error, 0.05, 0.8) > users
    assert needed(error, users, 0.0, 0.05, 0.8) == np.inf


def test_early_bounds_are_narrowest_at_the_planned_end_and_hold_at_every_look() -> None:
    width = [early_width(n, 500, 0.05) / np.sqrt(n) for n in range(100, 2000, 10)]
    at_end = early_width(500, 500, 0.05)
    assert all(at_end <= early_width(500, planned, 0.05) + 1e-9 for planned in (100, 300, 800, 3000))
    assert width == sorted(width, reverse=True)
    rng = np.random.default_rng(3)
    walks = np.cumsum(rng.normal(size=(400, 1000)), axis=1)
    n = np.arange(1, 1001)
    bound = np.array([early_width(int(i), 500, 0.05) for i in n]) * np.sqrt(n)
    ever = (np.abs(walks[:, 20:]) > bound[20:]).any(axis=1).mean()
    fixed = (np.abs(walks[:, 20:]) > 1.96 * np.sqrt(n[20:])).any(axis=1).mean()
    assert ever <= 0.05
    assert fixed > 0.2
