"""What a budget of trials buys: ``python -m experiments.tuning_budget SCENARIO DATA [TRIALS ...]``.

Each rung of the scenario is tuned on the validation origins, as ``make train SET='tune.trials=N'`` does, for each of
the budgets (default: 2 3 6 12; the trials of a smaller one are the first of a larger one), and measured at the test
origin with what it chose. Markdown: the CPU seconds that all trials took, and for each rung that changed its setting
NDCG@10 on the test minus that of a plain train, with a 95% bootstrap interval over users, for all users and for those
with history. Trials are kept in ``tuning/``, as those of a train are.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipelines.cli import Steps, run  # isort: skip  (it sets BLAS threads before NumPy is imported)

import polars as pl

from recommender import config
from recommender.config import Rung, Scenario, Tune
from recommender.config.files import raw_dir
from recommender.data.dataset import Dataset
from recommender.data.split import folds
from recommender.errors import ConfigError
from recommender.evaluation.effort import EffortLog
from recommender.evaluation.evaluate import Group, Outcome, compare, query_info
from recommender.experiment import requirements, tuning
from recommender.experiment.fold_runner import FoldRunner, Progress
from recommender.names import ALL, WITH_HISTORY
from recommender.sources.load import load

BUDGETS = (2, 3, 6, 12)
USERS = {ALL: "all", WITH_HISTORY: "with history"}
METRIC, RESAMPLES, SEED = "ndcg_at_10", 1000, 0
HEAD = "| trials | tuning CPU s | rung | chosen | users | n | as given | tuned | difference | 95% interval |"


def main(argv: list[str]) -> None:
    if len(argv) < 2 or not all(n.isdigit() for n in argv[2:]):
        raise ConfigError("Give a scenario, its data and, if you like, budgets: jobs job-views 3 12")
    scenario = config.load(argv[0])
    data = load(argv[1], raw_dir=raw_dir(), **config.loading(scenario))
    scenario, _ = requirements.supported(scenario, data)
    budgets = sorted({int(n) for n in argv[2:]} or BUDGETS)
    with Steps(tuning.n_steps(with_budget(scenario, sum(budgets)))) as progress:
        plain, _ = tuned(data, scenario, 1, progress)  # nothing but the entries' own settings
        test = Test(data, scenario, progress)
        lines = [HEAD, "| --- " * 10 + "|"]
        for trials in budgets:
            chosen, spent = tuned(data, scenario, trials, progress)
            lines += [f"| {trials} | {spent:.0f} | {' | '.join(row)} |" for row in rows(plain, chosen, test)]
    sys.stdout.write("\n".join(lines) + "\n")


def with_budget(scenario: Scenario, trials: int) -> Scenario:
    return scenario.model_copy(update={"tune": Tune(trials=trials)})


def tuned(data: Dataset, scenario: Scenario, trials: int, progress: Progress) -> tuple[list[Rung], float]:
    """The ladder with what ``trials`` chose, and the CPU seconds that they took."""
    effort = EffortLog()
    chosen = tuning.tune(data, with_budget(scenario, trials), Path("tuning"), effort, progress)
    return chosen.ladder, float(effort.frame().filter(stage="tune")["cpu_s"].sum())


class Test:
    """The test origin; each setting is measured there once."""

    def __init__(self, data: Dataset, scenario: Scenario, progress: Progress) -> None:
        *_, fold = folds(data, scenario.split, scenario.eligibility)
        self.runner = FoldRunner(fold, scenario, EffortLog(), progress)
        self.query_info = query_info(fold, (), scenario.decision.away_days)
        self.known: dict[str, Outcome] = {}

    def outcome(self, rung: Rung) -> Outcome:
        key = f"{rung.name} {json.dumps(rung.params, sort_keys=True)}"
        if key not in self.known:
            self.known[key] = self.runner.measure(rung, rung.params).outcome
        return self.known[key]


def rows(plain: Sequence[Rung], chosen: Sequence[Rung], test: Test) -> Iterator[tuple[str, ...]]:
    changed = [(a, b) for a, b in zip(plain, chosen, strict=True) if a.params != b.params]
    if not changed:
        yield ("none changes", *["-"] * 7)
    for before, after in changed:
        group = Group("test", "", [test.query_info], [{"as given": test.outcome(before), "tuned": test.outcome(after)}])
        values = dict(zip(group.rungs, group.stack([METRIC]).T, strict=True))
        masks = {bucket: mask for bucket, within, _, mask in group.masks() if not within}
        found = compare(group, [("as given", "tuned")], ["one"], RESAMPLES, SEED).filter(metric=METRIC)
        for r in found.filter(pl.col("user_bucket").is_in(list(USERS))).iter_rows(named=True):
            means = (f"{values[v][masks[r['user_bucket']]].mean():.4f}" for v in group.rungs)
            setting = ", ".join(f"{k}={v}" for k, v in after.params.items() if before.params.get(k) != v)
            gain = (f"{r['difference']:+.4f}", f"{r['ci_low']:+.4f} to {r['ci_high']:+.4f}")
            yield (after.name, setting, USERS[r["user_bucket"]], f"{r['n_queries']:,}", *means, *gain)


if __name__ == "__main__":
    run(main)
