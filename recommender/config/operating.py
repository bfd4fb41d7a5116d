"""What a scenario states for a model in use: when it is promoted, what raises an alarm, how it is tested with users."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from recommender.config.strict import Count, Strict


class Promote(Strict):
    """When ``make promote`` moves the champion: bounds of paired differences on the same newest queries."""

    least: Count = 200  # users' lists; fewer do not tell
    max_loss: float = Field(0.05, ge=0, le=1)  # share of the champion's metric that may be lost, by the lower bound
    max_new_item_loss: float = Field(0.25, ge=0, le=1)  # the same of recall_at_20 of new items
    max_harm: float = Field(0.02, ge=0, le=1)  # more places in the first ten that break a rule, by the upper bound
    max_ratio_loss: float = Field(0.1, ge=0, le=1)  # by how much an impact ratio may fall
    max_cost: float = Field(2.0, gt=0)  # times the CPU seconds of fit and recommend
    free_cpu_s: float = Field(60, ge=0)  # CPU seconds that no one counts


class OnlineTest(Strict):
    """A test of a change with users, ``make experiment``."""

    metric: Literal["takes_per_list", "lists_with_take", "takes_per_user", "users_who_take"] = "takes_per_list"
    min_effect: float = Field(0.05, gt=0, le=10)  # the least change worth finding, as a share of the control's value
    alpha: float = Field(0.05, gt=0, lt=0.5)
    power: float = Field(0.8, gt=0, lt=1)
    share: float = Field(0.5, gt=0, lt=1)  # of the users who see the candidate
    # Names of recommender/online/log_totals.py -> the most that may be lost: a share of the control's value, or, where
    # less is better, the rise of a share
    guardrails: dict[str, float] = {"users_who_take": 0.05, "lists_per_user": 0.05, "short_lists": 0.02}
    # Likewise, of what a log alone does not show; impact_ratio: how far it may fall, by each column of ``audit``
    harms: dict[Literal["unavailable", "blocked", "load", "impact_ratio"], float] = {
        "unavailable": 0.0, "blocked": 0.0, "load": 0.02, "impact_ratio": 0.1,
    }  # fmt: skip


class Monitor(Strict):
    """Alarms of ``make monitor``."""

    false_alarms_per_month: float = Field(0.1, gt=0, le=30)  # of all that is watched together, however often one looks
    baseline_days: int = Field(60, ge=14, le=3650)  # before shipping, that later days are compared with
    smallest: dict[str, float] = {}  # what is watched -> a change that nobody needs to hear of
