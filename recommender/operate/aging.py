"""Is the model still right: its accuracy week by week, what its age costs, and what training it again would bring."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import polars as pl

from recommender.config import Scenario
from recommender.data.dataset import Dataset
from recommender.data.split import Fold, time_fold, to_datetime
from recommender.data.times import US_PER_DAY
from recommender.errors import DataError
from recommender.evaluation.statistics import ClusteredValues, estimates, numbered
from recommender.operate.answering import Answering, Contender
from recommender.operate.daily import Span
from recommender.operate.paired import newest_fold
from recommender.operate.stream import FEWER, Stream

WEEK = 7
BASELINE_WEEKS = 4  # of accuracy before shipping, at least


@dataclass(frozen=True)
class Gap:
    """A paired difference on the same queries, as a share of the accuracy it is compared with."""

    days: float  # by how much the one model is older than the other
    share: float
    low: float
    high: float
    n: int
    cpu_s: float = 0.0  # of fitting again


@dataclass(frozen=True)
class Aging:
    """stream: accuracy by day, before shipping of the same decision fitted at the train's test origin; since: the
    shipped model's mean with its interval, on the queries of each week; older: what the model that is older by ``days``
    loses; again: what fitting it again gained on the latest third of the weeks. None: cannot be told."""

    stream: Stream | None
    since: tuple[float, float, float, int] | None
    older: Gap | None
    again: Gap | None


def aging(data: Dataset, shipped: Contender, span: Span) -> Aging:
    """data: everything, what came since included."""
    scenario, tested = shipped.run.scenario, shipped.tested
    weeks = list(_weeks(data, scenario, span.shipped, span.until))
    if not weeks or tested is None:
        return Aging(None, None, None, None)
    tested_day = int(pl.Series([tested]).dt.epoch("us")[0]) // US_PER_DAY + 1
    begin = span.shipped - WEEK * max((span.shipped - tested_day) // WEEK, BASELINE_WEEKS)
    before = list(_weeks(data, scenario, begin, span.shipped - 1))
    old = _refitted(data, shipped, begin)
    model = Answering.shipped(shipped)
    now = [_values(fold, scenario, model) for fold in weeks]
    then = [] if old is None else [_values(fold, scenario, old) for fold in before]
    before = before if then else []
    stream = _stream([*before, *weeks], [*then, *now], span, begin, scenario.decision.metric)
    older = again = None
    if old is not None:
        loss = _gap(weeks, now, [_values(fold, scenario, old) for fold in weeks], scenario)
        older = None if loss is None else replace(loss, days=float(span.shipped - begin))
    if len(weeks) >= 2:
        late = len(weeks) - max(1, len(weeks) // 3)
        new = _refitted(data, shipped, span.shipped + WEEK * late)
        if new is not None:
            gain = _gap(weeks[late:], now[late:], [_values(f, scenario, new) for f in weeks[late:]], scenario)
            again = None if gain is None else replace(gain, days=float(WEEK * late), cpu_s=new.cpu_s)
    return Aging(stream, _mean(weeks, now, scenario), older, again)


def _refitted(data: Dataset, shipped: Contender, day: int) -> Answering | None:
    """A router of this decision, fitted on what lies before a day; None where that is too little."""
    try:
        return Answering.refitted(shipped, data.before(_start(day)))
    except DataError:
        return None


def _weeks(data: Dataset, scenario: Scenario, begin: int, until: int) -> Iterator[Fold]:
    """Folds of seven whole days; those without any query are left out."""
    used = data if scenario.eligibility.repeats else data.first_interactions()
    for day in range(begin, until - WEEK + 2, WEEK):
        try:
            yield time_fold(used, "validation", _start(day), _start(day + WEEK), 1)
        except DataError:
            continue


def _start(day: int) -> datetime:
    return to_datetime(int(day) * US_PER_DAY)


def _values(fold: Fold, scenario: Scenario, version: Answering) -> np.ndarray:
    """The deciding metric of each query."""
    return version.outcome(fold, scenario).values[scenario.decision.metric]


def _stream(folds: list[Fold], values: list[np.ndarray], span: Span, begin: int, metric: str) -> Stream:
    days = np.concatenate([fold.queries.as_of // US_PER_DAY for fold in folds]) - begin
    all_values = np.concatenate(values)
    n = np.bincount(days, minlength=span.until - begin + 1).astype(float)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(days, all_values, len(n)) / n
    label = "accuracy of the shipped model on what was taken within the week"
    return Stream(metric, label, np.arange(begin, begin + len(n)), mean, n, FEWER, 0.0, span.shipped)


def _mean(folds: list[Fold], values: list[np.ndarray], scenario: Scenario) -> tuple[float, float, float, int]:
    codes, keys = numbered(pl.concat([fold.queries.ids for fold in folds]))
    cell = ClusteredValues(codes, np.concatenate(values)[:, None])
    (e,) = estimates([cell], keys, scenario.bootstrap, scenario.seed)
    return float(e.mean[0]), float(e.low[0]), float(e.high[0]), int(e.n[0])


def _gap(folds: list[Fold], base: list[np.ndarray], other: list[np.ndarray], scenario: Scenario) -> Gap | None:
    """other - base, as a share of base."""
    level = float(np.mean(np.concatenate(base))) if folds else 0.0
    if level <= 0:
        return None
    mean, low, high, n = _mean(folds, [b - a for a, b in zip(base, other, strict=True)], scenario)
    return Gap(0.0, mean / level, low / level, high / level, n)


def whole_period(data: Dataset, shipped: Contender, span: Span) -> tuple[float, float, float, int] | None:
    """Accuracy on everything since shipping as one period, as the train measured it on its test period."""
    try:
        fold = newest_fold(data, shipped.run.scenario, _start(span.shipped))
    except DataError:
        return None
    scenario = shipped.run.scenario
    values = _values(replace(fold, split="validation"), scenario, Answering.shipped(shipped))
    first = np.flatnonzero(fold.first)
    part = replace(fold, queries=fold.queries.take(first))
    return _mean([part], [values[first]], scenario)
