"""A study in MLflow: one flat run per cell and rung in ``study-<name>``, and one that carries the report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recommender.data.operators import described
from recommender.errors import TrackingError
from recommender.files import write_json
from recommender.hashing import of_content
from recommender.models.colours import colour
from recommender.studies.engine.measured import Measured
from recommender.studies.engine.plan import DATA, SCENARIO, Cell
from recommender.studies.engine.run import Failure
from recommender.studies.summary import Summary, colours, effort, shown
from recommender.tracking import store, values
from recommender.tracking.views import (
    CELLS_OF_STUDY,
    KIND,
    REPORT,
    STUDY,
    TAG,
    TITLES,
    artifact_url,
    report_views,
    view_url,
)

SOURCE = "make study"
REPORT_TITLE = "Report, all charts with intervals"


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

    def cell(self, measured: Measured) -> None:
        """A run per rung, unless an earlier run of the study logged the same cell in this store."""
        mark = measured.folder / f"mlflow-{of_content(self.uri, dict(measured.labels), digits=8)}.json"
        if self.error or mark.exists():
            return
        try:
            ids = [self._rung(measured, rung) for rung in measured.rungs]
        except TrackingError as error:
            self.error = error
            return
        write_json(mark, {"uri": self.uri, "labels": dict(measured.labels), "runs": ids})

    def failed(self, failure: Failure) -> None:
        """A FAILED run, with the error as its tag."""
        if self.error:
            return
        try:
            self._log(failure.cell.name, self._params(failure.cell), {}, error=failure.error)
        except TrackingError as error:
            self.error = error

    def finish(self, artifacts: Sequence[Path], note: str, summaries: Sequence[Summary], ui: str) -> dict[str, str]:
        """The run with the report, and a run for each of ``summaries``; title -> link of the views that chart them, at
        MLflow's address ``ui``. Raises TrackingError, also what failed before."""
        if self.error:
            raise self.error
        name = f"{self.study} report"
        return log_report(self.uri, self.experiment_id, SOURCE, name, artifacts, note, summaries, ui)

    def _rung(self, measured: Measured, rung: str) -> str:
        origin = {k: float(v) for k, v in measured.origin.items() if isinstance(v, int | float)}
        numbers = {**values.evaluation(measured.metrics, rung), **{f"data/{k}": v for k, v in origin.items()}}
        numbers |= effort(measured.seconds.get(rung, 0.0))
        finite = {k: float(v) for k, v in numbers.items() if v is not None and math.isfinite(v)}
        cell = Cell(measured.labels, measured.scenario, "")
        tags = {"mlflow.runColor": colour(rung), "data_digest": str(measured.done["digest"])}
        params = {**self._params(cell), "rung": rung}
        metrics, points = values.logged(finite, measured.scenario.decision.metric)
        table = {values.EVERYTHING: values.as_csv(finite)}
        return self._log(f"{cell.name} {rung}", params, tags, metrics=metrics, curves=points, texts=table)

    def _params(self, cell: Cell) -> dict[str, str]:
        data = cell.scenario.data
        difference = {"data/difference": described(data.differences, data.train_differences)}
        axes = {SCENARIO: "", DATA: "", **cell.labels}
        return {k: v for k, v in {"study": self.study, **axes, **difference}.items() if v}

    def _log(self, name: str, params: dict[str, str], tags: dict[str, str], **more: Any) -> str:
        tags = {"mlflow.source.name": SOURCE, **tags}
        return store.log_run(self.uri, self.experiment_id, name, params=params, tags=tags, **more)


def log_report(
    uri: str,
    experiment_id: str,
    source: str,
    name: str,
    artifacts: Sequence[Path],
    note: str,
    summaries: Sequence[Summary],
    ui: str,
) -> dict[str, str]:
    """A run with the artifacts, one for each summary, and the views that chart these: title -> link at ``ui``, the
    report's, whose charts have all intervals, first.

    Raises TrackingError.
    """
    tags = {"mlflow.source.name": source, "mlflow.note.content": note}
    report = store.log_run(uri, experiment_id, name, metrics={}, params={}, tags=tags, artifacts=artifacts)
    colour = colours(summaries)
    for summary in reversed(summaries):  # MLflow lists the latest first
        store.log_run(
            uri, experiment_id, summary.name, metrics=summary.metrics, curves=summary.curves,
            params={"site": summary.site, summary.kind: summary.what},
            tags={
                "mlflow.source.name": source, "mlflow.runColor": colour[summary.what],
                REPORT: report, KIND: summary.kind,
            },
        )  # fmt: skip
    charts = report_views(report, shown(summaries))
    store.show_views(uri, experiment_id, charts)
    keys = [tag.removeprefix(TAG) for tag in charts] or [CELLS_OF_STUDY]
    pages = [artifact_url(ui, experiment_id, report, a.name) for a in artifacts if a.suffix == ".html"]
    links = {REPORT_TITLE: pages[0]} if pages else {}
    return links | {TITLES[key]: view_url(ui, experiment_id, key) for key in keys}
