"""The report's charts as Vega-Lite (altair): accuracy against effort, accuracy by history length.

Colours of text and the categorical palette come from the page (one set for light, one for dark), so
specifications name none but the grey of what stands in the background.
"""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from recommender.evaluation.metric_table import metric_label
from recommender.experiment.run_folder import RunFolder
from recommender.experiment.run_tables import LABELS, ladder, number, seconds
from recommender.names import ORACLE, PLAIN, ROUTER
from recommender.report.decision_table import decision
from recommender.studies.charts import GREY, MIN_CPU_S, effort_scatter, finish, tooltip

MAX_COLOURS = 6  # lines that a reader can tell apart; the page's palettes have as many
_NO_LINE = (ROUTER, PLAIN, ORACLE)  # made of the lines, or far above them


def effort_chart(out: RunFolder) -> tuple[dict[str, Any], str] | None:
    """All users: the headline metric against CPU seconds of fit + recommend; (specification, text for
    those who cannot see it), None where nothing was measured."""
    measured = ladder(out).filter(pl.col("column") == "all").drop_nulls("value")
    points = (
        measured.join(seconds(out).drop_nulls("cpu_s"), on="rung", maintain_order="left")
        .with_columns(pl.col("cpu_s").clip(MIN_CPU_S), shipped=pl.col("rung").is_in(shipped(out)))
        .select("rung", "value", "ci_low", "ci_high", "cpu_s", "shipped")
    )
    if points.is_empty():
        return None
    return effort_scatter(points, metric_label(out.metric))


def history_chart(out: RunFolder) -> tuple[dict[str, Any], str] | None:
    """The headline metric by user bucket, a line per rung; as ``effort_chart``. The router is left out:
    in each bucket it is one of the lines."""
    cells = ladder(out).filter(pl.col("column") != "all", ~pl.col("rung").is_in(_NO_LINE)).drop_nulls("value")
    if cells.is_empty():
        return None
    label = metric_label(out.metric)
    cells = cells.with_columns(history=pl.col("column").replace(LABELS))
    front = front_rungs(out)
    x = alt.X("history:O", title="earlier interactions of the user", sort=list(LABELS.values()))
    x = x.axis(labelAngle=0).scale(paddingInner=0.6, paddingOuter=0.3)
    y = alt.Y("value:Q", title=label).scale(zero=True)
    rows = cells.select("rung", "history", "value", "ci_low", "ci_high", "n_queries")
    grey, coloured = (
        alt.Chart(alt.InlineData(values=rows.filter(wanted).to_dicts())).encode(x=x)
        for wanted in (~pl.col("rung").is_in(front), pl.col("rung").is_in(front))
    )
    colour = alt.Color("rung:N", title=None, sort=front).scale(domain=front).legend(orient="top", columns=3)
    dodge = alt.XOffset("rung:N", sort=front).scale(domain=front)
    layers = [
        grey.mark_line(color=GREY, strokeWidth=1, opacity=0.7).encode(y=y, detail="rung:N"),
        grey.mark_point(color=GREY, filled=True, size=25).encode(y=y, detail="rung:N", tooltip=tooltip(label)),
        coloured.mark_line(strokeWidth=2.5).encode(y=y, color=colour, xOffset=dodge),
        coloured.mark_rule(strokeWidth=1.5).encode(
            y=alt.Y("ci_low:Q", title=label), y2="ci_high:Q", color=colour, xOffset=dodge
        ),
        coloured.mark_point(filled=True, size=70, opacity=1).encode(
            y=y,
            color=colour,
            xOffset=dodge,
            shape=alt.Shape("rung:N", title=None, sort=front).scale(domain=front).legend(orient="top", columns=3),
            tooltip=tooltip(label),
        ),
    ]
    winners = cells.sort("value", descending=True, maintain_order=True).unique("column", maintain_order=True)
    best = {c: f"{h}: {r} ({number(v)})" for c, h, r, v in winners.select("column", "history", "rung", "value").rows()}
    alt_text = f"Line chart of {label} by earlier interactions of the user. Highest at " + "; ".join(
        best[c] for c in LABELS if c in best
    )
    return finish(alt.layer(*layers), alt_text + "."), alt_text + "."


def shipped(out: RunFolder) -> list[str]:
    """The rungs that the decision ships to someone, and the router that carries them."""
    slots = out.decision.slots
    for_new = [slots.rung] if slots.n else []
    return [*dict.fromkeys([*decision(out)["rung"].drop_nulls(), *for_new]), ROUTER]


def front_rungs(out: RunFolder) -> list[str]:
    """Rungs drawn in colour, in ladder order, at most ``MAX_COLOURS``: first those shipped, best in a bucket or
    replaced, then the most accurate for all users."""
    decided = decision(out)
    best = ladder(out).filter("is_best", pl.col("column") != "all")["rung"]
    overall = ladder(out).filter(pl.col("column") == "all").drop_nulls("value").sort("value", descending=True)["rung"]
    wanted = [*decided["rung"].drop_nulls(), *best, *decided["over"].drop_nulls(), *overall]
    kept = [r for r in dict.fromkeys(wanted) if r not in _NO_LINE][:MAX_COLOURS]
    return [r for r in out.rungs if r in kept]
