"""From configuration to recommenders: makes rungs, checks them, and says which settings a data set allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recommender.config import Rung, Scenario
from recommender.data import operators
from recommender.data.dataset import Dataset
from recommender.errors import ConfigError, construct, nearest
from recommender.evaluation.metric_table import deciding, named
from recommender.models import RECOMMENDERS
from recommender.models.base import Recommender
from recommender.names import ORACLE, PLAIN, ROUTER

TAKEN = (ROUTER, PLAIN, ORACLE)  # names that no rung of a ladder can have
NO_DIRECTION = "links have no direction here (relation: {symmetric: true})"


def make(rung: Rung, params: Mapping[str, Any], scenario: Scenario) -> Recommender:
    """The rung's recommender, not fitted. Raises ConfigError for an unknown recommender or parameter."""
    defaults = {"seed": scenario.seed, "threads": scenario.scoring.threads}
    return construct(f"Rung '{rung.name}'", "recommender", RECOMMENDERS, rung.recommender, params, defaults)


def settings(rung: Rung) -> list[dict[str, Any]]:
    """Parameter settings to try, simplest first."""
    return [{**rung.params, **c} for c in rung.candidates] or [rung.params]


def check(scenario: Scenario) -> None:
    """Raises ConfigError for names, parameters and metrics that do not exist, before any data is read."""
    operators.check([*scenario.data.differences, *scenario.data.train_differences])
    names = [r.name for r in scenario.ladder]
    if repeated := [n for n in names if names.count(n) > 1 or n in TAKEN]:
        taken = ", ".join(f"'{name}'" for name in TAKEN)
        raise ConfigError(f"ladder: the name '{repeated[0]}' is used twice ({taken} are taken).")
    slots = scenario.slots
    instead = (
        [("instead", name) for name in slots.instead] if slots.n == "auto" else []
    )  # a given number has one chooser
    for key, chooser in [("rung", slots.rung), *instead] if slots.n else []:
        left_out = slots.n == "auto" and chooser in RECOMMENDERS  # then it chooses nothing
        if chooser not in names and not left_out:
            raise ConfigError(f"slots.{key}: unknown rung '{chooser}'{nearest(chooser, names)}")
    if scenario.slots.n == "auto" and scenario.slots.of > 20:
        raise ConfigError("slots.n=auto is judged by recall_at_20, so slots.of must be at most 20. Or give n a number.")
    if all(r.control for r in scenario.ladder):
        raise ConfigError("ladder: every rung is a control, so none can be served. Add one, for example popularity.")
    for metric in {scenario.decision.metric, scenario.problem.metric} - set(deciding()):
        raise ConfigError(f"Unknown metric '{metric}' to decide by{nearest(metric, deciding())}")
    harms = named("rules", "spam")
    for metric in (m for m in scenario.problem.cost_of_error.per_1000 if m not in harms):
        raise ConfigError(f"problem.cost_of_error.per_1000: unknown harm '{metric}'{nearest(metric, harms)}")
    for rung in scenario.ladder:
        for params in settings(rung):
            make(rung, params, scenario)


def n_steps(scenario: Scenario) -> int:
    """How many times ``progress`` is called by ``ladder.run`` and ``refit_for_serving`` together, at most."""
    tried = sum(len(settings(r)) for r in scenario.ladder if not r.control)
    tested = len(scenario.ladder) * (3 if scenario.controls else 1)
    return tried * scenario.split.most_origins + tested + 1


def options(rung: Rung, scenario: Scenario, data: Dataset) -> tuple[list[dict[str, Any]], str]:
    """The settings that this data allows, and the reason that others are left out ("" = none is)."""
    allowed, reason = [], ""
    for params in settings(rung):
        model = make(rung, params, scenario)
        read = (*getattr(model, "user_columns", ()), *getattr(model, "needs_user_columns", ()))
        columns = [c for c in read if c not in data.users.frame.columns]
        if getattr(model, "needs_times", False) and scenario.split.kind != "time":
            reason = "it needs times, and this split has none"
        elif getattr(model, "needs_relation", False) and data.relation is None:
            reason = "the items are not users (relation in dataset.yaml)"
        elif getattr(model, "needs_direction", False) and data.symmetric:
            reason = NO_DIRECTION
        elif columns:
            reason = f"users have no column {', '.join(columns)}"
        else:
            allowed.append(params)
    return allowed, reason


def allowed_settings(scenario: Scenario, data: Dataset) -> tuple[dict[str, list[dict[str, Any]]], dict[str, str]]:
    """Rung -> its settings that this data allows, and the reasons for rungs of which some are left out."""
    tries: dict[str, list[dict[str, Any]]] = {}
    skipped: dict[str, str] = {}
    for rung in scenario.ladder:
        tries[rung.name], reason = options(rung, scenario, data)
        left_out = f"{len(settings(rung)) - len(tries[rung.name])} of its settings: " if tries[rung.name] else ""
        skipped |= {rung.name: left_out + reason} if reason else {}
    return tries, skipped


def lacking(skipped: Mapping[str, str]) -> dict[str, str]:
    """Skipped rungs and parts that the data lack something for, with the reasons.

    A rung for directed links lacks nothing where every link holds both ways: there is nothing to warn about.
    """
    return {part: reason for part, reason in skipped.items() if reason != NO_DIRECTION}


def can_serve(tries: Mapping[str, Sequence[dict[str, Any]]], skipped: Mapping[str, str], scenario: Scenario) -> None:
    """Raises ConfigError where the skipped rungs leave none to serve, or none for the slots."""
    reasons = "; ".join(f"{name}: {reason}" for name, reason in skipped.items())
    if not any(tries[r.name] for r in scenario.ladder if not r.control):
        raise ConfigError(f"ladder: no rung is left to serve ({reasons}). Add one, for example popularity.")
    if scenario.slots.n not in (0, "auto") and not tries[scenario.slots.rung]:
        raise ConfigError(f"slots.rung: '{scenario.slots.rung}' is off ({reasons}). Choose another rung.")


def day_zero_rung(scenario: Scenario) -> Rung:
    """The first rung of the ladder that needs no interactions. Raises ConfigError without one."""
    for rung in scenario.ladder:
        if not rung.control and not RECOMMENDERS[rung.recommender].needs_interactions:
            return rung
    able = ", ".join(name for name, recommender in RECOMMENDERS.items() if not recommender.needs_interactions)
    raise ConfigError(f"day_zero: every rung of the ladder needs interactions. Add one that does not ({able}).")
