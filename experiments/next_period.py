"""Do decisions hold in the next period? ``python -m experiments.next_period [SEEDS [SCENARIO ...]]``.

Writes ``docs/data/next-period.csv``. The embedded data of a scenario are simulated anew with each seed, smaller. A
short ladder is measured at all origins and decides on validation three times: by intervals that count users and
periods, by users alone, and (the first third of the seeds, as it costs twice as much) by twelve short periods before
each of which every rung is fitted again. Each group of users that climbed by its own queries is then looked at in the
test period: what the rung gains over the one that it replaced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from experiments.realism import save  # first: its import sets BLAS threads before NumPy is imported
from pipelines.cli import run

import numpy as np  # isort: skip

from recommender import config
from recommender.config.files import raw_dir
from recommender.errors import ConfigError
from recommender.evaluation.effort import EffortLog
from recommender.evaluation.evaluate import PERIODS, Group, compare, comparisons_table, groups
from recommender.experiment import ladder, requirements
from recommender.experiment.climb import Choice, climb
from recommender.names import IN_SESSION, RETURNING, USER_BUCKETS, WITH_HISTORY
from recommender.sources.load import load

SEEDS = 30
SCENARIOS = ("catalog", "skills")
RUNGS = ("popularity", "content", "item_knn", "ease")
KNOBS: dict[str, Any] = {"n_users": 1000, "n_items": 500}
GROUPS = {  # of a decision: their rows in a table of comparisons
    USER_BUCKETS[0]: USER_BUCKETS[0],
    WITH_HISTORY: WITH_HISTORY + IN_SESSION,
    WITH_HISTORY + RETURNING: WITH_HISTORY + RETURNING,
}
COUNTED = {"users and periods": PERIODS, "users alone": 0}  # periods of each horizon
SHORT = "users and twelve periods, fitted before each"
TWELVE = [f"{0.5 + n / 40:g}" for n in range(12)]  # origins up to the test's, as many quantiles apart
HEADS = ["scenario", "intervals count", "data sets", "climbs", "promised, at least", "gain in the next period",
         "lost there", "lost, by the interval", "below the promise, by the interval"]  # fmt: skip


@dataclass(frozen=True)
class Climb:
    """One group's climb: the lower bound that validation gave, and what the next period showed, by its users."""

    promised: float
    gain: float
    low: float
    high: float


def main(argv: list[str]) -> None:
    seeds, *names = argv or [str(SEEDS)]
    if not seeds.isdigit() or int(seeds) < 1:
        raise ConfigError(f"SEEDS: expected a whole number of at least 1, got '{seeds}'.")
    rows = [HEADS]
    for name in names or SCENARIOS:
        measured = [climbed(name, seed, seed < -(-int(seeds) // 3)) for seed in range(int(seeds))]
        for counted in (*COUNTED, SHORT):
            of = [one_decided[counted] for one_decided in measured if counted in one_decided]
            rows.append([name, counted, str(len(of)), *summary([one for climbs in of for one in climbs])])
    save("next-period", rows)


def climbed(name: str, seed: int, short: bool) -> dict[str, list[Climb]]:
    """The climbs on one simulated data set, by what intervals count. short: by short periods too."""
    twelve = [f"split.validation=[{','.join(TWELVE)}]"]
    return decided(name, seed, COUNTED) | (decided(name, seed, {SHORT: 1}, twelve) if short else {})


def decided(name: str, seed: int, periods: Mapping[str, int], settings: Sequence[str] = ()) -> dict[str, list[Climb]]:
    """The climbs of one train, by what intervals count: so many periods of each horizon."""
    knobs = [f"data.options.simulated.{knob}={value}" for knob, value in {**KNOBS, "seed": seed}.items()]
    scenario = config.load(name, [*knobs, "decision.blend=false", "bootstrap=300", *settings])
    short = [rung for rung in scenario.ladder if rung.name in RUNGS]
    scenario = scenario.model_copy(update={"ladder": short, "slots": config.Slots(), "rerank": []})
    data = load(scenario.data.source, raw_dir=raw_dir(), **config.loading(scenario))
    scenario, skipped = requirements.supported(scenario, data)
    results = ladder.run(data, scenario, EffortLog(), lambda _: None, lambda _: None, skipped, regret=False)
    names, rule = [r.name for r in short if r.name in results.parameters], scenario.decision
    climbs: dict[str, list[Climb]] = {}
    for counted, n in periods.items():
        *validation, test = (replace(info, n_periods=n) for info in results.query_info)
        pooled = groups(validation, results.outcomes[:-1])[-1]
        table = comparisons_table(pooled, names, scenario.bootstrap, seed, [rule.metric], deciding=True)
        group = Group("test", test.origin, [test], results.outcomes[-1:])
        climbs[counted] = _climbs(climb(table, names, rule), group, scenario)
    return climbs


def _climbs(choices: Mapping[str, Choice], test: Group, scenario: config.Scenario) -> list[Climb]:
    climbs = []
    for group, bucket in GROUPS.items():
        choice = choices[group]
        if choice.over is None or choice.ci_low is None or choice.inherited_from:
            continue
        pair, metrics = (choice.over, choice.rung), [scenario.decision.metric]
        by_users = replace(test, query_info=[replace(info, n_periods=0) for info in test.query_info])
        rows = compare(by_users, [pair], [pair[0]], scenario.bootstrap, scenario.seed, metrics, deciding=True)
        for row in rows.filter(user_bucket=bucket).iter_rows(named=True):
            climbs.append(Climb(choice.ci_low, row["difference"], row["ci_low"], row["ci_high"]))
    return climbs


def summary(climbs: Sequence[Climb]) -> list[str]:
    if not climbs:
        return ["0", *[""] * (len(HEADS) - 4)]
    promised, gain = np.mean([c.promised for c in climbs]), np.mean([c.gain for c in climbs])
    shares = [[c.gain < 0 for c in climbs], [c.high < 0 for c in climbs], [c.high < c.promised for c in climbs]]
    return [str(len(climbs)), f"{promised:+.4f}", f"{gain:+.4f}", *(f"{np.mean(s):.0%}" for s in shares)]


if __name__ == "__main__":
    run(main)
