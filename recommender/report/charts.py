"""The report's charts as Vega-Lite (altair): accuracy against effort, accuracy by history length.

Colours of text and the categorical palette come from the page (one set for light, one for dark), so
specifications name none but the grey of what stands in the background.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import altair as alt
import numpy as np
import polars as pl

from recommender.effort import ORACLE, PLAIN, ROUTER
from recommender.report.decided import decision
from recommender.report.tables import LABELS, Out, ladder, metric_label, number, seconds

GREY = "#82878f"  # these two: 3:1 or more on both page backgrounds
BLUE = "#3b82d6"
MAX_COLOURS = 6  # lines that a reader can tell apart; the page's palettes have as many
HEIGHT, PADDING = 320, 45  # pixels
PHONE_WIDTH = 180  # of the space between the cheapest and the dearest point there
SHIFTS = (0, -10, 10, -18, 18, -26, 26)  # pixels that a name may stand above or below its point
MIN_CPU_S = 0.001  # a log axis has no zero
_NO_LINE = (ROUTER, PLAIN, ORACLE)  # made of the lines, or far above them


def effort_chart(out: Out) -> tuple[dict[str, Any], str] | None:
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


def effort_scatter(points: pl.DataFrame, label: str, line: Sequence[str] = ()) -> tuple[dict[str, Any], str]:
    """Accuracy against CPU seconds; (specification, text for those who cannot see it).

    points: rung, value, ci_low, ci_high, cpu_s, shipped (drawn as a blue diamond). line: rungs that one is drawn
    through. label: what the value is.
    """
    x = alt.X("cpu_s:Q", title="CPU seconds, fit + recommend (log scale)").scale(
        type="log", padding=PADDING, nice=False
    )
    top = float(points.select(pl.max_horizontal(pl.max("value"), pl.max("ci_high"))).item()) * 1.05 or 1.0
    y = alt.Y("value:Q", title=label).scale(domain=[0, top], nice=False)
    colour = alt.condition("datum.shipped", alt.value(BLUE), alt.value(GREY))
    base = alt.Chart(alt.InlineData(values=points.to_dicts())).encode(x=x)
    shape = alt.condition("datum.shipped", alt.value("diamond"), alt.value("circle"))
    layers = [
        base.mark_rule(strokeWidth=1.5).encode(y=alt.Y("ci_low:Q", title=label), y2="ci_high:Q", color=colour),
        base.mark_point(filled=True, size=110, opacity=1).encode(
            y=y, color=colour, shape=shape, tooltip=_tooltip(label, cpu=True)
        ),
    ]
    if len(line) > 1:
        through = base.transform_filter(alt.FieldOneOfPredicate(field="rung", oneOf=list(line)))
        layers.insert(0, through.mark_line(color=GREY, strokeDash=[5, 4]).encode(y=y))
    for (align, dy), rungs in _labels(points, top).items():
        layers.append(
            base.transform_filter(alt.FieldOneOfPredicate(field="rung", oneOf=rungs))
            .mark_text(align=align, dx=7 if align == "left" else -7, dy=dy, fontSize=12)
            .encode(y=y, text="rung:N")
        )
    best = points.sort("value", descending=True, maintain_order=True).row(0, named=True)
    cheap = points.sort("cpu_s", maintain_order=True).row(0, named=True)
    alt_text = (
        f"Scatter chart of {points.height} rungs, {label} against CPU seconds. Most accurate: {best['rung']}, "
        f"{number(best['value'])} for {best['cpu_s']:.2g} seconds. Cheapest: {cheap['rung']}, "
        f"{number(cheap['value'])} for {cheap['cpu_s']:.2g} seconds."
    )
    return finish(alt.layer(*layers), alt_text), alt_text


def history_chart(out: Out) -> tuple[dict[str, Any], str] | None:
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
        grey.mark_point(color=GREY, filled=True, size=25).encode(y=y, detail="rung:N", tooltip=_tooltip(label)),
        coloured.mark_line(strokeWidth=2.5).encode(y=y, color=colour, xOffset=dodge),
        coloured.mark_rule(strokeWidth=1.5).encode(
            y=alt.Y("ci_low:Q", title=label), y2="ci_high:Q", color=colour, xOffset=dodge
        ),
        coloured.mark_point(filled=True, size=70, opacity=1).encode(
            y=y,
            color=colour,
            xOffset=dodge,
            shape=alt.Shape("rung:N", title=None, sort=front).scale(domain=front).legend(orient="top", columns=3),
            tooltip=_tooltip(label),
        ),
    ]
    winners = cells.sort("value", descending=True, maintain_order=True).unique("column", maintain_order=True)
    told = {c: f"{h}: {r} ({number(v)})" for c, h, r, v in winners.select("column", "history", "rung", "value").rows()}
    alt_text = f"Line chart of {label} by earlier interactions of the user. Highest at " + "; ".join(
        told[c] for c in LABELS if c in told
    )
    return finish(alt.layer(*layers), alt_text + "."), alt_text + "."


def shipped(out: Out) -> list[str]:
    """The rungs that the decision ships to someone, and the router that carries them."""
    slots = out.decision.get("slots", {})
    for_new = [slots["rung"]] if slots.get("n") else []
    return [*dict.fromkeys([*decision(out)["rung"].drop_nulls(), *for_new]), ROUTER]


def front_rungs(out: Out) -> list[str]:
    """Rungs drawn in colour, in ladder order, at most ``MAX_COLOURS``: first those shipped, best in a bucket or
    replaced, then the most accurate for all users."""
    decided = decision(out)
    best = ladder(out).filter("is_best", pl.col("column") != "all")["rung"]
    overall = ladder(out).filter(pl.col("column") == "all").drop_nulls("value").sort("value", descending=True)["rung"]
    wanted = [*decided["rung"].drop_nulls(), *best, *decided["over"].drop_nulls(), *overall]
    kept = [r for r in dict.fromkeys(wanted) if r not in _NO_LINE][:MAX_COLOURS]
    return [r for r in out.rungs if r in kept]


def _tooltip(label: str, cpu: bool = False) -> list[alt.Tooltip]:
    shown = [
        alt.Tooltip("rung:N"),
        alt.Tooltip("value:Q", title=label, format=".4f"),
        alt.Tooltip("ci_low:Q", title="95% low", format=".4f"),
        alt.Tooltip("ci_high:Q", title="95% high", format=".4f"),
    ]
    last = alt.Tooltip("cpu_s:Q", title="CPU s", format=".3g") if cpu else alt.Tooltip("n_queries:Q", title="queries")
    return [*shown, last]


def _labels(points: pl.DataFrame, top: float) -> dict[tuple[Literal["left", "right"], int], list[str]]:
    """Names by where they stand beside their point, (edge that touches it, pixels down), so that on a phone too
    no two overlap where that can be had: each takes the nearest free place, the most accurate first."""
    ordered = points.sort("value", descending=True, maintain_order=True)
    x = np.log10(ordered["cpu_s"].to_numpy())
    x = (x - x.min()) / max(x.max() - x.min(), 1e-9) * PHONE_WIDTH
    y = (1 - ordered["value"].to_numpy() / top) * HEIGHT
    axis = (-PADDING, HEIGHT - 4, PHONE_WIDTH + PADDING, HEIGHT + 40)
    taken = [axis, *((a - 6, b - 6, a + 6, b + 6) for a, b in zip(x, y, strict=True))]
    places: dict[tuple[Literal["left", "right"], int], list[str]] = {}
    for name, a, b in zip(ordered["rung"], x, y, strict=True):
        width = 6.5 * len(name)
        sides: list[Literal["left", "right"]] = ["left", "right"] if a < PHONE_WIDTH * 0.6 else ["right", "left"]
        free = [(side, dy, (a + 8 if side == "left" else a - 8 - width, b + dy - 6)) for dy in SHIFTS for side in sides]
        boxes = [(left, up, left + width, up + 12) for _, _, (left, up) in free]
        chosen = next((i for i, box in enumerate(boxes) if not any(_overlap(box, t) for t in taken)), 0)
        taken.append(boxes[chosen])
        places.setdefault(free[chosen][:2], []).append(name)
    return places


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def finish(chart: alt.LayerChart | alt.FacetChart, alt_text: str) -> dict[str, Any]:
    """The specification: as wide as the page, with the text for those who cannot see it."""
    return dict(chart.properties(width="container", height=HEIGHT, description=alt_text).to_dict())
