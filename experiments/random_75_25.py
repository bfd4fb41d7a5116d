"""ML-100k by the protocol of a published table: ``python -m experiments.random_75_25`` prints ours beside it.

Microsoft Recommenders (github.com/recommenders-team/recommenders, README, "Preliminary Comparison"): every rating is
a positive, each user's ratings are split 75/25 at random, all films not in the user's training part are ranked, k=10.
Not honest in time (models see the future), so it decides nothing here: it shows that the rungs are no weaker than
elsewhere. NDCG is defined alike (binary gain, ideal over min(10, n), mean over users; the base of the logarithm
cancels out). Their random split cannot be had again, so a difference within the interval of a rung means nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from pipelines.cli import Steps, run  # isort: skip  (it sets BLAS threads before NumPy is imported)

import numpy as np

from recommender import config
from recommender.config import Rung, Scenario
from recommender.config.files import raw_dir
from recommender.data.dataset import Dataset
from recommender.data.split import Fold, random_fold
from recommender.evaluation.effort import EffortLog
from recommender.evaluation.statistics import ClusteredValues, estimates
from recommender.experiment.fold_runner import FoldRunner, MeasuredRung
from recommender.experiment.ladder import simplest_of_best
from recommender.experiment.rungs import check, settings
from recommender.sources.load import load

SHARE, SEED, METRIC = 0.25, 42, "ndcg_at_10"
PUBLISHED = {"BiVAE": 0.475077, "BPR (Cornac)": 0.441997, "LightGCN": 0.419846, "NCF": 0.396118, "SAR": 0.382461,
             "SVD (Surprise, ratings)": 0.095930, "ALS (Spark, ratings)": 0.044239}  # fmt: skip
LADDER: list[dict[str, Any]] = [  # the first candidate is the rung's defaults
    {"name": "random", "recommender": "random"},
    {"name": "popularity", "recommender": "popularity"},
    {"name": "item_knn", "recommender": "item_knn",
     "candidates": [{}, {"K": 200}, {"weighting": "tfidf", "K": 200}, {"weighting": "bm25", "K": 200}]},
    {"name": "als", "recommender": "als",
     "candidates": [{}, {"factors": 32}, {"factors": 32, "regularization": 5.0}, {"factors": 32, "alpha": 10.0,
                    "regularization": 50.0}]},
    {"name": "bpr", "recommender": "bpr",
     "candidates": [{}, {"factors": 16, "iterations": 30}, {"iterations": 300},
                    {"factors": 200, "regularization": 0.001}]},
    {"name": "ease", "recommender": "ease",
     "candidates": [{}, {"regularization": 250.0}, {"regularization": 100.0}, {"regularization": 1000.0}]},
    {"name": "lightfm", "recommender": "lightfm",
     "candidates": [{}, {"epochs": 30}, {"no_components": 64, "epochs": 30}, {"min_df": 1_000_000, "epochs": 30}]},
]  # fmt: skip


def main(_: list[str]) -> None:
    scenario = _scenario()
    check(scenario)
    data = load("ml-100k", raw_dir=raw_dir())
    everything = np.ones(len(data.user_idx), bool)
    test = held_out(data, everything, SEED)
    inner = held_out(data, ~test, SEED + 1)  # settings are chosen without the test
    steps = sum(len(settings(r)) + 2 for r in scenario.ladder)
    with Steps(steps) as progress:
        tuning, testing = (
            FoldRunner(fold, scenario, EffortLog(), progress)
            for fold in (_fold(data, "validation", ~test & ~inner, inner), _fold(data, "test", ~test, test))
        )
        rows = [_row(rung, tuning, testing) for rung in scenario.ladder]
    sys.stdout.write(as_markdown(rows))


def held_out(data: Dataset, among: np.ndarray, seed: int) -> np.ndarray:
    """A random quarter (rounded) of each user's interactions ``among`` these, bool (n,)."""
    rows = np.flatnonzero(among)
    rows = rows[np.lexsort((np.random.default_rng(seed).random(len(rows)), data.user_idx[rows]))]
    _, start, count = np.unique(data.user_idx[rows], return_index=True, return_counts=True)
    place = np.arange(len(rows)) - np.repeat(start, count)
    held = np.zeros(len(among), bool)
    held[rows[place < np.repeat(np.round(count * SHARE), count)]] = True
    return held


def _fold(data: Dataset, name: str, given: np.ndarray, held: np.ndarray) -> Fold:
    return random_fold(data, name, 0, given, held)


def _row(
    rung: Rung, tuning: FoldRunner, testing: FoldRunner
) -> tuple[str, MeasuredRung, MeasuredRung, Mapping[str, Any]]:
    """Name, test with defaults, test with the setting chosen by validation, and that setting."""
    tried = settings(rung)
    found = [tuning.measure(rung, params).outcome.values[METRIC] for params in tried] if len(tried) > 1 else []
    chosen = tried[simplest_of_best(found)] if found else tried[0]
    plain = testing.measure(rung, tried[0])
    return rung.name, plain, plain if chosen == tried[0] else testing.measure(rung, chosen), chosen


def as_markdown(rows: list[tuple[str, MeasuredRung, MeasuredRung, Mapping[str, Any]]]) -> str:
    lines = ["| rung | defaults | chosen by validation | chosen setting |", "| --- | --- | --- | --- |"]
    for name, plain, best, chosen in rows:
        shown = ", ".join(f"{key}={value}" for key, value in chosen.items()) or "defaults"
        lines.append(f"| {name} | {_value(plain)} | {_value(best)} | {shown} |")
    lines += [f"| *{name}* (published) | | {value:.3f} | |" for name, value in PUBLISHED.items()]
    return "\n".join(lines) + "\n"


def _value(found: MeasuredRung) -> str:
    values = found.outcome.values[METRIC]
    cell = ClusteredValues(np.arange(len(values)), values[:, None])
    estimate = estimates([cell], len(values), 1000, SEED)[0]
    return f"{estimate.mean[0]:.3f} [{estimate.low[0]:.3f}, {estimate.high[0]:.3f}]"


def _scenario() -> Scenario:
    problem = {"what": "-", "for_whom": "-", "target": 0.442, "cost_of_error": "-"}
    return config.parse({"name": "random_75_25", "problem": problem, "split": {"kind": "random"}, "ladder": LADDER})


if __name__ == "__main__":
    run(main)
