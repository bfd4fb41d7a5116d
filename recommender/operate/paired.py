"""Two versions of a model on the same newest queries, paired: the champion and the candidate that may replace it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from recommender.config import Scenario
from recommender.data.dataset import NO_TIME, Dataset
from recommender.data.split import Fold, folds, time_fold, to_datetime, without_confirmed_spam
from recommender.data.times import to_microseconds
from recommender.errors import DataError
from recommender.evaluation.audit import audit_table, impact_ratios
from recommender.evaluation.evaluate import Group, Outcome, compare
from recommender.experiment.ladder import about_queries
from recommender.names import ALL
from recommender.operate.answering import Answering, Contender
from recommender.spam.suspicion import suspected_fold

CHAMPION, CANDIDATE = "champion", "candidate"


@dataclass(frozen=True)
class Pairing:
    """What both were worth on the same queries.

    group: rungs ``champion`` and ``candidate``; table: rows of ``evaluate.compare`` for all users; ratios: of each, the
    impact ratios by name; refitted: who was fitted again before the origin, as it had seen the queries.
    """

    origin: str
    n_queries: int
    group: Group
    table: pl.DataFrame
    ratios: Mapping[str, Mapping[str, float]]
    refitted: tuple[str, ...]


def newest_fold(data: Dataset, scenario: Scenario, origin: datetime | None) -> Fold:
    """The queries from ``origin`` to the end of the data; None: the scenario's own test fold. Raises DataError where
    there are none."""
    if origin is None:
        fold = list(folds(data, scenario.split, scenario.eligibility))[-1]
    else:
        used = data if scenario.eligibility.repeats else data.first_interactions()
        fold = time_fold(used, "test", origin, None, 1)
        if scenario.eligibility.moderated_column is not None:
            fold = without_confirmed_spam(fold, scenario.eligibility.moderated_column)
    if scenario.spam.label_column is not None:
        fold, _ = suspected_fold(without_confirmed_spam(fold, scenario.spam.label_column), scenario.spam)
    return fold


def pair(data: Dataset, champion: Contender, candidate: Contender, scenario: Scenario, least: int) -> Pairing:
    """Both, each with its own rules, on the queries that neither has seen, by the metrics of ``scenario``.

    Where at least ``least`` queries follow everything that both learned from, they are asked as shipped. Else the
    queries follow the later of the two test origins, after which neither decision saw anything; who learned from later
    data is fitted again before it, with its own decision. Raises DataError where there is no query.
    """
    by_name = {CHAMPION: champion, CANDIDATE: candidate}
    fold = _unseen(data, scenario, by_name, least) or newest_fold(data, scenario, _later_test(by_name))
    refitted = tuple(name for name, one in by_name.items() if _saw(one, fold))
    outcomes: dict[str, Outcome] = {}
    for name, one in by_name.items():
        version = Answering.refitted(one, fold.train) if name in refitted else Answering.shipped(one)
        outcomes[name] = version.outcome(fold, scenario)
    group = Group("test", fold.origin, [about_queries(fold, scenario)], [outcomes])
    shared = [m for m in outcomes[CHAMPION].values if m in outcomes[CANDIDATE].values]
    table = compare(group, [(CHAMPION, CANDIDATE)], [CHAMPION], scenario.bootstrap, scenario.seed, shared)
    ratios: dict[str, Mapping[str, float]] = {}
    if scenario.audit is not None:
        audited = audit_table(group, scenario.audit, scenario.bootstrap, scenario.seed)
        ratios = {name: impact_ratios(audited, name) for name in by_name}
    table = table.filter(pl.col("user_bucket") == ALL).fill_nan(None)
    return Pairing(fold.origin, int(fold.first.sum()), group, table, ratios, refitted)


def _unseen(data: Dataset, scenario: Scenario, by_name: Mapping[str, Contender], least: int) -> Fold | None:
    last = max(one.last for one in by_name.values())
    if last == NO_TIME or not (data.timestamps > last).any():
        return None
    try:
        fold = newest_fold(data, scenario, to_datetime(last + 1_000_000))  # origins are written to the second
    except DataError:
        return None
    return fold if int(fold.first.sum()) >= least else None


def _later_test(by_name: Mapping[str, Contender]) -> datetime | None:
    tested = [one.tested for one in by_name.values()]
    return max((t for t in tested if t is not None), default=None)


def _saw(one: Contender, fold: Fold) -> bool:
    """Whether it learned from something at or after the fold's origin; of a fold that is not in time, it has."""
    try:
        return one.last == NO_TIME or one.last >= to_microseconds(datetime.fromisoformat(fold.origin))
    except ValueError:
        return True


def means(pairing: Pairing, name: str, metric: str) -> float | None:
    """The mean of a metric over all users' first queries; of all lists together where it is defined so."""
    outcome = pairing.group.outcomes[0][name]
    if metric in outcome.shares:
        return outcome.shares[metric]
    values = outcome.values[metric][pairing.group.query_info[0].first]
    return float(np.nanmean(values)) if np.isfinite(values).any() else None
