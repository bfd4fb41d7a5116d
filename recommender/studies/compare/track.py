"""A comparison in MLflow: its cells in the experiments of their studies, and in ``compare`` a flat run per place and
rung, and one that carries the report."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from recommender import tracking
from recommender import tracking_values as values
from recommender.effort import PLAIN, ROUTER
from recommender.studies.cell import Measured
from recommender.studies.compare.places import Scene
from recommender.studies.compare.plan import TRANSFER
from recommender.studies.compare.said import Evidence
from recommender.studies.run import Failure
from recommender.studies.track import StudyTracker
from recommender.tracking_views import view_url

EXPERIMENT = "compare"
SOURCE = "make compare"


class Trackers:
    """A ``StudyTracker`` for each study that cells come from. A server that fails stops nothing; ``finish`` raises."""

    def __init__(self, studies: Sequence[str]) -> None:
        self.uri = tracking.tracking_uri()
        self.of = {name: StudyTracker(name, self.uri) for name in studies}

    def cell(self, found: Measured) -> None:
        self.of[found.folder.parent.name].cell(found)

    def failed(self, failure: Failure) -> None:
        self.of[failure.cell.study].failed(failure)

    def evidence(self, scenes: Sequence[Scene], again: Mapping[str, Sequence[Measured]], ui: str) -> list[Evidence]:
        """Per place and study. again: place -> its cells of every recipe; ui: address of MLflow's pages."""
        found = []
        for scene in scenes:
            for study, runs in scene.runs.items():
                cells = [*runs, *(again.get(scene.name, []) if study == TRANSFER else [])]
                links = {c.folder: self._links(c, ui) for c in cells}
                found.append(Evidence(f"{study}, {scene.name}", cells, links))
        return found

    def finish(self, scenes: Sequence[Scene], artifacts: Sequence[Path], note: str, ui: str) -> str:
        """The runs of the experiment ``compare``; the link to their charts in MLflow at ``ui``. Raises TrackingError,
        also what failed before."""
        for tracker in self.of.values():
            if tracker.error:
                raise tracker.error
        experiment = tracking.prepare(self.uri, EXPERIMENT)
        tags = {"mlflow.source.name": SOURCE, "mlflow.note.content": note}
        report = tracking.log_run(self.uri, experiment, "report", metrics={}, params={}, tags=tags, artifacts=artifacts)
        for scene in scenes:
            for rung, logged in metrics(scene).items():
                tracking.log_run(
                    self.uri, experiment, f"{scene.name} {rung}", metrics=logged,
                    params={"scenario": scene.scenario.name, "place": scene.name, "rung": rung},
                    tags={"mlflow.source.name": SOURCE, "mlflow.runColor": values.colour(rung), "compare": report},
                )  # fmt: skip
        return view_url(ui, experiment)

    def _links(self, cell: Measured, ui: str) -> dict[str, str]:
        """Rung -> its run's page, from the mark that the tracker left in the cell's folder."""
        tracker = self.of[cell.folder.parent.name]
        for path in sorted(cell.folder.glob("mlflow-*.json")):
            mark = json.loads(path.read_text())
            if mark["uri"] == self.uri and mark["labels"] == dict(cell.labels):
                base = f"{ui}/#/experiments/{tracker.experiment_id}/runs"
                return {rung: f"{base}/{run}" for rung, run in zip(cell.rungs, mark["runs"], strict=True)}
        return {}


def metrics(scene: Scene) -> dict[str, dict[str, float]]:
    """Rung -> slash-sectioned numbers with all of today's data, from the cell that holds them."""
    found: dict[str, dict[str, float]] = {}
    made = scene.curves
    full = scene.full
    sources = [(full, r) for r in full.rungs] if full else []
    sources += [(scene.decided, ROUTER)] if scene.decided else []
    for cell, rung in (s for s in sources if s[1] != PLAIN):
        spent = float(made.cpu_s[rung][-1]) if made and rung in made.rungs else cell.seconds.get(rung, 0.0)
        logged = {**values.evaluation(cell.metrics, rung), "effort/total_cpu_s": spent}
        logged["effort/log10_total_cpu_s"] = math.log10(max(spent, values.LEAST_S))
        logged["data/n_train"] = float(cell.origin["n_train"])
        for name, days in zip(("low", "high"), scene.scenario.person_days.get(rung, ()), strict=False):
            logged[f"effort/stated_person_days_{name}"] = days
        found[rung] = {k: float(v) for k, v in logged.items() if v is not None and math.isfinite(v)}
    return found
