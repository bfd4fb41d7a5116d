"""Pictures and tables of plans and read-outs, for the page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import altair as alt
import polars as pl

from recommender.online.ab_test import ReadOut
from recommender.online.interleaved import Preference
from recommender.online.log_totals import ONLINE_METRICS, label_of
from recommender.online.off_policy import OffPolicy
from recommender.online.ratio import RatioEffect
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
    label = ONLINE_METRICS[out.metric].label
    text = (
        f"Change of {label}, {out.treated} against {out.control}, as it was on each day. Dark: the interval for one "
        "look at the end; light: bounds that hold however often one looks."
    )
    return Chart("effect", text, finish(alt.layer(*layers), text, HEIGHT), text, table)


def effects_grid(out: ReadOut) -> Grid:
    """The metric that decides and the guardrails."""
    rows = [_row(out.metric, out.effect, "decides", "")]
    rows += [_row(g.metric, g.effect, g.state, f"{g.tolerance:.0%}") for g in out.guardrails]
    heads = ["metric", out.control, out.treated, "difference", "as a share", "tolerance", "state", "by CUPED"]
    return grid("Difference with its 95% interval for one look at the end; users are the unit", heads, rows)


def share_chart(out: Preference) -> Chart:
    """The share of the takes with its interval, beside the half."""
    text = f"Share of the takes that went to places of {out.treated}; dashed: half, where nobody is preferred."
    return _intervals("share", text, [(out.treated, out.share, out.low, out.high)], 0.5, "%")


def share_grid(out: Preference) -> Grid:
    """The numbers of interleaved lists."""
    span = f"{out.share:.1%} [{out.low:.1%}, {out.high:.1%}]"
    row = [out.treated, span, f"{out.places:.1%}", f"{out.takes:,}", f"{out.users:,}", f"{out.lists:,}"]
    return grid("Credit by place; the interval holds however often one looks",
                ["variant", "share of takes", "of places", "takes", "users", "lists"], [row])  # fmt: skip


def off_policy_chart(out: OffPolicy) -> Chart:
    """Each estimate with its interval, beside what was logged."""
    text = "Takes per drawn place that the candidate would have got; dashed: what was shown there."
    rows = [(e.name, e.value, e.low, e.high) for e in out.estimates]
    return _intervals("off-policy", text, rows, out.logged, ".3f")


def off_policy_grid(out: OffPolicy) -> Grid:
    """Estimates and the support that they stand on."""
    rows = [[e.name, f"{e.value:.4f} [{e.low:.4f}, {e.high:.4f}]"] for e in out.estimates]
    rows.append(["as logged", f"{out.logged:.4f}"])
    rows.append(["mean weight, 1 with full support", f"{out.mean_weight:.2f} ± {out.weight_error:.2f}"])
    rows.append(["effective places", f"{out.effective:,.0f} of {out.rows:,}"])
    return grid("Takes per drawn place, 95% intervals with users as the unit", ["estimate", "value"], rows)


def _intervals(name: str, text: str, rows: Sequence[tuple[str, float, float, float]], mark: float, form: str) -> Chart:
    table = pl.DataFrame(rows, schema=["what", "value", "low", "high"], orient="row")
    base = alt.Chart(alt.InlineData(values=table.to_dicts())).encode(y=alt.Y("what:N", title=None, sort=None))
    x = alt.X("value:Q", title=None, axis=alt.Axis(format=form)).scale(zero=False)
    line = alt.Chart(alt.InlineData(values=[{"value": mark}])).mark_rule(color=GREY, strokeDash=[4, 3]).encode(x=x)
    layers = [line, base.mark_rule(color=BLUE, strokeWidth=2).encode(x=alt.X("low:Q", title=None), x2="high:Q"),
              base.mark_point(filled=True, color=BLUE, size=70, opacity=1).encode(x=x)]  # fmt: skip
    return Chart(name, text, finish(alt.layer(*layers), text, 50 * len(rows)), text, table)


def _row(metric: str, e: RatioEffect, state: str, tolerance: str) -> Sequence[str]:
    span = f"{e.difference:+.4f} [{e.low:+.4f}, {e.high:+.4f}]"
    share = f"{e.relative(e.difference):+.1%} [{e.relative(e.low):+.1%}, {e.relative(e.high):+.1%}]"
    share = share if e.control else "–"
    saved = f"-{e.explained:.0%} variance" if e.explained > 0.005 else "–"
    return [label_of(metric), f"{e.control:.4f}", f"{e.treated:.4f}", span, share, tolerance, state, saved]
