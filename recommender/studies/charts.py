"""Charts of studies and comparisons, as Vega-Lite by altair; colours of text and palette come from the page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import altair as alt
import numpy as np
import polars as pl

from recommender.experiment.run_tables import number
from recommender.studies.engine.finding import Chart

GREY, BLUE = "#82878f", "#3b82d6"  # 3:1 or more on both page backgrounds
HEIGHT, PADDING = 320, 45  # pixels
PHONE_WIDTH = 180  # pixels between the cheapest and the dearest point on a phone
SHIFTS = (0, -10, 10, -18, 18, -26, 26)  # pixels that a name may stand above or below its point
MIN_CPU_S = 0.001  # a log axis has no zero
Side = Literal["left", "right"]


def lines(
    name: str, title: str, alt_text: str, table: pl.DataFrame, *, x: str, label: str, x_title: str = "",
    log: bool = False, whole: bool = False,
) -> Chart:  # fmt: skip
    """A line per rung with its interval. table: rung, ``x``, value, low, high; x_title: where not the column; whole:
    ``x`` holds whole numbers."""
    rungs = table["rung"].unique(maintain_order=True).to_list()
    base = alt.Chart(alt.InlineData(values=table.to_dicts()))
    scale = alt.Scale(type="log", nice=False) if log else alt.Scale(zero=False, nice=False)
    axis = alt.Axis(tickMinStep=1, format="d") if whole else alt.Axis()
    across = alt.X(f"{x}:Q", title=f"{x_title or x}{' (log scale)' if log else ''}", scale=scale, axis=axis)
    # The same domain and legend for both, so that one legend is drawn.
    colour, shape = (
        channel("rung:N", title=None, sort=rungs).scale(domain=rungs).legend(orient="top", columns=3)
        for channel in (alt.Color, alt.Shape)
    )
    y = alt.Y("value:Q", title=label).scale(zero=False)
    tips = [alt.Tooltip("rung:N"), alt.Tooltip(f"{x}:Q"), alt.Tooltip("value:Q", title=label, format=".4f")]
    ends = {"y": alt.Y("low:Q", title=label), "y2": "high:Q"}
    layers = [
        base.mark_rule(strokeWidth=1.5).encode(x=across, color=colour, **ends),
        base.mark_line(strokeWidth=2).encode(x=across, y=y, color=colour),
        base.mark_point(filled=True, size=60, opacity=1).encode(x=across, y=y, color=colour, shape=shape, tooltip=tips),
    ]
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return Chart(slug, title, finish(alt.layer(*layers), alt_text), alt_text, table)


def effort_scatter(points: pl.DataFrame, label: str, line: Sequence[str] = ()) -> tuple[dict[str, Any], str]:
    """Accuracy against CPU seconds; (specification, text for those who cannot see it).

    points: rung, value, ci_low, ci_high, cpu_s, shipped (drawn as a blue diamond). line: rungs that one is drawn
    through. label: what the value is.
    """
    x = alt.X("cpu_s:Q", title="CPU seconds, fit + recommend (log scale)")
    x = x.scale(type="log", padding=PADDING, nice=False)
    top = float(points.select(pl.max_horizontal(pl.max("value"), pl.max("ci_high"))).item()) * 1.05 or 1.0
    y = alt.Y("value:Q", title=label).scale(domain=[0, top], nice=False)
    colour = alt.condition("datum.shipped", alt.value(BLUE), alt.value(GREY))
    shape = alt.condition("datum.shipped", alt.value("diamond"), alt.value("circle"))
    base = alt.Chart(alt.InlineData(values=points.to_dicts())).encode(x=x)
    ends = {"y": alt.Y("ci_low:Q", title=label), "y2": "ci_high:Q"}
    marks = {"y": y, "color": colour, "shape": shape, "tooltip": tooltip(label, cpu=True)}
    layers = [
        base.mark_rule(strokeWidth=1.5).encode(color=colour, **ends),
        base.mark_point(filled=True, size=110, opacity=1).encode(**marks),
    ]
    if len(line) > 1:
        through = base.transform_filter(alt.FieldOneOfPredicate(field="rung", oneOf=list(line)))
        layers.insert(0, through.mark_line(color=GREY, strokeDash=[5, 4]).encode(y=y))
    for (align, dy), rungs in _labels(points, top).items():
        named = base.transform_filter(alt.FieldOneOfPredicate(field="rung", oneOf=rungs))
        text = named.mark_text(align=align, dx=7 if align == "left" else -7, dy=dy, fontSize=12)
        layers.append(text.encode(y=y, text="rung:N"))
    best = points.sort("value", descending=True, maintain_order=True).row(0, named=True)
    cheap = points.sort("cpu_s", maintain_order=True).row(0, named=True)
    alt_text = (
        f"Scatter chart of {points.height} rungs, {label} against CPU seconds. Most accurate: {best['rung']}, "
        f"{number(best['value'])} for {best['cpu_s']:.2g} seconds. Cheapest: {cheap['rung']}, "
        f"{number(cheap['value'])} for {cheap['cpu_s']:.2g} seconds."
    )
    return finish(alt.layer(*layers), alt_text), alt_text


def finish(chart: alt.LayerChart | alt.FacetChart, alt_text: str) -> dict[str, Any]:
    """The specification: as wide as the page, with the text for those who cannot see it."""
    return dict(chart.properties(width="container", height=HEIGHT, description=alt_text).to_dict())


def tooltip(label: str, cpu: bool = False) -> list[alt.Tooltip]:
    """What pointing at a mark shows: rung, value, interval, and the queries or, with ``cpu``, the CPU seconds."""
    numbers = {"value": label, "ci_low": "95% low", "ci_high": "95% high"}
    last = alt.Tooltip("cpu_s:Q", title="CPU s", format=".3g") if cpu else alt.Tooltip("n_queries:Q", title="queries")
    tips = [alt.Tooltip(f"{field}:Q", title=title, format=".4f") for field, title in numbers.items()]
    return [alt.Tooltip("rung:N"), *tips, last]


def _labels(points: pl.DataFrame, top: float) -> dict[tuple[Side, int], list[str]]:
    """Names by where they stand beside their point, (edge that touches it, pixels down), so that on a phone too
    no two overlap where that can be had: each takes the nearest free place, the most accurate first."""
    ordered = points.sort("value", descending=True, maintain_order=True)
    x = np.log10(ordered["cpu_s"].to_numpy())
    x = (x - x.min()) / max(x.max() - x.min(), 1e-9) * PHONE_WIDTH
    y = (1 - ordered["value"].to_numpy() / top) * HEIGHT
    axis = (-PADDING, HEIGHT - 4, PHONE_WIDTH + PADDING, HEIGHT + 40)
    taken = [axis, *((a - 6, b - 6, a + 6, b + 6) for a, b in zip(x, y, strict=True))]
    places: dict[tuple[Side, int], list[str]] = {}
    for name, a, b in zip(ordered["rung"], x, y, strict=True):
        width = 6.5 * len(name)
        sides: list[Side] = ["left", "right"] if a < PHONE_WIDTH * 0.6 else ["right", "left"]
        free = [(side, dy, (a + 8 if side == "left" else a - 8 - width, b + dy - 6)) for dy in SHIFTS for side in sides]
        boxes = [(left, up, left + width, up + 12) for _, _, (left, up) in free]
        chosen = next((i for i, box in enumerate(boxes) if not any(_overlap(box, t) for t in taken)), 0)
        taken.append(boxes[chosen])
        places.setdefault(free[chosen][:2], []).append(name)
    return places


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
