"""One place (a scenario on its data) as the cells of the studies tell of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from recommender.config import Scenario
from recommender.effort import PLAIN
from recommender.errors import DataError
from recommender.evaluate import ALL
from recommender.query import IN_SESSION, RETURNING, USER_BUCKETS
from recommender.report.tables import metric_label
from recommender.rungs import ROUTER
from recommender.studies.cell import Measured
from recommender.studies.compare.plan import PARTS, TRANSFER, VALUE, VOLUME
from recommender.studies.curves import Curves, curves
from recommender.studies.paired import Contrast, contrast
from recommender.studies.plan import DATA, Study, pairs_of
from recommender.studies.transfer import RECIPE
from recommender.studies.volume import AXIS
from recommender.studies.worth import effects


@dataclass(frozen=True)
class Scene:
    """runs: study -> its cells here, those of a recipe of elsewhere left out. variables: what a make command repeats to
    measure the same, as ``QUICK=1``."""

    name: str
    scenario: Scenario
    runs: Mapping[str, Sequence[Measured]]
    studies: Mapping[str, Study]
    variables: Sequence[str] = ()

    @property
    def data(self) -> str:
        return self.cells[0].labels[DATA]

    @property
    def metric(self) -> str:
        return self.scenario.decision.metric

    @property
    def label(self) -> str:
        return metric_label(self.metric)

    @cached_property
    def read(self) -> Curves | DataError:
        """Learning curves, or why there are none."""
        runs = self.runs.get(VOLUME, [])
        if not runs:
            return DataError("no size of the data could be measured.")
        try:
            return curves(runs, AXIS, self.metric, max(200, self.scenario.bootstrap // 2), self.scenario.seed)
        except DataError as error:
            return error

    @property
    def curves(self) -> Curves | None:
        return self.read if isinstance(self.read, Curves) else None

    @cached_property
    def decided(self) -> Measured | None:
        """The cell with validation, decision and router."""
        return next((r for r in self.runs.get(TRANSFER, []) if RECIPE not in r.labels), None)

    @property
    def today(self) -> Measured | None:
        """The cell that tells of every rung with all of today's data: the decided one, else one of the curves."""
        full = max(self.runs.get(VOLUME, []), key=lambda r: float(r.origin["n_train"]), default=None)
        return self.decided or full

    def gains(self, contrasts: Sequence[Contrast]) -> dict[str, Mapping[str, Any]]:
        """Rows of ``paired.contrast`` for the metric of all users, by the contrast's name."""
        table = contrast(contrasts, [self.metric], self.scenario.bootstrap, self.scenario.seed, buckets=False)
        return {row["name"]: row for row in table.iter_rows(named=True)}

    @cached_property
    def worth(self) -> pl.DataFrame:
        """Rows of ``worth.effects``: the metric of all users and buckets with each data asset, less that without it."""
        runs = self.runs.get(VALUE, [])
        pairs = pairs_of(self.studies[VALUE], self.scenario.name)
        return effects(self.studies[VALUE], runs, pairs, self.metric) if runs else pl.DataFrame()

    @cached_property
    def parts(self) -> pl.DataFrame:
        """The same of the scenario's parts, router against router; empty where nobody measured them."""
        runs = self.runs.get(PARTS, [])
        pairs = pairs_of(self.studies[PARTS], self.scenario.name)
        return effects(self.studies[PARTS], runs, pairs, self.metric) if runs else pl.DataFrame()

    @property
    def cells(self) -> list[Measured]:
        return [run for runs in self.runs.values() for run in runs]

    def shipped(self) -> dict[str, list[str]]:
        """Rung -> the segments that the decision gives it to: user buckets, or where their users get another rung when
        they come back, ``<bucket>_in_session`` and ``<bucket>_returning``."""
        if self.decided is None:
            return {}
        staying, back = self.decided.decision["buckets"], self.decided.decision["returning"]
        found: dict[str, list[str]] = {}
        for bucket in (b for b in USER_BUCKETS if b in staying):
            here, there = staying[bucket]["rung"], back.get(bucket, staying[bucket])["rung"]
            found.setdefault(here, []).append(bucket if here == there else bucket + IN_SESSION)
            if here != there:
                found.setdefault(there, []).append(bucket + RETURNING)
        return found

    def tested(self, rung: str = ROUTER, bucket: str = ALL) -> tuple[float, float, float] | None:
        """The metric of a rung with all of today's data on the test period, with its interval."""
        if self.today is None:
            return None
        row = self.today.metrics.filter(
            pl.col("split") == "test",
            pl.col("metric") == self.metric,
            rung=rung,
            user_bucket=bucket,
            item_bucket=ALL,
            slice=ALL,
        )
        return tuple(row.select("value", "ci_low", "ci_high").row(0)) if row.height else None

    def reaching(self) -> dict[str, tuple[float, float, float]]:
        """Single rungs for everyone that are shown to reach the goal, the simplest first, as ``tested``."""
        alone = [r for r in self.today.rungs if r not in (ROUTER, PLAIN)] if self.today else []
        tested = ((rung, self.tested(rung)) for rung in alone)
        return {rung: found for rung, found in tested if found and found[1] >= self.scenario.problem.target}

    def seed_noise(self, rung: str) -> float:
        """How far the metric of all users moves with the seed of the rung, all of today's data: largest less smallest;
        0 where one seed was measured."""
        runs = self.runs.get(VOLUME, [])
        most = max((float(r.origin["n_train"]) for r in runs), default=0.0)
        whole = [r for r in runs if float(r.origin["n_train"]) == most and rung in r.rungs]
        means = [float(r.values.filter("first", pl.col("rung") == rung)[self.metric].mean() or 0.0) for r in whole]  # type: ignore[arg-type]
        return max(means) - min(means) if means else 0.0


def scenes(
    found: Mapping[str, Sequence[Measured]], studies: Mapping[str, Study], variables: Sequence[str] = ()
) -> list[Scene]:
    """found: place -> its cells, each in a folder of its study; places without any are left out."""
    made = []
    for name in (n for n, cells in found.items() if cells):
        runs: dict[str, list[Measured]] = {}
        for run in found[name]:
            runs.setdefault(run.folder.parent.name, []).append(run)
        made.append(Scene(name, found[name][0].scenario, runs, studies, variables))
    return made
