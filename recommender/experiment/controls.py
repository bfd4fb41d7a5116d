"""Controls: does a rung win by what it claims to use? Each is measured against itself on data without that.

A hybrid that does as well with the features of other items has learned nothing from features, however
good it is; one that uses times must beat itself on times drawn at random (permutation controls; Ojala &
Garriga 2010). ``random`` and ``popularity`` are the further controls of every rung. Simulated data have an
``oracle`` too, which knows what made them: the best that any rung could do, so oracle - rung is its regret. It is
measured in every train on data that are not too large for that, ``scenario.controls`` or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from recommender.config import Scenario
from recommender.data.dataset import NO_TIME, Dataset, Table
from recommender.data.operators import shuffled_features, shuffled_times
from recommender.data.protocols import Truth
from recommender.data.queries import Queries
from recommender.data.split import Fold
from recommender.errors import DataError
from recommender.evaluation.evaluate import Group, Outcome, compare
from recommender.evaluation.judge import accuracy_values
from recommender.evaluation.metric_table import REGRET, metric_label
from recommender.evaluation.rounding import with_interval
from recommender.evaluation.shown import Judged
from recommender.experiment.fold_runner import FoldRunner
from recommender.experiment.rungs import make
from recommender.models import BASELINES
from recommender.models.base import Recommender
from recommender.names import ALL, DEEPEST, ORACLE
from recommender.ranking.eligibility import read_columns
from recommender.ranking.recommend import recommend

FEATURES, TIMES = "shuffled-features", "shuffled-times"  # after a rung's name: its control
ORACLE_USERS = 250  # asked at the test origin: a second of processor time on the embedded data
ORACLE_ROWS = 1_000_000  # larger data have an oracle with ``scenario.controls`` only: to simulate them again takes long


def measure(
    runner: FoldRunner, parameters: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, Outcome], dict[str, str]]:
    """Outcomes of the shuffled controls on the runner's fold, as ``<rung>-shuffled-features`` and ``-times``.

    parameters: of each rung to be controlled. Queries, truth, rules and completion are those of the rung itself.
    Also returns the controls that cannot be fitted to the shuffled data, with reasons.
    """
    scenario, fold = runner.scenario, runner.fold
    shuffled = {FEATURES: without_features(fold, scenario), TIMES: without_times(fold, scenario)}
    outcomes, failed = {}, {}
    for rung in (r for r in scenario.ladder if r.name in parameters):
        params = parameters[rung.name]
        for kind in uses(make(rung, params, scenario), scenario):
            control = copy(runner)  # whose completion and diversity stay those of the real data
            control.fold = shuffled[kind]
            control.with_all_users = False  # those beyond a sample keep their features and times
            control.candidates = replace(runner.candidates, items=control.fold.items)
            named = rung.model_copy(update={"name": f"{rung.name}-{kind}"})
            try:
                outcomes[named.name] = control.measure(named, params).outcome
            except DataError as error:
                failed[named.name] = "; ".join(str(error).splitlines()).rstrip(".")
    return outcomes, failed


class _Oracle:
    """Ranks by the truth; not in RECOMMENDERS, so that no ladder can name it and no router serve it."""

    def __init__(self, truth: Truth) -> None:
        self.truth = truth

    def fit(self, train: Dataset) -> _Oracle:
        return self

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        return self.truth.scores(queries.ids, items.ids, queries.as_of)


def known_truth(data: Dataset, scenario: Scenario) -> Truth | None:
    """What made the data, where they are simulated and not too large to ask."""
    known = data.truth is not None and (data.interactions.height <= ORACLE_ROWS or scenario.controls)
    return data.truth() if data.truth is not None and known else None


def labelled(fold: Fold, data: Dataset, scenario: Scenario) -> Fold:
    """The test fold with its items' true labels of spam, where there is a detector to measure and a truth to ask."""
    if fold.split != "test" or scenario.spam.label_column is None:
        return fold
    truth = known_truth(data, scenario)
    return fold if truth is None else replace(fold, spam=truth.spam(fold.items.ids))


