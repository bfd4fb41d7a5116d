"""One site (a scenario on its data): the facts that a page needs, read from the cells of the studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from recommender import config
from recommender.compare.moves import Move, moves
from recommender.compare.plan import PARTS, TRANSFER, VALUE, VOLUME
from recommender.config import Rung, Scenario
from recommender.errors import DataError
from recommender.evaluation.metric_table import metric_label
from recommender.experiment import run_tables
from recommender.experiment.decision import FILE, Decision
from recommender.experiment.run_folder import RunFolder
from recommender.models import with_person_days
from recommender.names import ALL, PLAIN, ROUTER
from recommender.studies.ablation import effects
from recommender.studies.engine.contrast import Contrast, contrast, significant, values
from recommender.studies.engine.curves import Crossing, Curves, curves
from recommender.studies.engine.measured import Measured
from recommender.studies.engine.plan import DATA, SCENARIO, Study
from recommender.studies.transfer import RECIPE

Row = Mapping[str, Any]  # of ``contrast.contrast``
Value = tuple[float, float, float]  # with its 95% interval


@dataclass(frozen=True)
class Site:
    """runs: study -> its cells here, without those of a recipe from elsewhere. variables: what a make command repeats
    to measure the same, as ``QUICK=1``."""

    name: str
    scenario: Scenario
    runs: Mapping[str, Sequence[Measured]]
    studies: Mapping[str, Study]
    variables: Sequence[str] = ()
    full: Scenario | None = None  # as its file states it, with the whole ladder
    trains: Sequence[RunFolder] = ()  # finished trains, the newest first

    @property
    def cells(self) -> list[Measured]:
        """The cells of all studies."""
        return [run for runs in self.runs.values() for run in runs]

    @property
    def data(self) -> str:
        """The source or dataset folder."""
        return self.cells[0].labels[DATA]

    @property
    def metric(self) -> str:
        """The decision's metric."""
        return self.scenario.decision.metric

    @property
    def label(self) -> str:
        """The decision's metric as a reader sees it."""
        return metric_label(self.metric)

    # --- by size of the data

    @cached_property
    def curves_or_error(self) -> Curves | DataError:
        """Learning curves, or the reason why there are none."""
        if not self.runs.get(VOLUME):
            return DataError("no size of the data could be measured.")
        try:
            return curves(self.runs[VOLUME])
        except DataError as error:
            return error

    @property
    def curves(self) -> Curves | None:
        """Learning curves, where there are any."""
        return self.curves_or_error if isinstance(self.curves_or_error, Curves) else None

    def moves(self, bucket: str = ALL) -> tuple[list[Move], list[Crossing]]:
        """See ``moves.moves``; none without curves. A rung that validation chose for any users is not in doubt."""
        chosen = {one.rung for pair in self.decision.shipped().values() for one in pair if one}
        return moves(self.curves, bucket, self.doubted - chosen) if self.curves else ([], [])

    @property
    def serves_today(self) -> str:
        """The rung that the curves of all users have serve with all of today's data."""
        return self.moves()[0][-1].rung

    def seed_noise(self, rung: str) -> float:
        """How far the metric of all users moves with the seed of the rung, all of today's data: largest less smallest;
        0 where one seed was measured."""
        runs = self.runs.get(VOLUME, [])
        most = max((float(r.origin["n_train"]) for r in runs), default=0.0)
        full = [r for r in runs if float(r.origin["n_train"]) == most and rung in r.rungs]
        means = [float(values(r, rung, self.metric).mean()) for r in full]
        return max(means) - min(means) if means else 0.0

    def beyond_noise(self, row: Row) -> bool:
        """Whether a row of ``data_value`` is significant, and larger than what another seed of the rung changes."""
        return significant(row) and abs(row["difference"]) > self.seed_noise(row["other_rung"])

    # --- with all of today's data

    @cached_property
    def decided(self) -> Measured | None:
        """The cell with validation, decision and router."""
        return next((r for r in self.runs.get(TRANSFER, []) if RECIPE not in r.labels), None)

    @property
    def today(self) -> Measured | None:
        """The cell of every rung with all of today's data: the decided one, else one of the curves."""
        full = max(self.runs.get(VOLUME, []), key=lambda r: float(r.origin["n_train"]), default=None)
        return self.decided or full

    @property
    def single_rungs(self) -> list[str]:
        """Rungs that one could ship alone to everyone, the simplest first."""
        return [r for r in self.today.rungs if r not in (ROUTER, PLAIN)] if self.today else []

    def value(self, rung: str = ROUTER, bucket: str = ALL, metric: str = "") -> Value | None:
        """A metric (the decision's, unless given) of a rung on the test period. The decision's of a single rung is over
        all seeds: the last point of its curve."""
        if self.curves and metric in ("", self.metric) and (rung, bucket) in self.curves.mean:
            return self.curves.value(rung, bucket)
        if self.today is None:
            return None
        one = dict(
            split="test", metric=metric or self.metric, rung=rung, user_bucket=bucket, item_bucket=ALL, slice=ALL
        )
        row = self.today.metrics.filter(**one)
        return tuple(row.select("value", "ci_low", "ci_high").row(0)) if row.height else None

    def gains(self, contrasts: Sequence[Contrast]) -> dict[str, Row]:
        """Rows of ``contrast.contrast`` for the metric of all users, by the contrast's name."""
        table = contrast(contrasts, [self.metric], self.scenario.bootstrap, self.scenario.seed, buckets=False)
        return {row["name"]: row for row in table.iter_rows(named=True)}

    # --- what ships

    @cached_property
    def ships(self) -> RunFolder | None:
        """What a train decided for these data among the whole ladder, where one is kept; else what the chooser did."""
        cell = self.decided
        if cell is None:
            return None
        same = (t for t in self.trains if t.data.get("digest") == cell.done["digest"] and self._alike(t.scenario))
        return next(same, cell.run)

    @property
    def _train(self) -> RunFolder | None:
        """The train that decided what ships; None where the chooser did."""
        return self.ships if self.decided and self.ships is not self.decided.run else None

    def _alike(self, other: Scenario) -> bool:
        mine = self.scenario
        return (other.name, other.split.test, other.decision.metric, other.seed) == (
            mine.name, mine.split.test, mine.decision.metric, mine.seed
        )  # fmt: skip

    @property
    def whole_ladder(self) -> Sequence[Rung]:
        """The ladder that a train of the scenario would measure."""
        return self.full.ladder if self.full else self.scenario.ladder

    @property
    def measure_parts(self) -> str:
        """The command that measures the parts."""
        source = [] if self.full is None or self.data == self.full.data.source else [f"DATA={self.data}"]
        return " ".join(["make study STUDY=parts", f"SCENARIO={self.scenario.name}", *source, *self.variables])

    @property
    def decision(self) -> Decision:
        """What validation decided; an empty one where it could not be measured."""
        return self.decided.decision if self.decided else Decision()

    @property
    def unranked(self) -> str:
        """The router before re-rankers, where there are any: what a single rung is compared with."""
        run = self._train or self.decided
        return PLAIN if run and PLAIN in run.rungs else ROUTER

    @property
    def doubted(self) -> set[str]:
        """Rungs that beat what ships on the test period, but are not shown to over the periods before it too."""
        run = self._train or self.decided
        rows = run.hindsight if run else []
        return {row["rung"] for row in rows if row["user_bucket"] == ALL and row["mean_low"] <= 0}

    @cached_property
    def against_shipped(self) -> dict[str, Row]:
        """Single rungs for everyone, each with its gain over what ships, before re-rankers."""
        cell, run = self.decided, self._train
        if run is None:
            return self.gains([Contrast(r, cell, cell, self.unranked, r) for r in self.single_rungs]) if cell else {}
        alone = {r.name for r in run.scenario.ladder if not r.control}
        everyone = {"metric": self.metric, "user_bucket": ALL}
        n = run.metrics.filter(split="test", rung=ROUTER, item_bucket=ALL, slice=ALL, **everyone)["n_queries"][0]
        pairs = run.comparisons.filter(pl.col("rung_a").is_in(alone), rung_b=self.unranked, **everyone)
        return {
            r["rung_a"]: {**r, "difference": -r["difference"], "ci_low": -r["ci_high"], "ci_high": -r["ci_low"],
                          "n_queries": n, "other_rung": r["rung_a"]}
            for r in pairs.iter_rows(named=True)
        }  # fmt: skip

    @property
    def seconds(self) -> dict[str, float]:
        """CPU seconds of a fit and the lists of the test period, by rung, where what ships was decided."""
        if self._train is not None:
            return dict(run_tables.seconds(self._train).drop_nulls("cpu_s").select("rung", "cpu_s").iter_rows())
        return self.decided.seconds if self.decided else {}

    @property
    def enough(self) -> str | None:
        """The rung of least stated person-days (of equals the best one) that, for everyone, is not shown to give less
        than what ships; None where there is none. Rungs that won in the test period only do not count."""
        rows = {rung: row for rung, row in self.against_shipped.items() if rung not in self.doubted}
        level = [rung for rung, row in rows.items() if row["ci_high"] >= 0]
        days = self.scenario.person_days
        return min(level, key=lambda r: (sum(days.get(r, (float("inf"),))), -rows[r]["difference"]), default=None)

    # --- data assets and parts

    @cached_property
    def data_value(self) -> pl.DataFrame:
        """Rows of ``ablation.effects``: the metric with each data asset less that without it."""
        runs = self.runs.get(VALUE)
        return effects(self.studies[VALUE], runs, True, self.doubted) if runs else pl.DataFrame()

    @cached_property
    def part_effects(self) -> pl.DataFrame:
        """Rows of ``ablation.effects`` for the scenario's parts, router against router; empty without such cells."""
        runs = self.runs.get(PARTS)
        return effects(self.studies[PARTS], runs, True) if runs else pl.DataFrame()


