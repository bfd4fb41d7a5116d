"""Hindsight: does a single rung beat the router on the test period, and does it over all periods?

Intervals over users say how far a difference holds for other users of the *same* days. Hits come and go, so the same
two rungs may differ as much the other way a week later: what a team decides by for the next period must hold over
periods too, counted as a decision counts them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

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
    origins: its mean gain over what is routed, at each validation origin and the test; mean: over the queries of all of
    them, with a 95% interval over users and periods. Validation counts only queries that one rung serves, for it has
    no lists of two merged ones; where none is left, mean is of the test and could be anything in the next period.
    Re-rankers are left out: their price is another question.
    """

    user_bucket: str
    rung: str
    gain: float
    ci_low: float
    ci_high: float
    p_holm: float
    n_queries: int
    origins: list[float]
    mean: float
    mean_low: float
    mean_high: float

    @property
    def holds(self) -> bool:
        """Over all periods too."""
        return self.mean_low > 0

    def sentence(self, metric: str) -> str:
        who = "all users" if self.user_bucket == ALL else AUDIENCE[self.user_bucket]
        head = (
            f"Looking back, {self.rung} alone beats the router on the test period for {who}: {metric_label(metric)} "
            f"{with_interval(self.gain, self.ci_low, self.ci_high, sign=True)}. "
        )
        if len(self.origins) == 1:
            return f"{head}Validation has no such lists to compare with: no evidence that it wins in the next one too."
        head += (
            f"With validation, it gains {with_interval(self.mean, self.mean_low, self.mean_high, sign=True)} over "
            f"users and periods, from {min(self.origins):+.3f} to {max(self.origins):+.3f} by origin: "
        )
        if self.holds:
            return f"{head}decide again on newer data."
        return f"{head}not enough evidence that it wins in the next one too."


def hindsight(
    groups: Sequence[Group], routes: Mapping[str, str], blended: Mapping[str, str], rungs: Sequence[str], metric: str,
    resamples: int, seed: int,
) -> list[Hindsight]:  # fmt: skip
    """Leads for all users; where no rung beats the router for them, for each bucket of at least ``LEAST`` queries.

    groups: of all origins. routes, blended: of the router (``segments``). rungs: those that could serve everyone.
    """
    test = next(g for g in groups if g.split == "test")
    if ROUTER not in test.rungs or not rungs:
        return []
    winners = {}
    gains = _gains(test, rungs, metric)
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
            origins, mean = _over_origins(groups, routes, blended, rungs[best], metric, bucket, resamples, seed)
            winners[bucket] = Hindsight(bucket, rungs[best], gain, low, high, p, int(over.n[best]), origins, *mean)
    return [winners[ALL]] if ALL in winners else list(winners.values())


def _gains(test: Group, rungs: Sequence[str], metric: str) -> np.ndarray:
    """Over the router before re-rankers, float64 (n_queries, n_rungs)."""
    values = dict(zip(test.rungs, test.stack([metric]).T, strict=True))
    return np.column_stack([values[rung] - values[PLAIN if PLAIN in values else ROUTER] for rung in rungs])


def _over_origins(
    groups: Sequence[Group], routes: Mapping[str, str], blended: Mapping[str, str], rung: str, metric: str, bucket: str,
    resamples: int, seed: int,
) -> tuple[list[float], tuple[float, float, float]]:  # fmt: skip
    """Mean gain of the rung at each origin that asks the bucket; over all their queries, with its interval."""
    single = [group for group in groups if group.origin != POOLED]
    gains = []
    for group in single:
        if group.split == "test":
            gains.append(_gains(group, [rung], metric)[:, 0])
            continue
        values = dict(zip(group.rungs, group.stack([metric]).T, strict=True))
        gains.append(values[rung] - _routed(group.query_info[0], routes, blended, values))
    whole = Group("", POOLED, [g.query_info[0] for g in single], [g.outcomes[0] for g in single])
    all_gains = np.concatenate(gains)
    chosen = next(mask for name, of, _, mask in whole.masks() if name == bucket and not of) & ~np.isnan(all_gains)
    codes, keys = whole.users()
    cell = ClusteredValues(codes[chosen], all_gains[chosen, None])
    over = estimates([cell], keys, resamples, seed, [whole.periods()[chosen]])[0]
    edges = np.cumsum([len(g) for g in gains])[:-1]
    by_origin = [float(g[m].mean()) for g, m in zip(gains, np.split(chosen, edges), strict=True) if m.any()]
    low, high = (float(over.low[0]), float(over.high[0])) if len(by_origin) > 1 else (-1.0, 1.0)
    return by_origin, (float(over.mean[0]), low, high)


def _routed(
    queries: QueryInfo, routes: Mapping[str, str], blended: Mapping[str, str], values: Mapping[str, np.ndarray]
) -> np.ndarray:
    """The values of the rung that serves each query, float64 (n_queries,); NaN where two are merged."""
    serves, second = (segments(r, queries.bucket, queries.returning) for r in (routes, {**routes, **blended}))
    out = np.full(len(serves), np.nan)
    for rung in np.unique(serves):
        alone = (serves == rung) & (second == rung)
        out[alone] = values[rung][alone]
    return out
