"""The model registry: a train's router as a pyfunc model, under an alias, and its folder fetched again."""

from __future__ import annotations

import re
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from recommender.data.dataset import NO_TIME
from recommender.errors import UserError, nearest
from recommender.features import text
from recommender.names import ROUTER
from recommender.serving.known import Known
from recommender.tracking.store import (
    EXPERIMENT,
    connect,
    failures,
    tracking_uri,
)

if TYPE_CHECKING:
    import pandas as pd

CANDIDATE = "candidate"  # alias of the version that was trained last
CHAMPION = "champion"  # alias of the version to serve; only promotion.py moves it
# What recommender/serving/persistence.py, recommend.py and the models import, at the versions that trained the model.
SERVING = (
    *("implicit", "lightfm-next", "mlflow", "numba", "numpy", "pandas", "polars", "pyarrow", "pydantic"),
    *("pyyaml", "scikit-learn", "scipy", "threadpoolctl"),
)


def register(uri: str, run_id: str, folder: Path, name: str) -> str:
    """Logs ``folder/model`` as the run's pyfunc model and registers it as ``candidate``; returns its id.

    The model answers the input example once before anything is logged. Loading it runs no pickle.
    """
    import mlflow
    from mlflow.models import Model, infer_signature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import AnyType

    from recommender.serving import persistence
    from recommender.serving.bundle import serve
    from recommender.serving.request import DEFAULT_K

    client = connect(uri)
    bundle = persistence.load(folder / "model")
    example = _example(bundle.known)
    answer = serve(bundle, pl.from_pandas(example), k=5)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*integer column.*", category=UserWarning)  # ids and ranks are whole
        signature = infer_signature(example, answer.to_pandas())
    # Of any type: MLflow would make an id of 7.9 or true one of another user; serving/request.py checks the values.
    anything = AnyType()  # type: ignore[no-untyped-call]
    signature.inputs = Schema([ColSpec(anything, "user_id"), ColSpec(anything, "as_of", required=False)])
    signature.params = ParamSchema([ParamSpec("k", "long", DEFAULT_K)])
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
    registered = client.create_model_version(name, info.model_uri, run_id, model_id=logged.model_id)
    client.set_registered_model_alias(name, CANDIDATE, registered.version)
    return str(logged.model_id)


def model_name(scenario: str, data: str) -> str:
    """Name of the registered model of a scenario and a data set: ``models:/<name>@champion``.

    With the data set in it, so that a train on simulated data does not replace the champion of real data.
    """
    return re.sub(r"[^\w.-]+", "-", f"{EXPERIMENT}-{scenario}-{data}")[:200]  # what MLflow and its URIs take


def version_of(uri: str) -> str:
    """The version that a ``models:/name@alias`` or ``models:/name/version`` URI means now.

    Raises UserError where there is none, TrackingError where the server fails.
    """
    from mlflow.exceptions import MlflowException

    store = tracking_uri()
    name, _, alias = uri.removeprefix("models:/").partition("@")
    if not alias:
        return name.rpartition("/")[2]
    with failures(store):
        try:
            return str(connect(store).get_model_version_by_alias(name, alias).version)
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            raise UserError(f"No model {uri} in {store}. make ui shows what is registered.") from None


def model_folder(uri: str) -> Path:
    """The ``model/`` folder behind a ``models:/`` URI, fetched where it lies elsewhere.

    Raises UserError where there is no such model, TrackingError where the server fails.
    """
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    store = tracking_uri()
    with failures(store):
        client = connect(store)
        try:
            folder = Path(download_artifacts(artifact_uri=uri, tracking_uri=store, registry_uri=store))
            folder = folder / "artifacts" / "model"
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            known = [f"models:/{m.name}@{alias}" for m in client.search_registered_models() for alias in m.aliases]
            hint = nearest(uri, known) if known else ". No model is registered there yet: run make train."
            if uri.endswith(f"@{CHAMPION}") and uri.removesuffix(CHAMPION) + CANDIDATE in known:
                hint = f": no version was promoted yet. Run make promote MODEL={uri.removesuffix(CHAMPION)}{CANDIDATE}."
            raise UserError(f"No model {uri} in {store}{hint}") from None
    if not folder.is_dir():
        raise UserError(f"{uri} is no model of this project: it has no folder artifacts/model.")
    return folder


def _example(known: Known) -> pd.DataFrame:
    """Two queries of users whom nobody knows, at the end of the data and now (as_of is optional): an example that is
    logged names no user."""
    import pandas as pd

    strangers: list[int | str] = (
        [-1, -2] if known.data.users.ids.dtype.is_integer() else ["a new user", "another new user"]
    )
    latest = None if known.last == NO_TIME else str(np.datetime64(known.last, "us"))
    return pd.DataFrame({"user_id": strangers, "as_of": pd.Series([latest, None], dtype=object)})
