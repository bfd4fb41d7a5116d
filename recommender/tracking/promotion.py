"""Which version of a model is served: candidates found, the alias ``champion`` moved, and an audit row for each move.

The rows are tags ``audit.0001`` ... of the registered model, so that MLflow's page of the model shows them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recommender.errors import UserError
from recommender.experiment.out_folder import finished
from recommender.experiment.run_folder import read_run
from recommender.serving import persistence
from recommender.tracking.registry import CANDIDATE, CHAMPION, model_folder, model_name
from recommender.tracking.store import connect, failures, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient

PROMOTE, ROLLBACK, REFUSED = "promote", "rollback", "refused"
_ROW = "audit."
_FILES = (".parquet", ".json", ".yaml")


@dataclass(frozen=True)
class Registered:
    """A registered version of a model."""

    name: str
    version: str
    run_id: str

    @property
    def uri(self) -> str:
        return f"models:/{self.name}/{self.version}"


def find(model: str) -> Registered:
    """The version behind ``models:/<name>@<alias>``, ``models:/<name>/<version>`` or the OUT folder of a tracked train.

    Raises UserError where there is none, TrackingError where the server fails.
    """
    store = tracking_uri()
    if not model.startswith("models:/"):
        return _of_folder(Path(model))
    model_folder(model)  # with the message for one that is not there
    with failures(store):
        client = connect(store)
        name, _, alias = model.removeprefix("models:/").partition("@")
        name, _, number = name.partition("/")
        version = client.get_model_version_by_alias(name, alias) if alias else client.get_model_version(name, number)
        return Registered(name, str(version.version), str(version.run_id))


def champion(name: str) -> Registered | None:
    """The version that is served; None before the first promotion."""
    store = tracking_uri()
    with failures(store):
        client = connect(store)
        version = client.get_registered_model(name).aliases.get(CHAMPION)
        if version is None:
            return None
        return Registered(name, str(version), str(client.get_model_version(name, str(version)).run_id))


def fetch_run(registered: Registered, to: Path) -> Path:
    """Its train's tables, decision and configuration, copied into the folder ``to``, which is returned."""
    store = tracking_uri()
    with failures(store):
        client = connect(store)
        for file in client.list_artifacts(registered.run_id):
            if file.path.endswith(_FILES):
                client.download_artifacts(registered.run_id, file.path, str(to))
    return to


def model_and_run(model: str, scratch: Path) -> tuple[Path, Path]:
    """Folders of the saved model and of its train's results, those of a ``models:/`` URI copied into ``scratch``."""
    if not model.startswith("models:/"):
        return finished(Path(model)) / "model", Path(model)
    registered = find(model)
    scratch.mkdir(parents=True, exist_ok=True)
    return model_folder(registered.uri), fetch_run(registered, scratch)


def promote(registered: Registered, row: Mapping[str, Any]) -> None:
    """Writes the audit row, then moves ``champion`` to this version."""
    with failures(store := tracking_uri()):
        client = connect(store)
        _write(client, registered.name, {"action": PROMOTE, "to": registered.version, **row})
        client.set_registered_model_alias(registered.name, CHAMPION, registered.version)


def refuse(registered: Registered, row: Mapping[str, Any]) -> None:
    """Writes the audit row of a candidate that did not pass."""
    with failures(store := tracking_uri()):
        _write(connect(store), registered.name, {"action": REFUSED, "to": registered.version, **row})


def rollback(name: str, row: Mapping[str, Any]) -> tuple[str, str]:
    """Moves ``champion`` back to the version before; versions from and to. Raises UserError where there is none."""
    with failures(store := tracking_uri()):
        client = connect(store)
        served = _served(audit(name))
        if len(served) < 2:
            raise UserError(f"{name}: no version was champion before this one, so there is nothing to go back to.")
        _write(client, name, {"action": ROLLBACK, "to": served[-2], "from": served[-1], **row})
        client.set_registered_model_alias(name, CHAMPION, served[-2])
    return served[-1], served[-2]


def audit(name: str) -> list[dict[str, Any]]:
    """Every promotion, refusal and rollback, oldest first. Raises UserError for a model that is not there."""
    from mlflow.exceptions import MlflowException

    with failures(store := tracking_uri()):
        client = connect(store)
        try:
            tags = client.get_registered_model(name).tags
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            names = ", ".join(model.name for model in client.search_registered_models()) or "none yet"
            raise UserError(f"No model {name} in {store}. There: {names}.") from None
    return [json.loads(value) for key, value in sorted(tags.items()) if key.startswith(_ROW)]


def _served(rows: list[dict[str, Any]]) -> list[str]:
    """Versions that were champion, oldest first; one that was rolled back is gone."""
    served: list[str] = []
    for row in rows:
        if row["action"] == PROMOTE:
            served.append(row["to"])
        elif row["action"] == ROLLBACK:
            served.pop()
    return served


def _write(client: MlflowClient, name: str, row: Mapping[str, Any]) -> None:
    rows = audit(name)
    when = datetime.now(UTC).isoformat(timespec="seconds")
    client.set_registered_model_tag(name, f"{_ROW}{len(rows) + 1:04d}", json.dumps({"when": when, **row}))


def _of_folder(folder: Path) -> Registered:
    """The version that was registered of a train's folder: its model's files are the same."""
    run = read_run(folder)
    name = model_name(run.scenario.name, run.data["name"])
    if not persistence.holds(folder / "model"):
        raise UserError(f"{folder} holds no model.")
    wanted = (folder / "model" / "state.json").read_bytes()
    with failures(store := tracking_uri()):
        client = connect(store)
        versions = client.search_model_versions(f"name = '{name}'")
        for entry in sorted(versions, key=lambda v: -int(v.version)):
            version = Registered(name, str(entry.version), str(entry.run_id))
            if (model_folder(version.uri) / "state.json").read_bytes() == wanted:
                return version
    raise UserError(
        f"{folder}: {store} has no version of {name} with this model. Was it trained with another MLFLOW_TRACKING_URI? "
        f"The newest that is there: models:/{name}@{CANDIDATE}."
    )
