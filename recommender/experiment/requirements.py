"""Which parts of a scenario a data set supports: rules, re-rankers, the audit and columns of exposure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from recommender.config import Scenario, Spam
from recommender.data.dataset import FEATURE_ROLES, Dataset
from recommender.errors import ConfigError, nearest
from recommender.features.columns import numbers, plain_values
from recommender.models import with_person_days
from recommender.ranking import rerankers
from recommender.ranking.eligibility import RULES, unsupported
from recommender.spam.suspicion import with_suspicion


def supported(scenario: Scenario, data: Dataset) -> tuple[Scenario, dict[str, str]]:
    """The scenario with the parts that this data allows, and the reasons of ``optional`` parts that are skipped.

    Raises ConfigError, all problems in one message, where a part that is not optional cannot be applied.
    """
    _no_audited_feature(scenario, data)
    for column in set(scenario.slices) & set(data.users.frame.columns):
        plain_values(data.users, column, "slices")
    scenario, data, lacking = _spam(scenario, data)
    if data.relation is not None and "blocks" in data.items.frame.columns:  # whoever blocks is never shown
        blocking = scenario.eligibility.model_copy(update={"blocks_column": "blocks"})
        scenario = scenario.model_copy(update={"eligibility": blocking})
    problems = unsupported(scenario.eligibility, data)
    rules = scenario.eligibility.model_copy(update=dict.fromkeys(problems))
    scenario = scenario.model_copy(update={"eligibility": rules})
    problems |= rerankers.unsupported(scenario, data) | _exposure(scenario, data) | _audit(scenario, data)
    problems |= lacking
    if meant := [reason for part, reason in problems.items() if part not in scenario.optional]:
        raise ConfigError("\n".join(meant))
    left: dict[str, Any] = {
        "exposure": scenario.exposure.model_copy(update={p: None for p in _COLUMNS if p in problems}),
        "rerank": [entry for entry in scenario.rerank if entry.name not in problems],
        "audit": None if AUDIT in problems else scenario.audit,
    }
    scenario = with_person_days(scenario.model_copy(update=left))
    return scenario, {part: reason.removesuffix(".") for part, reason in problems.items()}


def check(scenario: Scenario) -> None:
    """Raises ConfigError for names and parameters that do not exist, before any data is read."""
    names = [entry.name for entry in scenario.rerank]
    if taken := [n for n in names if names.count(n) > 1 or n in (*RULES, *_COLUMNS, SPAM, AUDIT)]:
        raise ConfigError(f"rerank: the name '{taken[0]}' is used twice, or is that of another part.")
    rerankers.make(scenario)


AUDIT, SPAM = "audit", "spam"
_COLUMNS = ("creator_column", "calibration_column", "vacancies_column")


def _spam(scenario: Scenario, data: Dataset) -> tuple[Scenario, Dataset, dict[str, str]]:
    """The data with the column that the detector fills at each origin, which rules may read; without labels, no
    detector."""
    column, columns = scenario.spam.label_column, data.items.frame.columns
    if column is None:
        return scenario, data, {}
    if column in columns and isinstance(data.items.frame[column].dtype, pl.Datetime):
        return scenario, replace(data, items=with_suspicion(data.items, np.zeros(len(data.items), np.float32))), {}
    reason = f"items have no column '{column}'{nearest(column, columns)}"
    if column in columns:
        reason = f"items.{column} must hold times, it holds {data.items.frame[column].dtype}."
    return scenario.model_copy(update={"spam": Spam()}), data, {SPAM: f"spam.label_column: {reason}"}


def _exposure(scenario: Scenario, data: Dataset) -> dict[str, str]:
    problems = {}
    for part in _COLUMNS:
        column = getattr(scenario.exposure, part)
        try:
            if column is not None and column not in data.items.frame.columns:
                hint = nearest(column, data.items.frame.columns)
                raise ConfigError(f"exposure.{part}: items have no column '{column}'{hint}")
            if column is not None:
                (numbers if part == "vacancies_column" else plain_values)(data.items, column, f"exposure.{part}")
        except ConfigError as error:
            problems[part] = str(error)
    return problems


def _no_audited_feature(scenario: Scenario, data: Dataset) -> None:
    """Raises ConfigError where models could read a column that is audited; ``optional`` does not excuse this."""
    audited = scenario.audit.columns if scenario.audit else []
    if read := [c for c in audited if data.users.roles.get(c) in FEATURE_ROLES]:
        raise ConfigError(
            f"audit.columns: {', '.join(f'users.{c}' for c in read)} would be audited and a model feature "
            f"(role {data.users.roles[read[0]]}). Set '{read[0]}: protected' under features, users in dataset.yaml."
        )


def _audit(scenario: Scenario, data: Dataset) -> dict[str, str]:
    if scenario.audit is None:
        return {}
    columns = data.users.frame.columns
    if absent := [c for c in scenario.audit.columns if c not in columns]:
        return {AUDIT: f"audit.columns: users have no column '{absent[0]}'{nearest(absent[0], columns)}"}
    try:
        for column in scenario.audit.columns:
            plain_values(data.users, column, "audit.columns")
        numbers(data.items, scenario.audit.favourable.column, "audit.favourable")
    except ConfigError as error:
        return {AUDIT: str(error)}
    return {}
