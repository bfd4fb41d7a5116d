"""Hindsight: a rung that beats the router on the test period, and whether it did so in the periods before."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from recommender.evaluation.evaluate import Group, Outcome, QueryInfo, groups
from recommender.experiment.hindsight import LEAST, Hindsight, hindsight
from recommender.names import ALL, PLAIN, RETURNING, ROUTER, USER_BUCKETS

N = 200
METRIC = "ndcg_at_10"
ROUTES = dict.fromkeys(USER_BUCKETS, "popularity")
RUNGS = ["popularity", "ranker"]


def info(split: str, origin: str, bucket: np.ndarray | None = None, returning: np.ndarray | None = None) -> QueryInfo:
    users = pl.Series("user_id", [f"u{i}" for i in range(N)])
    known = np.zeros(N, np.int64) if bucket is None else bucket
    back = np.zeros(N, bool) if returning is None else returning
    return QueryInfo(split, origin, users, np.arange(N), known, np.ones(N, bool), back, {})


def outcomes(seed: int, **means: float) -> dict[str, Outcome]:
    """Rungs whose values share what the query is like, and differ by their means and a little noise."""
    rng = np.random.default_rng(seed)
    alike = rng.normal(0, 0.1, N)
    return {r: Outcome({METRIC: 0.3 + m + alike + rng.normal(0, 0.01, N)}) for r, m in means.items()}


def leads_of(*ranker: float, test: float) -> list[Group]:
    """The ranker's gain over popularity at each validation origin and at the test, where the router is popularity."""
    periods = [outcomes(n, popularity=0.0, ranker=gain) for n, gain in enumerate(ranker)]
    last = outcomes(99, popularity=0.0, ranker=test)
    last[ROUTER] = last["popularity"]
    return groups([*(info("validation", f"v{n}") for n in range(len(ranker))), info("test", "t")], [*periods, last])


def looked_back(periods: list[Group]) -> list[Hindsight]:
    return hindsight(periods, ROUTES, {}, RUNGS, METRIC, 200, 0)


def test_nothing_is_told_where_no_rung_beats_the_router_by_more_than_chance() -> None:
    assert looked_back(leads_of(0.1, 0.1, 0.1, test=0.0)) == []
    assert looked_back(leads_of(0.1, 0.1, 0.1, test=-0.05)) == []


def test_a_lead_that_the_periods_before_do_not_show_is_told_as_no_evidence_for_the_next() -> None:
    (one,) = looked_back(leads_of(-0.03, -0.01, -0.01, test=0.03))
    assert (one.user_bucket, one.rung) == (ALL, "ranker")
    assert one.ci_low > 0
    assert one.origins == pytest.approx([-0.03, -0.01, -0.01, 0.03], abs=0.005)
    assert one.mean_low < 0 < one.mean_high
    assert "not enough evidence that it wins in the next one too" in one.sentence(METRIC)


def test_a_lead_in_every_period_asks_to_decide_again() -> None:
    (one,) = looked_back(leads_of(0.03, 0.031, 0.029, test=0.03))
    assert one.holds
    assert one.sentence(METRIC).endswith("decide again on newer data.")


def test_a_lead_of_a_few_days_is_no_evidence_for_the_next_however_many_users_it_has() -> None:
    late = leads_of(0.0, 0.0, test=0.0)
    test = next(g for g in late if g.split == "test").outcomes[0]
    values = test["popularity"].values[METRIC]
    assert isinstance(test, dict)
    test["ranker"] = Outcome({METRIC: values + np.where(np.arange(N) < 3 * N // 4, 0.0, 0.2)})  # the last days only
    (one,) = looked_back(late)
    assert one.ci_low > 0
    assert one.mean_low < 0
    assert not one.holds


def test_what_re_rankers_cost_is_not_blamed_on_the_routing() -> None:
    leads = leads_of(-0.01, -0.01, test=-0.01)
    test = next(g for g in leads if g.split == "test").outcomes[0]
    values = test["popularity"].values[METRIC]
    assert isinstance(test, dict)
    test[PLAIN], test[ROUTER] = Outcome({METRIC: values}), Outcome({METRIC: values - 0.1})
    assert looked_back(leads) == []


@pytest.mark.parametrize("size", [LEAST - 1, LEAST])
def test_a_bucket_is_told_of_alone_where_all_users_show_nothing_and_it_has_enough_queries(size: int) -> None:
    bucket = np.where(np.arange(N) < size, 1, 0)
    gain = np.where(bucket == 1, 0.2, -0.1)  # of all users together, a loss
    periods = []
    for n in range(3):
        one = outcomes(n, popularity=0.0)
        one["ranker"] = Outcome({METRIC: one["popularity"].values[METRIC] + gain + np.linspace(0, 0.01, N)})
        periods.append(one)
    periods[-1][ROUTER] = periods[-1]["popularity"]
    where = [info("validation", "v0", bucket), info("validation", "v1", bucket), info("test", "t", bucket)]
    leads = looked_back(groups(where, periods))
    assert [h.user_bucket for h in leads] == (["1_2"] if size >= LEAST else [])
    assert all(h.n_queries == size and len(h.origins) == 3 for h in leads)


def test_periods_compare_with_the_rung_that_was_routed_to_each_query_then() -> None:
    """Who comes back gets another rung: the gain over the router is nothing for them, whatever popularity did."""
    bucket, back = np.ones(N, np.int64), np.arange(N) % 2 == 0
    periods = [outcomes(n, popularity=0.0, ranker=0.1) for n in range(2)]
    periods[-1][ROUTER] = periods[-1]["popularity"]
    where = [info("validation", "v0", bucket, back), info("test", "t", bucket, back)]
    routes = ROUTES | {f"1_2{RETURNING}": "ranker"}
    (one,) = hindsight(groups(where, periods), routes, {}, RUNGS, METRIC, 200, 0)
    assert one.origins == pytest.approx([0.05, 0.1], abs=0.01)


def test_validation_counts_no_query_that_two_merged_rungs_would_serve() -> None:
    leads = leads_of(0.03, 0.031, 0.029, test=0.03)
    (one,) = hindsight(leads, ROUTES, dict.fromkeys(USER_BUCKETS, "ease"), RUNGS, METRIC, 200, 0)
    assert one.origins == pytest.approx([0.03], abs=0.005)
    assert (one.mean_low, one.mean_high, one.holds) == (-1.0, 1.0, False)
    assert "no evidence that it wins in the next one too" in one.sentence(METRIC)
