"""The served model, as MLflow's "models from code": MLflow runs this file when it loads the model.

Nothing is pickled: this file, the package beside it and the folder ``model/`` (arrays and tables) are the model.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, INVALID_PARAMETER_VALUE
from mlflow.pyfunc import scoring_server
from mlflow.pyfunc.model import PythonModel
from threadpoolctl import threadpool_limits

from recommender.errors import UserError
from recommender.serving import http, persistence
from recommender.serving.bundle import serve
from recommender.serving.request import DEFAULT_K, check_k, check_size, query_frame

STRANGERS = ("a new user", -1)  # of ids that are text, and integers
log = logging.getLogger("recommender.serving")


class ServedRouter(PythonModel):
    """Input: user_id and optionally as_of (UTC), one row per query; parameter k. Output: as ``serve``."""

    def load_context(self, context: Any) -> None:
        threadpool_limits(1, "blas")  # for good: more cost a request three times as much, and disturb other requests
        self.bundle = persistence.load(Path(context.artifacts["model"]))
        stranger = query_frame({"user_id": [STRANGERS[self._ids().is_integer()]]}, self._ids())
        serve(self.bundle, stranger, k=1)  # kernels and tables are made before the first request
        # MLflow loads the model before it makes its server, which looks this wrapper of its handler up then.
        scoring_server._async_catch_mlflow_exception = http.in_sentences

    def _ids(self) -> pl.DataType:
        dtype: pl.DataType = self.bundle.data.users.ids.dtype
        return dtype

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Raises MlflowException, INVALID_PARAMETER_VALUE with one sentence, for what the caller can mend."""
        try:
            k = check_k((params or {}).get("k", DEFAULT_K))
            check_size(len(model_input), k)
            columns = {name: model_input[name].astype(object).where(model_input[name].notna(), None).tolist()
                       for name in model_input.columns}  # fmt: skip
            lists = serve(self.bundle, query_frame(columns, self._ids()), k=k)
        except UserError as error:
            raise MlflowException(http.one_line(error), INVALID_PARAMETER_VALUE) from error
        except Exception as error:
            log.exception("A request failed")
            raise MlflowException(http.LOST, INTERNAL_ERROR) from error
        frame = lists.to_pandas()
        # JSON has no NaN, and strict clients refuse it: a missing score is null.
        frame["score"] = frame["score"].astype(object).where(frame["score"].notna(), None)
        return frame


set_model(ServedRouter())
