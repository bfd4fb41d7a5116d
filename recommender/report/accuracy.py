"""Sections of a train's report on how good each rung is: for whom, on which items, against its controls."""

from __future__ import annotations

from typing import Any

import polars as pl

from recommender.evaluation.evaluate import VISIT
from recommender.evaluation.metric_table import LEGEND, heading, metric_label, named
from recommender.experiment import run_tables
from recommender.experiment.run_folder import RunFolder
from recommender.experiment.run_tables import LABELS, interval, number
from recommender.names import IN_SESSION, ORACLE, RETURNING
from recommender.report.decision_table import in_visit, visit
from recommender.report.page import cell, chart, details, plain, section, table


def ladder(out: RunFolder) -> str:
    caption = (
        f"{metric_label(out.metric)} on the test period by earlier interactions of the user, with 95% intervals. "
        "★ best of its column, ≈ not significantly different from it, n= few queries, own = share of the places "
        "that the rung itself could fill." + " oracle: knows what made the simulated data; a bound, asked for some of "
        "the users, that nobody could ship." * (ORACLE in out.rungs)
    )
    return section("The ladder, by how much is known of the user", _grid(run_tables.ladder(out), out, caption))


def regret(out: RunFolder) -> str:
    """How far each rung is from the best possible; empty where there is no truth to ask."""
    found = run_tables.regret(out).with_columns(is_best=pl.lit(False), ties_best=pl.lit(False))
    caption = (
        f"{metric_label('ndcg_at_10')} of the oracle, which knows what made the simulated data, minus that of the "
        "rung, for the same queries of evenly drawn users. With 95% intervals; lower is better, 0 the best possible."
    )
    return section("Regret: how far from the best possible", _grid(found, out, caption))


def effort_chart(out: RunFolder, texts: dict[str, str]) -> str:
    if "effort-chart" not in texts:
        return ""
    spent = run_tables.seconds(out)
    overall = {r["rung"]: r for r in run_tables.ladder(out).filter(pl.col("column") == "all").iter_rows(named=True)}
    heads = ["Rung", metric_label(out.metric), "fit, CPU s", "recommend, CPU s", "both, CPU s", "both, wall s"]
    rows = [
        (r["rung"], [plain(overall.get(r["rung"], {}).get("value")), *(plain(r[c], 2) for c in spent.columns[1:])])
        for r in spent.iter_rows(named=True)
    ]
    caption = (
        "All users of the test period. Blue diamonds are shipped by the decision. Up is better, left is cheaper. "
        "The router is charged with the fits of the rungs that it serves from."
    )
    shown = chart("effort-chart", texts["effort-chart"], caption, table("Test period", heads, rows))
    return section("Accuracy against effort", shown)


def history_chart(out: RunFolder, texts: dict[str, str]) -> str:
    if "history-chart" not in texts:
        return ""
    caption = (
        "With 95% intervals. In colour: rungs that are shipped, replaced or accurate; grey, if any: the others. "
        "The router is not drawn: in each column it is one of these."
    )
    numbers = _grid(run_tables.ladder(out), out, metric_label(out.metric))
    return section("Accuracy by history length", chart("history-chart", texts["history-chart"], caption, numbers))


def other_metrics(out: RunFolder) -> str:
    """Accuracy, then what the lists show: what the rules and labels of the scenario are about first."""
    wide = run_tables.other_metrics(out)
    accuracy = [m for m in wide.columns[1:] if m in named("accuracy")]
    ruled = [m for m in wide.columns[1:] if m in named("rules", "spam")]
    shown = [*ruled, *(m for m in wide.columns[1:] if m not in (*accuracy, *ruled))]
    about = "All users of the test period"
    return section(
        "Other metrics",
        _wide(wide, accuracy, f"{about}, accuracy."),
        _wide(wide, shown, f"{about}, what the lists show: expiry, rules and spam where the scenario has them first."),
    )


def _wide(wide: pl.DataFrame, names: list[str], caption: str) -> str:
    rows = [(r[0], [plain(v) for v in r[1:]]) for r in wide.select("rung", *names).iter_rows()] if names else []
    return table(f"{caption} {LEGEND}", ["Rung", *(heading(m) for m in names)], rows)


