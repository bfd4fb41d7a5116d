"""Off-policy estimates: unbiased by enumeration, exact by hand, refused without support."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from recommender.errors import DataError
from recommender.online.off_policy import estimate, reward_model

CHANCE = np.array([0.5, 0.3, 0.2])  # of the logging policy, for each of three items
REWARD = np.array([0.1, 0.6, 0.9])
TARGET = np.array([0.0, 0.25, 0.75])  # of the candidate
TRUTH = float(TARGET @ REWARD)


def estimated(items: np.ndarray, taken: np.ndarray, model: np.ndarray) -> dict[str, float]:
    out = estimate(
        np.arange(len(items)), taken, CHANCE[items], TARGET[items], model[items],
        np.full(len(items), float(TARGET @ model)), check=False,
    )  # fmt: skip
    return {e.name: e.value for e in out.estimates}


@pytest.mark.parametrize("model", [np.zeros(3), REWARD, np.array([0.9, 0.1, 0.4])])
def test_the_expectation_over_all_logs_of_two_rows_is_the_truth(model: np.ndarray) -> None:
    """Every log is enumerated with its probability: IPS and DR have no bias, whatever the reward model; SNIPS has one,
    which goes with 1 / n."""
    expected = dict.fromkeys(("IPS", "SNIPS", "DR"), 0.0)
    for items in product(range(3), repeat=2):
        for taken in product((0, 1), repeat=2):
            chances = [CHANCE[i] * (REWARD[i] if t else 1 - REWARD[i]) for i, t in zip(items, taken, strict=True)]
            for name, value in estimated(np.array(items), np.array(taken, float), model).items():
                expected[name] += float(np.prod(chances)) * value
    assert expected["IPS"] == pytest.approx(TRUTH)
    assert expected["DR"] == pytest.approx(TRUTH)
    assert abs(expected["SNIPS"] - TRUTH) > 0.01


def test_the_estimates_by_hand() -> None:
    items, taken = np.array([0, 1, 2, 2]), np.array([1.0, 1.0, 0.0, 1.0])
    weight = np.array([0.0, 0.25 / 0.3, 0.75 / 0.2, 0.75 / 0.2])
    estimates = estimated(items, taken, REWARD)
    assert estimates["IPS"] == pytest.approx((weight @ taken) / 4)
    assert estimates["SNIPS"] == pytest.approx((weight @ taken) / weight.sum())
    assert estimates["DR"] == pytest.approx(TRUTH + (weight * (taken - REWARD[items])).mean())


def test_users_are_the_unit() -> None:
    rng = np.random.default_rng(0)
    items = rng.choice(3, 300, p=CHANCE)
    taken = (rng.random(300) < REWARD[items]).astype(float)
    parts = (taken, CHANCE[items], TARGET[items], np.zeros(300), np.zeros(300))
    alone = estimate(np.arange(300), *parts)
    copies = estimate(np.tile(np.arange(300), 4), *(np.tile(p, 4) for p in parts))
    for one, other in zip(alone.estimates, copies.estimates, strict=True):
        assert (one.low, one.high) == pytest.approx((other.low, other.high))


def test_what_the_log_could_not_have_shown_is_refused() -> None:
    rng = np.random.default_rng(1)
    items = rng.choice(3, 2000, p=CHANCE)
    user, taken = np.arange(2000), np.zeros(2000)
    half = TARGET[items] / 2  # the other half goes to an item that was never drawn
    with pytest.raises(DataError, match=r"could not have been drawn at about 5\d%"):
        estimate(user, taken, CHANCE[items], half, taken, taken)
    with pytest.raises(DataError, match="about 100%"):
        estimate(user, taken, CHANCE[items], np.zeros(2000), taken, taken)
    with pytest.raises(DataError, match="No place of the log has a propensity"):
        estimate(user[:0], taken[:0], taken[:0], taken[:0], taken[:0], taken[:0])
    with pytest.raises(DataError, match=r"worth \d+ of the candidate's; 50 are needed"):
        estimate(user[:50], taken[:50], CHANCE[items[:50]], TARGET[items[:50]], taken[:50], taken[:50])


def test_the_reward_model_has_not_seen_the_user() -> None:
    user, item, taken = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.array([1.0, 0.0, 0.0, 1.0])
    of_one, other = reward_model(user, item, taken, np.array([1, -1, 1, -1]), prior=0.0)
    assert of_one.tolist() == [0.0, 1.0, 1.0, 0.0]
    assert other.tolist() == [1.0, 0.5, 0.0, 0.5]
