"""Pictures of a plan: the roadmap on its weeks, and the chances of the options."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from recommender.experiment.run_tables import GROUPS
from recommender.models.colours import colour as colour_of
from recommender.planning.roadmap import DUE, GOAL, MAY, NOW
from recommender.planning.site_plan import SitePlan
from recommender.studies.charts import GREY, finish
from recommender.studies.engine.finding import Chart, slug

FURTHEST_WEEKS = 520.0  # a bar that goes on longer ends here, open
WIDE = alt.Axis(labelLimit=210, labelOverlap=False)


def roadmap(plan: SitePlan) -> Chart | None:
    """When each move is due: a bar from the earliest to the latest week, a tick in the middle, building before it."""
    shown = [m for m in plan.moves if m.verdict in (DUE, MAY, NOW)]
    if not shown:
        return None
    known = [end for m in shown for end in (m.weeks, m.low, m.high) if end is not None]
    last = min(FURTHEST_WEEKS, max([*known, 4.0]) * 1.15)
    rows: list[dict[str, Any]] = []
    for m in shown:
        goal = m.over == GOAL
        name = f"{m.what} reaches the goal" if goal else f"{m.what}, {GROUPS[m.bucket]}"
        first = min(last, m.low if m.low is not None else m.weeks or 0.0)
        rows.append({
            "move": name, "rung": m.what, "verdict": m.verdict, "low": first, "weeks": m.weeks,
            "high": min(last, m.high) if m.high is not None else last, "open": m.high is None,
            "build": max(0.0, first - m.build_weeks), "chance": m.share,
        })  # fmt: skip
    rungs = list(dict.fromkeys(r["rung"] for r in rows))
    base = alt.Chart(alt.InlineData(values=rows)).encode(y=alt.Y("move:N", title=None, sort=None, axis=WIDE))
    title = "weeks from today, at today's rate"
    x = alt.X("low:Q", title=title).scale(domain=[0, last], nice=False)
    colour = alt.Color("rung:N", legend=None).scale(domain=rungs, range=[colour_of(r) for r in rungs])
    tips = [alt.Tooltip("move:N"), alt.Tooltip("verdict:N"), alt.Tooltip("chance:Q", format=".0%")]
    tips += [alt.Tooltip(f"{c}:Q", format=",.0f") for c in ("low", "weeks", "high")]
    layers = [
        base.mark_rule(color=GREY, strokeDash=[3, 3], strokeWidth=2).encode(
            x=alt.X("build:Q", title=title), x2="low:Q"
        ),
        base.mark_bar(height=14, opacity=0.55).encode(x=x, x2="high:Q", color=colour, tooltip=tips),
        base.transform_filter(f"isValid(datum.weeks) && datum.weeks <= {last}")
        .mark_tick(thickness=3, height=20)
        .encode(x=alt.X("weeks:Q", title=title), color=colour, tooltip=tips),
    ]
    text = f"Roadmap of {plan.site}, in weeks from today. " + "; ".join(
        f"{r['move']}: {r['verdict']}" + (f", week {r['weeks']:.0f}" if r["weeks"] is not None else "") for r in rows
    ) + "."  # fmt: skip
    spec = finish(alt.layer(*layers), text, 34 * len(rows) + 20)
    caption = (
        f"{plan.site}: bars, 95% interval of when a move is due; to the edge, open. Ticks: middle; dashes: building."
    )
    r = rows[0]
    week = "" if r["weeks"] is None else f" in week {r['weeks']:.0f}"
    headline = f"{plan.site}: next, {r['move']}, {r['verdict']}{week}, chance {100 * r['chance']:.0f} of 100."
    return Chart(f"roadmap-{slug(plan.site)}", caption, spec, text, pl.DataFrame(rows), headline)


def chances(plan: SitePlan) -> Chart | None:
    """In how many of 100 draws each ranked option is among the best three."""
    rows: list[dict[str, Any]] = [
        {"option": p.what, "draws": 100 * c.best, "best": 100 * c.first, "name": f"{100 * c.best:.0f} of 100"}
        for p, c in plan.options
        if not p.reason and c.best > 0
    ]
    if not rows:
        return None
    x = alt.X("draws:Q", title="draws of 100 in which it is among the best three", axis=alt.Axis(tickCount=5))
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        y=alt.Y("option:N", title=None, sort=None, axis=WIDE),
        x=x.scale(domain=[0, 118], nice=False),
        tooltip=[alt.Tooltip("option:N"), *(alt.Tooltip(f"{c}:Q", format=".0f") for c in ("draws", "best"))],
    )
    layers = [base.mark_bar(color="#0072B2"), base.mark_text(align="left", dx=4, fontSize=12).encode(text="name:N")]
    top: dict[str, Any] = max(rows, key=lambda r: r["draws"])
    text = f"Bar chart of the chances of {len(rows)} options at {plan.site}. Largest: {top['option']}, {top['name']}."
    headline = f"{top['option']} is among the best three in {top['name']} draws."
    headline = headline if top["draws"] >= 50 else f"no option stands out; {headline}"
    title = f"{plan.site}: gain, value and days are drawn anew 4,000 times; each time the best three are picked."
    spec = finish(alt.layer(*layers), text, 26 * len(rows) + 20)
    return Chart(
        f"chances-{slug(plan.site)}", title, spec, text, pl.DataFrame(rows).drop("name"), f"{plan.site}: {headline}"
    )
