"""Spam in the report: what the detector found, how much spam the lists show, what a place costs to buy."""

from __future__ import annotations

import polars as pl

from recommender.evaluation.metric_table import heading, named
from recommender.experiment import run_tables
from recommender.experiment.attack_gain import ACCOUNTS, PLAIN, gains
from recommender.experiment.run_folder import RunFolder
from recommender.experiment.run_tables import interval, number
from recommender.names import ORACLE
from recommender.spam.detector import Judgement
from recommender.studies.engine.finding import Finding, Grid, grid


def spam(out: RunFolder) -> Finding:
    """The section; empty without a detector."""
    return Finding("Spam", grids=[g for g in (_detector(out), _lists(out), _attack(out)) if g.frame.height])


def _detector(out: RunFolder) -> Grid:
    quality = ["precision", "recall", "average precision", "by chance"]
    rows = []
    for row in out.spam.iter_rows(named=True):
        j = Judgement(**row)
        counts = [f"{n:,}" for n in (j.n_judged, j.n_flagged, j.n_violating)]
        shown = [number(q, 2) for q in (j.precision, j.recall, j.average_precision)]
        rows.append([f"{j.split} {j.origin[:10]}", *counts, *shown, number(j.chance)])
    caption = (
        "What the detector of spam flagged at each origin, from what was known then, against what moderators confirmed "
        f"later. Flagged: a suspicion of {out.scenario.spam.threshold:g} or more. What they never find, and what they "
        "confirm after the data end, counts as innocent: precision is understated."
    )
    return grid(caption, ["Origin", "live items", "flagged", "confirmed later", *quality], rows)


def _lists(out: RunFolder) -> Grid:
    cells = {
        (r["rung"], metric): f"{number(r['value'], 4)}\n{interval(r['ci_low'], r['ci_high'], 4)}"
        for metric in named("spam")
        for r in run_tables.cells(out.metrics, out.rungs, metric, "user_bucket")
        .filter(pl.col("column") == "all")
        .drop_nulls("value")
        .iter_rows(named=True)
    }
    metrics = list(dict.fromkeys(metric for _, metric in cells))
    rungs = [r for r in out.rungs if r != ORACLE and any((r, m) in cells for m in metrics)]
    rows = [[rung, *(cells.get((rung, m), "–") for m in metrics)] for rung in rungs]
    caption = (
        "Share of the first ten, all users of the test period, with 95% intervals: spam by the simulator's own truth, "
        "found or not (simulated data only); what moderators confirm, then or later; what the detector flags. "
        "router-plain: before demotion. What is confirmed by the time of a query is never shown, by any rung. "
        "↓ less is better."
    )
    return grid(caption, ["Rung", *map(heading, metrics)], rows)


def _attack(out: RunFolder) -> Grid:
    rows = [
        [str(model).replace(PLAIN, " without its guards"), *(f"{value:,.0f}" for value in ranks)]
        for model, *ranks in gains(out.attack).iter_rows()
    ]
    caption = (
        f"What {ACCOUNTS} fake accounts buy: the rank of an unpopular item, among all available ones, before and after "
        "each of them takes it within an hour, for who has no history; medians over a few items."
    )
    return grid(caption, ["Popularity", "rank before", "rank after", "ranks gained"], rows)
