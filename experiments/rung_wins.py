"""Which rungs ever win? ``python -m experiments.rung_wins OUT [OUT ...]`` counts over finished trains.

A rung that is nowhere the best, and serves nobody, has no place in a default ladder. Counted are the cells of the
trains, a cell being all users or a bucket of at least 30 queries: where a rung is the best single one on the pooled
validation origins; where on the test; where it is level with the best on the test (not told apart from it by the
paired test, and at least half of its lists are its own); and the trains whose router uses it. Of equals the simplest
counts as the best. As Markdown.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from pipelines.cli import run  # isort: skip  (it sets BLAS threads before NumPy is imported)

import polars as pl

from recommender.errors import ConfigError
from recommender.evaluation.effort import serving
from recommender.evaluation.evaluate import POOLED
from recommender.experiment import run_tables
from recommender.names import ROUTER

LEAST = 30  # queries of a cell
COUNTS = (
    "trains",
    "cells",
    "best on validation",
    "best on test",
    "level with the best on test",
    "trains that serve it",
)


def main(argv: list[str]) -> None:
    if not argv:
        raise ConfigError("Name the OUT folders of finished trains, for example artifacts/latest.")
    sys.stdout.write(as_markdown(wins([run_tables.read_out(Path(folder)) for folder in argv])))


def wins(outs: list[run_tables.Out]) -> dict[str, Counter[str]]:
    """Rung -> COUNTS; controls and the router are left out."""
    found: dict[str, Counter[str]] = {}
    for out in outs:
        known = set(out.metrics["rung"]) - {ROUTER}
        rungs = [r.name for r in out.scenario.ladder if r.name in known and not r.control]
        test = _cells(run_tables.ladder(out).filter(pl.col("rung").is_in(rungs)))
        # The marks are of the best of all, which may be the router: level is who ties with the best single rung.
        test = run_tables.mark(
            test.drop("is_best", "ties_best"), out.comparisons, out.metric, out.scenario.decision.alpha
        )
        own = pl.col("answered_share") >= run_tables.FALLBACK_SHARE
        for rung in rungs:
            count = found.setdefault(rung, Counter())
            count["trains"] += 1
            count["cells"] += test.filter(rung=rung).height
            count["best on test"] += test.filter(pl.col("is_best"), rung=rung).height
            count["level with the best on test"] += test.filter(pl.col("ties_best"), own, rung=rung).height
            count["trains that serve it"] += rung in serving(out.decision, out.scenario.slots)
        for rung in _best_on_validation(out, rungs):
            found[rung]["best on validation"] += 1
    return found


def _cells(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("n_queries") >= LEAST).drop_nulls("value")


def _best_on_validation(out: run_tables.Out, rungs: list[str]) -> list[str]:
    pooled = out.metrics.filter(
        pl.col("rung").is_in(rungs),
        split="validation",
        origin=POOLED,
        metric=out.metric,
        slice="all",
        item_bucket="all",
    )
    rows = _cells(pooled.filter(pl.col("user_bucket").is_in(run_tables.BUCKETS)))
    place = pl.col("rung").replace_strict({r: n for n, r in enumerate(rungs)}, return_dtype=pl.Int64)
    ordered = rows.sort(pl.col("value"), -place, descending=True)
    return ordered.unique("user_bucket", keep="first", maintain_order=True)["rung"].to_list()


def as_markdown(found: dict[str, Counter[str]]) -> str:
    head = [f"| rung | {' | '.join(COUNTS)} |", "| --- " * (len(COUNTS) + 1) + "|"]
    lines = [f"| {rung} | {' | '.join(str(count[c]) for c in COUNTS)} |" for rung, count in found.items()]
    return "\n".join([*head, *lines]) + "\n"


if __name__ == "__main__":
    run(main)
