"""Tracking with MLflow: flat runs, one per rung; chart views; the served model.

The only file of the library that imports MLflow (``pyfunc_model.py`` is run by MLflow itself), and only
inside functions: the import takes seconds. What is logged comes from the finished OUT folder alone, so
that ``Tracker(...).log(out)`` can be repeated later.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import shutil
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from traceback import walk_tb
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pandas as pd
import polars as pl

from recommender.data.dataset import NO_TIME, Dataset
from recommender.errors import TrackingError, UserError, nearest
from recommender.experiment.run_folder import RunFolder, read_run
from recommender.features import text
from recommender.models import colours
from recommender.names import ROUTER
from recommender.tracking import lost, values
from recommender.tracking.views import LATEST, LONGEST, STUDY, latest_view, study_views, view_url, views

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput

EXPERIMENT = "coldstart"
CHAMPION = "champion"  # alias of the latest registered model
ARTIFACTS = "*.parquet", "*.json", "config.yaml", "report.html"
# What recommender/serving/persistence.py, recommend.py and the models import, at the versions that trained the model.
SERVING = (
    *("implicit", "lightfm-next", "mlflow", "numba", "numpy", "pandas", "polars", "pyarrow", "pydantic"),
    *("pyyaml", "scikit-learn", "scipy", "threadpoolctl"),
)
log = logging.getLogger(__name__)


def tracking_uri() -> str:
    """``MLFLOW_TRACKING_URI``, else ``mlflow.db`` in the working directory (MLflow's own default may differ)."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path.cwd() / 'mlflow.db'}"


def prepare(uri: str, experiment: str = EXPERIMENT) -> str:
    """Makes the store ready and returns the experiment's id; safe when many processes start at once.

    A SQLite database is created or, after a copy, upgraded under a file lock: two processes that
    migrate one database together crash. Runs that a killed program left
    open are closed. Raises TrackingError.
    """
    with _failures(uri):
        database = _database(uri)
        if database is None:
            return _opened(_client(uri), experiment, None)
        database.parent.mkdir(parents=True, exist_ok=True)
        with open(database.parent / ".mlflow.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _upgrade(uri, database)
            artifacts = (database.parent / "mlruns" / experiment).absolute().as_uri()
            return _opened(_client(uri), experiment, artifacts)


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
        self.error: TrackingError | None = None
        self.started = _now_ms()

    def __enter__(self) -> Self:
        try:
            self.experiment_id = prepare(self.uri, self.experiment)
            with _failures(self.uri):
                self.run_id = self._start(ROUTER)
        except TrackingError as error:
            self.error = error
        return self

    def log(self, folder: Path) -> None:
        """Logs a finished OUT folder: a run per rung, artifacts, the model. Raises TrackingError, UserError."""
        if self.run_id is None:
            raise self.error or TrackingError("log() needs the tracker to be entered first.")
        out = read_run(folder)
        code = values.code_tags()
        with _failures(self.uri):
            client = _client(self.uri)
            for above, rung in enumerate(reversed(values.rungs(out))):
                if rung != ROUTER:
                    self._log_values(client, self._start(rung, above), out, rung, code)
            for path in sorted(p for pattern in ARTIFACTS for p in folder.glob(pattern)):
                client.log_artifact(self.run_id, str(path))
            client.set_tag(self.run_id, "mlflow.note.content", values.note(out))
            with _only_warned():
                client.set_experiment_tag(str(self.experiment_id), *latest_view(self.run_id))
            model_id = None
            if (folder / "model").is_dir():
                model_id = register(self.uri, self.run_id, folder, model_name(self.scenario, self.data))
            # Last, and the model's at once: MLflow copies a run's earlier metrics to its model one query each.
            self._log_values(client, self.run_id, out, ROUTER, code, model_id)

    def view_url(self, base: str) -> str:
        """Link to the charts of the latest train, this one after ``log``. Raises the error of the start."""
        if self.experiment_id is None:
            raise self.error or TrackingError("The tracker was not entered.")
        return view_url(base, self.experiment_id, LATEST)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.run_id is None:
            return
        try:
            with _failures(self.uri):
                client = _client(self.uri)
                if isinstance(error, UserError):
                    for run_id in self.run_ids:
                        client.delete_run(run_id)
                else:
                    for run_id in self.run_ids:  # the router's first: no rung is FINISHED before its train
                        _close(client, run_id, error)
        except TrackingError as failure:
            if error is None:
                raise
            log.warning("The run could not be marked %s: %s", _status(error), failure)

    def _start(self, rung: str, above: int = 0) -> str:
        """A new RUNNING run. The tag ``train`` ties the runs of one train together.

        ``above``: rungs above it; MLflow lists the latest start first, so this keeps the ladder's order.
        """
        client = _client(self.uri)
        tags = {"mlflow.runColor": colours.colour(rung), "mlflow.source.name": "make train", **lost.process_tags()}
        name = f"{self.scenario}-{self.data}-{rung}"
        run = client.create_run(str(self.experiment_id), self.started + above, tags, name)
        run_id = str(run.info.run_id)
        self.run_ids.append(run_id)
        client.set_tag(run_id, "train", self.run_id or run_id)
        return run_id

    def _log_values(
        self, client: MlflowClient, run_id: str, out: RunFolder, rung: str, code: dict[str, str],
        model_id: str | None = None,
    ) -> None:  # fmt: skip
        from mlflow.entities import Metric, Param, RunTag

        now = _now_ms()
        client.log_batch(
            run_id,
            [Metric(name, value, now, 0, model_id) for name, value in values.metrics(out, rung).items()],
            [Param(name, value) for name, value in values.params(out, rung).items()],
            [RunTag(name, value) for name, value in {**values.tags(out, rung), **code}.items()],
        )
        client.log_inputs(run_id, [_dataset(out)])


def log_run(
    uri: str,
    experiment_id: str,
    name: str,
    *,
    metrics: Mapping[str, float],
    params: Mapping[str, str],
    tags: Mapping[str, str],
    artifacts: Sequence[Path] = (),
    error: BaseException | None = None,
    curves: Mapping[str, Sequence[tuple[int, float]]] = {},
) -> str:
    """One finished run of an experiment that ``prepare`` made ready; its id. ``error``: it is FAILED, and why.

    curves: metric -> its (step, value). Raises TrackingError.
    """
    from mlflow.entities import Metric, Param, RunTag

    with _failures(uri):
        client, now = _client(uri), _now_ms()
        run_id = str(client.create_run(experiment_id, now, {**tags, **lost.process_tags()}, name).info.run_id)
        with _closing(client, run_id):
            client.log_batch(
                run_id,
                [Metric(key, value, now, 0) for key, value in metrics.items()]
                + [Metric(key, value, now, step) for key, points in curves.items() for step, value in points],
                [Param(key, value) for key, value in params.items()],
                [RunTag(key, value) for key, value in values.code_tags().items()],
            )
            for path in artifacts:
                client.log_artifact(run_id, str(path))
        if error is not None:
            _close(client, run_id, error)
        return run_id


def show_views(uri: str, experiment_id: str, shown: Mapping[str, str]) -> None:
    """Puts these chart views (of ``tracking_views``) in the place of those of the same name; a failure is warned of."""
    with _failures(uri), _only_warned():
        for tag, value in shown.items():
            _client(uri).set_experiment_tag(experiment_id, tag, value)


def register(uri: str, run_id: str, folder: Path, name: str) -> str:
    """Logs ``folder/model`` as the run's pyfunc model and registers it as ``champion``; returns its id.

    The model answers the input example once before anything is logged. Loading it runs no pickle.
    """
    import mlflow
    from mlflow.models import Model, infer_signature
    from mlflow.types import ParamSchema, ParamSpec

    from recommender.serving import persistence
    from recommender.serving.bundle import serve

    client = _client(uri)
    bundle = persistence.load(folder / "model")
    example = _example(bundle.data)
    answer = serve(bundle, pl.from_pandas(example), k=5)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*integer column.*", category=UserWarning)  # ids and ranks are whole
        signature = infer_signature(example, answer.to_pandas())
    signature.params = ParamSchema([ParamSpec("k", "long", 10)])
    package = Path(__file__).parents[1]
    extra = text.PACKAGES if text.used_by(bundle.router.rungs.values()) else ()
    # Made by hand, since Model.log() would put it into whatever experiment is active in this process.
    logged = client.create_logged_model(client.get_run(run_id).info.experiment_id, ROUTER, run_id)
    mlflow.set_tracking_uri(uri)
    info = Model.log(
        artifact_path=None,
        name=ROUTER,
        flavor=mlflow.pyfunc,
        run_id=run_id,
        model_id=logged.model_id,
        python_model=str(package / "serving/mlflow_model.py"),
        artifacts={"model": str(folder / "model")},
        code_paths=[str(package)],
        signature=signature,
        input_example=(example, {"k": 5}),
        pip_requirements=[f"{needed}=={version(needed)}" for needed in (*SERVING, *extra)],
    )
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    made = client.create_model_version(name, info.model_uri, run_id, model_id=logged.model_id)
    client.set_registered_model_alias(name, CHAMPION, made.version)
    return str(logged.model_id)


def model_name(scenario: str, data: str) -> str:
    """Name of the registered model of a scenario and a data set: ``models:/<name>@champion``.

    With the data set in it, so that a train on simulated data does not replace the champion of real data.
    """
    return re.sub(r"[^\w.-]+", "-", f"{EXPERIMENT}-{scenario}-{data}")[:200]  # what MLflow and its URIs take


def model_folder(uri: str) -> Path:
    """The ``model/`` folder behind a ``models:/`` URI, fetched where it lies elsewhere.

    Raises UserError where there is no such model, TrackingError where the server fails.
    """
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    store = tracking_uri()
    with _failures(store):
        client = _client(store)
        try:
            folder = Path(download_artifacts(artifact_uri=uri, tracking_uri=store, registry_uri=store))
            folder = folder / "artifacts" / "model"
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            known = [f"models:/{model.name}@{CHAMPION}" for model in client.search_registered_models()]
            hint = nearest(uri, known) if known else ". No model is registered there yet: run make train."
            raise UserError(f"No model {uri} in {store}{hint}") from None
    if not folder.is_dir():
        raise UserError(f"{uri} is no model of this project: it has no folder artifacts/model.")
    return folder


def _client(uri: str) -> MlflowClient:
    # Before the import, which reads them. A server that is away must not hold the train up for minutes.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    from mlflow import MlflowClient

    for chatty in ("alembic", "mlflow"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)  # it misses pip where uv made the venv
    return MlflowClient(tracking_uri=uri)


def _database(uri: str) -> Path | None:
    """File of a SQLite store; None for any other."""
    return Path(uri.removeprefix("sqlite:///").partition("?")[0]) if uri.startswith("sqlite:///") else None


def _upgrade(uri: str, database: Path) -> None:
    """Brings a database of an older MLflow up to date, after a copy beside it. A fresh one is MLflow's to create."""
    from mlflow.store.db import utils as untyped

    utils: Any = untyped
    if not database.exists():
        return
    engine = utils.create_sqlalchemy_engine(uri)
    try:
        found = utils._get_schema_version(engine)
        if found not in (None, utils._get_latest_schema_revision()):
            copy = shutil.copy2(database, f"{database}.{found}.bak")
            log.warning("%s is of an older MLflow; upgrading it, a copy is at %s", database, copy)
            utils._upgrade_db(engine)
    finally:
        engine.dispose()


def _opened(client: MlflowClient, experiment: str, artifacts: str | None) -> str:
    """The experiment's id, when runs that killed programs left open are closed."""
    lost.close_lost(client)
    return _experiment(client, experiment, artifacts)


def _experiment(client: MlflowClient, name: str, artifacts: str | None) -> str:
    from mlflow.exceptions import MlflowException

    if client.get_experiment_by_name(name) is None:
        try:
            client.create_experiment(name, artifacts)
        except MlflowException:  # another process was faster, on a server where no file lock helps
            if client.get_experiment_by_name(name) is None:
                raise
    found = client.get_experiment_by_name(name)
    if found is None:
        raise TrackingError(f"The experiment '{name}' was made, but the server does not find it.")
    with _only_warned():
        # Those of a comparison come with its report.
        ours = study_views() if name.startswith(STUDY) else views() if name == EXPERIMENT else {}
        _save_views(client, str(found.experiment_id), found.tags, ours)
    return str(found.experiment_id)


def _save_views(client: MlflowClient, experiment_id: str, tags: dict[str, str], ours: dict[str, str]) -> None:
    for tag, value in ours.items():
        old = tags.get(tag)
        edited = old is not None and json.loads(old)["updatedAt"] != json.loads(value)["updatedAt"]
        if old != value and not edited:  # a view that someone changed in the UI stays theirs
            client.set_experiment_tag(experiment_id, tag, value)


def _dataset(out: RunFolder) -> DatasetInput:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    numbers = {k: v for k, v in out.data.get("summary", {}).items() if isinstance(v, (int, float, str))}
    dataset = Dataset(
        name=out.data["name"],
        digest=str(out.data["digest"])[:36],  # MLflow's limit
        source_type="local",
        source=json.dumps({"uri": str(out.data["source"])}),
        profile=json.dumps(numbers),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])


def _example(data: Dataset) -> pd.DataFrame:
    """Two queries: a known user at the end of the data, and a user whom nobody knows, now (as_of is optional)."""
    whole = data.users.ids.dtype.is_integer()
    known: int | str = data.users.ids[0] if len(data.users) else (0 if whole else "a user")
    latest = data.timestamps.max(initial=NO_TIME)
    as_of = pd.Timestamp(int(latest), unit="us") if latest != NO_TIME else pd.NaT
    times = pd.Series([as_of, pd.NaT], dtype="datetime64[us]")
    return pd.DataFrame({"user_id": [known, -1 if whole else "a new user"], "as_of": times})


@contextmanager
def _closing(client: MlflowClient, run_id: str) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        _close(client, run_id, error)
        raise
    _close(client, run_id, None)


def _close(client: MlflowClient, run_id: str, error: BaseException | None) -> None:
    if error is not None and _status(error) == "FAILED":
        client.set_tag(run_id, "error", f"{type(error).__name__}: {error}"[:LONGEST])
    client.set_terminated(run_id, _status(error))


def _status(error: BaseException | None) -> str:
    if error is None:
        return "FINISHED"
    return "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"


@contextmanager
def _failures(uri: str) -> Iterator[None]:
    """Whatever the store at ``uri`` does wrong -> TrackingError; a damaged database makes libraries raise anything."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, OSError) and not _raised_by_store(error):
            raise
        said = f"{uri}: {type(error).__name__}: {error}"
        if _database(uri) is not None:
            said += "\nWhere this file is damaged, move it away: the next program makes a new one."
        raise TrackingError(said) from error


def _raised_by_store(error: Exception) -> bool:
    """Whether MLflow or its database raised it, rather than code of this project that they or we called."""
    rooms = [frame.f_globals.get("__name__", "").partition(".")[0] for frame, _ in walk_tb(error.__traceback__)]
    ours = max((n for n, room in enumerate(rooms) if room == "recommender"), default=-1)
    return bool({"mlflow", "sqlalchemy", "alembic"} & set(rooms[ours + 1 :]))


@contextmanager
def _only_warned() -> Iterator[None]:
    """For the chart views: a train must not fail for a picture."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, OSError) as error:
        log.warning("The chart views could not be saved in MLflow: %s", error)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
