"""The experiment: fit every rung at every origin, decide on the validation origins, then look at the test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from recommender.config import Rung, Scenario, Slots
from recommender.data import operators
from recommender.data.dataset import Dataset
from recommender.data.split import Fold, folds, without_confirmed_spam
from recommender.errors import DataError
from recommender.evaluation.effort import TRIALS_TO_1PCT, EffortLog
from recommender.evaluation.evaluate import Group, Outcome, QueryInfo, comparisons_table, groups, query_info
from recommender.experiment import controls, requirements
from recommender.experiment.attack_gain import attacked
from recommender.experiment.blends import Blend, Sample, by_segment, choose_blends, sampled
from recommender.experiment.decision import Choice, day_zero_choices, decide
from recommender.experiment.fold_runner import FoldRunner, MeasuredRung, Progress
from recommender.experiment.rungs import can_serve, day_zero_rung, make, options, settings
from recommender.experiment.slots import SIZES, Probe, SlotEvidence, evidence, probed, size
from recommender.names import DEEPEST, ROUTER, WITH_HISTORY
from recommender.ranking import rerankers
from recommender.ranking.exploration import make_explorer
from recommender.ranking.fusion import DEPTH, Setting
from recommender.ranking.router import Router, segments
from recommender.spam.detector import Judgement
from recommender.spam.suspicion import suspected_fold


@dataclass
class Results:
    """What a run found; the tables are made from it by evaluate.py."""

    query_info: list[QueryInfo] = field(default_factory=list)
    outcomes: list[dict[str, Outcome]] = field(default_factory=list)  # per fold: rung -> outcome
    origins: list[dict[str, Any]] = field(default_factory=list)
    chosen: dict[str, dict[str, Any]] = field(default_factory=dict)  # rung -> parameters
    choices: dict[str, Choice] = field(default_factory=dict)  # segment of queries -> rung
    blends: dict[str, Blend] = field(default_factory=dict)  # group of users -> the second rung, where one pays
    slots: Slots = field(default_factory=Slots)  # as decided: n is a number
    slot_evidence: list[SlotEvidence] = field(default_factory=list)
    aside: dict[str, str] = field(default_factory=dict)  # rungs that could not take part, and why
    judgements: list[Judgement] = field(default_factory=list)  # of the detector of spam, per origin
    attack: pl.DataFrame | None = None  # what fake accounts would buy at the test origin, see spam.attack.rank_gain

    @property
    def groups(self) -> list[Group]:
        return groups(self.query_info, self.outcomes)

    @property
    def served(self) -> list[str]:
        """Rungs that the router uses, each once."""
        second = (blend.rung for blend in self.blends.values())
        return list(dict.fromkeys([*self.routes.values(), *second, *([self.slots.rung] if self.slots.n else [])]))

    @property
    def routes(self) -> dict[str, str]:
        """Segment of queries -> rung."""
        return {s: choice.rung for s, choice in self.choices.items() if not s.startswith(WITH_HISTORY)}


@dataclass
class Trials:
    """What the validation folds showed: of every rung and setting, outcomes and some lists."""

    tries: dict[str, list[dict[str, Any]]]  # rung -> settings that this data allows
    outcomes: list[dict[Setting, Outcome]] = field(default_factory=list)  # per fold
    probes: list[Probe] = field(default_factory=list)  # per fold
    samples: list[Sample] = field(default_factory=list)  # per fold, where blends are looked for


def run(
    data: Dataset,
    scenario: Scenario,
    effort: EffortLog,
    progress: Progress,
    decided: Callable[[Results], None],
    aside: Mapping[str, str] | None = None,
    regret: bool = True,
) -> Results:
    """The whole ladder. ``decided`` is called once, when the decision is complete and the test not yet touched.
    aside: parts of the scenario that stepped aside already, and why (``parts.supported``). regret: of simulated data,
    also measure how far every rung is from the best possible."""
    scenario, lacking = requirements.supported(scenario, data)
    results = Results(aside={**(aside or {}), **lacking})
    if scenario.day_zero:
        rung = day_zero_rung(scenario)
        results.chosen, results.choices = {rung.name: settings(rung)[0]}, day_zero_choices(rung.name)
        decided(results)
        return results
    trials = Trials({})
    for rung in scenario.ladder:
        trials.tries[rung.name], why = options(rung, scenario, data)
        if why:
            tried = f" {len(settings(rung)) - len(trials.tries[rung.name])} of its settings:"
            results.aside[rung.name] = f"{tried if trials.tries[rung.name] else ''} {why}".strip()
    can_serve(trials.tries, results.aside, scenario)
    for fold in folds(data, scenario.split, scenario.eligibility):
        if fold.split == "test":
            _choose(results, trials, scenario, effort)
            decided(results)
        fold = controls.labelled(fold, data, scenario)
        runner = FoldRunner(_suspected(fold, scenario, effort, results), scenario, effort, progress)
        note(results, runner.fold, scenario)
        (_test if fold.split == "test" else _validate)(runner, results, trials)
    if regret:
        results.outcomes[-1] = controls.bounded(runner, data, results.outcomes[-1])
    return results


def _suspected(fold: Fold, scenario: Scenario, effort: EffortLog, results: Results) -> Fold:
    """The fold whose items have the column ``suspicion``, where the scenario has a detector of spam."""
    if scenario.spam.label_column is None:
        return fold
    with effort.stage("all", "prepare", fold.split, fold.origin):
        # The same answers with and without the block of confirmed items, so that its effect can be measured.
        fold, judged = suspected_fold(without_confirmed_spam(fold, scenario.spam.label_column), scenario.spam)
    if isinstance(judged, str):
        results.aside["spam"] = f"at {fold.origin[:10]} nothing was suspected: {judged}"
    else:
        results.judgements.append(judged)
    return fold


def _validate(runner: FoldRunner, results: Results, trials: Trials) -> None:
    """Measures every rung with every setting; one that cannot be fitted here steps aside. Controls wait for the
    test: nothing is chosen of them."""
    outcomes, lists, new, to_blend = {}, {}, {}, {}
    spread = sampled(runner.fold)
    slots, rows = runner.scenario.slots, probed(runner.fold)
    for rung in runner.scenario.ladder:
        tried = [] if rung.control else trials.tries[rung.name]
        for n, params in enumerate(tried):
            try:
                found = runner.measure(rung, params, tuning=len(tried) > 1)
            except DataError as error:  # too little to learn from, for this rung: the others go on
                trials.tries[rung.name] = []
                results.aside[rung.name] = _why(error, rung)
                break
            outcomes[rung.name, n] = found.outcome
            lists[rung.name, n] = found.lists.take(rows).head(DEEPEST)
            if runner.scenario.decision.blend:
                to_blend[rung.name, n] = found.lists.take(spread).head(DEPTH).without_scores()
            if slots.n == "auto" and rung.name == slots.rung:
                new[rung.name, n] = runner.new_items(found.model, rows, max(SIZES))
    fold = runner.fold
    trials.outcomes.append(outcomes)
    trials.samples.append(Sample(spread, fold.truth[spread], to_blend))
    trials.probes.append(Probe(rows, fold.truth[rows], fold.item_counts, lists, new))


def _why(error: DataError, rung: Rung) -> str:
    return "; ".join(str(error).removeprefix(f"{rung.recommender}: ").splitlines()).rstrip(".")


def _choose(results: Results, trials: Trials, scenario: Scenario, effort: EffortLog) -> None:
    """Parameters of each rung, the rung of each segment, slots; validation origins pooled."""
    can_serve(trials.tries, results.aside, scenario)  # some may have stepped aside on the way
    results.chosen |= {r.name: trials.tries[r.name][0] for r in scenario.ladder if r.control and trials.tries[r.name]}
    chosen: dict[str, int] = {}
    for name, tried in trials.tries.items():
        if not tried or name in results.chosen:
            continue
        values = [_firsts(trials, results.query_info, (name, n), scenario.decision.metric) for n in range(len(tried))]
        chosen[name] = simplest_of_best(values)
        results.chosen[name] = tried[chosen[name]]
        if len(tried) > 1:
            effort.note(f"{TRIALS_TO_1PCT}{name}", trials_to_1pct([float(v.mean()) for v in values]), "trials")
        for fold_outcomes, trial in zip(results.outcomes, trials.outcomes, strict=True):
            fold_outcomes[name] = trial[name, chosen[name]]
    serving = [r.name for r in scenario.ladder if r.name in chosen]
    pooled = [g for g in results.groups if g.split == "validation"][-1]
    evidence_table = comparisons_table(
        pooled, serving, scenario.bootstrap, scenario.seed, [scenario.decision.metric], visits=True
    )
    results.choices = decide(evidence_table, serving, scenario.decision)
    if scenario.decision.blend:
        with effort.stage("all", "evaluate", "validation", ""):
            results.blends = _blends(results, trials, {r: chosen[r] for r in serving}, scenario)
    results.slots, results.slot_evidence = _slots(results, trials, chosen, scenario)


def _firsts(trials: Trials, queries_by_fold: Sequence[QueryInfo], setting: Setting, metric: str) -> np.ndarray:
    """Values of all first queries, float64 (n,)."""
    folds_ = zip(trials.outcomes, queries_by_fold, strict=True)
    return np.concatenate([outcomes[setting].values[metric][a.first] for outcomes, a in folds_])


def _blends(results: Results, trials: Trials, settings_: Mapping[str, int], scenario: Scenario) -> dict[str, Blend]:
    served = _names(results, results.routes, [s.rows for s in trials.samples])
    rule = scenario.decision
    return choose_blends(trials.samples, served, results.query_info, settings_, rule, scenario.bootstrap, scenario.seed)


def _names(results: Results, routes: Mapping[str, str], rows: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The rung of each of some queries, per validation fold."""
    folds_ = zip(results.query_info, rows, strict=True)
    return [segments(routes, a.bucket[r], a.returning[r]) for a, r in folds_]


