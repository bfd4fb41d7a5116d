"""Hindsight: does a single rung beat the router on the test period, and did it in the periods before?

Intervals over users say how far a difference holds for other users of the *same* days. Hits come and go, so the same
two rungs may differ as much the other way a week later (``experiments/origin_luck.py``): what a team decides by for the
next period must hold over periods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from recommender.evaluation.evaluate import POOLED, Group, QueryInfo
from recommender.evaluation.metric_table import metric_label
from recommender.evaluation.rounding import with_interval
from recommender.evaluation.statistics import ClusteredValues, estimates, holm, sign_flip_p
from recommender.experiment.decision_text import AUDIENCE
from recommender.names import ALL, PLAIN, ROUTER, USER_BUCKETS
from recommender.ranking.router import segments

LEAST = 30  # queries of a bucket that is looked at
_ALPHA = 0.05


@dataclass(frozen=True)
class Hindsight:
    """A single rung that beats the router on the test period, with evidence over its users.

    The best rung is picked with hindsight, on the queries that it is compared on; p is Holm-adjusted over all of them.
    periods: its gain over what is routed, at each validation origin and the test; mean: of these, with a 95% interval
    (Student's t, periods as the unit). Re-rankers are left out: their price is another question.
    """

    user_bucket: str
    rung: str
    gain: float
    ci_low: float
    ci_high: float
    p_holm: float
    n_queries: int
    periods: list[float]
    mean: float
    mean_low: float
    mean_high: float

    @property
    def holds(self) -> bool:
        """Over periods too."""
        return self.mean_low > 0

    def sentence(self, metric: str) -> str:
        who = "all users" if self.user_bucket == ALL else AUDIENCE[self.user_bucket]
        head = (
            f"Looking back, {self.rung} alone beats the router on the test period for {who}: {metric_label(metric)} "
            f"{with_interval(self.gain, self.ci_low, self.ci_high, sign=True)}. Over the {len(self.periods)} periods, "
            f"validation included, it gains {with_interval(self.mean, self.mean_low, self.mean_high, sign=True)} on "
            f"average, from {min(self.periods):+.3f} to {max(self.periods):+.3f}: "
        )
        if self.holds:
            return f"{head}decide again on newer data."
        return f"{head}not enough evidence that it wins in the next one too."


def hindsight(
    groups: Sequence[Group], routes: Mapping[str, str], rungs: Sequence[str], metric: str, resamples: int, seed: int
) -> list[Hindsight]:
    """Leads for all users; where no rung beats the router for them, for each bucket of at least ``LEAST`` queries.

    groups: of all origins. routes: of the router (``segments``). rungs: those that could serve everyone.
    """
    test = next(g for g in groups if g.split == "test")
    if ROUTER not in test.rungs or not rungs:
        return []
    winners = {}
    gains = _gains(test, rungs, metric, PLAIN if PLAIN in test.rungs else ROUTER)
    codes, keys = test.users()
    for bucket, name, _, mask in test.masks():
        if name or bucket not in (ALL, *USER_BUCKETS) or mask.sum() < LEAST:
            continue
        cell = ClusteredValues(codes[mask], gains[mask])
        over = estimates([cell], keys, resamples, seed)[0]
        best = int(np.argmax(over.mean))
        p = float(holm(sign_flip_p(cell, seed))[best])
        if over.low[best] > 0 and p < _ALPHA:
            gain, low, high = (float(x[best]) for x in (over.mean, over.low, over.high))
            periods = _periods(groups, routes, rungs[best], metric, bucket, gain)
            mean = _over_periods(periods)
            winners[bucket] = Hindsight(bucket, rungs[best], gain, low, high, p, int(over.n[best]), periods, *mean)
    return [winners[ALL]] if ALL in winners else list(winners.values())


def _gains(group: Group, rungs: Sequence[str], metric: str, over: str) -> np.ndarray:
    """float64 (n_queries, n_rungs)."""
    values = dict(zip(group.rungs, group.stack([metric]).T, strict=True))
    return np.column_stack([values[rung] - values[over] for rung in rungs])


def _periods(
    groups: Sequence[Group], routes: Mapping[str, str], rung: str, metric: str, bucket: str, at_test: float
) -> list[float]:
    """Mean gain of the rung at each validation origin that asks the bucket, then ``at_test``."""
    gains = []
    for group in groups:
        if group.split == "test" or group.origin == POOLED:
            continue
        values = dict(zip(group.rungs, group.stack([metric]).T, strict=True))
        routed = _routed(group.query_info[0], routes, values)
        mask = next(m for b, name, _, m in group.masks() if b == bucket and not name)
        if mask.any():
            gains.append(float((values[rung] - routed)[mask].mean()))
    return [*gains, at_test]


def _routed(queries: QueryInfo, routes: Mapping[str, str], values: Mapping[str, np.ndarray]) -> np.ndarray:
    """The values of the rung that serves each query, float64 (n_queries,)."""
    serves = segments(routes, queries.bucket, queries.returning)
    out = np.full(len(serves), np.nan)
    for rung in np.unique(serves):
        out[serves == rung] = values[rung][serves == rung]
    return out


def _over_periods(gains: Sequence[float]) -> tuple[float, float, float]:
    """Mean and its 95% interval, the periods as the unit; for one period all that a difference can be, -1 to 1."""
    mean, n = float(np.mean(gains)), len(gains)
    half = float(stdtrit(n - 1, 0.975) * np.std(gains, ddof=1) / np.sqrt(n)) if n > 1 else 2.0
    return mean, max(mean - half, -1.0), min(mean + half, 1.0)
