"""One place (a scenario on its data) as the cells of the studies tell of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from recommender.compare.moves import Move, moves, value
from recommender.compare.plan import PARTS, TRANSFER, VALUE, VOLUME
from recommender.config import Scenario
from recommender.errors import DataError
from recommender.evaluation.effort import serving
from recommender.experiment.run_tables import metric_label
from recommender.names import ALL, IN_SESSION, PLAIN, RETURNING, ROUTER, USER_BUCKETS
from recommender.studies.ablation import analyse, effects, partners
from recommender.studies.engine.cell import Measured
from recommender.studies.engine.contrast import Contrast, contrast, significant, values
from recommender.studies.engine.curves import Crossing, Curves, curves
from recommender.studies.engine.finding import Finding
from recommender.studies.engine.plan import DATA, Study, pairs_of
from recommender.studies.transfer import RECIPE


@dataclass(frozen=True)
class Site:
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
            return curves(runs)
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
        """Rows of ``contrast.contrast`` for the metric of all users, by the contrast's name."""
        table = contrast(contrasts, [self.metric], self.scenario.bootstrap, self.scenario.seed, buckets=False)
        return {row["name"]: row for row in table.iter_rows(named=True)}

    @cached_property
    def worth(self) -> pl.DataFrame:
        """Rows of ``ablation.effects``: the metric with each data asset less that without it."""
        runs = self.runs.get(VALUE, [])
        return effects(self.studies[VALUE], runs, True, self.doubted) if runs else pl.DataFrame()

    @cached_property
    def parts(self) -> pl.DataFrame:
        """The same of the scenario's parts, router against router; empty where nobody measured them."""
        runs = self.runs.get(PARTS, [])
        return effects(self.studies[PARTS], runs, True) if runs else pl.DataFrame()

    @cached_property
    def part_finding(self) -> Finding | None:
        """What the study of the parts says here, in short; None where nobody measured them."""
        runs = self.runs.get(PARTS, [])
        pairs = pairs_of(self.studies[PARTS], self.scenario.name)
        return analyse(self.studies[PARTS], runs, brief=True)[0] if runs and partners(runs, pairs) else None

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

    @property
    def doubted(self) -> set[str]:
        """Rungs that beat what ships on the test period, but are not shown to over the periods before it too."""
        rows = self.decided.hindsight if self.decided else []
        return {row["rung"] for row in rows if row["user_bucket"] == ALL and row["mean_low"] <= 0}

    def moves(self, bucket: str = ALL) -> tuple[list[Move], list[Crossing]]:
        """See ``moves.moves``; none without curves."""
        return moves(self.curves, bucket, self.doubted) if self.curves else ([], [])

    @property
    def serving(self) -> list[str]:
        """Rungs that what ships is made of: they serve, are blended in or choose new items. The simplest first."""
        if self.decided is None:
            return []
        needed = serving(self.decided.decision, self.scenario.slots)
        return [rung for rung in self.decided.rungs if rung in needed]

    @property
    def plain(self) -> str:
        """The router before re-rankers, where there are any: what a single rung is compared with."""
        return PLAIN if self.decided and PLAIN in self.decided.rungs else ROUTER

    @property
    def mix(self) -> str:
        """What ships, in words: ``popularity, ease; new items: ranker``."""
        decision = self.decided.decision if self.decided else {}
        blends = [row["rung"] for row in decision.get("blends", {}).values()]
        told, slots = ", ".join(dict.fromkeys([*self.shipped(), *blends])), decision.get("slots", {})
        return told + (f"; new items: {slots['rung']}" if slots.get("n") else "")

    @cached_property
    def alone(self) -> dict[str, Mapping[str, Any]]:
        """Single rungs for everyone, the simplest first, each with its gain over what ships, before re-rankers."""
        if self.decided is None:
            return {}
        rungs = [r for r in self.decided.rungs if r not in (ROUTER, PLAIN)]
        return self.gains([Contrast(r, self.decided, self.decided, self.plain, r) for r in rungs])

    @property
    def enough(self) -> str | None:
        """The rung of least stated person-days (of equals the one that gives most) that, for everyone, is not shown to
        give less than what ships; None where there is none. Rungs that won in the test period only do not count."""
        level = [
            rung
            for rung, row in self.alone.items()
            if rung not in self.doubted and not (significant(row) and row["difference"] < 0)
        ]
        return min(
            level, key=lambda r: (sum(self.days([r]) or (float("inf"),)), -self.alone[r]["difference"]), default=None
        )

    def days(self, rungs: Sequence[str]) -> tuple[float, float] | None:
        """Stated person-days of all of these together; None where not all are stated."""
        stated = [self.scenario.person_days.get(rung) for rung in rungs]
        known = [days for days in stated if days is not None]
        return (sum(d[0] for d in known), sum(d[1] for d in known)) if len(known) == len(stated) else None

    def noticed(self, row: Mapping[str, Any]) -> bool:
        """Whether a row of ``worth`` is significant, and larger than what another seed of the rung changes."""
        return significant(row) and abs(row["difference"]) > self.seed_noise(row["other_rung"])

    def tested(self, rung: str = ROUTER, bucket: str = ALL) -> tuple[float, float, float] | None:
        """The metric of a rung with all of today's data on the test period, with its interval: of a single rung the
        last point of its curve, over all seeds."""
        made = self.curves
        if made and (rung, bucket) in made.mean:
            return value(made, rung, bucket, -1)
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
        tested = ((rung, self.tested(rung)) for rung in alone if rung not in self.doubted)
        return {rung: found for rung, found in tested if found and found[1] >= self.scenario.problem.target}

    def seed_noise(self, rung: str) -> float:
        """How far the metric of all users moves with the seed of the rung, all of today's data: largest less smallest;
        0 where one seed was measured."""
        runs = self.runs.get(VOLUME, [])
        most = max((float(r.origin["n_train"]) for r in runs), default=0.0)
        whole = [r for r in runs if float(r.origin["n_train"]) == most and rung in r.rungs]
        means = [float(values(r, rung, self.metric).mean()) for r in whole]
        return max(means) - min(means) if means else 0.0


def read_sites(
    found: Mapping[str, Sequence[Measured]], studies: Mapping[str, Study], variables: Sequence[str] = ()
) -> list[Site]:
    """found: place -> its cells, each in a folder of its study; places without any are left out."""
    made = []
    for name in (n for n, cells in found.items() if cells):
        runs: dict[str, list[Measured]] = {}
        for run in found[name]:
            runs.setdefault(run.folder.parent.name, []).append(run)
        made.append(Site(name, found[name][0].scenario, runs, studies, variables))
    return made
