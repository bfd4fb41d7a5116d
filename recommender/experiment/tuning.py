"""Tuning: every rung gets the same budget, spent by Optuna (Akiba et al. 2019) on the validation origins only.

Trials are settled by successive halving: each is looked at again, at a larger cost (``looks.py``), only while it is
among the best quarter of all trials that were looked at so.
The trials of a data set and a split are kept in one journal, so that a train that was stopped goes on where it
was: finished trials are not repeated, and with a budget in trials the result is that of a train without a break.
"""

from __future__ import annotations

import base64
import json
import logging
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recommender.config import Rung, Scenario
from recommender.data.dataset import Dataset
from recommender.data.digest import digest
from recommender.errors import DataError, UserError
from recommender.evaluation.effort import SCHEMA, EffortLog
from recommender.evaluation.evaluate import periods_of
from recommender.experiment import rungs
from recommender.experiment.choose import simplest_of_best, trials_to_1pct
from recommender.experiment.fold_runner import FoldRunner, Progress
from recommender.experiment.journal import journal
from recommender.experiment.ladder import about_queries
from recommender.experiment.looks import looks, n_looks, validation_runners
from recommender.experiment.search import n_draws, search
from recommender.experiment.search_spaces import answers, space, suggest
from recommender.experiment.workers import ALONE, Workers
from recommender.features.memo import drop_fits
from recommender.hashing import code_digest, of_content, of_name

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import JournalStorage
    from optuna.trial import FrozenTrial, Trial

log = logging.getLogger(__name__)


_ONE_IN = 4  # trials goes on after a look
_CPU_S = list(SCHEMA).index("cpu_s")  # of a row of effort
_IDLE = 20  # suggestions in a row that had been tried before; then the space is exhausted


def tune(
    data: Dataset, scenario: Scenario, folder: Path, effort: EffortLog, progress: Progress, workers: Workers = ALONE
) -> Scenario:
    """The scenario with one setting per rung: the best found, or the entry's own first where none is surely better.

    folder: where the journal is kept. workers: of a search; trials go one after the other. Where ``scenario.tune``
    asks for no trials, a short ``search``; on day zero, nothing.
    Raises ConfigError where the folder cannot be written, and what ``folds`` and the recommenders raise.
    """
    if scenario.day_zero:
        return scenario
    if not is_tuned(scenario):
        return search(data, scenario, effort, progress, workers)
    with journal(folder / f"{scenario.name}-{data.name}-{_key(data, scenario)}.log") as storage:
        runners = validation_runners(data, scenario, effort)
        ladder = [_tuned(rung, data, scenario, runners, storage, progress) for rung in scenario.ladder]
    return scenario.model_copy(update={"ladder": ladder})


def is_tuned(scenario: Scenario) -> bool:
    """Whether the scenario searches parameters with a budget of its own."""
    return bool(scenario.tune.trials or scenario.tune.minutes)


def n_steps(scenario: Scenario) -> int:
    """How many times ``tune``, ``ladder.run`` and ``refit_for_serving`` together call ``progress``, at most."""
    if not is_tuned(scenario):
        return rungs.n_steps(scenario) + sum(_steps_of_search(r, scenario) for r in scenario.ladder if not r.control)
    tuned = [r for r in scenario.ladder if space(r, rungs.settings(r), scenario.split.kind == "time")]
    ladder = [r.model_copy(update={"candidates": []}) if r in tuned else r for r in scenario.ladder]
    trials = sum(max(scenario.tune.trials, len(rungs.settings(r))) if scenario.tune.trials else 1 for r in tuned)
    return rungs.n_steps(scenario.model_copy(update={"ladder": ladder})) + trials


def _steps_of_search(rung: Rung, scenario: Scenario) -> int:
    """What a search adds: a step, and a second setting of a rung that names one only."""
    return 1 + (len(rungs.settings(rung)) == 1) * scenario.split.most_origins if n_draws(rung, scenario) else 0


