"""A train in MLflow: one flat run per rung, the router's with the report, the decision and the model.

What is logged comes from the finished run folder alone, so ``Tracker(...).log(folder)`` can be repeated later.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from recommender.errors import TrackingError, UserError
from recommender.experiment.run_folder import EFFORT_CHART, RunFolder, read_run
from recommender.models import colours
from recommender.names import ROUTER
from recommender.tracking import lost, values
from recommender.tracking.private import without_ids
from recommender.tracking.registry import CANDIDATE, model_name, register
from recommender.tracking.store import (
    EXPERIMENT,
    close_run,
    connect,
    failures,
    now_ms,
    only_warned,
    prepare,
    run_status,
    tracking_uri,
)
from recommender.tracking.views import artifact_url, latest_view

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput

ARTIFACTS = "*.parquet", "*.json", "config.yaml", "report.html", EFFORT_CHART
log = logging.getLogger(__name__)


class Tracker:
    """Tracks one train: the router's run is opened at the start, the rungs' runs are made by ``log``.

    A server that fails at the start does not stop the train: ``error`` keeps why, ``log`` raises it.
    The run ends FINISHED, FAILED (with the error as a tag) or, on Ctrl-C, KILLED. A UserError leaves
    nothing on disk, so it leaves no runs either.
    """

    def __init__(self, scenario: str, data: str, uri: str | None = None, experiment: str = EXPERIMENT) -> None:
        self.scenario, self.data = scenario, data
        self.uri = uri or tracking_uri()
        self.experiment = experiment
        self.experiment_id: str | None = None
        self.run_id: str | None = None  # the router's
        self.run_ids: list[str] = []
        self.registered: str | None = None  # models:/<name>/<version> of the model, once it is logged
        self.error: TrackingError | None = None
        self.started = now_ms()

    def __enter__(self) -> Self:
        try:
            self.experiment_id = prepare(self.uri, self.experiment)
            with failures(self.uri):
                self.run_id = self._start(ROUTER)
        except TrackingError as error:
            self.error = error
        return self

    def log(self, folder: Path) -> None:
        """Logs a finished OUT folder: a run per rung, artifacts, the model. Raises TrackingError, UserError."""
        if self.run_id is None:
            raise self.error or TrackingError("log() needs the tracker to be entered first.")
        run = read_run(folder)
        code = values.code_tags()
        with failures(self.uri):
            client = connect(self.uri)
            for above, rung in enumerate(reversed(values.rungs(run))):
                if rung != ROUTER:
                    self._log_values(client, self._start(rung, above), run, rung, code)
            for path in sorted(p for pattern in ARTIFACTS for p in folder.glob(pattern)):
                with without_ids(path) as logged:
                    client.log_artifact(self.run_id, str(logged))
            chart = artifact_url("", str(self.experiment_id), self.run_id, EFFORT_CHART)
            links = [f"[Accuracy against effort, with intervals]({chart})"] * (folder / EFFORT_CHART).exists()
            client.set_tag(self.run_id, "mlflow.note.content", "\n\n".join([*links, values.note(run)]))
            with only_warned():
                client.set_experiment_tag(str(self.experiment_id), *latest_view(self.run_id))
            model_id = None
            if (folder / "model").is_dir():
                name = model_name(self.scenario, self.data)
                model_id = register(self.uri, self.run_id, folder, name)
                self.registered = f"models:/{name}/{client.get_model_version_by_alias(name, CANDIDATE).version}"
            # Last, and the model's at once: MLflow copies a run's earlier metrics to its model one query each.
            self._log_values(client, self.run_id, run, ROUTER, code, model_id)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.run_id is None:
            return
        try:
            with failures(self.uri):
                client = connect(self.uri)
                if isinstance(error, UserError):
                    for run_id in self.run_ids:
                        client.delete_run(run_id)
                else:
                    for run_id in self.run_ids:  # the router's first: no rung is FINISHED before its train
                        close_run(client, run_id, error)
        except TrackingError as failure:
            if error is None:
                raise
            log.warning("The run could not be marked %s: %s", run_status(error), failure)

    def _start(self, rung: str, above: int = 0) -> str:
        """A new RUNNING run. The tag ``train`` ties the runs of one train together.

        ``above``: rungs above it; MLflow lists the latest start first, so this keeps the ladder's order.
        """
        client = connect(self.uri)
        tags = {"mlflow.runColor": colours.colour(rung), "mlflow.source.name": "make train", **lost.process_tags()}
        name = f"{self.scenario}-{self.data}-{rung}"
        run = client.create_run(str(self.experiment_id), self.started + above, tags, name)
        run_id = str(run.info.run_id)
        self.run_ids.append(run_id)
        client.set_tag(run_id, "train", self.run_id or run_id)
        return run_id

    def _log_values(
        self, client: MlflowClient, run_id: str, run: RunFolder, rung: str, code: dict[str, str],
        model_id: str | None = None,
    ) -> None:  # fmt: skip
        from mlflow.entities import Metric, Param, RunTag

        now, numbers = now_ms(), values.every(run, rung)
        metrics, points = values.logged(numbers, run.metric)
        steps = [*((name, 0, value) for name, value in metrics.items()),
                 *((name, step, value) for name, at in points.items() for step, value in at)]  # fmt: skip
        client.log_batch(
            run_id,
            [Metric(name, value, now, step, model_id) for name, step, value in steps],
            [Param(name, value) for name, value in values.params(run, rung).items()],
            [RunTag(name, value) for name, value in {**values.tags(run, rung), **code}.items()],
        )
        client.log_inputs(run_id, [_dataset(run)])
        client.log_text(run_id, values.as_csv(numbers), values.EVERYTHING)


def _dataset(run: RunFolder) -> DatasetInput:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    numbers = {k: v for k, v in run.data.get("summary", {}).items() if isinstance(v, (int, float, str))}
    dataset = Dataset(
        name=run.data["name"],
        digest=str(run.data["digest"])[:36],  # MLflow's limit
        source_type="local",
        source=json.dumps({"uri": str(run.data["source"])}),
        profile=json.dumps(numbers),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])
