"""Texts as hashed words (TF-IDF) or as sentence vectors (extra ``text``): ``python -m experiments.text_encoders``.

The content and ranker rungs with each, on job views, MovieLens (titles) and the simulated jobs, at every origin of
the scenario: NDCG@10, the paired difference with a 95% bootstrap interval over users, and CPU seconds of fit and
recommend. Markdown; needs the raw data and the extra (``make setup-text``).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from pipelines.cli import Steps, run  # isort: skip  (it sets BLAS threads before NumPy is imported)

import polars as pl

from recommender import config
from recommender.config import Rung, Scenario
from recommender.config.files import raw_dir
from recommender.data.split import folds
from recommender.evaluation.effort import EffortLog
from recommender.evaluation.evaluate import POOLED, Group, compare, groups, query_info
from recommender.experiment import requirements, rungs
from recommender.experiment.fold_runner import FoldRunner
from recommender.names import ALL, WITH_HISTORY
from recommender.sources.load import load

SETS = (("jobs", "job-views"), ("catalog", "ml-latest-small"), ("jobs", "simulated"))
RUNGS = ("content", "ranker")
WAYS = ("words", "embedding")
USERS = {ALL: "all", WITH_HISTORY: "with history"}
METRIC, RESAMPLES, SEED = "ndcg_at_10", 1000, 0
HEAD = (
    "| data | origins | rung | users | n | words | embedding | difference | 95% interval | CPU s (words, embedding) |"
)


def main(_: list[str]) -> None:
    chosen = [(config.load(name), source) for name, source in SETS]
    for scenario, _source in chosen:
        rungs.check(scenario.model_copy(update={"ladder": ladder(scenario)}))  # says so where the extra is missing
    steps = sum((len(s.split.validation) + 1) * len(RUNGS) * len(WAYS) for s, _ in chosen)
    lines = [HEAD, "| --- " * 10 + "|"]
    with Steps(steps) as progress:
        for scenario, source in chosen:
            lines += [f"| {' | '.join(row)} |" for row in rows(scenario, source, progress)]
    sys.stdout.write("\n".join(lines) + "\n")


def ladder(scenario: Scenario) -> list[Rung]:
    """Each rung once with words and once with vectors, named ``<rung>/<way>``."""
    known = {rung.name: rung for rung in scenario.ladder}
    return [
        known[name].model_copy(update={"name": f"{name}/{way}", "params": {**known[name].params, "text": way}})
        for name in RUNGS
        for way in WAYS
    ]


def rows(scenario: Scenario, source: str, progress: Any) -> Iterator[tuple[str, ...]]:
    data = load(source, raw_dir=raw_dir(), **config.loading(scenario))
    scenario, _ = requirements.supported(scenario, data)
    effort, queries, outcomes = EffortLog(), [], []
    for fold in folds(data, scenario.split, scenario.eligibility):
        runner = FoldRunner(fold, scenario, effort, progress)
        queries.append(query_info(fold, (), scenario.decision.away_days))
        outcomes.append({rung.name: runner.measure(rung, rung.params).outcome for rung in ladder(scenario)})
    for group in groups(queries, outcomes):
        if group.split == "test" or group.origin == POOLED:
            yield from _compared(group, effort, source)


def _compared(group: Group, effort: EffortLog, source: str) -> Iterator[tuple[str, ...]]:
    pairs = [(f"{rung}/{WAYS[0]}", f"{rung}/{WAYS[1]}") for rung in RUNGS]
    values = dict(zip(group.rungs, group.stack([METRIC]).T, strict=True))
    masks = {bucket: mask for bucket, within, _, mask in group.masks() if not within}
    spent = effort.frame().filter(pl.col("stage").is_in(["fit", "recommend"]), split=group.split)
    found = compare(group, pairs, [a for a, _ in pairs], RESAMPLES, SEED).filter(metric=METRIC)
    for r in found.filter(pl.col("user_bucket").is_in(list(USERS))).iter_rows(named=True):
        pair, mask = (r["rung_a"], r["rung_b"]), masks[r["user_bucket"]]
        means = (f"{values[rung][mask].mean():.4f}" for rung in pair)
        cpu = ", ".join(f"{spent.filter(rung=rung)['cpu_s'].sum():.1f}" for rung in pair)
        about = (source, group.split, r["rung_a"].split("/")[0], USERS[r["user_bucket"]], f"{r['n_queries']:,}")
        yield (*about, *means, f"{r['difference']:+.4f}", f"{r['ci_low']:+.4f} to {r['ci_high']:+.4f}", cpu)


if __name__ == "__main__":
    run(main)
