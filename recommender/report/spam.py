"""Spam in the report: what the detector found, how much spam the lists show, what a place costs to buy."""

from __future__ import annotations

import polars as pl

from recommender.evaluation.metric_table import heading, named
from recommender.experiment import run_tables
from recommender.experiment.attack_gain import ACCOUNTS, PLAIN, gains
from recommender.experiment.run_folder import RunFolder
from recommender.experiment.run_tables import interval, number
from recommender.names import ORACLE
from recommender.report.page import cell, section, table
from recommender.spam.detector import Judgement


def spam(out: RunFolder) -> str:
    """The section; empty without a detector."""
    return section("Spam", _detector(out), _lists(out), _attack(out))


def _detector(out: RunFolder) -> str:
    heads = [
        "Origin",
        "live items",
        "flagged",
        "confirmed later",
        "precision",
        "recall",
        "average precision",
        "by chance",
    ]
    rows = []
    for row in out.spam.iter_rows(named=True):
        found = Judgement(**row)
        counts = (cell(f"{n:,}") for n in (found.n_judged, found.n_flagged, found.n_violating))
        quality = (cell(number(q, 2)) for q in (found.precision, found.recall, found.average_precision))
        rows.append((f"{found.split} {found.origin[:10]}", [*counts, *quality, cell(number(found.chance))]))
    caption = (
        "What the detector of spam flagged at each origin, from what was known then, against what moderators confirmed "
        f"later. Flagged: a suspicion of {out.scenario.spam.threshold:g} or more. What they never find, and what they "
        "confirm after the data end, counts as innocent: precision is understated."
    )
    return table(caption, heads, rows)


def _lists(out: RunFolder) -> str:
    cells = {
        metric: {
            r["rung"]: r for r in found.filter(pl.col("column") == "all").drop_nulls("value").iter_rows(named=True)
        }
        for metric in named("spam")
        if (found := run_tables.cells(out.metrics, out.rungs, metric, "user_bucket")).height
    }
    shown = {m: by_rung for m, by_rung in cells.items() if by_rung}
    rungs = [r for r in out.rungs if r != ORACLE and any(r in by_rung for by_rung in shown.values())]
    rows = [(rung, [_share(by_rung.get(rung)) for by_rung in shown.values()]) for rung in rungs]
    caption = (
        "Share of the first ten, all users of the test period, with 95% intervals: spam by the simulator's own truth, "
        "found or not (simulated data only); what moderators confirm, then or later; what the detector flags. "
        "router-plain: before demotion. What is confirmed by the time of a query is never shown, by any rung. "
        "↓ less is better."
    )
    return table(caption, ["Rung", *(heading(m) for m in shown)], rows)


def _share(row: dict[str, float | None] | None) -> str:
    if row is None:
        return cell("–")
    return cell(number(row["value"], 4), interval(row["ci_low"], row["ci_high"], 4))


def _attack(out: RunFolder) -> str:
    rows = [
        (str(model).replace(PLAIN, " without its guards"), [cell(f"{value:,.0f}") for value in ranks])
        for model, *ranks in gains(out.attack).iter_rows()
    ]
    caption = (
        f"What {ACCOUNTS} fake accounts buy: the rank of an unpopular item, among all available ones, before and after "
        "each of them takes it within an hour, for who has no history; medians over a few items."
    )
    return table(caption, ["Popularity", "rank before", "rank after", "ranks gained"], rows)
