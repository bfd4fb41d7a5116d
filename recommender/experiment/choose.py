"""From what validation measured to the decision: parameters, the rung of each segment, blends, slots for new items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from recommender.config import Scenario, Slots
from recommender.evaluation.effort import TRIALS_TO_1PCT, EffortLog
from recommender.evaluation.evaluate import Outcome, QueryInfo, comparisons_table, groups, periods_of
from recommender.evaluation.statistics import period_error
from recommender.experiment.blends import choose_blends
from recommender.experiment.climb import climb
from recommender.experiment.decision import Decision
from recommender.experiment.decision_text import DAY_ZERO, sentences
from recommender.experiment.rungs import day_zero_rung, settings
from recommender.experiment.slots import SIZES, SlotEvidence, chosen, evidence
from recommender.experiment.validation_sample import ValidationSample
from recommender.ranking.fusion import Setting
from recommender.ranking.router import segments

Tries = Mapping[str, Sequence[dict[str, Any]]]  # rung -> the settings that this data allows, simplest first


@dataclass(frozen=True)
class FoldTrials:
    """What one validation fold showed of every rung and setting."""

    info: QueryInfo
    outcomes: Mapping[Setting, Outcome]
    to_slot: ValidationSample
    to_blend: ValidationSample  # without lists where no blends are looked for


def decide(
    trials: Sequence[FoldTrials], tries: Tries, scenario: Scenario, effort: EffortLog, skipped: Mapping[str, str]
) -> tuple[Decision, list[dict[str, Outcome]]]:
    """The decision, and per fold the outcomes of every rung with its chosen parameters; validation origins pooled.

    skipped: rungs and parts that could not take part, with reasons.
    """
    rule, seed, resamples = scenario.decision, scenario.seed, scenario.bootstrap
    controls = {r.name: tries[r.name][0] for r in scenario.ladder if r.control and tries[r.name]}
    setting = _settings(
        trials, {r: tried for r, tried in tries.items() if tried and r not in controls}, scenario, effort
    )
    outcomes = [{rung: fold.outcomes[rung, n] for rung, n in setting.items()} for fold in trials]
    serving, infos = list(setting), [fold.info for fold in trials]
    pooled = groups(infos, outcomes)[-1]
    decision = Decision(
        rule.metric,
        rule.alpha,
        rule.min_gain,
        [info.origin for info in infos],
        climb(comparisons_table(pooled, serving, resamples, seed, [rule.metric], deciding=True), serving, rule),
        rule.blend,
        parameters=controls | {rung: tries[rung][n] for rung, n in setting.items()},
        skipped=skipped,
    )
    if rule.blend:
        with effort.stage("all", "evaluate", "validation", ""):
            samples = [fold.to_blend for fold in trials]
            rungs_of = _rungs_of(infos, decision.routes, [s.rows for s in samples])
            blends = choose_blends(samples, rungs_of, infos, setting, rule, resamples, seed)
            decision = replace(decision, blends=blends)
    decision = _with_slots(decision, trials, setting, scenario)
    return replace(decision, sentences=sentences(decision, rule)), outcomes


def day_zero(scenario: Scenario, skipped: Mapping[str, str]) -> Decision:
    """One rung for everyone, without evidence: the first that needs no interactions."""
    rung, rule = day_zero_rung(scenario), scenario.decision
    return replace(
        Decision.for_everyone(rung.name, settings(rung)[0]),
        metric=rule.metric, alpha=rule.alpha, min_gain=rule.min_gain, may_blend=rule.blend,
        skipped=skipped, sentences=[DAY_ZERO],
    )  # fmt: skip


def _settings(trials: Sequence[FoldTrials], tries: Tries, scenario: Scenario, effort: EffortLog) -> dict[str, int]:
    """Rung -> which of its settings, by the first queries of all users."""
    chosen, metric = {}, scenario.decision.metric
    searched = {measure for measure, _, _ in effort.noted}
    times = periods_of([fold.info for fold in trials])
    when = np.concatenate([t[fold.info.first] for t, fold in zip(times, trials, strict=True)])
    for rung, tried in tries.items():
        values = [
            np.concatenate([fold.outcomes[rung, n].values[metric][fold.info.first] for fold in trials])
            for n in range(len(tried))
        ]
        chosen[rung] = simplest_of_best(values, when)
        if len(tried) > 1 and TRIALS_TO_1PCT + rung not in searched:
            effort.note(TRIALS_TO_1PCT + rung, trials_to_1pct([float(v.mean()) for v in values]), "trials")
    return chosen


def _rungs_of(infos: Sequence[QueryInfo], routes: Mapping[str, str], rows: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The rung of some queries of each fold, str (n,)."""
    return [segments(routes, a.bucket[r], a.returning[r]) for a, r in zip(infos, rows, strict=True)]


def _with_slots(
    decision: Decision, trials: Sequence[FoldTrials], setting: Mapping[str, int], scenario: Scenario
) -> Decision:
    slots = scenario.slots
    if slots.n != "auto":
        return replace(decision, slots=slots)
    choosers = [rung for rung in (slots.rung, *slots.instead) if rung in setting]
    if not choosers:
        reason = f"the ladder has no rung '{slots.rung}' to choose new items"
        known = {} if slots.rung in decision.skipped else {"slots": reason}
        return replace(decision, slots=slots.model_copy(update={"n": 0}), skipped={**decision.skipped, **known})
    infos, samples = [fold.info for fold in trials], [fold.to_slot for fold in trials]
    by_rung = [slots.model_copy(update={"rung": rung}) for rung in choosers]
    shown = [row for s in by_rung for row in slot_evidence(decision, infos, samples, setting, s, SIZES)]
    best = chosen(shown, slots)
    return replace(decision, slots=slots.model_copy(update={"n": best.n, "rung": best.rung}), slot_evidence=shown)


def slot_evidence(
    decision: Decision, infos: Sequence[QueryInfo], samples: Sequence[ValidationSample], setting: Mapping[str, int],
    slots: Slots, sizes: Sequence[int],
) -> list[SlotEvidence]:  # fmt: skip
    """What slots of some sizes (0 first) bring and cost for what the decision routes and blends; one row per size."""
    rows = [s.rows for s in samples]
    rungs_of, second = (_rungs_of(infos, r, rows) for r in (decision.routes, decision.routes | decision.blended))
    times = [t[r] for t, r in zip(periods_of(infos), rows, strict=True)]
    shown = evidence(samples, rungs_of, (slots.rung, setting[slots.rung]), slots.of, setting, second, times, sizes)
    sampled = sum(len(r) for r in rows) < sum(int(info.first.sum()) for info in infos)
    return [replace(row, sampled=sampled) for row in shown]


def simplest_of_best(values: Sequence[np.ndarray], periods: np.ndarray) -> int:
    """Position of the setting to use: a later one replaces an earlier one only by a paired mean gain above one standard
    error, the larger one of queries and of periods.

    values: per setting, float64 (n_queries,), the same queries. periods: int64 (n_queries,).
    """
    best = 0
    for n in range(1, len(values)):
        gain = values[n] - values[best]
        of_queries = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else 0.0
        if gain.mean() > max(of_queries, period_error(gain[:, None], periods)[0][0]):
            best = n
    return best


def trials_to_1pct(means: Sequence[float | None]) -> int:
    """How many settings were tried until one was within 1% of the best of all; None: one that was cut short."""
    goal = 0.99 * max(mean for mean in means if mean is not None)
    return next(n for n, mean in enumerate(means, 1) if mean is not None and mean >= goal)
