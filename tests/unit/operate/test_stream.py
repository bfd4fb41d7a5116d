"""Alarms: safe however often one looks, blind to one odd day, quick where something really changed."""

from __future__ import annotations

import numpy as np
import pytest

from recommender.operate.mix import moved, rates_moved
from recommender.operate.stream import EITHER, FEWER, LEAST_P, Stream, e_value, threshold, watch

SHIPPED = 60


def stream(values: np.ndarray, worse: int = FEWER, smallest: float = 0.0) -> Stream:
    days = np.arange(len(values))
    return Stream("x", "x", days, values, np.ones(len(days)), worse, smallest, SHIPPED)


def noise(seed: int, n: int = 120) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(n)


def test_an_e_value_has_a_mean_of_at_most_one_where_p_is_uniform() -> None:
    p = (np.arange(1_000_000) + 0.5) / 1_000_000
    assert e_value(p).mean() <= 1
    most = e_value(np.array([0.0]))[0]
    assert most == e_value(np.array([LEAST_P]))[0]
    assert (most + 1) * most < threshold(10, 0.1)  # two days, however odd, are no alarm


def test_the_threshold_grows_with_what_is_watched() -> None:
    assert threshold(1, 1.0) == 30
    assert threshold(10, 0.1) == 3000


def test_false_alarms_stay_below_the_stated_rate() -> None:
    bound = threshold(1, 1.0)  # one a month: two in sixty days at most, on average
    alarms = [watch(stream(noise(seed)), bound).alarm is not None for seed in range(40)]
    assert sum(alarms) <= 2 * len(alarms)
    assert sum(alarms) < len(alarms)


@pytest.mark.parametrize("worse", [FEWER, EITHER])
def test_a_lasting_fall_is_an_alarm_that_knows_when_it_began(worse: int) -> None:
    values = noise(1)
    values[80:] -= 4
    seen = watch(stream(values, worse), threshold(10, 0.1))
    assert seen.alarm is not None
    assert seen.began is not None
    assert 80 < seen.alarm <= 86
    assert seen.began <= seen.alarm
    assert watch(stream(-values), threshold(10, 0.1)).alarm is None  # a rise is not worse here


def test_one_odd_day_is_no_alarm_and_a_change_below_the_smallest_neither() -> None:
    odd = noise(2)
    odd[80] = -30
    assert watch(stream(odd), threshold(10, 0.1)).alarm is None
    constant = np.ones(120)
    constant[80:] -= 0.05
    assert watch(stream(constant, smallest=0.1), threshold(10, 0.1)).alarm is None
    assert watch(stream(constant, smallest=0.01), threshold(10, 0.1)).alarm is not None


def test_takes_of_items_are_compared_with_their_own_rates() -> None:
    rng, usual = np.random.default_rng(0), np.linspace(0.05, 0.3, 12)
    shown = rng.multinomial(600, np.full(12, 1 / 12), size=80).astype(float)
    taken = rng.binomial(shown.astype(int), usual).astype(float)
    same = rates_moved(shown, taken, 28)
    assert np.isnan(same[:28]).all()
    assert 0.8 < np.nanmean(same) < 1.2
    turned = taken.copy()
    turned[60:] = rng.binomial(shown[60:].astype(int), usual[::-1])  # as many takes in all, of other items
    moved_on = rates_moved(shown, turned, 28)
    assert np.nanmax(same) < moved_on[60]
    assert moved_on[60] > moved_on[79]  # they become the custom


def test_the_mix_of_a_day_is_about_one_where_nothing_moved() -> None:
    rng = np.random.default_rng(0)
    counts = rng.multinomial(200, np.full(8, 1 / 8), size=80).astype(float)
    same, n = moved(counts, 28, 5)
    assert np.isnan(same[:28]).all()
    assert 0.8 < np.nanmean(same) < 1.2
    assert n[60] == 200
    counts[60:, 0] += 200
    assert moved(counts, 28, 5)[0][60] > 2
