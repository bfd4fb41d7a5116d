"""Where the data are split: the origins of validation and test."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recommender.config.strict import Count, Seed, Strict

SHORT_HORIZONS = 12  # of validation, at most
Origin = Annotated[float, Field(gt=0, le=36_500)]  # a quantile, or days before the end; a century at most


class Split(Strict):
    """Rolling origins. ``quantiles`` of the interactions' times, or ``days`` before the end."""

    kind: Literal["time", "random"] = "time"
    validation: list[Origin] = Field([0.6, 0.7], min_length=1)  # ascending; a horizon ends at the next origin
    test: Origin = 0.8
    unit: Literal["quantiles", "days"] = "quantiles"  # days: counted back from the end of the data
    # Validation in many short horizons of so many days between its first origin and the test; auto: twelve of them
    retrain_days: Annotated[float, Field(ge=0.001, le=36_500)] | Literal["auto"] | None = None
    min_train: Count = 100  # fewer interactions before an origin is an error
    seed: Seed = 0  # of the random split

    @property
    def most_origins(self) -> int:
        """How many origins validation has at most; short horizons may be fewer."""
        return len(self.validation) if self.retrain_days is None else SHORT_HORIZONS
