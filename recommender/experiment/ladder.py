"""The experiment, fold after fold: measure every rung on validation, decide, then look at the test once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from recommender.config import Rung, Scenario
from recommender.data.dataset import Dataset
from recommender.data.split import Fold, folds, without_confirmed_spam
from recommender.errors import DataError
from recommender.evaluation.effort import EffortLog
from recommender.evaluation.evaluate import Group, Outcome, QueryInfo, groups, query_info
from recommender.experiment import blends, controls
from recommender.experiment.attack_gain import attacked
from recommender.experiment.choose import FoldTrials, Tries, day_zero, decide, slot_evidence
from recommender.experiment.decision import Decision
from recommender.experiment.examples import describe
from recommender.experiment.fold_runner import FoldRunner, Progress
from recommender.experiment.refit_for_serving import make_router
from recommender.experiment.rung_tasks import SettingTask, at_test, measure_all, on_validation
from recommender.experiment.rungs import allowed_settings, can_serve
from recommender.experiment.slots import SAMPLE, SlotEvidence
from recommender.experiment.validation_sample import ValidationSample, evenly
from recommender.experiment.workers import ALONE, Workers
from recommender.models.base import Recommender
from recommender.names import ROUTER
from recommender.ranking.asker import HERE, Asker
from recommender.ranking.fusion import Setting
from recommender.ranking.lists import Lists
from recommender.spam.detector import Judgement
from recommender.spam.suspicion import suspected_fold

InUse = dict[tuple[str, int], tuple[int, Recommender]]  # rung and setting -> the origin's number, the model


@dataclass(frozen=True)
class Results:
    """What a run measured. Lists have one entry per fold, the test's last; day zero has no fold."""

    decision: Decision
    parameters: Mapping[str, Mapping[str, Any]]  # of the rungs that were measured at the test
    skipped: Mapping[str, str]  # rungs and parts that could not take part, the test included, with reasons
    query_info: list[QueryInfo] = field(default_factory=list)
    outcomes: list[dict[str, Outcome]] = field(default_factory=list)  # rung -> outcome
    origins: list[dict[str, Any]] = field(default_factory=list)
    judgements: list[Judgement] = field(default_factory=list)  # of the detector of spam, where it could judge
    examples: dict[str, Any] = field(default_factory=dict)  # real lists of the test origin, see examples.describe
    attack: pl.DataFrame | None = None  # what fake accounts would buy at the test origin, see attack.rank_gain
    slots_at_test: Sequence[SlotEvidence] = ()  # without and with the slots that validation sized, where it chose any

    @property
    def groups(self) -> list[Group]:
        return groups(self.query_info, self.outcomes)


def run(
    data: Dataset, scenario: Scenario, effort: EffortLog, progress: Progress, decided: Callable[[Decision], None],
    skipped: Mapping[str, str] | None = None, regret: bool = True, asker: Asker = HERE, workers: Workers = ALONE,
) -> Results:  # fmt: skip
    """Measures, decides and tests the whole ladder of a scenario.

    scenario, skipped: what ``requirements.supported`` returned for the data. decided: called once, with the complete
    decision, before the test is touched. regret: on simulated data, also measure how far every rung is from the best
    possible. asker: makes the lists. workers: fit and measure rungs; no result depends on them. Raises ConfigError
    where no rung is left to serve, DataError where a served rung cannot be fitted.
    """
    skipped = dict(skipped or {})
    if scenario.day_zero:
        decision = day_zero(scenario, skipped)
        decided(decision)
        return Results(decision, decision.parameters, skipped)
    tries, unsupported = allowed_settings(scenario, data)
    skipped |= unsupported
    can_serve(tries, skipped, scenario)
    trials: list[FoldTrials] = []
    in_use: InUse = {}
    origins, judgements = [], []
    for fold in folds(data, scenario.split, scenario.eligibility):
        if fold.split == "test":
            can_serve(tries, skipped, scenario)  # rungs may have failed at a validation origin
            decision, outcomes = decide(trials, tries, scenario, effort, skipped)
            decided(decision)
            skipped = dict(decision.skipped)
        fold, judged = _suspected(controls.labelled(fold, data, scenario), scenario, effort)
        judgements += [judged] if isinstance(judged, Judgement) else []
        skipped |= {"spam": judged} if isinstance(judged, str) else {}
        runner = FoldRunner(fold, scenario, effort, progress, asker)
        origins.append(about_origin(runner.fold, runner.generated_recall))
        if fold.split == "validation":
            measured, failed = _validate(runner, tries, workers, in_use, len(trials))
            trials.append(measured)
            tries, skipped = {r: [] if r in failed else t for r, t in tries.items()}, skipped | failed
    tested, parameters, attack, failed, at_test = _test(runner, decision, workers)
    tested = controls.bounded(runner, data, tested) if regret else tested
    examples = _examples(runner, parameters)
    infos = [*(fold.info for fold in trials), about_queries(runner.fold, scenario)]
    return Results(
        decision, parameters, skipped | failed, infos, [*outcomes, tested], origins, judgements, examples, attack,
        at_test,
    )  # fmt: skip