def new_items(out: RunFolder) -> str:
    found = run_tables.cells(out.metrics, out.rungs, "recall_at_20", "item_bucket")
    caption = (
        "Recall@20 counting only the items taken that had so many interactions in training: 0 = new items. "
        "★ best of its column."
    )
    return section("New items", _grid(_untested(found, out), out, caption, "items with "))


def visits(out: RunFolder) -> str:
    grids = []
    for kind in (IN_SESSION, RETURNING):
        caption = f"{metric_label(out.metric)} on the test period, users with history{in_visit(out, kind)}."
        grids.append(_grid(_untested(visit(out, kind), out), out, caption))
    return section("In a visit, and back after a while", *grids)


def slices(out: RunFolder) -> str:
    grids = []
    for name in out.metrics.filter(~pl.col("slice").is_in(["all", VISIT]))["slice"].unique().sort():
        measured = out.metrics.filter(slice=name)["metric"].unique().sort().to_list()
        metric = out.metric if out.metric in measured else measured[0]
        found = run_tables.cells(out.metrics, out.rungs, metric, "slice_value", name)
        grids.append(details(f"By {name}", _grid(_untested(found, out), out, f"{metric_label(metric)} by {name}.")))
    return section("Slices of the scenario", *grids)


def controls(out: RunFolder) -> str:
    """Each rung against its controls by user bucket; empty where none were measured."""
    kept = out.controls.filter(pl.col("metric") == out.metric)
    found = {(r["rung"], r["control"], r["user_bucket"]): r for r in kept.iter_rows(named=True)}
    buckets = [b for b in run_tables.BUCKETS if b in set(kept["user_bucket"])]
    pairs = dict.fromkeys((rung, control) for rung, control, _ in found)
    rows = [(f"{a} − {b}", [_gain(found.get((a, b, bucket))) for bucket in buckets]) for a, b in pairs]
    caption = (
        f"{metric_label(out.metric)} of a rung minus that of its control on the test period, with 95% intervals, by "
        "earlier interactions of the user. Shuffled features: the same rung where every item and user has another's "
        "features; shuffled times: where training interactions have one another's times. ✗ does not beat its control."
    )
    return section("Controls", table(caption, ["Rung − control", *(LABELS[b] for b in buckets)], rows))


def _gain(row: dict[str, Any] | None) -> str:
    if row is None or row["difference"] is None or row["ci_low"] is None:
        return cell("–", "no value")
    beaten = row["ci_low"] > 0
    shown = f"{row['difference']:+.4f}" + ("" if beaten else " ✗")
    return cell(shown, f"{row['ci_low']:+.4f} to {row['ci_high']:+.4f}", "best" if beaten else "")


def _grid(marked: pl.DataFrame, out: RunFolder, caption: str, prefix: str = "") -> str:
    """Rungs x columns of a frame of ``run_tables.mark``: value, interval, and signs for best, ties and thin cells."""
    columns = marked["column"].unique(maintain_order=True).to_list()
    places = run_tables.digits(marked["value"])
    thin = set(run_tables.small(marked, out)["column"])
    found = {(r["rung"], r["column"]): r for r in marked.iter_rows(named=True)}
    n = dict(marked.group_by("column").agg(pl.max("n_queries")).iter_rows())
    heads = ["Rung", *(f"{prefix}{LABELS.get(c, c)} (n={n[c]:,})" for c in columns)]
    rows = [
        (rung, [_grid_cell(found.get((rung, c)), places, c in thin or rung == ORACLE) for c in columns])
        for rung in marked["rung"].unique(maintain_order=True)
    ]
    return table(caption, heads, rows)


def _grid_cell(row: dict[str, Any] | None, places: int, say_n: bool) -> str:
    if row is None or row["value"] is None:
        return cell("–", "no value")
    share = row["answered_share"]
    notes = [
        interval(row["ci_low"], row["ci_high"], places),
        " · ".join(
            [f"n={row['n_queries']:,}"] * say_n
            + [f"own {share:.0%}"] * (share is not None and share < run_tables.FALLBACK_SHARE)
        ),
    ]
    sign = " ★" if row["is_best"] else " ≈" if row["ties_best"] else ""
    return cell(number(row["value"], places) + sign, "\n".join(x for x in notes if x), "best" if sign == " ★" else "")


def _untested(cells: pl.DataFrame, out: RunFolder) -> pl.DataFrame:
    """Cells with the best marked, for segments that no test compares."""
    return run_tables.mark(cells, out.comparisons.clear(), out.metric, alpha=1.0)
