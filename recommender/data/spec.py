"""What ``dataset.yaml`` may say, and the tables that a source or folder hands to the gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from recommender.data.dataset import ROLES, Repair, Truth
from recommender.errors import ConfigError, nearest

STANDARD = {
    "interactions": ("user_id", "item_id", "timestamp", "event", "weight"),
    "items": ("item_id", "available_from", "expires_at"),
    "users": ("user_id",),
}
KEYS = {"items": "item_id", "users": "user_id"}

# Every repair that ``repairs`` may name: rule -> the actions allowed. Rules without an entry have none.
RULES: dict[str, tuple[str, ...]] = {
    "null_ids": ("drop",),
    "duplicate_ids": ("keep_first", "keep_last"),
    "unparsable_times": ("drop", "set_null"),
    "future_times": ("drop", "set_null", "keep"),
    "sentinel_times": ("drop", "set_null", "keep"),
    "mixed_time_units": ("convert",),
    "missing_times": ("history", "drop"),
    "duplicates": ("keep_first", "keep_all"),
    "unknown_items": ("drop",),
    "expires_before_start": ("set_null", "drop"),
    "bad_weights": ("drop", "set_one"),
    "bad_numbers": ("set_null",),
    "bad_embeddings": ("set_null",),
    "ragged_embeddings": ("set_null",),
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Features(_Strict):
    """Role of each feature column; a column that is not named has its role guessed."""

    items: dict[str, str] = {}
    users: dict[str, str] = {}

    @field_validator("items", "users")
    @classmethod
    def _known_roles(cls, roles: dict[str, str]) -> dict[str, str]:
        for column, role in roles.items():
            if role not in ROLES:
                raise ValueError(f"column '{column}' has the unknown role '{role}'{nearest(role, ROLES)}")
        return roles


class MatchSpec(_Strict):
    """A user column and an item column that speak one language."""

    user: str
    item: str


class Spec(_Strict):
    """The content of ``dataset.yaml``. Raises ConfigError (by ``parse``) naming the nearest valid name.

    columns: standard name -> name in the file. positive: the event kinds that count as "took it"
    (None: all). repairs: rule -> action, both from ``RULES``.
    """

    columns: dict[str, str] = {}
    features: Features = Features()
    match: list[MatchSpec] = []
    repairs: dict[str, str] = {}
    positive: list[str] | None = None

    @field_validator("columns")
    @classmethod
    def _known_columns(cls, columns: dict[str, str]) -> dict[str, str]:
        valid = {name for names in STANDARD.values() for name in names}
        for name in columns:
            if name not in valid:
                raise ValueError(f"unknown standard column '{name}'{nearest(name, valid)}")
        return columns

    @field_validator("repairs")
    @classmethod
    def _known_repairs(cls, repairs: dict[str, str]) -> dict[str, str]:
        try:
            check_repairs(repairs)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return repairs

    @classmethod
    def parse(cls, tree: Mapping[str, Any] | None, where: str = "dataset.yaml") -> Spec:
        """A Spec from plain YAML values; ``where`` names the file in the error."""
        try:
            return cls.model_validate(dict(tree or {}))
        except ValidationError as error:
            raise ConfigError("\n".join(f"{where}: {_explain(e)}" for e in error.errors())) from None


@dataclass
class Tables:
    """Raw tables as a source or folder hands them over: own column names, nothing checked yet.

    interactions may have no columns at all (day zero); users is None where no such table exists.
    repairs are those that the loader itself made.
    """

    name: str
    interactions: pl.DataFrame
    items: pl.DataFrame
    users: pl.DataFrame | None = None
    spec: Spec = field(default_factory=Spec)
    repairs: list[Repair] = field(default_factory=list)
    truth: Callable[[], Truth] | None = None  # of simulated data


def check_repairs(repairs: Mapping[str, str]) -> None:
    """Raises ConfigError for an unknown rule or action, naming the nearest valid one."""
    for rule, action in repairs.items():
        if rule not in RULES:
            raise ConfigError(f"unknown repair '{rule}'{nearest(rule, RULES)}")
        if action not in RULES[rule]:
            raise ConfigError(f"repair '{rule}' has no action '{action}'{nearest(action, RULES[rule])}")


def _explain(error: Any) -> str:
    where = ".".join(map(str, error["loc"]))
    if error["type"] != "extra_forbidden":
        message = str(error["msg"]).removeprefix("Value error, ")
        return (
            f"'{where}': {message}" if error["type"] == "value_error" else f"'{where}': {message} ({error['input']!r})"
        )
    models: dict[str, type[BaseModel]] = {"features": Features, "match": MatchSpec}
    beside = Spec if len(error["loc"]) == 1 else models[str(error["loc"][0])]
    return f"unknown key '{where}'{nearest(str(error['loc'][-1]), beside.model_fields)}"