def _suspected(fold: Fold, scenario: Scenario, effort: EffortLog) -> tuple[Fold, Judgement | str | None]:
    """The fold with the item column ``suspicion``, and the detector's judgement or, as text, why it suspects nothing.

    Where the scenario has no detector of spam: the fold as it is, and None.
    """
    if scenario.spam.label_column is None:
        return fold, None
    with effort.stage("all", "prepare", fold.split, fold.origin):
        # Confirmed items leave the truth whether or not the scenario blocks them, so that the block's effect shows.
        fold, judged = suspected_fold(without_confirmed_spam(fold, scenario.spam.label_column), scenario.spam)
    if isinstance(judged, str):
        return fold, f"at {fold.origin[:10]} nothing was suspected: {judged}"
    return fold, judged


def _validate(
    runner: FoldRunner, tries: Tries, workers: Workers, in_use: InUse, number: int
) -> tuple[FoldTrials, dict[str, str]]:
    """Measures every rung with every setting; also the reasons of rungs that cannot be fitted here.

    Controls wait for the test, since nothing is chosen of them. in_use: models that stay for the next short horizons
    (``fits_every``), which this adds to. number: of the origin, from 0.
    """
    outcomes, failed = {}, {}
    to_slot, to_blend, new = (dict[Setting, Lists]() for _ in range(3))
    fold, scenario = runner.fold, runner.scenario
    blend_rows = evenly(np.arange(len(fold.queries)), blends.SAMPLE)
    slot_rows = evenly(np.flatnonzero(fold.first), SAMPLE)
    settings = [
        SettingTask(rung, n, params, len(tries[rung.name]) > 1, _fitted(in_use, rung.name, n, number))
        for rung in scenario.ladder
        if not rung.control
        for n, params in enumerate(tries[rung.name])
    ]
    tried = measure_all(workers, on_validation, runner, (slot_rows, blend_rows), settings)
    for setting, measured in zip(settings, tried, strict=True):
        rung, key = setting.rung, (setting.rung.name, setting.n)
        if rung.name in failed:
            continue
        if isinstance(measured, DataError):  # too little to learn from, for this rung: the others go on
            failed[rung.name] = _reason(measured, rung)
            continue
        if measured.model is not None:
            in_use.setdefault(key, (number, measured.model))
        outcomes[key], to_slot[key] = measured.outcome, measured.to_slot
        to_blend |= {} if measured.to_blend is None else {key: measured.to_blend}
        new |= {} if measured.new is None else {key: measured.new}
    slot_sample = ValidationSample.of(fold, slot_rows, to_slot, new)
    blend_sample = ValidationSample.of(fold, blend_rows, to_blend)
    return FoldTrials(about_queries(fold, scenario), outcomes, slot_sample, blend_sample), failed


def _fitted(in_use: InUse, rung: str, setting: int, number: int) -> Recommender | None:
    """The model that is still in use at the ``number``-th origin; one that has had its time is taken out."""
    fitted_at, model = in_use.get((rung, setting), (0, None))
    if model is None or number - fitted_at < getattr(model, "fits_every", 1):
        return model
    del in_use[rung, setting]
    return None


def _reason(error: DataError, rung: Rung) -> str:
    return "; ".join(str(error).removeprefix(f"{rung.recommender}: ").splitlines()).rstrip(".")