def _slots(
    results: Results, trials: Trials, chosen: Mapping[str, int], scenario: Scenario
) -> tuple[Slots, list[SlotEvidence]]:
    slots = scenario.slots
    if slots.n != "auto":
        return slots, []
    if slots.rung not in chosen:
        if slots.rung not in results.aside:
            results.aside["slots"] = f"the ladder has no rung '{slots.rung}' to choose new items"
        return slots.model_copy(update={"n": 0}), []
    probed_ = [p.rows for p in trials.probes]
    served = _names(results, results.routes, probed_)
    second = _names(results, results.routes | by_segment(results.blends), probed_)
    rows = evidence(trials.probes, served, (slots.rung, chosen[slots.rung]), slots.of, chosen, second)
    return slots.model_copy(update={"n": size(rows, slots)}), rows


def simplest_of_best(values: Sequence[np.ndarray]) -> int:
    """Position of the setting to use: a later one replaces an earlier one only by a paired mean gain
    above one standard error. values: per setting, float64 (n_queries,), the same queries."""
    best = 0
    for n in range(1, len(values)):
        gain = values[n] - values[best]
        if gain.mean() > gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else gain.mean() > 0:
            best = n
    return best


def trials_to_1pct(means: Sequence[float | None]) -> int:
    """How many settings were tried until one was within 1% of the best of all; None: one that was cut short."""
    goal = 0.99 * max(mean for mean in means if mean is not None)
    return next(n for n, mean in enumerate(means, 1) if mean is not None and mean >= goal)


