"""What a closed loop plays: the ``options`` of a study of mode ``loop``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, ValidationError, model_validator

from recommender.config import Scenario, Slots, Strict
from recommender.errors import ConfigError, nearest

LOOP = "loop"  # the mode of a study
SIMULATED = "simulated"  # the only data that can answer


class Policy(Strict):
    """Who fills the lists: a rung of the ladder with its first setting, with slots for little-known items or none."""

    rung: str
    slots: Slots = Slots()


class Loop(Strict):
    """A closed loop: the service's own lists until ``begin``, then each policy's, trained again every round."""

    rounds: int = Field(8, ge=3)
    begin: float = Field(0.4, gt=0, lt=1)  # share of the simulated time
    policies: dict[str, Policy] = Field(min_length=2)
    against: str  # the policy that the others are compared with
    measured: float = Field(0.3, gt=0, le=1)  # share of the visits that accuracy and overlap are measured on
    least_shown: int = Field(10, ge=1)  # lists that a new item must be in, to have had its chance
    least_taken: int = Field(3, ge=1)  # times that it must be taken, to live

    @model_validator(mode="after")
    def _known(self) -> Loop:
        if self.against not in self.policies:
            raise ValueError(f"against: '{self.against}' is none of the policies{nearest(self.against, self.policies)}")
        for name, policy in self.policies.items():
            if policy.slots.n == "auto":
                raise ValueError(f"policies.{name}.slots.n: give a number, for nothing is decided on validation here")
        return self

    @property
    def late(self) -> range:
        """The rounds that stand for what a loop comes to, from 1: the later half."""
        return range(self.rounds // 2 + 1, self.rounds + 1)


def read(options: Mapping[str, Any], study: str) -> Loop:
    """Raises ConfigError for unknown keys and values out of range."""
    try:
        return Loop.model_validate(options)
    except ValidationError as error:
        faults = (f"Study '{study}': options.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigError("\n".join(faults)) from None


def check(loop: Loop, scenario: Scenario, data: str, study: str) -> None:
    """Raises ConfigError where the loop cannot be played with this scenario and data."""
    if data != SIMULATED:
        raise ConfigError(
            f"Study '{study}': DATA is '{data}', and no log tells what people would have taken had they been shown "
            f"something else. Only the simulator can: leave DATA out, and turn its knobs, for example "
            f"SET='data.options.{SIMULATED}.n_users=2000'."
        )
    if scenario.data.differences or scenario.data.train_differences:
        raise ConfigError(
            f"Study '{study}': data.differences and data.train_differences change data as recorded, and a loop "
            f"records its own. Turn the simulator's knobs instead (data.options.{SIMULATED})."
        )
    rungs = [r.name for r in scenario.ladder]
    for name, policy in loop.policies.items():
        for rung in [policy.rung] + [policy.slots.rung] * bool(policy.slots.n):
            if rung not in rungs:
                raise ConfigError(f"Study '{study}': policy '{name}': unknown rung '{rung}'{nearest(rung, rungs)}")