def _test(
    runner: FoldRunner, decision: Decision, workers: Workers
) -> tuple[dict[str, Outcome], dict[str, Mapping[str, Any]], pl.DataFrame | None, dict[str, str], list[SlotEvidence]]:
    """Outcomes of rungs, controls and router; parameters of the rungs measured; the attack; what failed here; slots."""
    fold, scenario = runner.fold, runner.scenario
    slot_rows, to_slot = evenly(np.flatnonzero(fold.first), SAMPLE), {}
    outcomes: dict[str, Outcome] = {}
    models, parameters, failed, attack = {}, {}, {}, None
    settings = [
        SettingTask(r, 0, decision.parameters[r.name]) for r in scenario.ladder if r.name in decision.parameters
    ]
    tried = measure_all(workers, at_test, runner, (slot_rows, decision.served), settings)
    for setting, measured in zip(settings, tried, strict=True):
        name = setting.rung.name
        if isinstance(measured, DataError):
            if name in decision.served:  # decided, and not to be decided again by what the test shows
                raise measured
            failed[name] = f"at the test origin: {_reason(measured, setting.rung)}"
            continue
        outcomes[name], parameters[name] = measured.outcome, setting.params
        assert measured.shown is not None  # at the test origin
        runner.shown[name] = measured.shown
        if measured.model is not None:
            models[name], to_slot[name, 0] = measured.model, measured.to_slot
    slots_at_test = _slots_at_test(runner, decision, slot_rows, to_slot, models)
    if scenario.controls:
        shuffled, unfit = controls.measure(runner, parameters)
        outcomes, failed = outcomes | shuffled, failed | unfit
    if scenario.spam.label_column is not None:
        with runner.effort.stage("all", "evaluate", fold.split, fold.origin):
            try:
                attack = attacked(fold.train, scenario, parameters)
            except DataError as error:
                failed["rank gain of fake accounts"] = str(error).rstrip(".")
    router = make_router(decision, models, scenario).fit_rerankers(fold.train)
    return outcomes | runner.measure_router(router), parameters, attack, failed, slots_at_test


def _slots_at_test(
    runner: FoldRunner, decision: Decision, rows: np.ndarray, lists: Mapping[Setting, Lists],
    models: Mapping[str, Recommender],
) -> list[SlotEvidence]:  # fmt: skip
    """What the slots that validation sized bring and cost at the test, in the same way: without, then with them."""
    slots, fold = decision.slots, runner.fold
    if not slots.n or not decision.slot_evidence:
        return []
    new = {(slots.rung, 0): runner.new_items(models[slots.rung], rows, int(slots.n))}
    sample = ValidationSample.of(fold, rows, lists, new)
    setting = dict.fromkeys(models, 0)
    return slot_evidence(decision, [about_queries(fold, runner.scenario)], [sample], setting, slots, (0, int(slots.n)))


def _examples(runner: FoldRunner, parameters: Mapping[str, Any]) -> dict[str, Any]:
    if runner.served is None or not runner.examples:
        return {}
    shown = {rung: runner.shown[rung] for rung in (*parameters, ROUTER)}
    return describe(runner.fold, runner.examples, shown, *runner.served)


def about_queries(fold: Fold, scenario: Scenario) -> QueryInfo:
    """What is known of the fold's queries and users, as the scenario slices and audits them."""
    audited = scenario.audit.columns if scenario.audit else ()
    short = scenario.split.retrain_days is not None  # each horizon is a period
    n_periods = min(scenario.decision.periods, 1) if short else scenario.decision.periods
    return query_info(fold, scenario.slices, scenario.decision.away_days, audited, n_periods)


def about_origin(fold: Fold, generated_recall: float | None = None) -> dict[str, Any]:
    """The origin's entry in data.json: how much there was to learn from and to answer, and which share of the answers
    is among the generated candidates, where not all are scored."""
    counts = fold.item_counts
    return {
        "split": fold.split, "origin": fold.origin, "end": fold.end,
        "n_train": len(fold.train.user_idx), "n_queries": len(fold.queries), "n_users": int(fold.first.sum()),
        "n_truth": fold.truth.nnz, "n_truth_outside": fold.outside, "n_candidates": len(fold.items),
        "new_user_share": float((fold.train.users.lookup(fold.queries.ids.filter(fold.first)) < 0).mean()),
        "new_item_truth_share": float((counts[fold.truth.indices] == 0).mean()),
        **({} if generated_recall is None else {"generated_recall": generated_recall}),
    }  # fmt: skip
