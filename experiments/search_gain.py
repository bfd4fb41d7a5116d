"""What a search brings: ``python -m experiments.search_gain SCENARIO DATA RUNG DRAWS [KEY=VALUE ...]``.

The search of a plain train with each number of draws (``2,8``), also of rungs that it leaves out; then the rung's first
setting and the winner at the test origin, by the metric that decides, on users' first queries. Gains with 95% intervals
over users, CPU seconds of the search. As Markdown.
"""

from __future__ import annotations

import sys

from pipelines.cli import run  # isort: skip  (it sets BLAS threads before NumPy is imported)

import numpy as np

from recommender import config
from recommender.config import Rung
from recommender.config.files import raw_dir
from recommender.data.split import folds
from recommender.errors import ConfigError
from recommender.evaluation.effort import SEARCH_CPU, SEARCH_GAIN, EffortLog
from recommender.experiment import requirements, rungs
from recommender.experiment.fold_runner import FoldRunner, silent
from recommender.experiment.search import search
from recommender.models import RECOMMENDERS
from recommender.sources.load import load

HEAD = "| draws | CPU s | validation | test, first | test, winner | gain |\n| --- | --- | --- | --- | --- | --- |\n"


def main(argv: list[str]) -> None:
    if len(argv) < 4 or not all(count.isdecimal() and int(count) for count in argv[3].split(",")):
        raise ConfigError("expected a scenario, data, a rung and numbers of draws: skills so-survey2019 user_ease 2,8")
    name, source, rung, counts, *overrides = argv
    scenario = config.load(name, overrides)
    data = load(source, raw_dir=raw_dir(), **config.loading(scenario))
    scenario, _ = requirements.supported(scenario, data)
    scenario = scenario.model_copy(update={"ladder": [r for r in scenario.ladder if r.name == rung]})
    if not scenario.ladder:
        raise ConfigError(f"{name}: the ladder has no rung '{rung}'.")
    *_, test = folds(data, scenario.split, scenario.eligibility)
    runner = FoldRunner(test, scenario, EffortLog(), silent)
    for n, count in enumerate(counts.split(",")):
        effort = EffortLog()
        setattr(RECOMMENDERS[scenario.ladder[0].recommender], "draws", int(count))  # noqa: B010  of a class
        (searched,) = search(data, scenario, effort, silent).ladder
        noted = {measure: value for measure, value, _ in effort.noted}
        if SEARCH_CPU + rung not in noted:
            raise ConfigError(
                f"{name}: with {count} draws, nothing of the rung '{rung}' can be searched on {data.name}. Controls "
                "and recommenders without parameters are never searched, and large data get fewer draws: give more."
            )
        first, winner = at_test(runner, searched)
        gain = winner - first
        half = 1.96 * gain.std(ddof=1) / np.sqrt(len(gain))
        took = f"{noted[SEARCH_CPU + rung]:.1f} | {noted[SEARCH_GAIN + rung]:+.4f}"
        sys.stdout.write(f"{'' if n else HEAD}| {count} | {took} | {first.mean():.4f} | {winner.mean():.4f} | ")
        sys.stdout.write(f"{gain.mean():+.4f} ± {half:.4f} |\n")


def at_test(runner: FoldRunner, searched: Rung) -> tuple[np.ndarray, np.ndarray]:
    """The deciding metric of each user's first query, float64 (n_users,): of the first setting, and of the winner."""
    metric, first = runner.scenario.decision.metric, runner.fold.first
    values = [runner.measure(searched, s).outcome.values[metric][first] for s in rungs.settings(searched)]
    return values[0], values[-1]


if __name__ == "__main__":
    run(main)
