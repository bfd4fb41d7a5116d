"""Pictures and tables of plans and read-outs, for the page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import altair as alt
import polars as pl

from recommender.online.ab_test import ReadOut
from recommender.online.log_totals import ONLINE_METRICS
from recommender.online.ratio import Effect
from recommender.online.sample_size import SamplePlan
from recommender.studies.charts import BLUE, GREY, finish
from recommender.studies.engine.finding import Chart, Grid, grid

HEIGHT = 240
_EPOCH = date(1970, 1, 1)


def plan_chart(plan: SamplePlan) -> Chart:
    """The least change that is found after each week."""
    base = alt.Chart(alt.InlineData(values=plan.curve.to_dicts())).encode(
        x=alt.X("week:Q", title="weeks", axis=alt.Axis(tickMinStep=1, format="d")),
        y=alt.Y("effect:Q", title="least change that is found", axis=alt.Axis(format="%")).scale(zero=True),
        tooltip=["week:Q", alt.Tooltip("users:Q", format=","), alt.Tooltip("effect:Q", format=".1%")],
    )  # fmt: skip
    goal = alt.Chart(alt.InlineData(values=[{"effect": plan.min_effect}])).mark_rule(color=GREY, strokeDash=[4, 3])
    layers = [goal.encode(y="effect:Q"), base.mark_line(color=BLUE), base.mark_point(filled=True, color=BLUE, size=40)]
    label = ONLINE_METRICS[plan.metric].label
    text = f"The least change of {label} that is found after each week; dashed: {plan.min_effect:.0%}."
    return Chart("plan", text, finish(alt.layer(*layers), text, HEIGHT), text, plan.curve)


def effect_chart(out: ReadOut) -> Chart:
    """The effect as it was on each day: dark, its interval; light, the bounds that hold however often one looks."""
    table = out.by_day.with_columns(
        pl.Series("day", [str(_EPOCH + timedelta(days=int(d))) for d in out.by_day["day"]], dtype=pl.String)
    )
    base = alt.Chart(alt.InlineData(values=table.to_dicts())).encode(x=alt.X("day:T", title=None))
    wide = table.select((pl.col("high") - pl.col("low")).median()).item() if table.height else 1.0
    last = out.relative[0] if table.height else 0.0
    limits = alt.Scale(domain=[min(0, last) - 3 * wide, max(0, last) + 3 * wide], clamp=True)
    axis = alt.Axis(format="+%")
    title = f"{ONLINE_METRICS[out.metric].label}, change"
    y = alt.Y("value:Q", title=title, axis=axis, scale=limits)
    ends = (("early_low", "early_high", 0.18), ("low", "high", 0.35))
    bands = [
        base.mark_area(opacity=shade, color=BLUE, clip=True).encode(
            y=alt.Y(f"{low}:Q", scale=limits, title=title), y2=f"{high}:Q")
        for low, high, shade in ends
    ]  # fmt: skip
    tips = ["day:T", alt.Tooltip("users:Q", format=","), *(alt.Tooltip(f"{c}:Q", format="+.1%") for c in
            ("value", "low", "high"))]  # fmt: skip
    zero = alt.Chart(alt.InlineData(values=[{"value": 0}])).mark_rule(color=GREY).encode(y=y)
    layers = [
        *bands,
        zero,
        base.mark_line(color=BLUE).encode(y=y),
        base.mark_point(color=BLUE).encode(y=y, tooltip=tips),
    ]
    text = f"Change of {ONLINE_METRICS[out.metric].label}, {out.treated} against {out.control}, as it was on each day."
    return Chart("effect", text, finish(alt.layer(*layers), text, HEIGHT), text, table)


def effects_grid(out: ReadOut) -> Grid:
    """The metric that decides and the guardrails."""
    rows = [_row(out.metric, out.effect, "decides", "")]
    rows += [_row(g.metric, g.effect, g.state, f"{g.tolerance:.0%}") for g in out.guardrails]
    heads = ["metric", out.control, out.treated, "difference", "as a share", "tolerance", "state", "by CUPED"]
    return grid("Difference with its 95% interval for one look at the end; users are the unit", heads, rows)


def _row(metric: str, e: Effect, state: str, tolerance: str) -> Sequence[str]:
    span = f"{e.difference:+.4f} [{e.low:+.4f}, {e.high:+.4f}]"
    share = f"{e.relative(e.difference):+.1%} [{e.relative(e.low):+.1%}, {e.relative(e.high):+.1%}]"
    share = share if e.control else "–"
    saved = f"-{e.explained:.0%} variance" if e.explained > 0.005 else "–"
    return [ONLINE_METRICS[metric].label, f"{e.control:.4f}", f"{e.treated:.4f}", span, share, tolerance, state, saved]
