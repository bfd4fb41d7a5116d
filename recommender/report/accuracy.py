"""Sections of a train's report on how good each rung is: for whom, on which items, against its controls."""

from __future__ import annotations

from typing import Any

import polars as pl

from recommender.evaluation.evaluate import VISIT
from recommender.evaluation.metric_table import LEGEND, heading, metric_label, named
from recommender.experiment import run_tables
from recommender.experiment.run_folder import RunFolder
from recommender.experiment.run_tables import LABELS, interval, number
from recommender.experiment.slots import SlotEvidence
from recommender.names import IN_SESSION, ORACLE, PLAIN, RETURNING
from recommender.report.charts import history_chart
from recommender.report.decision_table import in_visit, visit
from recommender.studies.engine.finding import Finding, Grid, grid

_READING = "★ best of its column, ≈ not significantly different from it, own = places that the rung itself filled"


def ladder(out: RunFolder) -> Finding:
    """Every rung by how much is known of the user."""
    caption = (
        f"{metric_label(out.metric)} on the test period by earlier interactions of the user, with 95% intervals. "
        f"{_READING}; a rung that fills less than half gets no star."
        + " oracle: knows what made the simulated data; a bound, asked for some of the users."
        * (ORACLE in out.rungs)
    )
    return _finding("The ladder, by how much is known of the user", _grid(run_tables.ladder(out), out, caption))


def all_users(out: RunFolder) -> Finding:
    """The ladder over all users, of a train whose own queries are those of a sample of users; else empty."""
    caption = (
        f"{metric_label(out.metric)} on the test period over all users, with 95% intervals, measured where their rows "
        "lie. Everything else here is measured on the users of the sample. ★ best of its column."
    )
    cells = run_tables.cells(out.all_users, out.rungs, out.metric, "user_bucket")
    return _finding("The ladder, over all users", _grid(_untested(cells, out), out, caption))


def history(out: RunFolder) -> Finding:
    """The chart of accuracy by length of the history."""
    section = Finding("Accuracy by history length")
    section.charts += [c for c in [history_chart(out)] if c]
    return section


def regret(out: RunFolder) -> Finding:
    """How far each rung is from the best possible; empty where there is no truth to ask."""
    distances = run_tables.regret(out).with_columns(is_best=pl.lit(False), ties_best=pl.lit(False))
    caption = (
        f"{metric_label('ndcg_at_10')} of the oracle minus that of the rung, for the same lists of evenly drawn users, "
        "with 95% intervals. The oracle knows what made the simulated data. Lower is better, 0 the best possible."
    )
    return _finding("Regret: how far from the best possible", _grid(distances, out, caption))


def other_metrics(out: RunFolder) -> Finding:
    """Accuracy, then what the lists show: what the rules and labels of the scenario are about first."""
    wide = run_tables.other_metrics(out)
    accuracy = [m for m in wide.columns[1:] if m in named("accuracy")]
    ruled = [m for m in wide.columns[1:] if m in named("rules", "spam")]
    shown = [*ruled, *(m for m in wide.columns[1:] if m not in (*accuracy, *ruled))]
    about = "All users of the test period"
    return _finding(
        "Other metrics",
        _wide(wide, accuracy, f"{about}, accuracy."),
        _wide(wide, shown, f"{about}, what the lists show: expiry, rules and spam where the scenario has them first."),
    )


def _wide(wide: pl.DataFrame, names: list[str], caption: str) -> Grid:
    rows = [[r[0], *map(number, r[1:])] for r in wide.select("rung", *names).iter_rows()] if names else []
    return grid(f"{caption} {LEGEND}", ["Rung", *map(heading, names)], rows)


def new_items(out: RunFolder) -> Finding:
    """Recall by how often the taken items were taken before."""
    recalls = run_tables.cells(out.metrics, out.rungs, "recall_at_20", "item_bucket")
    caption = (
        "Recall@20 counting only the items taken that had so many interactions in training: 0 = new items. "
        "★ best of its column."
    )
    return _finding("New items", _grid(_untested(recalls, out), out, caption, "items with "))


def slots(out: RunFolder) -> Grid | None:
    """What each number of places for new items brought and cost on validation, and the one shipped at the test.

    None where none was tried.
    """
    slots_ = out.decision.slots
    evidence = out.decision.slot_evidence
    rows = [_places(r, " ★" * (r.n == slots_.n and r.rung in ("", slots_.rung))) for r in evidence]
    rows += [_places(r, ", test") for r in out.slots_at_test]
    caption = (
        f"Validation periods. ★ shipped: the size that finds most new items, of those that lose at most "
        f"{slots_.max_loss:.0%} of Recall@20 by the upper bound over users and periods. None, where it finds too few. "
        "With several rungs to choose new items, each has its rows."
    )
    return (
        grid(caption, ["Places", "Chosen by", "Recall@20", "Lost, at most", "Recall@20 of new items"], rows)
        if rows
        else None
    )


