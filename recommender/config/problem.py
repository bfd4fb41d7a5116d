"""What a recommender is for, what a gain is worth and an error costs, and what a plan cannot measure."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from recommender.config.strict import Strict


def _low_first(ends: tuple[float, float]) -> tuple[float, float]:
    if ends[0] > ends[1]:
        raise ValueError("expected [low, high], the lower end first")
    return ends


Amount = Annotated[float, Field(gt=0, lt=1e12)]
Amounts = Annotated[tuple[Amount, Amount], AfterValidator(_low_first)]  # stated as [low, high]


def _in_words(stated: Any) -> Any:
    return {"what": stated} if isinstance(stated, str) else stated


class ErrorCost(Strict):
    """What errors cost, in words, and of each harm as numbers: metric -> [low, high] of 1,000 places that have it."""

    what: str = ""
    per_1000: dict[str, Amounts] = {}  # keys: metrics of rules and spam (evaluation/metric_table.py)


class ProblemStatement(Strict):
    """What the recommender is for; heads the report."""

    what: str
    for_whom: str
    metric: str = "ndcg_at_10"
    target: float
    cost_of_error: Annotated[ErrorCost, BeforeValidator(_in_words)]
    # Stated, never measured; one currency for all scenarios that are compared
    objective: str = ""  # what the business wants of it
    business_metric: str = ""  # by which the business sees that it gets it
    users_per_week: float | None = Field(None, gt=0, lt=1e12)
    value_per_point: Amounts | None = None  # of .01 of ``metric``, per 1,000 users
    currency: str = "EUR"

    @model_validator(mode="after")
    def _known_users(self) -> Self:
        if (self.value_per_point or self.cost_of_error.per_1000) and self.users_per_week is None:
            raise ValueError("value_per_point and cost_of_error.per_1000 are per 1,000: users_per_week is missing")
        return self


class Planning(Strict):
    """What the plan of what to build next cannot measure; estimates of days stand in ``estimates/``."""

    needs: dict[str, list[str]] = {}  # option -> options that must be there before
    # What is no code -> the data asset (a pair of the study data_value) of which the worth stands for its gain; none
    # where no data difference fits, then its gain is the team's estimate
    actions: dict[str, str | None] = {}
