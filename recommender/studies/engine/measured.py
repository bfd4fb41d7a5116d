"""A finished cell, read from its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from recommender.config import Scenario
from recommender.evaluation.effort import TRIALS_TO_1PCT
from recommender.experiment import run_folder
from recommender.experiment.decision import Decision
from recommender.studies.engine.plan import DATA, SCENARIO

DONE = "done.json"  # the last file of a finished cell


def by_site(runs: Sequence[Measured]) -> dict[str, list[Measured]]:
    """Cells by ``<scenario> on <data>``, in their order."""
    places: dict[str, list[Measured]] = {}
    for run in runs:
        places.setdefault(f"{run.labels[SCENARIO]} on {run.labels[DATA]}", []).append(run)
    return places


@dataclass(frozen=True)
class Measured:
    """A finished cell, read from its folder."""

    labels: Mapping[str, str]
    scenario: Scenario
    folder: Path

    @cached_property
    def done(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / DONE).read_text()))

    @property
    def origin(self) -> dict[str, Any]:
        return dict(self.done["origin"])

    @property
    def rungs(self) -> list[str]:
        return list(self.done["rungs"])

    @cached_property
    def values(self) -> pl.DataFrame:
        return pl.read_parquet(self.folder / "values.parquet")

    @cached_property
    def metrics(self) -> pl.DataFrame:
        return pl.read_parquet(self.folder / "metrics.parquet")

    @cached_property
    def audit(self) -> pl.DataFrame | None:
        path = self.folder / "audit.parquet"
        return pl.read_parquet(path) if path.exists() else None

    @cached_property
    def run(self) -> run_folder.RunFolder:
        return run_folder.RunFolder(self.folder)

    @cached_property
    def decision(self) -> Decision:
        """Without choices where the mode of the cell decides nothing."""
        return self.run.decision

    @cached_property
    def hindsight(self) -> list[dict[str, Any]]:
        return self.run.hindsight

    @cached_property
    def seconds(self) -> dict[str, float]:
        """CPU seconds of fit and recommend at the test origin, by rung; the router's with the fits that it needs."""
        rows = self.run.spent.filter(
            pl.col("split") == "test", pl.col("stage").is_in(["fit", "recommend"]), pl.col("rung") != "all"
        )
        return dict(rows.group_by("rung", maintain_order=True).agg(pl.col("cpu_s").sum()).iter_rows())

    @cached_property
    def whole_seconds(self) -> float:
        """CPU seconds of all stages of the cell together, tuning and evaluation too."""
        return float(self.run.effort["cpu_s"].sum())

    @cached_property
    def trials(self) -> dict[str, float]:
        """Rung -> trials of tuning until within 1% of the best of them, on validation."""
        rows = self.run.data_effort.filter(pl.col("measure").str.starts_with(TRIALS_TO_1PCT))
        return {m.removeprefix(TRIALS_TO_1PCT): v for m, v in rows.select("measure", "value").iter_rows()}

    @cached_property
    def tuning_seconds(self) -> dict[str, float]:
        """CPU seconds of tuning by rung."""
        effort = self.run.effort.filter(pl.col("stage") == "tune")
        return dict(effort.group_by("rung", maintain_order=True).agg(pl.col("cpu_s").sum()).iter_rows())

    @cached_property
    def columns(self) -> float:
        """Feature columns that the data has."""
        return float(self.run.data_effort.filter(measure="feature_columns")["value"][0])