def bounded(runner: FoldRunner, data: Dataset, outcomes: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """``outcomes`` on the runner's fold with ``REGRET``, oracle - rung of each query, and with the oracle's own.

    Unchanged where the data have no truth, are too large for it, or the fold is not in time. The oracle is asked
    the queries of ``ORACLE_USERS`` users, evenly drawn, by the same rules and with the same completion as every rung;
    elsewhere it and the regret are NaN. The oracle has only accuracy, and no effort.
    """
    fold = runner.fold
    timed = not (fold.queries.as_of == NO_TIME).any()
    truth = known_truth(data, runner.scenario) if timed else None
    if truth is None:
        return dict(outcomes)
    best = _oracle(runner, truth, _evenly(fold, ORACLE_USERS), outcomes)
    bound = best.values["ndcg_at_10"]
    return {
        name: replace(outcome, values={**outcome.values, REGRET: bound - outcome.values["ndcg_at_10"]})
        for name, outcome in {**outcomes, ORACLE: best}.items()
    }


def _oracle(runner: FoldRunner, truth: Truth, rows: np.ndarray, outcomes: Mapping[str, Outcome]) -> Outcome:
    fold = runner.fold
    queries, answers = fold.queries.take(rows), fold.truth[rows]
    lists = recommend(_Oracle(truth), queries, runner.candidates, DEEPEST, runner.scenario.scoring)
    values = {name: np.full(len(fold.queries), np.nan) for name in next(iter(outcomes.values())).values}
    for name, known in accuracy_values(Judged(lists, answers), fold.item_counts).items():
        values[name][rows] = known
    return Outcome(values)


def _evenly(fold: Fold, n_users: int) -> np.ndarray:
    """Rows of all queries of ``n_users`` users, evenly spread over the fold's."""
    user = np.cumsum(fold.first) - 1  # the queries of a user stand together
    chosen = np.unique(np.linspace(0, user[-1], n_users).astype(int))
    return np.flatnonzero(np.isin(user, chosen))


def uses(model: Recommender, scenario: Scenario) -> list[str]:
    """Which shuffled controls a recommender has: by its ``uses_features``, ``user_columns``, ``uses_times``
    and ``needs_times`` (see ``models/base.py``)."""
    features = getattr(model, "uses_features", False) or getattr(model, "user_columns", ())
    times = getattr(model, "uses_times", getattr(model, "needs_times", False)) and scenario.split.kind == "time"
    return [FEATURES] * bool(features) + [TIMES] * bool(times)


def without_features(fold: Fold, scenario: Scenario) -> Fold:
    """The fold in which every item and every user has another one's features, in training and queries alike."""
    asking, known = fold.queries.users, fold.train.users
    everyone = pl.concat([known.frame, asking.frame]).unique(known.key, keep="first", maintain_order=True)
    whole = replace(fold.train, items=fold.items, users=replace(known, frame=everyone))
    mixed = shuffled_features(whole, scenario.seed, keep=read_columns(scenario.eligibility))

    def of(table: Table, source: Table) -> Table:
        return source.take(source.lookup(table.ids))

    train = replace(fold.train, items=of(fold.train.items, mixed.items), users=of(known, mixed.users))
    queries = replace(fold.queries, users=of(asking, mixed.users))
    return replace(fold, train=train, items=mixed.items, queries=queries)


def without_times(fold: Fold, scenario: Scenario) -> Fold:
    """The fold whose training interactions have one another's times; queries and their histories stay."""
    return replace(fold, train=shuffled_times(fold.train, scenario.seed))


def controls_table(group: Group, scenario: Scenario) -> pl.DataFrame:
    """Rows of controls.parquet: paired differences rung - control by user bucket.

    p_holm: Holm-adjusted within a bucket and metric over the rungs with the same kind of control.
    Columns: rung, control, user_bucket, metric, difference, ci_low, ci_high, p_holm.
    """
    ladder = [r for r in scenario.ladder if r.name in group.rungs]
    plain = [next((r.name for r in ladder if r.recommender == kind), None) for kind in BASELINES]
    pairs, kinds = [], []
    for place, rung in enumerate(r.name for r in ladder):
        lower = [r.name for r in ladder[:place] if r.name in plain]
        twins = [(kind, f"{rung}-{kind}") for kind in (FEATURES, TIMES) if f"{rung}-{kind}" in group.rungs]
        for kind, control in [*((name, name) for name in lower), *twins]:
            pairs.append((control, rung))
            kinds.append(kind)
    differences = compare(group, pairs, kinds, scenario.bootstrap, scenario.seed)
    columns = ["user_bucket", "metric", "difference", "ci_low", "ci_high", "p_holm"]
    return differences.select(pl.col("rung_b").alias("rung"), pl.col("rung_a").alias("control"), *columns)


def unbeaten(table: pl.DataFrame, metric: str) -> list[str]:
    """A sentence for each rung of ``controls_table`` that does not beat a control for all users."""
    lost = table.filter(pl.col("user_bucket") == ALL, pl.col("metric") == metric, ~(pl.col("ci_low") > 0))
    sentences = []
    for (rung,), rows in lost.group_by("rung", maintain_order=True):
        parts = [
            f"{_called(str(rung), control)} ({with_interval(gain, low, high, sign=True)})"
            for control, gain, low, high in rows.select("control", "difference", "ci_low", "ci_high").iter_rows()
        ]
        sentences.append(f"{rung} does not beat its control in {metric_label(metric)}, all users: {'; '.join(parts)}.")
    return sentences


def _called(rung: str, control: str) -> str:
    claims = {f"{rung}-{FEATURES}": "features shuffled, so no gain by features is shown here",
              f"{rung}-{TIMES}": "times shuffled, so no gain by times is shown here"}  # fmt: skip
    return f"itself with {claims[control]}" if control in claims else control