class Search:
    """The study of one rung. starts: settings to begin with, simplest first; none of them is cut short."""

    def __init__(
        self, rung: Rung, starts: Sequence[Mapping[str, Any]], data: Dataset, scenario: Scenario,
        runners: Sequence[FoldRunner], storage: JournalStorage,
    ) -> None:  # fmt: skip
        import optuna  # takes half a second, and most trains do not tune

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.rung, self.starts, self.data, self.scenario, self.runners = rung, starts, data, scenario, runners
        timed = scenario.split.kind == "time"
        self.space = space(rung, starts, timed)
        self.effort = runners[0].effort
        self.study = optuna.create_study(
            storage=storage,
            study_name=f"{rung.name}-{of_content(rung.model_dump(), self.space, digits=12)}",
            direction="maximize",
            load_if_exists=True,
        )
        _drop_unfinished(self.study)
        for trial in self.finished:  # their cost was this train's, though an earlier process paid it
            self.effort.rows += [tuple(row) for row in trial.user_attrs.get("effort", [])]

    @property
    def trials(self) -> int:
        """How many at most; 0: as many as the minutes allow. The entry's own settings are tried in any case."""
        budget = self.scenario.tune.trials
        return budget and max(budget, len(self.starts))

    @property
    def suggested(self) -> list[FrozenTrial]:
        """Also those that were not measured, because the same setting had been."""
        from optuna.trial import TrialState

        return self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))

    @property
    def finished(self) -> list[FrozenTrial]:
        """The trials of this budget; the journal may hold more, of a larger one."""
        measured = [t for t in self.suggested if "setting" in t.user_attrs]
        return measured[: self.trials or None]

    @property
    def complete(self) -> list[FrozenTrial]:
        return [t for t in self.finished if "values" in t.user_attrs]

    def run(self, progress: Progress) -> None:
        """Tries settings until the budget is spent or the space is exhausted."""
        budget = self.scenario.tune
        if not self.trials:
            progress(f"tune {self.rung.name} for {budget.minutes:g} minutes")
        n_before = len(self.finished)
        while self._more():
            n = len(self.finished) + 1
            if self.trials and n > n_before:
                progress(f"tune {self.rung.name} {n}/{self.trials}")
            n_before = n
            self._try(len(self.suggested))

    def chosen(self) -> FrozenTrial:
        """The best trial where its gain over the first is above one standard error, else the first."""
        first, best = self.complete[0], max(self.complete, key=_mean)
        times = periods_of([about_queries(runner.fold, self.scenario) for runner in self.runners])
        return (first, best)[simplest_of_best([_values(first), _values(best)], np.concatenate(times))]

    def _more(self) -> bool:
        budget, done, latest = self.scenario.tune, self.finished, self.suggested[-_IDLE:]
        spent = sum(t.duration.total_seconds() for t in done if t.duration)
        idle = len(latest) == _IDLE and not any("setting" in t.user_attrs for t in latest)
        enough = (self.trials and len(done) >= self.trials) or (budget.minutes and spent >= 60 * budget.minutes)
        return not (idle or enough)

    def _try(self, n: int) -> None:
        """One suggestion, the ``n``-th."""
        from optuna.samplers import TPESampler
        from optuna.trial import TrialState

        # A sampler per trial: a train that goes on after a break suggests what it would have without. And per rung:
        # rungs that share parameters should not share their luck.
        entropy = [self.scenario.seed, n, of_name(self.rung.name)]
        seed = np.random.SeedSequence(entropy).generate_state(1)
        self.study.sampler = TPESampler(seed=int(seed[0]))
        if n < len(self.starts):
            self.study.enqueue_trial(answers(self.rung, self.starts[n], self.space))
        trial = self.study.ask()
        setting = {**self.rung.params, **suggest(trial, self.space), **(self.starts[n] if n < len(self.starts) else {})}
        if not self._is_new(setting):
            self.study.tell(trial, state=TrialState.PRUNED)
            return
        begun = len(self.effort.rows)
        is_start = n < len(self.starts)
        try:
            values = self._measured(trial, setting, may_stop=not is_start)
        except UserError:
            if is_start:
                raise
            values = None  # a setting of the space that these data cannot be fitted with
        trial.set_user_attr("setting", setting)
        trial.set_user_attr("effort", self.effort.rows[begun:])
        if values is None:
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            trial.set_user_attr("values", base64.b64encode(zlib.compress(values.tobytes())).decode())
            self.study.tell(trial, float(values.mean()))

    def _is_new(self, setting: Mapping[str, Any]) -> bool:
        """Whether this data allows the setting, and no trial had it."""
        entry = self.rung.model_copy(update={"params": dict(setting), "candidates": []})
        allowed, _ = rungs.options(entry, self.scenario, self.data)
        return bool(allowed) and all(t.user_attrs.get("setting") != setting for t in self.finished)

    def _measured(self, trial: Trial, setting: Mapping[str, Any], may_stop: bool) -> np.ndarray | None:
        """The metric of the sampled queries of all origins, float64 (n,); None where fewer looks showed enough."""
        seen: list[np.ndarray] = []
        n = n_looks(self.rung, setting, self.runners)
        for values in looks(self.rung, setting, self.runners):
            trial.report(float(values.mean()), len(seen))
            seen.append(values)
            if may_stop and len(seen) < n and not self._goes_on(float(values.mean()), len(seen) - 1):
                return None
        return np.concatenate(seen[-len(self.runners) :])

    def _goes_on(self, mean: float, look: int) -> bool:
        """Whether a trial is among the best quarter of those that had this look, or the best of fewer than four."""
        others = [t.intermediate_values[look] for t in self.finished if look in t.intermediate_values]
        return sum(other >= mean for other in others) < max(1, (len(others) + 1) // _ONE_IN)


def _tuned(
    rung: Rung,
    data: Dataset,
    scenario: Scenario,
    runners: Sequence[FoldRunner],
    storage: JournalStorage,
    progress: Progress,
) -> Rung:
    starts, _ = rungs.options(rung, scenario, data)
    if not starts or not space(rung, starts, scenario.split.kind == "time"):
        return rung
    search = Search(rung, starts, data, scenario, runners, storage)
    try:
        search.run(progress)
    except DataError:  # too little to learn from: the ladder meets it again, and tells
        return rung
    finally:
        for runner in runners:
            drop_fits(runner.fold.train)
    means = [_mean(t) if "values" in t.user_attrs else None for t in search.finished]
    first, chosen, n = search.complete[0], search.chosen(), len(search.finished)
    metric, gain = scenario.decision.metric, max(map(_mean, search.complete)) - _mean(first)
    cpu_s = sum(row[_CPU_S] for t in search.finished for row in t.user_attrs["effort"])
    runners[0].effort.note_search(rung.name, n, trials_to_1pct(means), gain, metric, cpu_s)
    unchanged = chosen.number == first.number
    setting = starts[0] if unchanged else chosen.user_attrs["setting"]
    outcome = "nothing surely better" if unchanged else f"{_mean(chosen):.4f} with {json.dumps(setting)}"
    log.info("tune %s: %s on validation %.4f as given; %d trials: %s", rung.name, metric, _mean(first), n, outcome)
    return rung.model_copy(update={"params": setting, "candidates": []})


def _mean(trial: FrozenTrial) -> float:
    assert trial.value is not None  # complete
    return trial.value


def _values(trial: FrozenTrial) -> np.ndarray:
    return np.frombuffer(zlib.decompress(base64.b64decode(trial.user_attrs["values"])))


def _drop_unfinished(study: Study) -> None:
    """Trials of a train that was stopped in their midst: begun, or asked for and not begun."""
    from optuna.trial import TrialState

    for _ in study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        study.ask()  # begins it
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)


def _key(data: Dataset, scenario: Scenario) -> str:
    """Changes with whatever makes old trials incomparable; the rung itself is in the name of its study."""
    scoring = scenario.scoring.model_dump(exclude={"memory_mb", "workers"})  # no result depends on them
    learned = (scenario.data.event_weights, scenario.data.train_differences)  # what else changes what models learn
    parts = (scenario.split.model_dump(), scenario.eligibility.model_dump(), scoring, *learned)
    return of_content(digest(data), *parts, scenario.decision.metric, scenario.seed, code_digest(), digits=12)
