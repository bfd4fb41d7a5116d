"""Soft rules: they re-order the router's lists. To add one, write its class and add it here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from recommender.config import Rerank, Scenario
from recommender.data.dataset import Dataset
from recommender.errors import ConfigError, construct
from recommender.ranking.rerankers.base import Reranker
from recommender.ranking.rerankers.calibrated import Calibrated
from recommender.ranking.rerankers.discount import Discount
from recommender.ranking.rerankers.fair import Fair
from recommender.ranking.rerankers.mmr import MMR
from recommender.ranking.rerankers.pins import Pins
from recommender.ranking.rerankers.soft import Demote, Fit
from recommender.ranking.rerankers.spread import Spread

RERANKERS: Mapping[str, Callable[..., Reranker]] = {
    "calibrated": Calibrated,
    "demote": Demote,
    "discount": Discount,
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
    built = [(entry, _make(entry, scenario)) for entry in scenario.rerank]
    return [reranker for entry, reranker in built if entry.enabled]


def unsupported(scenario: Scenario, data: Dataset) -> dict[str, str]:
    """Reasons why enabled re-rankers cannot be applied to this data: name of the entry -> message."""
    problems = {}
    for entry in scenario.rerank:
        if entry.enabled:
            try:
                _make(entry, scenario).check(data.items, data.users)
            except ConfigError as error:
                problems[entry.name] = f"rerank.{entry.name}: {error}"
    return problems


def _make(entry: Rerank, scenario: Scenario) -> Reranker:
    where, given = f"rerank.{entry.name}", {"rules": scenario.eligibility}
    return construct(where, "re-ranker", RERANKERS, entry.reranker, entry.params, given=given)
