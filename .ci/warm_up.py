"""Imports what nearly every command imports, so that Python writes its byte code once, at set-up.

The first command then starts as fast as the others; also where the environment keeps Python from writing byte
code, which costs each command five seconds.
"""

from importlib import import_module

from recommender.report.page import library

for name in (
    "pipelines.train",
    "mlflow.pyfunc",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
):
    import_module(name)
library()  # the charts' own, kept likewise