def named(sites: Sequence[Site]) -> list[Measured]:
    """The decided cells, their scenario named by its site where one scenario stands at several."""
    names = [s.scenario.name for s in sites]
    return [
        replace(s.decided, labels={**s.decided.labels, SCENARIO: s.name if names.count(n) > 1 else n})
        for n, s in zip(names, sites, strict=True)
        if s.decided is not None
    ]


def read_sites(
    cells: Mapping[str, Sequence[Measured]], studies: Mapping[str, Study], variables: Sequence[str] = (),
    trains: Sequence[RunFolder] = (),
) -> list[Site]:  # fmt: skip
    """cells: by site, each in a folder of its study; sites without any are left out. trains: the newest first."""
    sites = []
    for name, measured in ((n, m) for n, m in cells.items() if m):
        runs: dict[str, list[Measured]] = {}
        for run in measured:
            runs.setdefault(run.folder.parent.name, []).append(run)
        scenario = with_person_days(measured[0].scenario)
        stated = config.load(scenario.name) if scenario.name in config.scenarios() else None
        sites.append(Site(name, scenario, runs, studies, variables, stated, trains))
    return sites


def finished_trains(folder: Path) -> list[RunFolder]:
    """The finished trains under ``folder``, the newest first."""
    trains = [p.parent for p in folder.glob("*/data.json") if (p.parent / FILE).is_file()]
    return [RunFolder(p) for p in sorted(trains, key=lambda p: p.stat().st_mtime, reverse=True)]
