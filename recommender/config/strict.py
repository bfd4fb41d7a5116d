"""The base of every model of the configuration, which refuses unknown keys, and the types of its numbers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1, lt=2**31)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what NumPy and the libraries accept


class Strict(BaseModel):
    """A part of the configuration; unknown keys are refused."""

    # Deferred: the schema of what a program does not read is never made.
    model_config = ConfigDict(extra="forbid", defer_build=True)
