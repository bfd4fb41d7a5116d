"""staleness: what does a model lose with its age, and how often must it be trained again?

Cells: mode test, axis ``model``: ``fresh``, ``older 0.1`` (fitted without the latest tenth of the training period),
``shorter 0.1`` (without the earliest tenth) and ``updated 0.1`` (as older, then brought up to date by
``models/updates.py``). Table: percent lost against the fresh model (rung and kind, a column per
age). Option: ``tolerated_loss``, a share of the fresh model's accuracy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recommender.errors import DataError
from recommender.evaluation.metric_table import metric_label
from recommender.evaluation.rounding import with_interval
from recommender.studies.engine.contrast import ALPHA, Contrast, contrast, paired, ratio_interval
from recommender.studies.engine.finding import FILE, NOT_ENOUGH, Finding, grid, not_enough
from recommender.studies.engine.measured import Measured, by_site
from recommender.studies.engine.plan import Study

AXIS = "model"
FRESH, OLDER, SHORTER, UPDATED = "fresh", "older", "shorter", "updated"  # levels
STALE_DAYS = "stale_days"  # a value of a finding, and the key split.stale_days that it answers
_LOSSES = {
    **dict.fromkeys(("rung", "kind"), pl.String),
    **dict.fromkeys(("share", "age_days", "fresh", "loss", "low", "high", "p_holm"), pl.Float64),
}


def analyse(study: Study, runs: Sequence[Measured]) -> list[Finding]:
    """A finding per scenario and data set."""
    tolerated = float(study.options.get("tolerated_loss", 0.05))
    return [_finding(site, cells, tolerated) for site, cells in by_site(runs).items()]


def losses(runs: Sequence[Measured]) -> pl.DataFrame:
    """Per rung and cell: kind (a level), share, age_days, fresh, loss, low, high (shares of fresh), p_holm."""
    cells = {r.labels[AXIS]: r for r in runs}
    fresh, scenario = cells.pop(FRESH), runs[0].scenario
    metric = scenario.decision.metric
    contrasts = [
        Contrast(f"{name}\t{rung}", fresh, cell, rung, rung)
        for name, cell in cells.items()
        for rung in fresh.rungs
        if rung in cell.rungs
    ]
    table = contrast(contrasts, [metric], scenario.bootstrap, scenario.seed, buckets=False)
    age = {name: cell.origin.get("train_age_days") or 0.0 for name, cell in [(FRESH, fresh), *cells.items()]}
    rows = []
    for r in table.iter_rows(named=True):
        name, rung = r["name"].split("\t")
        kind, _, share = name.partition(" ")
        values = paired(fresh, cells[name], rung, metric)
        low, high = ratio_interval(values, scenario.bootstrap, scenario.seed)
        loss = 1 - r["other"] / (r["base"] or np.nan)
        older = age[name] - age[FRESH]
        rows.append((rung, kind, float(share), older, r["base"], loss, 1 - high, 1 - low, r["p_holm"]))
    return pl.DataFrame(rows, schema=_LOSSES, orient="row").sort("kind", "share")


def lasts(age: np.ndarray, loss: np.ndarray, tolerated: float) -> float:
    """Age at which the loss first exceeds what is tolerated, linear between measured ages from (0, 0); inf: never."""
    x, y = np.concatenate([[0.0], age]), np.concatenate([[0.0], loss])
    over = np.flatnonzero(y > tolerated)
    if not len(over):
        return np.inf
    n = over[0]
    return float(x[n - 1] + (x[n] - x[n - 1]) * (tolerated - y[n - 1]) / (y[n] - y[n - 1])) if n else 0.0


def measured_days(site: str, studies: Path = Path("studies")) -> float | None:
    """Days until the rung that ages fastest has lost as much as the study tolerates.

    site: ``<scenario> on <data>``. studies: the folder that ``make study`` writes to. None: the study was not run on
    this data in full, or no rung loses as much within the ages that it measured.
    Raises DataError where the study's file is damaged.
    """
    file = studies / "staleness" / FILE
    if not file.is_file():
        return None
    try:
        days = [f.get("values", {}).get(STALE_DAYS) for f in json.loads(file.read_text()) if f["title"] == site]
        return None if not days or days[0] is None else float(days[0])
    except (ValueError, LookupError, AttributeError, TypeError):
        raise DataError(f"{file} is damaged. Run make study STUDY=staleness again, or remove it.") from None


def _shortest(older: pl.DataFrame, rungs: Sequence[str], tolerated: float) -> dict[str, float]:
    """The value ``STALE_DAYS`` of a finding; empty where no rung loses as much as is tolerated."""
    parts = [older.filter(pl.col("rung") == rung) for rung in rungs]
    days = [lasts(part["age_days"].to_numpy(), part["loss"].to_numpy(), tolerated) for part in parts]
    known = [d for d in days if np.isfinite(d)]
    return {STALE_DAYS: min(known)} if known else {}


def _finding(site: str, runs: Sequence[Measured], tolerated: float) -> Finding:
    from recommender.studies.charts import lines  # with altair: a train reads this module, and draws nothing

    out = Finding(site)
    if not any(r.labels[AXIS] == FRESH for r in runs) or len(runs) < 2:
        out.sentences.append(f"{NOT_ENOUGH}: the fresh model, or every older one, could not be measured.")
        return out
    table = losses(runs)
    label = metric_label(runs[0].scenario.decision.metric)
    older = table.filter(pl.col("kind") == OLDER)
    rungs = older["rung"].unique(maintain_order=True).to_list()
    out.sentences = [_sentence(older.filter(pl.col("rung") == rung), rung, label, tolerated) for rung in rungs]
    out.sentences += _age_or_volume(table, label) + _updates(table, runs, label)
    out.values = _shortest(older, rungs, tolerated)
    cells = {(r["rung"], r["kind"], r["share"]): r for r in table.iter_rows(named=True)}
    shares = older["share"].unique().sort().to_list()
    rows = [
        [f"{rung}, {kind}", *(_percent(cells.get((rung, kind, s))) for s in shares)]
        for rung in rungs
        for kind in (OLDER, SHORTER, UPDATED)
        if any(key[:2] == (rung, kind) for key in cells)
    ]
    heads = ["rung", *(f"{a:,.1f} days" for a in older["age_days"].unique().sort())]
    out.grids.append(grid(f"Loss of {label} against the fresh model, percent of it; * significant.", heads, rows))
    change = {"value": -100 * pl.col("loss"), "low": -100 * pl.col("high"), "high": -100 * pl.col("low")}
    age = "days that the model is older than the fresh one"
    alt = f"Line chart of the change of {label} in percent by the age of the model in days, {site}."
    title = f"{label} against the fresh model, percent, by age of the model"
    points = older.select("rung", "age_days", **change)
    out.charts.append(lines(f"stale-{site}", title, alt, points, x="age_days", x_title=age, label="percent"))
    out.notes.append(
        "older: fitted without the latest part of the training period, measured on the same queries. shorter: without "
        "as much of its earliest part instead, which separates the loss by age from the loss by having less data. "
        "updated: as older, then brought up to date without a fit on all rows. "
        "Histories of the users who get lists are always fresh: what ages is the model."
    )
    return out


def _sentence(rows: pl.DataFrame, rung: str, label: str, tolerated: float) -> str:
    age, loss, low, high = (rows[c].to_numpy() for c in ("age_days", "loss", "low", "high"))
    oldest = f"{loss[-1]:.1%} [{low[-1]:.1%}, {high[-1]:.1%}] at {age[-1]:,.1f} days"
    at, soon, late = (lasts(age, x, tolerated) for x in (loss, high, low))
    if not np.isfinite(soon):
        return f"{rung}: even {age[-1]:,.1f} days old it loses at most {tolerated:.0%} of its {label} ({oldest})."
    if not np.isfinite(at):
        return (
            f"{rung}: {not_enough} that its age costs more than {tolerated:.0%} "
            f"of its {label} within {age[-1]:,.1f} days ({oldest})."
        )
    until = f"{late:,.1f}" if np.isfinite(late) else f"more than {age[-1]:,.1f}"
    return (
        f"{rung}: train it again every {at:,.1f} days (95%: {soon:,.1f} to {until}) to lose at most {tolerated:.0%} "
        f"of its {label}; it loses {oldest}."
    )


def _age_or_volume(table: pl.DataFrame, label: str) -> list[str]:
    """Whether age or only having less data costs the accuracy, for the rung that loses most at the greatest age."""
    oldest = table.filter(pl.col("share") == table["share"].max())
    older = oldest.filter(pl.col("kind") == OLDER).sort("loss", descending=True)
    shorter = oldest.filter(pl.col("kind") == SHORTER, pl.col("rung").is_in(older["rung"].head(1).to_list()))
    if shorter.is_empty():
        return []
    worst, other = older.row(0, named=True), shorter.row(0, named=True)
    change = with_interval(-100 * other["loss"], -100 * other["high"], -100 * other["low"], 1, sign=True)
    reason = ": its age costs that, not having less data" if worst["low"] > max(other["high"], 0) else ""
    rung = worst["rung"]
    return [f"Without as much of its earliest data instead, {rung} changes by {change} percent of its {label}{reason}."]


def _updates(table: pl.DataFrame, runs: Sequence[Measured], label: str) -> list[str]:
    """What an update loses against fitting again, and what both cost, at the smallest share that was updated."""
    rows = table.filter(pl.col("kind") == UPDATED)
    rows = rows.filter(pl.col("share") == rows["share"].min()) if rows.height else rows
    cells = {r.labels[AXIS]: _fit_seconds(r) for r in runs}
    sentences = []
    for r in rows.iter_rows(named=True):
        cost = cells[f"{UPDATED} {r['share']:g}"][r["rung"]], cells[FRESH][r["rung"]]
        loss = with_interval(100 * r["loss"], 100 * r["low"], 100 * r["high"], 1)
        sentences.append(
            f"{r['rung']}, brought up to date with the latest {r['share']:.0%} instead of fitted again, loses {loss} "
            f"percent of its {label} and takes {cost[0]:.2f} CPU seconds instead of {cost[1]:.2f}."
        )
    return sentences


def _fit_seconds(run: Measured) -> dict[str, float]:
    fits = run.run.spent.filter(pl.col("split") == "test", pl.col("stage") == "fit")
    return dict(fits.group_by("rung").agg(pl.col("cpu_s").sum()).iter_rows())


def _percent(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "–"
    sure = bool(row["p_holm"] < ALPHA and row["low"] * row["high"] > 0)
    return with_interval(100 * row["loss"], 100 * row["low"], 100 * row["high"], 1) + " *" * sure
