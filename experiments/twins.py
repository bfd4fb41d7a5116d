"""Does what one learns on a twin hold on the real set? ``python -m experiments.twins [SET ...]``, as Markdown.

For each public set (RECOMMENDER_RAW_DIR): the ladder of its scenario, without tuning, on the set and on its twin
(``recommender.simulate.likeness``). Of the pairs of rungs that differ significantly on the real set's test
origin (NDCG@10, Holm-adjusted p below .05), Kendall's tau: the share of pairs that the twin orders alike minus the
share that it orders the other way. Where the twin misleads, it says so. With --write into docs/data/, where the rows of
sets that are not given stay.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.cli import run  # isort: skip  (it sets BLAS threads before NumPy is imported)

import polars as pl

from experiments.realism import markdown, save
from recommender import config
from recommender.config import Scenario
from recommender.config.files import raw_dir
from recommender.data.dataset import Dataset
from recommender.data.gate import build
from recommender.errors import ConfigError
from recommender.evaluation.effort import EffortLog
from recommender.evaluation.evaluate import comparisons_table, metrics_table
from recommender.experiment import ladder, requirements
from recommender.names import ALL
from recommender.simulate import observed, play
from recommender.simulate.network_likeness import twin_knobs
from recommender.sources.load import load

SETS: Mapping[str, str] = {
    "ml-100k": "catalog",
    "ml-latest-small": "catalog",
    "kuairand-pure": "ugc",
    "job-views": "jobs",
    "quantum-se": "skills",
    "collegemsg": "people",
    "bitcoinotc": "people",
    "enron-staff": "people",
}
METRIC, ALPHA, RESAMPLES, SEED = "ndcg_at_10", 0.05, 1000, 0


@dataclass(frozen=True)
class Ordered:
    """A ladder on one set: NDCG@10 by rung, and its paired comparisons."""

    value: Mapping[str, float]
    pairs: pl.DataFrame  # rung_a, rung_b, difference (b - a), p_holm


def main(argv: list[str]) -> None:
    write = "--write" in argv
    names = [a for a in argv if a != "--write"] or list(SETS)
    if unknown := [n for n in names if n not in SETS]:
        raise ConfigError(f"No twin is known for {', '.join(unknown)}. Valid: {', '.join(SETS)}")
    rows = [["set", "scenario", "pairs that differ", "ordered alike", "tau", "where the twin misleads"]]
    values = [["set", "data", "rungs, best first"]]
    for name in names:
        scenario = config.load(SETS[name])
        real = load(name, raw_dir=raw_dir(), **config.loading(scenario))
        preset = scenario.data.options.get("simulated", {}).get("preset", "catalog")
        twin = build(observed(play(preset=preset, **twin_knobs(real, preset))))
        orders = {label: ordered(data, scenario) for label, data in (("real", real), ("twin", twin))}
        n, alike, wrong = agreement(orders["real"], orders["twin"])
        tau = f"{(2 * alike - n) / n:.2f}" if n else "-"
        rows.append([name, SETS[name], str(n), str(alike), tau, "; ".join(wrong) or "-"])
        for label, one in orders.items():
            best = sorted(one.value, key=lambda rung: -one.value[rung])
            values.append([name, label, ", ".join(f"{rung} {one.value[rung]:.3f}" for rung in best)])
    sys.stdout.write(markdown(rows) + "\n" + markdown(values))
    if write:
        save("twins", rows, others=True)
        save("twins-rungs", values, others=True)


def ordered(data: Dataset, scenario: Scenario) -> Ordered:
    """The scenario's ladder with the first setting of each rung, at one validation origin and the test origin."""
    plain = scenario.model_copy(
        update={
            "ladder": [rung.model_copy(update={"candidates": []}) for rung in scenario.ladder],
            "split": scenario.split.model_copy(update={"validation": scenario.split.validation[-1:]}),
        }
    )
    plain, skipped = requirements.supported(plain, data)
    results = ladder.run(data, plain, EffortLog(), lambda step: None, lambda decision: None, skipped)
    test = next(group for group in results.groups if group.split == "test")
    rungs = list(results.parameters)
    everyone = (pl.col("user_bucket") == ALL) & (pl.col("metric") == METRIC)
    pairs = comparisons_table(test, rungs, RESAMPLES, SEED).filter(everyone)
    means = metrics_table(test, RESAMPLES, SEED).filter(everyone, item_bucket=ALL, slice=ALL)
    return Ordered({r: v for r, v in means.select("rung", "value").iter_rows() if r in rungs}, pairs)


def agreement(real: Ordered, twin: Ordered) -> tuple[int, int, list[str]]:
    """Pairs that differ significantly on the real set and are in both ladders; those that the twin orders alike;
    the others, in words."""
    differ = real.pairs.filter(
        pl.col("p_holm") < ALPHA, pl.col("rung_a").is_in(twin.value), pl.col("rung_b").is_in(twin.value)
    )
    alike, wrong = 0, []
    for a, b, difference in differ.select("rung_a", "rung_b", "difference").iter_rows():
        better, worse = (b, a) if difference > 0 else (a, b)
        if twin.value[better] > twin.value[worse]:
            alike += 1
        else:
            wrong.append(f"{better} over {worse}")
    return differ.height, alike, wrong


if __name__ == "__main__":
    run(main)