def _places(row: SlotEvidence, suffix: str) -> list[str]:
    lost = f"{row.loss:.1%}, {row.loss_high:.1%}" if row.n else ""
    return [
        f"{row.n}{suffix}",
        row.rung if row.n else "",
        number(row.recall_at_20),
        lost,
        number(row.new_item_recall_at_20),
    ]


def visits(out: RunFolder) -> Finding:
    """Users in the midst of a visit, and those who come back."""
    grids = []
    for kind in (IN_SESSION, RETURNING):
        caption = f"{metric_label(out.metric)} on the test period, users with history{in_visit(out, kind)}."
        grids.append(_grid(_untested(visit(out, kind), out), out, caption))
    return _finding("In a visit, and back after a while", *grids)


def slices(out: RunFolder) -> Finding:
    """A table for each slice that the scenario names."""
    grids = []
    for name in out.metrics.filter(~pl.col("slice").is_in(["all", VISIT]))["slice"].unique().sort():
        measured = out.metrics.filter(slice=name)["metric"].unique().sort().to_list()
        metric = out.metric if out.metric in measured else measured[0]
        values = run_tables.cells(out.metrics, out.rungs, metric, "slice_value", name)
        grids.append(_grid(_untested(values, out), out, f"{metric_label(metric)} by {name}."))
    return _finding("Slices of the scenario", *grids)


def controls(out: RunFolder) -> Finding:
    """Each rung against its controls by user bucket; empty where none were measured."""
    of_metric = out.controls.filter(pl.col("metric") == out.metric)
    by_control = {(r["rung"], r["control"], r["user_bucket"]): r for r in of_metric.iter_rows(named=True)}
    buckets = [b for b in run_tables.BUCKETS if b in set(of_metric["user_bucket"])]
    pairs = dict.fromkeys((rung, control) for rung, control, _ in by_control)
    rows = [[f"{a} − {b}", *(_gain(by_control.get((a, b, bucket))) for bucket in buckets)] for a, b in pairs]
    caption = (
        f"{metric_label(out.metric)} of a rung minus that of its control on the test period, with 95% intervals, by "
        "earlier interactions of the user. Shuffled features: the same rung where every item and user has another's "
        "features; shuffled times: where training interactions have one another's times. ✗ does not beat its control."
    )
    return _finding("Controls", grid(caption, ["Rung − control", *(LABELS[b] for b in buckets)], rows))


def _finding(title: str, *grids: Grid) -> Finding:
    return Finding(title, grids=[g for g in grids if g.frame.height])


def _gain(row: dict[str, Any] | None) -> str:
    if row is None or row["difference"] is None or row["ci_low"] is None:
        return "–\nno value"
    sign = "" if row["ci_low"] > 0 else " ✗"
    return f"{row['difference']:+.4f}{sign}\n{row['ci_low']:+.4f} to {row['ci_high']:+.4f}"


def _grid(marked: pl.DataFrame, out: RunFolder, caption: str, prefix: str = "") -> Grid:
    """Rungs x columns of a frame of ``run_tables.mark``: value, interval, and signs for best, ties and thin cells."""
    columns = marked["column"].unique(maintain_order=True).to_list()
    places = run_tables.digits(marked["value"])
    thin = set(run_tables.small(marked, out)["column"])
    by_cell = {(r["rung"], r["column"]): r for r in marked.iter_rows(named=True)}
    n = dict(marked.group_by("column").agg(pl.max("n_queries")).iter_rows())
    heads = ["Rung", *(f"{prefix}{LABELS.get(c, c)} (n={n[c]:,})" for c in columns)]
    rows = [
        [rung, *(_cell(by_cell.get((rung, c)), places, c in thin or rung in (ORACLE, PLAIN)) for c in columns)]
        for rung in marked["rung"].unique(maintain_order=True)
    ]
    return grid(caption, heads, rows)


def _cell(row: dict[str, Any] | None, places: int, say_n: bool) -> str:
    if row is None or row["value"] is None:
        return "–\nno value"
    share = row["answered_share"]
    notes = [f"n={row['n_queries']:,}"] * say_n
    notes += [f"own {share:.0%}"] * (share is not None and share < run_tables.FALLBACK_SHARE)
    sign = " ★" if row["is_best"] else " ≈" if row["ties_best"] else ""
    lines = [number(row["value"], places) + sign, interval(row["ci_low"], row["ci_high"], places), " · ".join(notes)]
    return "\n".join(filter(None, lines))


def _untested(cells: pl.DataFrame, out: RunFolder) -> pl.DataFrame:
    """Cells with the best marked, for segments that no test compares."""
    return run_tables.mark(cells, out.comparisons.clear(), out.metric, alpha=1.0)
