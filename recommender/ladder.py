"""The experiment: fit every rung at every origin, decide on the validation origins, then look at the test."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from recommender.config import Rung, Scenario
from recommender.data.dataset import Dataset
from recommender.decide import Choice, decide
from recommender.effort import EffortLog
from recommender.errors import ConfigError, nearest
from recommender.evaluate import COMPARED, WITH_HISTORY, Asked, Group, Outcome, asked, comparisons_table, groups, outcome
from recommender.features import FeatureEncoder
from recommender.models import RECOMMENDERS
from recommender.models.base import Recommender
from recommender.query import USER_BUCKETS
from recommender.recommend import fallback_order, recommend
from recommender.router import Router
from recommender.split import Fold, folds

ROUTER = "router"
Progress = Callable[[str], None]


@dataclass
class Results:
    """What a run found; the tables are made from it by evaluate.py."""

    asked: list[Asked] = field(default_factory=list)
    outcomes: list[dict[str, Outcome]] = field(default_factory=list)  # per fold: rung -> outcome
    origins: list[dict[str, Any]] = field(default_factory=list)
    chosen: dict[str, dict[str, Any]] = field(default_factory=dict)  # rung -> parameters
    choices: dict[str, Choice] = field(default_factory=dict)  # user bucket -> rung
    aside: dict[str, str] = field(default_factory=dict)  # rungs that could not take part, and why

    @property
    def groups(self) -> list[Group]:
        return groups(self.asked, self.outcomes)


def make(rung: Rung, params: Mapping[str, Any], scenario: Scenario) -> Recommender:
    """The rung's recommender, not fitted. Raises ConfigError for an unknown recommender or parameter."""
    if rung.recommender not in RECOMMENDERS:
        raise ConfigError(f"Rung '{rung.name}': unknown recommender '{rung.recommender}'{nearest(rung.recommender, RECOMMENDERS)}")
    build = RECOMMENDERS[rung.recommender]
    valid = inspect.signature(build, eval_str=True).parameters
    if unknown := [p for p in params if p not in valid]:
        raise ConfigError(f"Rung '{rung.name}': {rung.recommender} has no parameter '{unknown[0]}'{nearest(unknown[0], valid)}")
    for name, value in params.items():
        try:
            TypeAdapter(valid[name].annotation).validate_python(value)
        except ValidationError as error:
            why = error.errors()[0]["msg"]
            raise ConfigError(f"Rung '{rung.name}': parameter {name}={value!r} of {rung.recommender}: {why}.") from None
    common = {"seed": scenario.seed, "threads": scenario.scoring.threads}
    try:
        return build(**{p: v for p, v in common.items() if p in valid} | dict(params))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"Rung '{rung.name}': {error}") from None


def settings(rung: Rung) -> list[dict[str, Any]]:
    """Parameter settings to try, simplest first."""
    return [{**rung.params, **c} for c in rung.candidates] or [rung.params]


def check(scenario: Scenario) -> None:
    """Raises ConfigError for names, parameters and metrics that do not exist, before any data is read."""
    names = [r.name for r in scenario.ladder]
    if repeated := [n for n in names if names.count(n) > 1 or n == ROUTER]:
        raise ConfigError(f"ladder: the name '{repeated[0]}' is used twice ('{ROUTER}' is always there).")
    if (scenario.slots.n or scenario.day_zero) and scenario.slots.rung not in names:
        raise ConfigError(f"slots.rung: unknown rung '{scenario.slots.rung}'{nearest(scenario.slots.rung, names)}")
    if all(r.control for r in scenario.ladder):
        raise ConfigError("ladder: every rung is a control, so none can be served. Add one, for example popularity.")
    for metric in {scenario.decision.metric, scenario.problem.metric} - set(COMPARED):
        raise ConfigError(f"Unknown metric '{metric}' to decide by{nearest(metric, COMPARED)}")
    for rung in scenario.ladder:
        for params in settings(rung):
            make(rung, params, scenario)


def n_steps(scenario: Scenario) -> int:
    """How many times ``progress`` is called by ``run`` and ``ship`` together, at most."""
    tried = sum(len(settings(r)) for r in scenario.ladder)
    return tried * len(scenario.split.validation) + len(scenario.ladder) + 1


