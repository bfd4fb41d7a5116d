"""The charts of a train's report as Vega-Lite: accuracy against effort, accuracy by history length."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from recommender.evaluation.metric_table import metric_label
from recommender.experiment.run_folder import RunFolder
from recommender.experiment.run_tables import LABELS, ladder, number
from recommender.models.colours import colour as colour_of
from recommender.names import ALL, ORACLE, PLAIN, ROUTER
from recommender.report.decision_table import decision
from recommender.studies.charts import GREY, RUNG, effort_scatter, finish, standing_out, tooltip
from recommender.studies.engine.finding import Chart

MAX_COLOURS = 6  # lines that a reader can tell apart
_NO_LINE = (ROUTER, PLAIN, ORACLE)  # made of the lines, or far above them


def effort_chart(out: RunFolder, facts: pl.DataFrame) -> Chart | None:
    """Every accuracy metric and group of users against CPU seconds of fit + recommend; None where nothing was measured.
    The oracle, which nobody could ship, is left out."""
    seconds = facts.filter(topic="cost", metric="cpu_s").select("what", cpu_s="value")
    accuracy = facts.filter(pl.col("what") != ORACLE, topic="accuracy").join(seconds, on="what", maintain_order="left")
    points = accuracy.select(
        "metric", "value", "low", "high", "n", "cpu_s", rung="what", group="bucket", ships=pl.col("what") == ROUTER
    )
    first = points.filter(group=ALL, metric=out.metric).drop_nulls("value")
    if first.is_empty():
        return None
    spec = effort_scatter(points, "accuracy", ALL, out.metric)
    title = (
        "Up is better, left is cheaper. Diamond: what ships, charged with the fits that it serves from. Dashed: the "
        "frontier, nothing cheaper is as accurate. Bars: 95% intervals; axis from zero."
    )
    table = first.select("rung", "n", "value", "low", "high", "cpu_s")
    return Chart("effort-chart", title, spec, spec["description"], table)


def history_chart(out: RunFolder) -> Chart | None:
    """The headline metric by user bucket, a line per rung; None where nothing was measured. What ships is left out."""
    cells = ladder(out).filter(pl.col("column") != "all", ~pl.col("rung").is_in(_NO_LINE)).drop_nulls("value")
    if cells.is_empty():
        return None
    label = metric_label(out.metric)
    cells = cells.rename({"ci_low": "low", "ci_high": "high", "n_queries": "n"})
    cells = cells.with_columns(history=pl.col("column").replace(LABELS))
    front = front_rungs(out)
    x = alt.X("history:O", title="earlier interactions of the user", sort=list(LABELS.values()))
    x = x.axis(labelAngle=0).scale(paddingInner=0.6, paddingOuter=0.3)
    y = alt.Y("value:Q", title=label).scale(zero=True)
    rows = cells.select("rung", "history", "value", "low", "high", "n")
    grey, coloured = (
        alt.Chart(alt.InlineData(values=rows.filter(wanted).to_dicts())).encode(x=x)
        for wanted in (~pl.col("rung").is_in(front), pl.col("rung").is_in(front))
    )
    hues: dict[str, Any] = {"domain": front, "range": [colour_of(r) for r in front]}
    colour = alt.Color("rung:N", title=None, sort=front).scale(**hues).legend(orient="top", columns=3)
    shape = alt.Shape("rung:N", title=None, sort=front).scale(domain=front).legend(orient="top", columns=3)
    dodge = alt.XOffset("rung:N", sort=front).scale(domain=front)
    ends, clear = {"y": alt.Y("low:Q", title=label), "y2": "high:Q"}, standing_out()
    layers = [
        grey.mark_line(color=GREY, strokeWidth=1).encode(y=y, detail="rung:N", opacity=standing_out(0.7)),
        grey.mark_point(color=GREY, filled=True, size=25).encode(
            y=y, detail="rung:N", opacity=clear, tooltip=tooltip(label, "n")
        ),
        coloured.mark_line(strokeWidth=2.5).encode(y=y, color=colour, xOffset=dodge, opacity=clear),
        coloured.mark_rule(strokeWidth=1.5).encode(color=colour, xOffset=dodge, opacity=clear, **ends),
        coloured.mark_point(filled=True, size=70).encode(
            y=y, color=colour, xOffset=dodge, shape=shape, opacity=clear, tooltip=tooltip(label, "n")
        ),
    ]
    winners = cells.sort("value", descending=True, maintain_order=True).unique("column", maintain_order=True)
    best = {c: f"{h}: {r} ({number(v)})" for c, h, r, v in winners.select("column", "history", "rung", "value").rows()}
    alt_text = f"Line chart of {label} by earlier interactions of the user. Highest at "
    alt_text += "; ".join(best[c] for c in LABELS if c in best) + "."
    title = (
        f"{label} by single rung, with 95% intervals. In colour: rungs that are shipped, replaced or accurate; grey, "
        "if any: the others. What ships is not drawn: it is made of these."
    )
    return Chart("history-chart", title, finish(alt.layer(*layers).add_params(RUNG), alt_text), alt_text, rows)


def front_rungs(out: RunFolder) -> list[str]:
    """Rungs drawn in colour, in ladder order, at most ``MAX_COLOURS``: first those shipped, best in a bucket or
    replaced, then the most accurate for all users."""
    decided = decision(out)
    best = ladder(out).filter("is_best", pl.col("column") != "all")["rung"]
    overall = ladder(out).filter(pl.col("column") == "all").drop_nulls("value").sort("value", descending=True)["rung"]
    wanted = [*decided["rung"].drop_nulls(), *best, *decided["over"].drop_nulls(), *overall]
    drawn = [r for r in dict.fromkeys(wanted) if r not in _NO_LINE][:MAX_COLOURS]
    return [r for r in out.rungs if r in drawn]
