"""staleness: what a model loses with its age, and how often it must be trained again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from recommender.experiment.run_tables import metric_label
from recommender.studies.charts import lines
from recommender.studies.engine.cell import Measured, by_place
from recommender.studies.engine.contrast import Contrast, contrast, paired
from recommender.studies.engine.curves import resampled
from recommender.studies.engine.finding import NOT_ENOUGH, Finding, grid, interval, not_enough
from recommender.studies.engine.plan import Study

AXIS = "model"
FRESH, OLDER, SHORTER = "fresh", "older", "shorter"  # levels: "older 0.1": without the latest tenth of its time


def analyse(study: Study, runs: Sequence[Measured]) -> list[Finding]:
    """A finding per scenario and data set. options: ``tolerated_loss``, a share of the fresh model's accuracy."""
    tolerated = float(study.options.get("tolerated_loss", 0.05))
    return [_finding(place, mine, tolerated) for place, mine in by_place(runs).items()]


def losses(runs: Sequence[Measured]) -> pl.DataFrame:
    """Per rung and cell: kind (older, shorter), share, age_days, fresh, loss, low, high (shares of fresh), p_holm."""
    found = {r.labels[AXIS]: r for r in runs}
    fresh, metric = found[FRESH], runs[0].scenario.decision.metric
    others = {name: m for name, m in found.items() if name != FRESH}
    contrasts = [
        Contrast(f"{name}\t{rung}", fresh, m, rung, rung)
        for name, m in others.items()
        for rung in fresh.rungs
        if rung in m.rungs
    ]
    scenario = fresh.scenario
    table = contrast(contrasts, [metric], scenario.bootstrap, scenario.seed, buckets=False)
    base = fresh.origin.get("train_age_days") or 0.0
    rows = []
    for r in table.iter_rows(named=True):
        name, rung = r["name"].split("\t")
        kind, _, share = name.partition(" ")
        age = (others[name].origin.get("train_age_days") or 0.0) - base
        low, high = _bounds(fresh, others[name], rung, metric)
        rows.append((rung, kind, float(share), age, r["base"], 1 - r["other"] / (r["base"] or np.nan), low, high,
                     r["p_holm"]))  # fmt: skip
    names = ["rung", "kind", "share", "age_days", "fresh", "loss", "low", "high", "p_holm"]
    types = [pl.String, pl.String, *[pl.Float64] * 7]
    return pl.DataFrame(rows, schema=dict(zip(names, types, strict=True)), orient="row").sort("kind", "share")


def _bounds(fresh: Measured, other: Measured, rung: str, metric: str) -> tuple[float, float]:
    """95% interval of the loss as a share of the fresh model's mean: users resampled in both together."""
    values = paired(fresh, other, rung, metric)
    drawn = resampled(values, np.arange(values.shape[1]), fresh.scenario.bootstrap, fresh.scenario.seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = np.nanpercentile(1 - drawn[:, 1] / drawn[:, 0], [2.5, 97.5])
    return float(low), float(high)


def lasts(age: np.ndarray, loss: np.ndarray, tolerated: float) -> float:
    """Age at which the loss first exceeds what is tolerated, linear between measured ages from (0, 0); inf: never."""
    x, y = np.concatenate([[0.0], age]), np.concatenate([[0.0], loss])
    over = np.flatnonzero(y > tolerated)
    if not len(over):
        return np.inf
    n = over[0]
    return float(x[n - 1] + (x[n] - x[n - 1]) * (tolerated - y[n - 1]) / (y[n] - y[n - 1])) if n else 0.0


def _finding(place: str, runs: Sequence[Measured], tolerated: float) -> Finding:
    out = Finding(place)
    if not any(r.labels[AXIS] == FRESH for r in runs) or len(runs) < 2:
        out.sentences.append(f"{NOT_ENOUGH}: the fresh model, or every older one, could not be measured.")
        return out
    table = losses(runs)
    label = metric_label(runs[0].scenario.decision.metric)
    older = table.filter(pl.col("kind") == OLDER)
    for rung in older["rung"].unique(maintain_order=True):
        out.sentences.append(_sentence(older.filter(pl.col("rung") == rung), rung, label, tolerated))
    out.sentences += _volume(table, label)
    ages = older["age_days"].unique().sort()
    cells = {(r["rung"], r["kind"], r["share"]): r for r in table.iter_rows(named=True)}
    shares = older["share"].unique().sort().to_list()
    rows = [
        [f"{rung}, {kind}", *(_percent(cells.get((rung, kind, s))) for s in shares)]
        for rung in older["rung"].unique(maintain_order=True)
        for kind in (OLDER, SHORTER)
    ]
    heads = ["rung", *(f"{a:,.1f} days" for a in ages)]
    out.grids.append(grid(f"Loss of {label} against the fresh model, percent of it; * significant.", heads, rows))
    drawn = older.select(
        "rung", "age_days", value=-100 * pl.col("loss"), low=-100 * pl.col("high"), high=-100 * pl.col("low")
    )
    age = "days that the model is older than the fresh one"
    alt_text = f"Line chart of the change of {label} in percent by the age of the model in days, {place}."
    title = f"{label} against the fresh model, percent, by age of the model"
    out.charts.append(lines(f"stale-{place}", title, alt_text, drawn, x="age_days", x_title=age, label="percent"))
    out.notes.append(
        "older: fitted without the latest part of the training period, asked at the same queries. shorter: without as "
        "much of its earliest part instead, which tells what is lost for want of data from what is lost by age. "
        "Histories of the asking users are always fresh: what ages is the model."
    )
    return out


def _sentence(rows: pl.DataFrame, rung: str, label: str, tolerated: float) -> str:
    age, loss, low, high = (rows[c].to_numpy() for c in ("age_days", "loss", "low", "high"))
    last = rows.row(-1, named=True)
    oldest = f"{last['loss']:.1%} [{last['low']:.1%}, {last['high']:.1%}] at {age[-1]:,.1f} days"
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


def _volume(table: pl.DataFrame, label: str) -> list[str]:
    """Whether the loss is of age or only of data, for the rung that loses most at the greatest age."""
    most = table.filter(pl.col("share") == table["share"].max())
    older, shorter = (most.filter(pl.col("kind") == k) for k in (OLDER, SHORTER))
    if older.is_empty() or shorter.is_empty():
        return []
    worst = older.sort("loss", descending=True).row(0, named=True)
    same = shorter.filter(pl.col("rung") == worst["rung"])
    if same.is_empty():
        return []
    other = same.row(0, named=True)
    told = interval(-100 * other["loss"], -100 * other["high"], -100 * other["low"], 1, sign=True)
    why = ": its age costs that, not having less data" if worst["low"] > max(other["high"], 0) else ""
    return [
        f"Without as much of its earliest data instead, {worst['rung']} changes by {told} percent of its {label}{why}."
    ]


def _percent(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "–"
    sure = bool(row["p_holm"] < 0.05 and row["low"] * row["high"] > 0)
    return interval(100 * row["loss"], 100 * row["low"], 100 * row["high"], 1) + " *" * sure