def options(rung: Rung, scenario: Scenario, data: Dataset) -> tuple[list[dict[str, Any]], str]:
    """The settings that this data allows, and why others stepped aside ("" = none did)."""
    kept, why = [], ""
    for params in settings(rung):
        model = make(rung, params, scenario)
        columns = [c for c in getattr(model, "user_columns", ()) if c not in data.users.frame.columns]
        if getattr(model, "needs_times", False) and scenario.split.kind != "time":
            why = "it needs times, and this split has none"
        elif columns:
            why = f"users have no column {', '.join(columns)}"
        else:
            kept.append(params)
    return kept, why


def run(data: Dataset, scenario: Scenario, effort: EffortLog, progress: Progress, decided: Callable[[Results], None]) -> Results:
    """The whole ladder. ``decided`` is called once, when the decision is complete and the test not yet touched."""
    if scenario.day_zero:
        results = _day_zero(scenario)
        decided(results)
        return results
    results = Results()
    tries: dict[str, list[dict[str, Any]]] = {}
    for rung in scenario.ladder:
        tries[rung.name], why = options(rung, scenario, data)
        if why:
            tried = "" if not tries[rung.name] else f" {len(settings(rung)) - len(tries[rung.name])} of its settings:"
            results.aside[rung.name] = f"{tried} {why}".strip()
    _can_serve(tries, results.aside, scenario)
    trials: list[dict[tuple[str, int], Outcome]] = []  # per validation fold: (rung, setting) -> outcome
    for fold in folds(data, scenario.split, scenario.eligibility):
        if fold.split == "test":
            _choose(results, trials, tries, scenario)
            decided(results)
            _test(fold, results, scenario, effort, progress)
            break
        _note(results, fold, scenario)
        bench = Bench(fold, scenario, effort, progress)
        trials.append({
            (rung.name, n): bench.measure(rung, params, tuning=len(tries[rung.name]) > 1)[1]
            for rung in scenario.ladder
            for n, params in enumerate(tries[rung.name])
        })  # fmt: skip
    return results


def _day_zero(scenario: Scenario) -> Results:
    """No interactions yet, nothing to evaluate: the slots' rung, which needs none, serves everyone; what it
    cannot tell is completed by editorial order, then newest."""
    rung = next(r for r in scenario.ladder if r.name == scenario.slots.rung)
    choice = Choice(rung.name, None, None, None, None, None, 0)
    return Results(chosen={rung.name: settings(rung)[0]}, choices=dict.fromkeys((WITH_HISTORY, *USER_BUCKETS), choice))


def _can_serve(tries: Mapping[str, list[dict[str, Any]]], aside: Mapping[str, str], scenario: Scenario) -> None:
    """Raises ConfigError where the rungs that stepped aside leave none to serve, or none for the slots."""
    reasons = "; ".join(f"{name}: {why}" for name, why in aside.items())
    if not any(tries[r.name] for r in scenario.ladder if not r.control):
        raise ConfigError(f"ladder: no rung is left to serve ({reasons}). Add one, for example popularity.")
    if scenario.slots.n and not tries[scenario.slots.rung]:
        raise ConfigError(f"slots.rung: '{scenario.slots.rung}' stepped aside ({reasons}). Choose another rung.")


def _choose(
    results: Results,
    trials: Sequence[Mapping[tuple[str, int], Outcome]],
    tries: Mapping[str, list[dict[str, Any]]],
    scenario: Scenario,
) -> None:
    """Parameters of each rung, then the rung of each user bucket; validation origins pooled."""
    metric = scenario.decision.metric
    for name, tried in tries.items():
        if not tried:
            continue
        values = [np.concatenate([t[name, n].values[metric][a.first] for t, a in zip(trials, results.asked, strict=True)])
                  for n in range(len(tried))]  # fmt: skip
        best = simplest_of_best(values)
        results.chosen[name] = tried[best]
        for fold_outcomes, trial in zip(results.outcomes, trials, strict=True):
            fold_outcomes[name] = trial[name, best]
    ladder = [r.name for r in scenario.ladder if r.name in results.chosen]
    serving = [r.name for r in scenario.ladder if r.name in ladder and not r.control]
    pooled = [g for g in results.groups if g.split == "validation"][-1]
    evidence = comparisons_table(pooled, serving, scenario.bootstrap, scenario.seed)
    results.choices = decide(evidence, serving, scenario.decision)


