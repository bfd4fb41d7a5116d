"""``report.html``: one self-contained file that says what to ship, for whom, why, and on what evidence."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import polars as pl

from recommender.evaluation.evaluate import VISIT
from recommender.evaluation.metric_table import LEGEND, glossary, heading, metric_label, named
from recommender.experiment import run_tables
from recommender.experiment.run_tables import LABELS, Out, interval, number
from recommender.files import write_text
from recommender.names import IN_SESSION, ORACLE, RETURNING
from recommender.report import audit, charts
from recommender.report.decision_table import in_visit, visit
from recommender.report.page import cell, chart, details, page, paragraph, section, table
from recommender.report.spam import spam
from recommender.report.verdict import verdict

_BEFORE = {
    "Test period": "The last stretch of time. Everything was decided on earlier (validation) periods before it was "
    "looked at; models saw nothing after its start.",
}
_AFTER = {
    "Impact ratio": "The rate of a group divided by that of the group with the highest rate. Groups under the share "
    "that the audit states are left out.",
    "95% interval": "Bootstrap over users: users are drawn again with replacement, all queries of a user together.",
    "≈": "Compared pairwise with the best of its column (★), by the same users; the difference "
    "is not significant after Holm's correction. No sign: significantly different, or never compared.",
    "Columns of users": "Interactions that the user had before the query. “all” asks once per user, at the first "
    "event of the period; the other columns also ask when a user reaches them within the period.",
    "CPU seconds": "Processor time, all threads added; “wall” is time on the clock.",
}


def write_report(out: Path) -> Path:
    """Writes ``out/report.html`` from the other files there and returns its path.

    Raises DataError where ``out`` is not the folder of a finished train.
    """
    read = run_tables.read_out(out)
    drawn = {"effort-chart": charts.effort_chart(read), "history-chart": charts.history_chart(read)}
    drawn["audit-chart"] = audit.audit_chart(read)
    specs = {name: made[0] for name, made in drawn.items() if made}
    texts = {name: made[1] for name, made in drawn.items() if made}
    body = "\n".join(
        [
            _head(read),
            verdict(read),
            "".join(paragraph(f"⚠ {w}", "warning") for w in run_tables.warnings(read)),
            _ladder(read),
            _regret(read),
            _effort_chart(read, texts),
            _history_chart(read, texts),
            _other_metrics(read),
            _new_items(read),
            _visits(read),
            _slices(read),
            audit.changes(read),
            spam(read),
            audit.audit(read, texts),
            _controls(read),
            _effort(read),
            _data(read),
            _how_to_read(read),
            details("The whole configuration", f"<pre>{escape((out / 'config.yaml').read_text())}</pre>"),
        ]
    )
    path = out / "report.html"
    write_text(path, page(f"{read.scenario.name} on {_data_name(read)}: what to ship", body, specs))
    return path


def _data_name(out: Out) -> str:
    return str(out.data.get("name", out.scenario.data.source))


def _head(out: Out) -> str:
    problem = out.scenario.problem
    return (
        f'<p class="dim">Scenario {escape(out.scenario.name)} · data {escape(_data_name(out))}</p>\n'
        f"<h1>{escape(problem.what)}</h1>\n"
        + paragraph(
            f"For {problem.for_whom}. Target: {metric_label(problem.metric)} of {problem.target:g}. "
            f"Cost of an error: {problem.cost_of_error}."
        )
    )


def _grid(marked: pl.DataFrame, out: Out, caption: str, first: str, prefix: str = "") -> str:
    """Rungs x columns of a frame of ``tables.mark``: value, interval, and signs for best, ties and thin cells."""
    columns = marked["column"].unique(maintain_order=True).to_list()
    places = run_tables.digits(marked["value"])
    thin = set(run_tables.small(marked, out)["column"])
    found = {(r["rung"], r["column"]): r for r in marked.iter_rows(named=True)}
    n = dict(marked.group_by("column").agg(pl.max("n_queries")).iter_rows())
    heads = [first, *(f"{prefix}{LABELS.get(c, c)} (n={n[c]:,})" for c in columns)]
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


def _ladder(out: Out) -> str:
    caption = (
        f"{metric_label(out.metric)} on the test period by earlier interactions of the user, with 95% intervals. "
        "★ best of its column, ≈ not significantly different from it, n= few queries, own = share of the places "
        "that the rung itself could fill." + " oracle: knows what made the simulated data; a bound, asked for some of "
        "the users, that nobody could ship." * (ORACLE in out.rungs)
    )
    return section("The ladder, by how much is known of the user", _grid(run_tables.ladder(out), out, caption, "Rung"))


def _regret(out: Out) -> str:
    """How far each rung is from the best possible; empty where there is no truth to ask."""
    found = run_tables.regret(out).with_columns(is_best=pl.lit(False), ties_best=pl.lit(False))
    caption = (
        f"{metric_label('ndcg_at_10')} of the oracle, which knows what made the simulated data, minus that of the "
        "rung, for the same queries of evenly drawn users. With 95% intervals; lower is better, 0 the best possible."
    )
    return section("Regret: how far from the best possible", _grid(found, out, caption, "Rung"))


def _effort_chart(out: Out, texts: dict[str, str]) -> str:
    if "effort-chart" not in texts:
        return ""
    spent = run_tables.seconds(out)
    overall = {r["rung"]: r for r in run_tables.ladder(out).filter(pl.col("column") == "all").iter_rows(named=True)}
    heads = ["Rung", metric_label(out.metric), "fit, CPU s", "recommend, CPU s", "both, CPU s", "both, wall s"]
    rows = [
        (r["rung"], [_plain(overall.get(r["rung"], {}).get("value")), *(_plain(r[c], 2) for c in spent.columns[1:])])
        for r in spent.iter_rows(named=True)
    ]
    caption = (
        "All users of the test period. Blue diamonds are shipped by the decision. Up is better, left is cheaper. "
        "The router is charged with the fits of the rungs that it serves from."
    )
    shown = chart("effort-chart", texts["effort-chart"], caption, table("Test period", heads, rows))
    return section("Accuracy against effort", shown)


def _history_chart(out: Out, texts: dict[str, str]) -> str:
    if "history-chart" not in texts:
        return ""
    caption = (
        "With 95% intervals. In colour: rungs that are shipped, replaced or accurate; grey, if any: the others. "
        "The router is not drawn: in each column it is one of these."
    )
    numbers = _grid(run_tables.ladder(out), out, metric_label(out.metric), "Rung")
    return section("Accuracy by history length", chart("history-chart", texts["history-chart"], caption, numbers))


def _plain(value: float | None, places: int = 3) -> str:
    return cell(number(value, places))


def _other_metrics(out: Out) -> str:
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
    rows = [(r[0], [_plain(v) for v in r[1:]]) for r in wide.select("rung", *names).iter_rows()] if names else []
    return table(f"{caption} {LEGEND}", ["Rung", *(heading(m) for m in names)], rows)


def _new_items(out: Out) -> str:
    marked = _marked(out, "recall_at_20", "item_bucket")
    caption = (
        "Recall@20 counting only the items taken that had so many interactions in training: 0 = new items. "
        "★ best of its column."
    )
    return section("New items", _grid(marked, out, caption, "Rung", "items with "))


def _slices(out: Out) -> str:
    names = out.metrics.filter(~pl.col("slice").is_in(["all", VISIT]))["slice"].unique().sort().to_list()
    metrics = {s: out.metrics.filter(pl.col("slice") == s)["metric"].unique().sort().to_list() for s in names}
    chosen = {s: out.metric if out.metric in found else found[0] for s, found in metrics.items()}
    grids = [
        details(f"By {s}", _grid(_marked(out, m, "slice_value", s), out, f"{metric_label(m)} by {s}.", "Rung"))
        for s, m in chosen.items()
    ]
    return section("Slices of the scenario", *grids)


def _visits(out: Out) -> str:
    grids = []
    for kind in (IN_SESSION, RETURNING):
        found = visit(out, kind)
        caption = f"{metric_label(out.metric)} on the test period, users with history{in_visit(out, kind)}."
        marked = run_tables.mark(found, out.comparisons.clear(), out.metric, alpha=1.0)
        grids.append(_grid(marked, out, caption, "Rung"))
    return section("In a visit, and back after a while", *grids)


def _controls(out: Out) -> str:
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


def _marked(out: Out, metric: str, across: str, slice_name: str = "all") -> pl.DataFrame:
    """Other segments than user buckets: best marked, but never compared by a test."""
    found = run_tables.cells(out.metrics, out.rungs, metric, across, slice_name)
    return run_tables.mark(found, out.comparisons.clear(), metric, alpha=1.0)


def _effort(out: Out) -> str:
    spent = run_tables.stages(run_tables.spent(out), out.rungs)
    units = {"wall_s": "total, wall s", "peak_mb": "peak memory, MB", "threads": "threads"}
    heads = ["Rung", *(units.get(c, c.removesuffix("_cpu_s") + ", CPU s") for c in spent.columns[1:])]
    rows = [
        (
            "shared by all" if r["rung"] == "all" else r["rung"],
            [_plain(r[c], 2 if c.endswith("_s") else 0) for c in spent.columns[1:]],
        )
        for r in spent.iter_rows(named=True)
    ]
    measured = [(r[0].replace("_", " "), [_amount(r[1], r[2])]) for r in out.data_effort.iter_rows()]
    stated = [(name, [cell(f"{low:g} to {high:g}")]) for name, (low, high) in out.scenario.person_days.items()]
    return section(
        "Effort",
        table(
            "Measured, all periods together. The router is charged with the test period's fits of the rungs that it "
            "serves from, which their own rows count too.",
            heads,
            rows,
        ),
        table("Of the data and the configuration, measured.", ["Measure", "Value"], measured),
        table("Stated in the configuration, not measured.", ["What", "Person-days"], stated),
    )


def _amount(value: float | None, unit: str | None) -> str:
    shown = "–" if value is None else f"{value:,.4g}" if value != int(value) else f"{int(value):,}"
    return cell(f"{shown} {unit or ''}".strip())


def _data(out: Out) -> str:
    summary = [
        (str(key).replace("_", " "), [cell(_scalar(value))])
        for key, value in out.data.get("summary", {}).items()
        if isinstance(value, int | float | str)
    ]
    repairs = [
        (f"{r['table']}: {r['rule']}", [_amount(r["count"], "rows"), cell(r["action"], css="text"), _because(r)])
        for r in out.data.get("repairs", [])
    ]
    roles = [
        (f"{kind}: {column}", [cell(str(role), css="text")])
        for kind, columns in out.data.get("roles", {}).items()
        for column, role in columns.items()
    ]
    return section(
        "The data",
        table("What was dropped or changed, and why.", ["What", "How many", "Done", "Why"], repairs)
        or paragraph("Nothing was dropped or changed."),
        details("Summary of the data", table("As of the whole data set.", ["Measure", "Value"], summary)),
        details(
            "Columns and what they were used as",
            table("Guessed from type and values where the data set does not say.", ["Column", "Role"], roles),
        ),
    )


def _scalar(value: float | str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def _because(repair: dict[str, Any]) -> str:
    examples = ", ".join(str(e) for e in repair.get("examples", []))
    return cell(str(repair["why"]), f"e.g. {examples}" if examples else "", css="text")


def _how_to_read(out: Out) -> str:
    words = _BEFORE | glossary(out.metrics["metric"]) | _AFTER
    entries = "".join(f"<dt>{escape(word)}</dt><dd>{escape(text)}</dd>" for word, text in words.items())
    return section("How to read this", f"<dl>{entries}</dl>")
