"""Charts of studies, as Vega-Lite by altair; colours come from the page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import altair as alt
import numpy as np
import polars as pl

from recommender.experiment.run_tables import number
from recommender.studies.engine.finding import Chart

HEIGHT = 320  # pixels


def lines(
    name: str,
    title: str,
    alt_text: str,
    table: pl.DataFrame,
    *,
    x: str,
    label: str,
    x_title: str = "",
    log: bool = False,
    whole: bool = False,
) -> Chart:
    """A line per rung with its interval. table: rung, ``x``, value, low, high; x_title: where not the column; whole:
    ``x`` holds whole numbers."""
    rungs = table["rung"].unique(maintain_order=True).to_list()
    base = alt.Chart(alt.InlineData(values=table.to_dicts()))
    scale = alt.Scale(type="log", nice=False) if log else alt.Scale(zero=False, nice=False)
    axis = alt.Axis(tickMinStep=1, format="d") if whole else alt.Axis()
    across = alt.X(f"{x}:Q", title=f"{x_title or x}{' (log scale)' if log else ''}", scale=scale, axis=axis)
    # The same domain and legend for both, so that one legend is drawn.
    colour = alt.Color("rung:N", title=None, sort=rungs).scale(domain=rungs).legend(orient="top", columns=3)
    shape = alt.Shape("rung:N", title=None, sort=rungs).scale(domain=rungs).legend(orient="top", columns=3)
    y = alt.Y("value:Q", title=label).scale(zero=False)
    shown = [alt.Tooltip("rung:N"), alt.Tooltip(f"{x}:Q"), alt.Tooltip("value:Q", title=label, format=".4f")]
    layers = [
        base.mark_rule(strokeWidth=1.5).encode(x=across, y=alt.Y("low:Q", title=label), y2="high:Q", color=colour),
        base.mark_line(strokeWidth=2).encode(x=across, y=y, color=colour),
        base.mark_point(filled=True, size=60, opacity=1).encode(
            x=across, y=y, color=colour, shape=shape, tooltip=shown
        ),
    ]
    drawn = alt.layer(*layers).properties(width="container", height=HEIGHT, description=alt_text)
    return Chart(re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-"), title, dict(drawn.to_dict()), alt_text, table)


GREY = "#82878f"  # these two: 3:1 or more on both page backgrounds


BLUE = "#3b82d6"


HEIGHT, PADDING = 320, 45  # pixels


SHIFTS = (0, -10, 10, -18, 18, -26, 26)  # pixels that a name may stand above or below its point


MIN_CPU_S = 0.001  # a log axis has no zero


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


def finish(chart: alt.LayerChart | alt.FacetChart, alt_text: str) -> dict[str, Any]:
    """The specification: as wide as the page, with the text for those who cannot see it."""
    return dict(chart.properties(width="container", height=HEIGHT, description=alt_text).to_dict())


PHONE_WIDTH = 180  # of the space between the cheapest and the dearest point there


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