def _test(runner: FoldRunner, results: Results, trials: Trials) -> None:
    models = {}
    for rung in runner.scenario.ladder:
        if rung.name not in results.chosen:
            continue
        try:
            found: MeasuredRung = runner.measure(rung, results.chosen[rung.name])
        except DataError as error:
            if rung.name in results.served:  # decided, and not to be decided again by what the test shows
                raise
            results.aside[rung.name] = f"at the test origin: {_why(error, rung)}"
            del results.chosen[rung.name]
            continue
        results.outcomes[-1][rung.name] = found.outcome
        if rung.name in results.served:
            models[rung.name] = found.model
    if runner.scenario.controls:
        results.outcomes[-1] |= controls.measure(runner, results.chosen, results.aside)
    if runner.scenario.spam.label_column is not None:
        with runner.effort.stage("all", "evaluate", runner.fold.split, runner.fold.origin):
            try:
                results.attack = attacked(runner.fold.train, runner.scenario, results.chosen)
            except DataError as error:
                results.aside["rank gain of fake accounts"] = str(error).rstrip(".")
    router = _router(results, models, runner.scenario).fit_rerankers(runner.fold.train)
    results.outcomes[-1] |= runner.measure_router(router)


def refit_for_serving(
    data: Dataset, results: Results, scenario: Scenario, effort: EffortLog, progress: Progress
) -> Router:
    """The router with the rungs that it uses, refitted on all data."""
    train = replace(data, truth=None) if scenario.eligibility.repeats else data.first_interactions()
    train = operators.apply(train, scenario.data.train_differences, scenario.seed)
    served = [r for r in scenario.ladder if r.name in results.served]
    router = _router(results, {r.name: make(r, results.chosen[r.name], scenario) for r in served}, scenario)
    progress("refit router")
    with effort.stage(ROUTER, "refit", "all", "", scenario.scoring.threads):
        return router.fit(train)


def _router(results: Results, models: Mapping[str, Any], scenario: Scenario) -> Router:
    made = rerankers.make(scenario)
    away, depth, explorer = scenario.decision.away_days, scenario.scoring.k, make_explorer(scenario)
    return Router(results.routes, models, results.slots, away, made, depth, explorer, by_segment(results.blends))


def note(results: Results, fold: Fold, scenario: Scenario) -> None:
    """Opens the fold's place in ``results``: who asked, and how much there was to learn from."""
    results.query_info.append(
        query_info(fold, scenario.slices, scenario.decision.away_days, scenario.audit.columns if scenario.audit else ())
    )
    results.outcomes.append({})
    counts = fold.item_counts
    results.origins.append({
        "split": fold.split, "origin": fold.origin, "end": fold.end,
        "n_train": len(fold.train.user_idx), "n_queries": len(fold.queries), "n_users": int(fold.first.sum()),
        "n_truth": fold.truth.nnz, "n_truth_outside": fold.outside, "n_candidates": len(fold.items),
        "new_user_share": float((fold.train.users.lookup(fold.queries.ids.filter(fold.first)) < 0).mean()),
        "new_item_truth_share": float((counts[fold.truth.indices] == 0).mean()),
    })  # fmt: skip
