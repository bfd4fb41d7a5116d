"""The detector of spam against moderators and against the truth: ``python -m experiments.spam_detector [--write]``.

On simulated ugc of three seeds, at each origin: how many live items it flags, how many of them moderators confirm
later within the data, and how many of them truly break the rules, which only a simulation can tell.
With --write into ``docs/data/``.
"""

from __future__ import annotations

import sys
from datetime import datetime

import numpy as np
import polars as pl

from experiments.realism import markdown, save
from pipelines.cli import run
from recommender import config
from recommender.config.files import raw_dir
from recommender.data.dataset import Dataset, Table
from recommender.data.split import Fold, folds
from recommender.data.times import to_microseconds
from recommender.names import SUSPICION
from recommender.simulate.column_values import ids
from recommender.simulate.truth import SimulatedTruth
from recommender.sources.load import load
from recommender.spam.detector import confirmed_before, live
from recommender.spam.suspicion import suspected_fold

SEEDS = (0, 1, 2)


def main(argv: list[str]) -> None:
    scenario = config.load("ugc", [a for a in argv if a != "--write"])
    head = ["seed", "origin", "live", "confirmed later", "flagged", "of these confirmed later", "of these truly spam",
            "average precision", "by chance"]  # fmt: skip
    lines = [head]
    for seed in SEEDS:
        scenario.data.options["simulated"]["seed"] = seed
        data = load("simulated", raw_dir=raw_dir(), **config.loading(scenario))
        for fold in folds(data, scenario.split, scenario.eligibility):
            judged_fold, judged = suspected_fold(fold, scenario.spam)
            if isinstance(judged, str):
                sys.stderr.write(f"seed {seed}, {fold.name}: {judged}\n")
                continue
            counts = [judged.n_judged, judged.n_violating, judged.n_flagged, judged.n_confirmed]
            spam = int((flagged(judged_fold, scenario.spam) & truly_spam(data, fold.items)).sum())
            precision = [f"{judged.average_precision:.2f}", f"{judged.chance:.3f}"]
            lines.append([str(seed), fold.origin[:10], *map(str, counts), str(spam), *precision])
    sys.stdout.write(markdown(lines))
    if "--write" in argv:
        save("spam-detector", lines)


def flagged(fold: Fold, columns: config.Spam) -> np.ndarray:
    """bool (n_items,)."""
    origin = to_microseconds(datetime.fromisoformat(fold.origin))
    open_ = live(fold.items, origin) & ~confirmed_before(fold.items, origin, columns)
    return np.asarray(open_ & (fold.items.frame[SUSPICION].to_numpy() >= columns.threshold))


def truly_spam(data: Dataset, items: Table) -> np.ndarray:
    """Items of a ring, and others that break the rules, bool (n_items,)."""
    truth = data.truth() if data.truth is not None else None
    if not isinstance(truth, SimulatedTruth):
        raise ValueError("only simulated data have a truth")
    true = truth.world.items
    known = pl.DataFrame({"item_id": ids("i", len(true.ring)), "bad": (true.ring >= 0) | true.violating})
    return items.frame.select("item_id").join(known, on="item_id", how="left", maintain_order="left")["bad"].to_numpy()


if __name__ == "__main__":
    run(main)