def simplest_of_best(values: Sequence[np.ndarray]) -> int:
    """Position of the setting to use: a later one replaces an earlier one only by a paired mean gain
    above one standard error. values: per setting, float64 (n_queries,), the same queries."""
    best = 0
    for n in range(1, len(values)):
        gain = values[n] - values[best]
        if gain.mean() > gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else gain.mean() > 0:
            best = n
    return best


def _test(fold: Fold, results: Results, scenario: Scenario, effort: EffortLog, progress: Progress) -> None:
    _note(results, fold, scenario)
    bench = Bench(fold, scenario, effort, progress)
    needed = served_rungs(results, scenario)
    models = {}
    for rung in scenario.ladder:
        if rung.name in results.chosen:
            model, results.outcomes[-1][rung.name] = bench.measure(rung, results.chosen[rung.name])
            if rung.name in needed:
                models[rung.name] = model
    routes = {b: results.choices[b].rung for b in USER_BUCKETS}
    results.outcomes[-1][ROUTER] = bench.measure_router(Router(routes, models, scenario.slots).know(fold.train))


def served_rungs(results: Results, scenario: Scenario) -> list[str]:
    """Rungs that the router uses, each once."""
    names = [results.choices[b].rung for b in USER_BUCKETS]
    return list(dict.fromkeys([*names, *([scenario.slots.rung] if scenario.slots.n else [])]))


def ship(data: Dataset, results: Results, scenario: Scenario, effort: EffortLog, progress: Progress) -> Router:
    """The router with the rungs that it uses, refitted on all data."""
    train = data if scenario.eligibility.repeats else data.first_interactions()
    rungs = {r.name: make(r, results.chosen[r.name], scenario) for r in scenario.ladder if r.name in served_rungs(results, scenario)}
    progress("refit router")
    with effort.stage(ROUTER, "refit", "all", "", scenario.scoring.threads):
        return Router({b: results.choices[b].rung for b in USER_BUCKETS}, rungs, scenario.slots).fit(train)


def _note(results: Results, fold: Fold, scenario: Scenario) -> None:
    results.asked.append(asked(fold, scenario.slices))
    results.outcomes.append({})
    counts = fold.item_counts
    results.origins.append({
        "split": fold.split, "origin": fold.origin, "end": fold.end,
        "n_train": len(fold.train.user_idx), "n_queries": len(fold.queries), "n_users": int(fold.first.sum()),
        "n_truth": fold.truth.nnz, "n_truth_outside": fold.outside, "n_candidates": len(fold.items),
        "new_user_share": float((fold.train.users.lookup(fold.queries.ids.filter(fold.first)) < 0).mean()),
        "new_item_truth_share": float((counts[fold.truth.indices] == 0).mean()),
    })  # fmt: skip


class Bench:
    """Fits and measures rungs on one fold, with their effort."""

    def __init__(self, fold: Fold, scenario: Scenario, effort: EffortLog, progress: Progress) -> None:
        self.fold, self.scenario, self.effort, self.progress = fold, scenario, effort, progress
        with effort.stage("all", "prepare", fold.split, fold.origin):
            self.fallback = fallback_order(fold.train, fold.items, scenario.eligibility.editorial_column)
            # Only for the diversity of lists; no model sees these rows.
            self.item_rows = FeatureEncoder().fit(fold.items).transform(fold.items)

    def measure(self, rung: Rung, params: Mapping[str, Any], tuning: bool = False) -> tuple[Recommender, Outcome]:
        fold, scoring = self.fold, self.scenario.scoring
        self.progress(f"{fold.split} {fold.origin[:10]} {rung.name}")
        model = make(rung, params, self.scenario)
        with self.effort.stage(rung.name, "tune" if tuning else "fit", fold.split, fold.origin, scoring.threads):
            model.fit(fold.train)
        with self.effort.stage(rung.name, "tune" if tuning else "recommend", fold.split, fold.origin):
            lists = recommend(model, fold.queries, fold.items, scoring.k, self.scenario.eligibility, scoring, self.fallback)
        with self.effort.stage(rung.name, "evaluate", fold.split, fold.origin):
            return model, outcome(lists, fold, self.item_rows)

    def measure_router(self, router: Router) -> Outcome:
        fold, scoring = self.fold, self.scenario.scoring
        with self.effort.stage(ROUTER, "recommend", fold.split, fold.origin):
            routed = router.recommend(fold.queries, fold.items, scoring.k, self.scenario.eligibility, scoring, self.fallback)
        return outcome(routed.lists, fold, self.item_rows)
