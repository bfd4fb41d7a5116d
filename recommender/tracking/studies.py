"""A study in MLflow: one flat run per cell and rung in ``study-<name>``, and one that carries the report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from recommender.data.operators import described
from recommender.errors import TrackingError
from recommender.files import write_json
from recommender.hashing import of_content
from recommender.models.colours import colour
from recommender.studies.engine.cell import Measured
from recommender.studies.engine.plan import DATA, SCENARIO, Cell
from recommender.studies.engine.run import Failure
from recommender.studies.summary import Summary, colours, effort, shown
from recommender.tracking import store, values
from recommender.tracking.views import CELLS_OF_STUDY, KIND, REPORT, STUDY, TAG, TITLES, report_views, view_url

SOURCE = "make study"


class StudyTracker:
    """Logs cells as they are finished, each once per store however often the study runs.

    A server that fails does not stop the study: ``error`` keeps the first reason, ``finish`` raises it.
    """

    def __init__(self, study: str, uri: str | None = None) -> None:
        self.study = study
        self.uri = uri or store.tracking_uri()
        self.experiment_id = ""
        self.error: TrackingError | None = None
        try:
            self.experiment_id = store.prepare(self.uri, f"{STUDY}{study}")
        except TrackingError as error:
            self.error = error

    def cell(self, found: Measured) -> None:
        """A run per rung, unless an earlier run of the study logged the same cell in this store."""
        mark = found.folder / f"mlflow-{of_content(self.uri, dict(found.labels), digits=8)}.json"
        if self.error or mark.exists():
            return
        try:
            ids = [self._rung(found, rung) for rung in found.rungs]
        except TrackingError as error:
            self.error = error
            return
        write_json(mark, {"uri": self.uri, "labels": dict(found.labels), "runs": ids})

    def failed(self, failure: Failure) -> None:
        """A FAILED run, with the error as its tag."""
        if self.error:
            return
        try:
            params = self._params(failure.cell)
            self._log(failure.cell.name, {}, params, {}, error=failure.error)
        except TrackingError as error:
            self.error = error

    def finish(self, artifacts: Sequence[Path], note: str, told: Sequence[Summary], ui: str) -> dict[str, str]:
        """The run with the report, and a run for each of ``told``; title -> link of the views that chart them, at
        MLflow's address ``ui``. Raises TrackingError, also what failed before."""
        if self.error:
            raise self.error
        name = f"{self.study} report"
        return log_report(self.uri, self.experiment_id, SOURCE, name, artifacts, note, told, ui)

    def _rung(self, found: Measured, rung: str) -> str:
        spent = found.seconds.get(rung, 0.0)
        origin = {k: float(v) for k, v in found.origin.items() if isinstance(v, int | float)}
        logged = {**values.evaluation(found.metrics, rung), **{f"data/{k}": v for k, v in origin.items()}}
        logged |= effort(spent)
        if origin.get("n_train"):
            logged["data/log10_n_train"] = math.log10(origin["n_train"])
        finite = {k: float(v) for k, v in logged.items() if v is not None and math.isfinite(v)}
        cell = Cell(found.labels, found.scenario, "")
        tags = {"mlflow.runColor": colour(rung), "data_digest": str(found.done["digest"])}
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
        error: Exception | None = None,
    ) -> str:
        tags = {"mlflow.source.name": SOURCE, **tags}
        return store.log_run(self.uri, self.experiment_id, name, metrics=metrics, params=params, tags=tags, error=error)


def log_report(
    uri: str,
    experiment_id: str,
    source: str,
    name: str,
    artifacts: Sequence[Path],
    note: str,
    told: Sequence[Summary],
    ui: str,
) -> dict[str, str]:
    """A run with the artifacts, one for each of ``told``, and the views that chart these: title -> link at ``ui``.

    Raises TrackingError.
    """
    tags = {"mlflow.source.name": source, "mlflow.note.content": note}
    report = store.log_run(uri, experiment_id, name, metrics={}, params={}, tags=tags, artifacts=artifacts)
    colour = colours(told)
    for one in reversed(told):  # MLflow lists the latest first
        store.log_run(
            uri, experiment_id, one.name, metrics=one.metrics, curves=one.curves,
            params={"place": one.place, one.kind: one.what},
            tags={"mlflow.source.name": source, "mlflow.runColor": colour[one.what], REPORT: report, KIND: one.kind},
        )  # fmt: skip
    made = report_views(report, shown(told))
    store.show_views(uri, experiment_id, made)
    keys = [tag.removeprefix(TAG) for tag in made] or [CELLS_OF_STUDY]
    return {TITLES[key]: view_url(ui, experiment_id, key) for key in keys}
