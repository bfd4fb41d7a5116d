"""Imports what nearly every command imports, so that Python writes its byte code once, at set-up.

The first command then starts as fast as the others; also where the environment keeps Python from writing byte
code, which costs each command five seconds.
"""

import mlflow.pyfunc
import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

import pipelines.train  # noqa: F401
