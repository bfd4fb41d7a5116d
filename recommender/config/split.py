"""Where the data are split: the origins of validation and test."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recommender.config.strict import Count, Seed, Strict

SHORT_HORIZONS = 12  # of validation, at most
RANDOM_PARTS = 5  # of validation, where a split is random
Origin = Annotated[float, Field(gt=0, le=36_500)]  # a quantile, or days before the end; a century at most
LEAST_DAYS = 0.001  # of a horizon: a minute and a half
Days = Annotated[float, Field(ge=LEAST_DAYS, le=36_500)]


class Split(Strict):
    """Rolling origins. ``quantiles`` of the interactions' times, or ``days`` before the end."""

    kind: Literal["time", "random"] = "time"
    validation: list[Origin] = Field(
        [0.6, 0.7], min_length=1
    )  # ascending; a horizon ends at the next origin. Of splits in time only
    test: Origin = 0.8
    unit: Literal["quantiles", "days"] = "quantiles"  # days: counted back from the end of the data
    # Validation in many short horizons of so many days between its first origin and the test; auto: of stale_days
    retrain_days: Days | Literal["auto"] | None = None
    # Days after which a model has lost as much as you tolerate. Unset, auto reads what the study of staleness measured
    # on these data; without one, it makes twelve horizons
    stale_days: Days | None = None
    min_train: Count = 100  # fewer interactions before an origin is an error
    seed: Seed = 0  # of the random split

    @property
    def most_origins(self) -> int:
        """How many origins validation has at most; short horizons may be fewer."""
        if self.kind == "random":
            return RANDOM_PARTS if self.validation else 0
        return len(self.validation) if self.retrain_days is None else SHORT_HORIZONS
