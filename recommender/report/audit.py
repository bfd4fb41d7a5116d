"""What rules and re-rankers did to what ships, and the bias audit; parts of ``report.html``."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from recommender.evaluation.audit import BETWEEN, FOUR_FIFTHS, OUTCOMES, audit_sentences
from recommender.evaluation.metric_table import LEGEND, heading
from recommender.experiment.run_folder import RunFolder
from recommender.experiment.run_tables import interval, number
from recommender.names import PLAIN, ROUTER
from recommender.studies.charts import BLUE, GREY, finish
from recommender.studies.engine.finding import Chart, Finding, grid


def changes(out: RunFolder) -> Finding:
    """What ships before and after its re-rankers, all users of the test origin; empty without re-rankers."""
    entries = [entry.name for entry in out.scenario.rerank if entry.enabled]
    whole = out.metrics.filter(
        pl.col("rung").is_in([PLAIN, ROUTER]), split="test", user_bucket="all", item_bucket="all", slice="all"
    )
    by_metric = {(r["metric"], r["rung"]): r for r in whole.iter_rows(named=True)}
    names = [m for m, rung in by_metric if rung == PLAIN]
    tested = out.comparisons.filter(rung_a=PLAIN, rung_b=ROUTER, user_bucket="all")
    gains = {r["metric"]: r for r in tested.iter_rows(named=True)}
    rows = [[heading(m), *_change(by_metric[m, PLAIN], by_metric[m, ROUTER], gains.get(m))] for m in names]
    caption = (
        f"What ships before and after {', '.join(entries)}. Difference: of the same users, "
        f"with its 95% interval where it was tested. Hard rules hold in both. {LEGEND}"
    )
    shown = grid(caption, ["Metric", "before", "after", "difference"], rows)
    return Finding("What the re-rankers change", grids=[shown] if rows else [])


def _change(before: dict[str, Any], after: dict[str, Any], tested: dict[str, Any] | None) -> list[str]:
    values = [before["value"], after["value"]]
    change = f"{values[1] - values[0]:+.4f}" if None not in values else "–"
    note = interval(tested["ci_low"], tested["ci_high"], 4) if tested else ""
    return [*map(number, values), f"{change}\n{note}"]


def audit(out: RunFolder) -> Finding:
    """Sentences, chart and table of the audit of what is shipped; empty where none was made."""
    rule, drawn = out.scenario.audit, audit_chart(out)
    if rule is None or drawn is None:
        return Finding("Who gets what: the bias audit")
    sentences = [f"{'⚠ ' * low}{sentence}" for sentence, low in audit_sentences(out.audit, rule)]
    return Finding("Who gets what: the bias audit", sentences, charts=[drawn])


def _rows(out: RunFolder) -> list[list[str]]:
    rates = {(r["rung"], r["outcome"], r["grouping"], r["group"]): r for r in out.audit.iter_rows(named=True)}
    groups = out.audit.filter(rung=ROUTER, outcome="selection").select("grouping", "group").rows()
    return [
        [
            f"{grouping}: {group}",
            f"{rates[ROUTER, 'selection', grouping, group]['n_users']:,}",
            *(number(rates[ROUTER, kind, grouping, group]["rate"]) for kind in OUTCOMES.values()),
            *(_ratio(rates.get((rung, "selection", grouping, group))) for rung in (ROUTER, PLAIN)),
        ]
        for grouping, group in groups
    ]


def _ratio(row: dict[str, Any] | None) -> str:
    if row is None or row["ratio"] is None:
        return "–\ntoo few" if row and not row["counted"] else "–"
    return f"{number(row['ratio'], 2)}\n{interval(row['ratio_low'], row['ratio_high'], 2)}"


def audit_chart(out: RunFolder) -> Chart | None:
    """Impact ratio of selection by group for what ships; None where no group has one."""
    rows, rule = out.audit.filter("counted", rung=ROUTER, outcome="selection").drop_nulls("ratio"), out.scenario.audit
    if rows.is_empty() or rule is None:
        return None
    crossed = pl.col("grouping").str.contains(BETWEEN, literal=True)  # such groups tell their columns by themselves
    named = pl.when(crossed).then(pl.col("group")).otherwise(pl.col("grouping") + ": " + pl.col("group"))
    shown = rows.with_columns(label=named)
    values = shown.select("label", "rate", "ratio", "ratio_low", "ratio_high", "n_users").to_dicts()
    base = alt.Chart(alt.InlineData(values=values)).encode(
        # Every row has its name: labels that do not fit would be left out.
        y=alt.Y("label:N", title=None, sort=None).axis(labelLimit=170, labelOverlap=False),
        tooltip=[
            alt.Tooltip("label:N", title="group"),
            alt.Tooltip("n_users:Q", title="users"),
            alt.Tooltip("rate:Q", title="rate", format=".3f"),
            alt.Tooltip("ratio:Q", format=".3f"),
            alt.Tooltip("ratio_low:Q", title="95% low", format=".3f"),
            alt.Tooltip("ratio_high:Q", title="95% high", format=".3f"),
        ],
    )
    line = alt.Chart(alt.InlineData(values=[{"ratio": FOUR_FIFTHS}]))
    x = alt.X("ratio:Q", title="impact ratio").scale(zero=True)
    spec = alt.layer(
        line.mark_rule(color=GREY, strokeDash=[4, 4]).encode(x="ratio:Q"),
        base.mark_rule(color=BLUE, strokeWidth=1.5).encode(
            x=alt.X("ratio_low:Q", title="impact ratio"), x2="ratio_high:Q"
        ),
        base.mark_point(color=BLUE, filled=True, size=70, opacity=1).encode(x=x),
    )
    worst = shown.sort("ratio", "label").row(0, named=True)
    text = (
        f"Dot chart of the impact ratio of {shown.height} groups of users. Lowest: {worst['label']}, "
        f"{number(worst['ratio'], 2)}, 95% interval {interval(worst['ratio_low'], worst['ratio_high'], 2)}."
    )
    caption = (
        f"Users with at least {rule.at_least} favourable item{'s' * (rule.at_least > 1)} ({rule.favourable.column} in "
        f"the top {rule.favourable.top_share:.0%}) among the first ten. Ratio to the group with the highest rate, with "
        "95% intervals; line: four fifths, a rule of thumb."
    )
    heads = ["Group", "users", *(f"{kind}, rate" for kind in OUTCOMES.values()), "ratio", "ratio before re-ranking"]
    chart = finish(spec, text, height=max(120, 22 * shown.height))
    return Chart("audit-chart", caption, chart, text, grid("", heads, _rows(out)).frame)
