"""Soft rules: they re-order the router's lists. To add one, write its class and add it here."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from recommender.config import Rerank, Scenario
from recommender.data.dataset import Dataset
from recommender.errors import ConfigError, nearest
from recommender.ranking.rerankers.base import Reranker
from recommender.ranking.rerankers.calibrated import Calibrated
from recommender.ranking.rerankers.fair import Fair
from recommender.ranking.rerankers.mmr import MMR
from recommender.ranking.rerankers.pins import Pins
from recommender.ranking.rerankers.soft import Demote, Fit
from recommender.ranking.rerankers.spread import Spread

RERANKERS: Mapping[str, Callable[..., Reranker]] = {
    "calibrated": Calibrated,
    "demote": Demote,
    "fair": Fair,
    "fit": Fit,
    "mmr": MMR,
    "pins": Pins,
    "spread": Spread,
}


def make(scenario: Scenario) -> list[Reranker]:
    """The scenario's enabled re-rankers, not fitted, in their order.

    Raises ConfigError for an unknown re-ranker or parameter, enabled or not.
    """
    made = [(entry, _make(entry, scenario)) for entry in scenario.rerank]
    return [reranker for entry, reranker in made if entry.enabled]


def unsupported(scenario: Scenario, data: Dataset) -> dict[str, str]:
    """Why enabled re-rankers cannot be applied to this data: name of the entry -> message."""
    found = {}
    for entry in scenario.rerank:
        if entry.enabled:
            try:
                _make(entry, scenario).check(data.items, data.users)
            except ConfigError as error:
                found[entry.name] = f"rerank.{entry.name}: {error}"
    return found


def _make(entry: Rerank, scenario: Scenario) -> Reranker:
    if entry.reranker not in RERANKERS:
        hint = nearest(entry.reranker, RERANKERS)
        raise ConfigError(f"rerank.{entry.name}: unknown re-ranker '{entry.reranker}'{hint}")
    build = RERANKERS[entry.reranker]
    valid = inspect.signature(build, eval_str=True).parameters
    given: dict[str, Any] = {"rules": scenario.eligibility} if "rules" in valid else {}
    settable = [p for p in valid if p not in given]
    for name, value in entry.params.items():
        if name not in settable:
            hint = nearest(name, settable)
            raise ConfigError(f"rerank.{entry.name}: {entry.reranker} has no parameter '{name}'{hint}")
        try:
            TypeAdapter(valid[name].annotation).validate_python(value)
        except ValidationError as error:
            why = error.errors()[0]["msg"]
            raise ConfigError(f"rerank.{entry.name}: parameter {name}={value!r}: {why}.") from None
    needed = [p for p in settable if valid[p].default is inspect.Parameter.empty and p not in entry.params]
    if needed:
        raise ConfigError(f"rerank.{entry.name}: {entry.reranker} needs the parameter '{needed[0]}'.")
    try:
        return build(**given, **entry.params)
    except ValueError as error:
        raise ConfigError(f"rerank.{entry.name}: {error}") from None
