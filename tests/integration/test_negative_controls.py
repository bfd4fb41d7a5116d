"""Negative controls: where the world gives a rung nothing to win by, it wins nothing; where it does, it wins.

Random exposure, users placed alike, ``SEEDS`` small worlds. A control passes when the 95% interval of the mean
difference (t distribution over seeds) lies within ``MARGIN``; its counterpart, with the knob turned on, when the
interval lies above 0, so that a control that cannot tell anything fails. What robust popularity is worth where
there is spam is measured by ``experiments/spam_attack.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy import stats

from recommender import config
from recommender.bench import Bench
from recommender.config import Rung
from recommender.data.dataset import Dataset
from recommender.data.schema import build
from recommender.data.simulate import load
from recommender.effort import EffortLog
from recommender.recommend import Lists
from recommender.split import Fold, time_fold, to_datetime

pytestmark = pytest.mark.slow

SEEDS = 12
MARGIN = 0.015  # of NDCG@10; random lists have about .05 here
RATIO_MARGIN = 0.1  # of the logarithm of an impact ratio
RANDOM_EXPOSURE = {"popular": 0.0, "fresh": 0.0, "personal": 0.0, "browse": 0.0, "social": 0.0, "random": 1.0}
WORLD = {"n_users": 700, "n_items": 150, "n_interactions": 8000, "back_catalogue": 1.0, "position_decay": 0.0}


@dataclass(frozen=True)
class Interval:
    low: float
    high: float

    def within(self, margin: float) -> bool:
        return -margin < self.low and self.high < margin


def over_seeds(difference: Callable[[int], float]) -> Interval:
    found = np.array([difference(seed) for seed in range(SEEDS)])
    half = stats.t.ppf(0.975, SEEDS - 1) * stats.sem(found)
    return Interval(float(found.mean() - half), float(found.mean() + half))


def world(preset: str, seed: int, **knobs: object) -> Dataset:
    return build(load(preset=preset, seed=seed, **{**RANDOM_EXPOSURE, **WORLD, **knobs}))


def fold_of(data: Dataset, share: float = 0.7) -> Fold:
    return time_fold(data, "test", to_datetime(int(np.quantile(data.timestamps, share))), None, 1)


def lists(fold: Fold, recommender: str, **params: object) -> tuple[np.ndarray, Lists]:
    """NDCG@10 of each query, and the lists."""
    rung = Rung(name=recommender, recommender=recommender)
    problem = config.Problem(what="control", for_whom="tests", target=1.0, cost_of_error="none")
    bench = Bench(fold, config.Scenario(name="bare", problem=problem, ladder=[rung]), EffortLog(), lambda step: None)
    found = bench.measure(rung, params)
    return found.outcome.values["ndcg_at_10"], found.lists


def gain(fold: Fold, better: tuple[str, dict[str, object]], than: tuple[str, dict[str, object]]) -> float:
    """Mean difference over the queries of users with a history: the others get the completion from both."""
    asked = fold.queries.buckets > 0
    values = [lists(fold, name, **params)[0][asked].mean() for name, params in (better, than)]
    return float(values[0] - values[1])


@pytest.mark.parametrize(("rho", "wins"), [(0.0, False), (1.0, True)])
def test_content_is_no_better_than_random_where_metadata_explain_nothing(rho: float, wins: bool) -> None:
    found = over_seeds(
        lambda seed: gain(fold_of(world("catalog", seed, rho=rho, quality_sd=0.0)), ("content", {}), ("random", {}))
    )
    assert found.low > 0 if wins else found.within(MARGIN)


@pytest.mark.parametrize(("weight", "quality", "wins"), [(0.0, 0.0, False), (0.0, 1.5, True)])
def test_popularity_is_no_better_than_random_where_all_items_are_alike(
    weight: float, quality: float, wins: bool
) -> None:
    """Without taste, for items of topics that many like are better for the many."""
    knobs = {"taste_weight": weight, "quality_sd": quality}
    found = over_seeds(lambda seed: gain(fold_of(world("catalog", seed, **knobs)), ("popularity", {}), ("random", {})))
    assert found.low > 0 if wins else found.within(MARGIN)


def stale_loss(data: Dataset) -> float:
    """What a popularity of the first third loses against one of as many interactions just before the origin."""
    fold = fold_of(data)
    n = len(fold.train.user_idx)
    place = np.arange(n)
    unlisted = np.zeros(len(fold.train.items), bool)
    fresh, stale = (fold.train.only(rows, unlisted) for rows in (place >= n - n // 3, place < n // 3))
    values = [lists(replace(fold, train=part), "popularity")[0][fold.first].mean() for part in (fresh, stale)]
    return float(values[0] - values[1])


@pytest.mark.parametrize(("trend_sd", "wins"), [(0.0, False), (1.5, True)])
def test_a_stale_model_loses_nothing_where_nothing_drifts(trend_sd: float, wins: bool) -> None:
    knobs = {"trend_sd": trend_sd, "drift_sd": 0.0, "span_days": 15.0, "stay_days": 3.0}
    found = over_seeds(lambda seed: stale_loss(world("catalog", seed, **knobs)))
    assert found.low > 0 if wins else found.within(MARGIN)


def test_robust_popularity_is_no_worse_than_plain_where_there_is_no_spam() -> None:
    knobs = {"fake_accounts": 0.0, "violating": 0.0, "fade": 0.0, "life_days": 0}

    def difference(seed: int) -> float:
        fold = fold_of(world("ugc", seed, **knobs))
        robust, plain = (lists(fold, "popularity", trusted=trusted)[0][fold.first].mean() for trusted in (True, False))
        return float(robust - plain)

    assert over_seeds(difference).low > -MARGIN


def log_ratio(paid: np.ndarray, gender: np.ndarray) -> float:
    """Log of the impact ratio: women's share of well-paid postings over men's."""
    return float(np.log(paid[gender == "female"].mean() / paid[gender == "male"].mean()))


def in_the_log(data: Dataset) -> float:
    pay = data.items.frame["salary"].fill_null(0).to_numpy()
    return log_ratio(
        (pay >= np.quantile(pay, 0.67))[data.item_idx], data.users.frame["gender"].to_numpy()[data.user_idx]
    )


def in_lists(data: Dataset) -> float:
    """Of a content rung, which knows pay as a feature and takes a user's histories for their wishes."""
    fold = fold_of(data)
    _, made = lists(fold, "content")
    pay, asked = fold.items.frame["salary"].fill_null(0).to_numpy(), fold.queries.buckets > 0
    paid = (pay >= np.quantile(pay, 0.67))[made.item_idx[:, :10]].mean(1)
    return log_ratio(paid[asked], fold.queries.users.frame["gender"].to_numpy()[asked])


JOBS = {"n_users": 1500, "n_items": 400, "n_interactions": 12_000, "life_days": 0, "fade": 0.0, "ending": "silent",
        "per_session": 6.0, "resume_coverage": 0.0}  # fmt: skip


@pytest.mark.parametrize("where", [in_the_log, in_lists])
def test_without_historical_bias_the_impact_ratio_is_about_one(where: Callable[[Dataset], float]) -> None:
    assert over_seeds(lambda seed: where(world("jobs", seed, **JOBS))).within(RATIO_MARGIN)


def test_historical_bias_shows_in_the_impact_ratio_of_the_log() -> None:
    assert over_seeds(lambda seed: in_the_log(world("jobs", seed, bias=0.9, **JOBS))).high < -RATIO_MARGIN
