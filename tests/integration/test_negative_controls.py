"""Negative controls: where the world gives a rung nothing to win by, it wins nothing; where it gives a little, it wins.

Random exposure, users placed alike, ``SEEDS`` small worlds. A control passes when the 95% interval of the mean
difference (t distribution over seeds) lies within ``MARGIN``. Each has a counterpart, the same test with its knob
turned on, whose interval must lie beyond the margin: so that no control passes because it cannot tell anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy import stats

from recommender import config
from recommender.config import Rung
from recommender.data.dataset import Dataset, Table
from recommender.data.gate import build
from recommender.data.queries import Queries
from recommender.data.split import Fold, time_fold, to_datetime
from recommender.data.times import US_PER_DAY
from recommender.evaluation.effort import EffortLog
from recommender.evaluation.metrics import ndcg
from recommender.evaluation.shown import Judged
from recommender.experiment.fold_runner import FoldRunner
from recommender.ranking.candidates import Candidates
from recommender.ranking.lists import Lists
from recommender.ranking.recommend import recommend
from recommender.simulate import SimulatedTruth, load, observed, play
from recommender.simulate.column_values import ids

pytestmark = pytest.mark.slow

SEEDS = 12
MARGIN = 0.006  # of NDCG@10; random lists have about .05 here
RATIO_MARGIN = 0.03  # of the logarithm of an impact ratio
RANDOM_EXPOSURE = {"popular": 0.0, "fresh": 0.0, "personal": 0.0, "browse": 0.0, "social": 0.0, "random": 1.0}
WORLD = {"n_users": 3000, "n_items": 150, "n_interactions": 24_000, "back_catalogue": 1.0, "position_decay": 0.0,
         "block_hours": 120.0}  # fmt: skip


@dataclass(frozen=True)
class Interval:
    low: float
    high: float

    def within(self, margin: float) -> bool:
        return -margin < self.low and self.high < margin


def over_seeds(difference: Callable[[int], float]) -> Interval:
    differences = np.array([difference(seed) for seed in range(SEEDS)])
    half = stats.t.ppf(0.975, SEEDS - 1) * stats.sem(differences)
    return Interval(float(differences.mean() - half), float(differences.mean() + half))


def world(preset: str, seed: int, **knobs: object) -> Dataset:
    return build(load(preset=preset, seed=seed, **{**RANDOM_EXPOSURE, **WORLD, **knobs}))


def fold_of(data: Dataset, share: float = 0.7) -> Fold:
    return time_fold(data, "test", to_datetime(int(np.quantile(data.timestamps, share))), None, 1)


def lists(fold: Fold, recommender: str, **params: object) -> tuple[np.ndarray, Lists]:
    """NDCG@10 of each query, and the lists."""
    rung = Rung(name=recommender, recommender=recommender)
    problem = config.ProblemStatement(what="control", for_whom="tests", target=1.0, cost_of_error="none")
    runner = FoldRunner(
        fold, config.Scenario(name="bare", problem=problem, ladder=[rung]), EffortLog(), lambda step: None
    )
    measured = runner.measure(rung, params)
    return measured.outcome.values["ndcg_at_10"], measured.answer.lists


def gain(fold: Fold, better: tuple[str, dict[str, object]], than: tuple[str, dict[str, object]]) -> float:
    """Mean difference over the queries of users with a history: the others get the completion from both."""
    has_history = fold.queries.buckets > 0
    values = [lists(fold, name, **params)[0][has_history].mean() for name, params in (better, than)]
    return float(values[0] - values[1])


@pytest.mark.parametrize(("rho", "wins"), [(0.0, False), (0.4, True)])
def test_content_is_no_better_than_random_where_metadata_explain_nothing(rho: float, wins: bool) -> None:
    effects = over_seeds(
        lambda seed: gain(fold_of(world("catalog", seed, rho=rho, quality_sd=0.0)), ("content", {}), ("random", {}))
    )
    assert effects.low > MARGIN if wins else effects.within(MARGIN)


@pytest.mark.parametrize(("quality", "wins"), [(0.0, False), (0.2, True)])
def test_popularity_is_no_better_than_random_where_all_items_are_alike(quality: float, wins: bool) -> None:
    """Without taste, for items of topics that many like are better for the many."""
    knobs = {"taste_weight": 0.0, "quality_sd": quality}
    effects = over_seeds(
        lambda seed: gain(fold_of(world("catalog", seed, **knobs)), ("popularity", {}), ("random", {}))
    )
    assert effects.low > MARGIN if wins else effects.within(MARGIN)


@pytest.mark.parametrize(("taste_weight", "wins"), [(0.0, False), (4.0, True)])
def test_popularity_within_occupation_is_no_better_where_occupations_use_the_same(
    taste_weight: float, wins: bool
) -> None:
    def better(seed: int) -> float:
        data = world("skills", seed, taste_weight=taste_weight, moves=0.0)
        within: dict[str, object] = {"segment": ["occupation"], "prior": 400.0}
        return gain(fold_of(data), ("popularity", within), ("popularity", {}))

    effects = over_seeds(better)
    assert effects.low > MARGIN if wins else effects.high < MARGIN  # smaller counts may cost something


NETWORK = {"n_users": 500, "n_interactions": 6000, "n_companies": 20, "n_schools": 8, "metadata_missing": 0.0}


def network(seed: int, **knobs: object) -> Fold:
    return fold_of(build(load(preset="people", seed=seed, **{**NETWORK, **knobs})), 0.8)


@pytest.mark.parametrize("weight", ["count", "adamic_adar", "resource_allocation"])
@pytest.mark.parametrize("closure", [0.0, 0.9])
def test_common_neighbours_are_no_better_than_degree_within_the_company_where_no_triangle_closes(
    weight: str, closure: float
) -> None:
    """Nor may circles of acquaintances overlap: who knows the same people would then be linked without closure."""
    knobs = {"closure": closure, "homophily": 0.9 - closure, "acquaintance": 0.0, "invited": 0.0}
    degree: dict[str, object] = {"segment": ["company"], "prior": 1.0}

    def better(seed: int) -> float:
        return gain(network(seed, **knobs), ("neighbours", {"weight": weight}), ("popularity", degree))

    effects = over_seeds(better)
    assert effects.low > MARGIN if closure else effects.high < MARGIN  # detours over others' links may cost something


@pytest.mark.parametrize("homophily", [0.0, 0.6])
def test_content_is_no_better_than_popularity_where_members_do_not_link_to_their_like(homophily: float) -> None:
    """Nor may they know their like offline."""
    knobs = {"homophily": homophily, "acquaintance": 0.2, "closure": 0.2, "known_within": homophily}
    effects = over_seeds(lambda seed: gain(network(seed, **knobs), ("content", {}), ("popularity", {})))
    assert effects.low > MARGIN if homophily else effects.high < MARGIN


def stale_model(data: Dataset) -> float:
    """What a popularity of the first third loses against one of as many interactions just before the origin."""
    fold = fold_of(data)
    n = len(fold.train.user_idx)
    place = np.arange(n)
    unlisted = np.zeros(len(fold.train.items), bool)
    fresh, stale = (fold.train.only(rows, unlisted) for rows in (place >= n - n // 3, place < n // 3))
    values = [lists(replace(fold, train=part), "popularity")[0][fold.first].mean() for part in (fresh, stale)]
    return float(values[0] - values[1])


@pytest.mark.parametrize(("trend_sd", "wins"), [(0.0, False), (1.0, True)])
def test_a_stale_model_loses_nothing_where_no_trend_moves(trend_sd: float, wins: bool) -> None:
    knobs = {"trend_sd": trend_sd, "drift_sd": 0.0, "span_days": 15.0, "stay_days": 3.0, "block_hours": 24.0}
    effects = over_seeds(lambda seed: stale_model(world("catalog", seed, **knobs)))
    assert effects.low > MARGIN if wins else effects.within(MARGIN)


@dataclass(frozen=True)
class Ideal:
    """Knows what everyone wanted ``days`` before the query."""

    truth: SimulatedTruth
    days: int

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        return self.truth.utility(queries.ids, items.ids, queries.as_of - self.days * US_PER_DAY)


@pytest.mark.parametrize(("drift_sd", "wins"), [(0.0, False), (0.4, True)])
def test_what_was_known_of_tastes_loses_nothing_where_no_taste_drifts(drift_sd: float, wins: bool) -> None:
    """Loss of an ideal model. No rung can tell here: the last items that a user took are worse witnesses than the first
    ones even where nothing drifts, for the best of each topic is taken first and never twice."""

    def loss(seed: int) -> float:
        knobs = {**RANDOM_EXPOSURE, **WORLD, "quality_sd": 0.0, "drift_sd": drift_sd}
        truth = play(preset="catalog", seed=seed, record=True, **knobs)
        fold = fold_of(build(observed(truth)))
        candidates = Candidates.after(fold.train, fold.items, config.Eligibility())
        values = []
        for days in (0, 60):
            ideal_lists = recommend(Ideal(truth, days), fold.queries, candidates, 10, config.Scoring())
            values.append(ndcg(Judged(ideal_lists, fold.truth))[fold.queries.buckets > 1].mean())
        return float(values[0] - values[1])

    effects = over_seeds(loss)
    assert effects.low > MARGIN if wins else effects.within(MARGIN)


SPAM = {"fake_accounts": 0.2, "ring_size": 300, "spam_items": 0.1, "moderation_recall": 0.0, "adapt": 0.0}


@pytest.mark.parametrize("spam", [False, True])
def test_robust_popularity_is_no_worse_than_plain_without_spam_and_better_with_it(spam: bool) -> None:
    """For honest users: fake accounts want what they push."""
    knobs = {"fade": 0.0, "life_days": 0, "violating": 0.0, "block_hours": 24.0, "back_catalogue": 0.3}
    knobs |= SPAM if spam else {"fake_accounts": 0.0}

    def difference(seed: int) -> float:
        data = world("ugc", seed, **knobs)
        fold = fold_of(data)
        honest_first = fold.first & np.isin(fold.queries.ids.to_numpy(), honest(data))
        robust, plain = (
            lists(fold, "popularity", trusted=trusted)[0][honest_first].mean() for trusted in (True, False)
        )
        return float(robust - plain)

    effects = over_seeds(difference)
    assert effects.low > MARGIN if spam else effects.low > -MARGIN


def honest(data: Dataset) -> np.ndarray:
    """Ids of the accounts that belong to no ring."""
    assert data.truth is not None
    ring = data.truth().world.users.ring  # type: ignore[attr-defined]
    return ids("u", len(ring)).to_numpy()[ring < 0]


def log_ratio(paid: np.ndarray, gender: np.ndarray) -> float:
    """Log of the impact ratio: women's share of well-paid postings over men's."""
    return float(np.log(paid[gender == "female"].mean() / paid[gender == "male"].mean()))


def in_the_log(data: Dataset) -> float:
    pay = data.items.frame["salary"].fill_null(0).to_numpy()
    return log_ratio(
        (pay >= np.quantile(pay, 0.67))[data.item_idx], data.users.frame["gender"].to_numpy()[data.user_idx]
    )


def in_lists(data: Dataset) -> float:
    """Lists of a rung that learns from who took what: biased logs make biased lists."""
    fold = fold_of(data)
    _, knn_lists = lists(fold, "item_knn")
    pay, has_history = fold.items.frame["salary"].fill_null(0).to_numpy(), fold.queries.buckets > 0
    paid = (pay >= np.quantile(pay, 0.67))[knn_lists.item_idx[:, :10]].mean(1)
    return log_ratio(paid[has_history], fold.queries.users.frame["gender"].to_numpy()[has_history])


JOBS = {"n_users": 5000, "n_items": 400, "n_interactions": 40_000, "life_days": 0, "fade": 0.0, "ending": "silent",
        "per_session": 6.0, "resume_coverage": 0.0}  # fmt: skip


@pytest.mark.parametrize(("where", "bias"), [(in_the_log, 0.0), (in_the_log, 0.4), (in_lists, 0.0), (in_lists, 0.9)])
def test_without_historical_bias_the_impact_ratio_is_about_one(where: Callable[[Dataset], float], bias: float) -> None:
    effects = over_seeds(lambda seed: where(world("jobs", seed, bias=bias, **JOBS)))
    assert effects.high < -RATIO_MARGIN if bias else effects.within(RATIO_MARGIN)
