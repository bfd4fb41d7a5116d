"""The served model, as MLflow's "models from code": MLflow runs this file when it loads the model.

Nothing is pickled: this file, the package beside it and the folder ``model/`` (arrays and tables) are the model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from recommender.serving import persistence
from recommender.serving.bundle import serve


class ServedRouter(PythonModel):
    """Input: user_id and optionally as_of (UTC), one row per query; parameter k. Output: as ``serve``."""

    def load_context(self, context: Any) -> None:
        self.bundle = persistence.load(Path(context.artifacts["model"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        queries = pl.from_pandas(model_input)
        if "as_of" in queries.columns:
            # MLflow's datetime has no zone; the package's times are UTC.
            queries = queries.with_columns(pl.col("as_of").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))
        lists: pl.DataFrame = serve(self.bundle, queries, k=int((params or {}).get("k", 10)))
        frame = lists.to_pandas()
        # JSON has no NaN, and strict clients refuse it: a missing score is null.
        frame["score"] = frame["score"].astype(object).where(frame["score"].notna(), None)
        return frame


set_model(ServedRouter())
