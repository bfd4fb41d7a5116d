"""Ranks that fake accounts buy: ``python -m experiments.spam_attack [SOURCE|FOLDER] [--write]``.

The default is simulated ugc; --write puts the tables into ``docs/data/``.

For popularity and its ``trusted`` form, by how many accounts there are and how they disguise themselves (see
``recommender/experiment/attack.py``): median rank of the pushed items before and after, as a Markdown table. Then what
trust costs where nobody attacks: NDCG@10 of both at the last origin, by half-life.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial

from pipelines.cli import run  # isort: skip  (it sets BLAS threads before NumPy is imported)

import numpy as np

from experiments.realism import markdown, save
from recommender import config
from recommender.config import Rung, Scenario
from recommender.config.files import raw_dir
from recommender.data.dataset import Dataset
from recommender.data.split import folds
from recommender.evaluation.effort import EffortLog
from recommender.experiment.attack import AHEAD_DAYS, Guise, rank_gain
from recommender.experiment.fold_runner import FoldRunner
from recommender.models.popularity import Popularity
from recommender.sources.load import load

ACCOUNTS, COVER, TARGETS = (30, 100, 300), 10, 15
GUISES: Mapping[Guise, str] = {
    "new": "new",
    "idle": f"opened {AHEAD_DAYS} days before",
    "grown": f"opened and busy {AHEAD_DAYS} days before",
}
HALF_LIFE_SHARE = 0.05
COSTS = (0.02, 0.1)  # half-lives


def main(argv: list[str]) -> None:
    scenario = config.load("ugc")
    source, *_ = [*(a for a in argv if a != "--write"), "simulated"]
    data = load(source, raw_dir=raw_dir(), **config.loading(scenario))
    tables = {"spam-attack": bought(data), "spam-attack-cost": costs(data, scenario)}
    sys.stdout.write("\n".join(map(markdown, tables.values())))
    if "--write" in argv:
        for name, rows in tables.items():
            save(name, rows)


def bought(data: Dataset) -> list[list[str]]:
    models = {
        "popularity": partial(Popularity, half_life_share=HALF_LIFE_SHARE),
        "trusted": partial(Popularity, half_life_share=HALF_LIFE_SHARE, trusted=True),
    }
    head = ["accounts", "in what guise", "model", "rank before", "rank after"]
    lines = [head]
    for accounts in ACCOUNTS:
        for guise, words in GUISES.items():
            gain = rank_gain(data, models, accounts, COVER, TARGETS, guise)
            for (name,), rows in gain.group_by("model", maintain_order=True):
                ranks = [f"{rows[column].median():,.0f}" for column in ("rank_before", "rank_after")]
                lines.append([str(accounts), words, str(name), *ranks])
    return lines


def costs(data: Dataset, scenario: Scenario) -> list[list[str]]:
    """Both popularities as the only rung, without the scenario's rules and re-rankers."""
    bare = Scenario(name="bare", problem=scenario.problem, split=scenario.split, ladder=scenario.ladder)
    fold = list(folds(data, bare.split, bare.eligibility))[-1]
    runner = FoldRunner(fold, bare, EffortLog(), lambda step: None)
    lines = [["half-life, share of the training period", "popularity", "trusted"]]
    for share in COSTS:
        row = [f"{share:g}"]
        for trusted in (False, True):
            rung = Rung(name="popularity", recommender="popularity")
            ndcg = runner.measure(rung, {"half_life_share": share, "trusted": trusted}).outcome.values["ndcg_at_10"]
            row.append(f"{np.nanmean(ndcg[fold.first]):.4f}")
        lines.append(row)
    return lines


if __name__ == "__main__":
    run(main)
