"""How much of a gain is luck of the period? ``python -m experiments.origin_luck [SCENARIO [RUNG RUNG [SEEDS]]]``.

The embedded data of a scenario are simulated anew with several seeds, and two rungs compared at every origin. Intervals
resample users: they say how far the gain would hold for other users of the *same* days and the same hits. How far the
gain varies from origin to origin says how far it holds for other days. Where the second is much larger, a significant
difference at one origin is no evidence for the next. As Markdown.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from pipelines.cli import run  # isort: skip  (it sets BLAS threads before NumPy is imported)

import numpy as np

from recommender import config
from recommender.config.files import raw_dir
from recommender.errors import ConfigError
from recommender.evaluation.effort import EffortLog
from recommender.evaluation.evaluate import POOLED, compare
from recommender.experiment import ladder, requirements
from recommender.names import ALL
from recommender.sources.load import load

SEEDS = 6


@dataclass(frozen=True)
class Gain:
    """What the second rung gains over the first at one origin, for all users."""

    seed: int
    split: str
    mean: float
    low: float
    high: float


def main(argv: list[str]) -> None:
    scenario, first, second, seeds = [*argv, *("ugc", "popularity", "ranker", str(SEEDS))[len(argv) :]][:4]
    if not seeds.isdigit() or int(seeds) < 2:
        raise ConfigError(f"SEEDS: expected a whole number of at least 2, got '{seeds}'.")
    gains = [gain for seed in range(int(seeds)) for gain in measured(scenario, first, second, seed)]
    sys.stdout.write(as_markdown(gains, first, second))


def measured(name: str, first: str, second: str, seed: int) -> list[Gain]:
    """The gains at the validation origins and the test. Raises ConfigError where the ladder has no such rungs."""
    scenario = config.load(name, [f"data.options.simulated.seed={seed}"])
    two = [rung for rung in scenario.ladder if rung.name in (first, second)]
    if [rung.name for rung in two] != [first, second]:
        known = ", ".join(rung.name for rung in scenario.ladder)
        raise ConfigError(f"{name}: name two rungs in the order of its ladder ({known}), got {first}, {second}.")
    scenario = scenario.model_copy(update={"ladder": two, "slots": config.Slots(), "rerank": []})
    data = load(scenario.data.source, raw_dir=raw_dir(), **config.loading(scenario))
    scenario, skipped = requirements.supported(scenario, data)
    results = ladder.run(data, scenario, EffortLog(), lambda _: None, lambda _: None, skipped)
    gains = []
    for group in (g for g in results.groups if g.origin != POOLED):
        rows = compare(group, [(first, second)], [first], scenario.bootstrap, scenario.seed, [scenario.decision.metric])
        row = rows.filter(user_bucket=ALL).row(0, named=True)
        gains.append(Gain(seed, group.split, row["difference"], row["ci_low"], row["ci_high"]))
    return gains


def as_markdown(gains: list[Gain], first: str, second: str) -> str:
    n = sum(g.seed == 0 for g in gains) - 1
    lines = ["| seed | " + " | ".join(f"origin {i + 1}" for i in range(n)) + " | test |", "| --- " * (n + 2) + "|"]
    for seed in dict.fromkeys(g.seed for g in gains):
        cells = [f"{g.mean:+.4f} ({g.low:+.4f} to {g.high:+.4f})" for g in gains if g.seed == seed]
        lines.append(f"| {seed} | {' | '.join(cells)} |")
    mean = np.array([g.mean for g in gains])
    users = np.array([(g.high - g.low) / 3.92 for g in gains])
    outside = np.mean([not g.low <= mean.mean() <= g.high for g in gains])
    turned = [
        np.sign(g.mean) != np.sign(np.mean([v.mean for v in gains if v.seed == g.seed and v.split != "test"]))
        for g in gains
        if g.split == "test"
    ]
    explanation = (
        f"Gain of {second} over {first} at {len(gains)} origins: mean {mean.mean():+.4f}, standard deviation between "
        f"origins {mean.std(ddof=1):.4f}, standard error within one by its users {np.sqrt((users**2).mean()):.4f}. "
        f"{outside:.0%} of the 95% intervals leave out the mean; {sum(turned)} of {len(turned)} tests have another "
        "sign than the mean of their validation origins."
    )
    return "\n".join([*lines, "", explanation]) + "\n"


if __name__ == "__main__":
    run(main)
