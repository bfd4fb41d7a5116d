"""A study in MLflow: one flat run per cell and rung in ``study-<name>``, and one that carries the report."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path

from recommender import tracking
from recommender import tracking_values as values
from recommender.data.operators import described
from recommender.errors import TrackingError
from recommender.studies.cell import Measured
from recommender.studies.plan import DATA, SCENARIO, Cell
from recommender.studies.run import Failure
from recommender.tracking_views import CELLS_OF_STUDY, LEARNING, STUDY, view_url

SOURCE = "make study"


class StudyTracker:
    """Logs cells as they are finished, each once per store however often the study runs.

    A server that fails does not stop the study: ``error`` keeps the first reason, ``finish`` raises it.
    """

    def __init__(self, study: str, uri: str | None = None) -> None:
        self.study = study
        self.uri = uri or tracking.tracking_uri()
        self.experiment_id = ""
        self.error: TrackingError | None = None
        try:
            self.experiment_id = tracking.prepare(self.uri, f"{STUDY}{study}")
        except TrackingError as error:
            self.error = error

    def cell(self, found: Measured) -> None:
        """A run per rung, unless an earlier run of the study logged the same cell in this store."""
        told = json.dumps([self.uri, dict(found.labels)], sort_keys=True)
        mark = found.folder / f"mlflow-{hashlib.sha256(told.encode()).hexdigest()[:8]}.json"
        if self.error or mark.exists():
            return
        try:
            ids = [self._rung(found, rung) for rung in found.rungs]
        except TrackingError as error:
            self.error = error
            return
        mark.write_text(json.dumps({"uri": self.uri, "labels": dict(found.labels), "runs": ids}) + "\n")

    def failed(self, failure: Failure) -> None:
        """A FAILED run, with the error as its tag."""
        if self.error:
            return
        try:
            params = self._params(failure.cell)
            self._log(failure.cell.name, {}, params, {}, error=failure.error)
        except TrackingError as error:
            self.error = error

    def finish(self, artifacts: Sequence[Path], note: str) -> str:
        """The run with the report; its id. Raises TrackingError, also what failed before."""
        if self.error:
            raise self.error
        tags = {"mlflow.note.content": note, "study_report": "true"}
        return self._log(f"{self.study} report", {}, {"study": self.study}, tags, artifacts)

    def view_url(self, base: str, learning: bool) -> str:
        """Link to the experiment's charts: learning curves, or every cell. Raises the error of the start."""
        if not self.experiment_id:
            raise self.error or TrackingError("The study has no experiment.")
        return view_url(base, self.experiment_id, LEARNING if learning else CELLS_OF_STUDY)

    def _rung(self, found: Measured, rung: str) -> str:
        spent = found.seconds.get(rung, 0.0)
        origin = {k: float(v) for k, v in found.origin.items() if isinstance(v, int | float)}
        logged = {**values.evaluation(found.metrics, rung), **{f"data/{k}": v for k, v in origin.items()}}
        logged |= {"effort/total_cpu_s": spent, "effort/log10_total_cpu_s": math.log10(max(spent, values.LEAST_S))}
        if origin.get("n_train"):
            logged["data/log10_n_train"] = math.log10(origin["n_train"])
        finite = {k: float(v) for k, v in logged.items() if v is not None and math.isfinite(v)}
        cell = Cell(found.labels, found.scenario, "")
        tags = {"mlflow.runColor": values.colour(rung), "data_digest": str(found.done["digest"])}
        return self._log(f"{cell.name} {rung}", finite, {**self._params(cell), "rung": rung}, tags)

    def _params(self, cell: Cell) -> dict[str, str]:
        data = cell.scenario.data
        told = {"data/difference": described(data.differences, data.train_differences)}
        axes = {SCENARIO: "", DATA: "", **cell.labels}
        return {k: v for k, v in {"study": self.study, **axes, **told}.items() if v}

    def _log(
        self,
        name: str,
        metrics: dict[str, float],
        params: dict[str, str],
        tags: dict[str, str],
        artifacts: Sequence[Path] = (),
        error: Exception | None = None,
    ) -> str:
        tags = {"mlflow.source.name": SOURCE, **tags}
        return tracking.log_run(
            self.uri, self.experiment_id, name, metrics=metrics, params=params, tags=tags, artifacts=artifacts,
            error=error,
        )  # fmt: skip
