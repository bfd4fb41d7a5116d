"""The tracking store: connecting, making it ready under a lock, one finished run, chart views, what goes wrong there.

Only this room imports MLflow (``serving/mlflow_model.py`` is run by MLflow itself), and only inside functions: the
import takes seconds.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from recommender.errors import TrackingError
from recommender.tracking import lost, values
from recommender.tracking.views import LONGEST, STUDY, study_views, views

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "coldstart"
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
    with failures(uri):
        database = sqlite_file(uri)
        if database is None:
            return _opened(connect(uri), experiment, None)
        database.parent.mkdir(parents=True, exist_ok=True)
        with open(database.parent / ".mlflow.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _upgrade(uri, database)
            artifacts = (database.parent / "mlruns" / experiment).absolute().as_uri()
            return _opened(connect(uri), experiment, artifacts)


def log_run(
    uri: str,
    experiment_id: str,
    name: str,
    *,
    params: Mapping[str, str],
    tags: Mapping[str, str],
    metrics: Mapping[str, float] = {},
    artifacts: Sequence[Path] = (),
    error: BaseException | None = None,
    curves: Mapping[str, Sequence[tuple[int, float]]] = {},
    texts: Mapping[str, str] = {},
) -> str:
    """One finished run of an experiment that ``prepare`` made ready; its id. ``error``: it is FAILED, and why.

    curves: metric -> its (step, value); texts: name of an artifact -> its text. Raises TrackingError.
    """
    from mlflow.entities import Metric, Param, RunTag

    with failures(uri):
        client, now = connect(uri), now_ms()
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
            for file, text in texts.items():
                client.log_text(run_id, text, file)
        if error is not None:
            close_run(client, run_id, error)
        return run_id


def show_views(uri: str, experiment_id: str, shown: Mapping[str, str]) -> None:
    """Puts these chart views (of ``tracking_views``) in the place of those of the same name; a failure is warned of."""
    with failures(uri), only_warned():
        for tag, value in shown.items():
            connect(uri).set_experiment_tag(experiment_id, tag, value)


def name_main() -> None:
    """Gives the main module of ``python -c``, which has neither name nor file, a name. pyspark, which MLflow asks for a
    session wherever it is installed, takes a process without one for its own doctests, and ends it."""
    main = sys.modules["__main__"]
    if main.__spec__ is None and not hasattr(main, "__file__"):
        main.__spec__ = ModuleSpec("__main__", None)


def connect(uri: str) -> MlflowClient:
    """A client of the store at ``uri``, with a quiet and impatient MLflow."""
    name_main()
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


def sqlite_file(uri: str) -> Path | None:
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
        version = utils._get_schema_version(engine)
        if version not in (None, utils._get_latest_schema_revision()):
            copy = shutil.copy2(database, f"{database}.{version}.bak")
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
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        raise TrackingError(f"The experiment '{name}' was made, but the server does not find it.")
    with only_warned():
        # Those of a comparison come with its report.
        ours = study_views() if name.startswith(STUDY) else views() if name == EXPERIMENT else {}
        _save_views(client, str(experiment.experiment_id), experiment.tags, ours)
    return str(experiment.experiment_id)


def _save_views(client: MlflowClient, experiment_id: str, tags: dict[str, str], ours: dict[str, str]) -> None:
    for tag, value in ours.items():
        old = tags.get(tag)
        edited = old is not None and json.loads(old)["updatedAt"] != json.loads(value)["updatedAt"]
        if old != value and not edited:  # a view that someone changed in the UI stays theirs
            client.set_experiment_tag(experiment_id, tag, value)


@contextmanager
def _closing(client: MlflowClient, run_id: str) -> Iterator[None]:
    """Closes the run as what is inside ends. An error of it goes on, also where the store can no longer be written:
    Ctrl-C in the middle of a write leaves SQLite locked, and ``lost`` closes such a run later."""
    try:
        yield
    except BaseException as error:
        try:
            close_run(client, run_id, error)
        except Exception as failure:
            log.warning("The run could not be marked %s: %s", run_status(error), failure)
        raise
    close_run(client, run_id, None)


def close_run(client: MlflowClient, run_id: str, error: BaseException | None) -> None:
    """Ends a run; where an error ended it, with the error as a tag."""
    if error is not None and run_status(error) == "FAILED":
        client.set_tag(run_id, "error", f"{type(error).__name__}: {error}"[:LONGEST])
    client.set_terminated(run_id, run_status(error))


def run_status(error: BaseException | None) -> str:
    """MLflow's word for how a run ended: FINISHED, KILLED (Ctrl-C) or FAILED."""
    if error is None:
        return "FINISHED"
    return "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"


@contextmanager
def failures(uri: str) -> Iterator[None]:
    """Whatever the store at ``uri`` does wrong -> TrackingError; a damaged database makes libraries raise anything."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, OSError) and not _raised_by_store(error):
            raise
        message = f"{uri}: {type(error).__name__}: {error}"
        if sqlite_file(uri) is not None:
            message += "\nWhere this file is damaged, move it away: the next program makes a new one."
        raise TrackingError(message) from error


def _raised_by_store(error: Exception) -> bool:
    """Whether MLflow or its database raised it, rather than code of this project that they or we called."""
    rooms = [frame.f_globals.get("__name__", "").partition(".")[0] for frame, _ in walk_tb(error.__traceback__)]
    ours = max((n for n, room in enumerate(rooms) if room == "recommender"), default=-1)
    return bool({"mlflow", "sqlalchemy", "alembic"} & set(rooms[ours + 1 :]))


@contextmanager
def only_warned() -> Iterator[None]:
    """Turns an error of the store into a warning, for the chart views: a train must not fail for a picture."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, OSError) as error:
        log.warning("The chart views could not be saved in MLflow: %s", error)


def now_ms() -> int:
    """Milliseconds since 1970, as MLflow counts."""
    return time.time_ns() // 1_000_000
