"""Charts of studies and comparisons, as Vega-Lite by altair; colours of text and palette come from the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import altair as alt
import numpy as np
import polars as pl

from recommender.experiment.run_tables import number
from recommender.models.colours import colour as colour_of
from recommender.names import ROUTER
from recommender.studies.engine.finding import Chart, slug

GREY, BLUE = "#82878f", "#3b82d6"  # 3:1 or more on both page backgrounds
HEIGHT, PADDING = 320, 60  # pixels
PHONE_WIDTH = 180  # pixels between the cheapest and the dearest point on a phone
SHIFTS = (0, -11, 11, -20, 20, -30, 30, -42, 42, -54, 54)  # pixels that a name may stand above or below its point
MIN_CPU_S = 0.001  # a log axis has no zero
NAMES = {"cpu_s": ("CPU s", ".3g"), "n": ("lists", ",")}  # column -> what a tooltip calls it, its format
Side = Literal["left", "right"]
# The page's filter: empty, or the rung that stands out. FADED: of the others.
FADED = 0.12
RUNG = alt.param(name="rung", value="")


def standing_out(opacity: float = 1.0, also: str = "false") -> Any:
    """Opacity of marks that have a rung, when one is chosen; also: of which others it is kept."""
    return alt.condition(f"!rung || datum.rung === rung || {also}", alt.value(opacity), alt.value(FADED))


def lines(
    name: str, title: str, alt_text: str, table: pl.DataFrame, *, x: str, label: str, x_title: str = "",
    log: bool = False, whole: bool = False, ahead: pl.DataFrame | None = None, target: float | None = None,
) -> Chart:  # fmt: skip
    """A line per rung with its interval. table: rung, ``x``, value, low, high; x_title: where not the column; whole:
    ``x`` holds whole numbers; ahead: forecasts, a row per rung with the same columns; target: where a line is drawn."""
    rungs = table["rung"].unique(maintain_order=True).to_list()
    base = alt.Chart(alt.InlineData(values=table.to_dicts()))
    scale = alt.Scale(type="log", nice=False) if log else alt.Scale(zero=False, nice=False)
    axis = alt.Axis(tickMinStep=1, format="d") if whole else alt.Axis()
    across = alt.X(f"{x}:Q", title=f"{x_title or x}{' (log scale)' if log else ''}", scale=scale, axis=axis)
    hues: dict[str, Any] = {"domain": rungs, "range": [colour_of(r) for r in rungs]}
    # The same domain and legend for both, so that one legend is drawn.
    colour, shape = (
        channel("rung:N", title=None, sort=rungs).scale(**scale_).legend(orient="top", columns=3)
        for channel, scale_ in ((alt.Color, hues), (alt.Shape, {"domain": rungs}))
    )
    y = alt.Y("value:Q", title=label).scale(zero=True)
    tips = [alt.Tooltip("rung:N"), alt.Tooltip(f"{x}:Q"), alt.Tooltip("value:Q", title=label, format=".4f")]
    ends = {"y": alt.Y("low:Q", title=label), "y2": "high:Q"}
    clear = standing_out()
    layers = [
        base.mark_rule(strokeWidth=1.5).encode(x=across, color=colour, opacity=clear, **ends),
        base.mark_line(strokeWidth=2).encode(x=across, y=y, color=colour, opacity=clear),
        base.mark_point(filled=True, size=60).encode(
            x=across, y=y, color=colour, shape=shape, opacity=clear, tooltip=tips
        ),
    ]
    if ahead is not None and ahead.height:
        last = table.sort(x).group_by("rung", maintain_order=True).last().select("rung", x, "value")
        joined = pl.concat([last, ahead.with_columns(pl.col(x).cast(last[x].dtype))], how="diagonal")
        further = alt.Chart(alt.InlineData(values=joined.to_dicts())).encode(x=across)
        layers.append(further.mark_line(strokeDash=[4, 3]).encode(y=y, color=colour, opacity=clear))
        band = further.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=6)
        layers.append(band.encode(color=colour, opacity=standing_out(0.35), tooltip=tips, **ends))
    if target is not None:
        goal = alt.Chart(alt.InlineData(values=[{"value": target}]))
        layers.append(goal.mark_rule(color=GREY, strokeDash=[2, 3]).encode(y=y))
    return Chart(slug(name), title, finish(alt.layer(*layers).add_params(RUNG), alt_text), alt_text, table)


def effort_scatter(points: pl.DataFrame, label: str, group: str = "all", metric: str = "") -> dict[str, Any]:
    """Accuracy against CPU seconds, with intervals and the frontier: rungs that nothing cheaper beats.

    points: rung, group, metric, value, low, high, n, cpu_s, ships. Of several groups of users or metrics the page
    shows one at a time: its filters set the parameters ``group`` and ``metric`` (empty: the one given here), and
    ``rung``, which stands out. label: what the value is.
    """
    first_metric, clear = metric or str(points["metric"][0]), standing_out(also="datum.ships")
    parts = [_placed(part) for _, part in points.group_by("group", "metric", maintain_order=True)]
    shown = pl.concat(parts).with_columns(pl.col("cpu_s").clip(MIN_CPU_S))
    rungs = shown["rung"].unique(maintain_order=True).to_list()
    x = alt.X("cpu_s:Q", title="CPU seconds, fit + recommend (log scale)")
    x = x.scale(type="log", padding=PADDING, nice=False)
    y = alt.Y("value:Q", title=label).scale(zero=True, nice=False)
    colour = alt.Color("rung:N", legend=None).scale(domain=rungs, range=[colour_of(r) for r in rungs])
    shape = alt.condition("datum.ships", alt.value("diamond"), alt.value("circle"))
    size = alt.condition("datum.ships", alt.value(220), alt.value(90))
    base = (
        alt.Chart(alt.InlineData(values=shown.to_dicts()))
        .transform_filter(
            f"datum.group === group && datum.metric === (metric || '{first_metric}') && isValid(datum.value)"
        )
        .encode(x=x)
    )
    text: dict[str, Any] = {name: alt.ExprRef(f"datum.{name}") for name in ("dx", "dy", "align")}
    layers = [
        base.transform_filter("datum.frontier").mark_line(color=GREY, strokeDash=[5, 4]).encode(y=y),
        base.mark_rule(strokeWidth=1.5).encode(y=alt.Y("low:Q", title=label), y2="high:Q", color=colour, opacity=clear),
        base.mark_point(filled=True, stroke=GREY, strokeWidth=1).encode(
            y=y, color=colour, shape=shape, size=size, opacity=clear, tooltip=tooltip(label, "cpu_s", "n")
        ),
        base.mark_text(fontSize=12, **text).encode(y=y, text="name:N", opacity=clear),
    ]
    chosen = [alt.param(name="group", value=group), alt.param(name="metric", value=""), RUNG]
    first = shown.filter(group=group, metric=first_metric).drop_nulls("value")
    best = first.sort("value", descending=True, maintain_order=True).row(0, named=True)
    cheap = first.sort("cpu_s", maintain_order=True).row(0, named=True)
    line = ", ".join(first.filter("frontier").sort("cpu_s")["name"])
    alt_text = (
        f"Scatter chart of {first.height} rungs, {label} against CPU seconds. Most accurate: {best['name']}, "
        f"{number(best['value'])} for {best['cpu_s']:.2g} seconds. Cheapest: {cheap['name']}, "
        f"{number(cheap['value'])} for {cheap['cpu_s']:.2g} seconds. On the frontier: {line}."
    )
    return finish(alt.layer(*layers).add_params(*chosen), alt_text)


def frontier(points: pl.DataFrame) -> list[str]:
    """Rungs that nothing cheaper beats, cheapest first. points: rung, value, cpu_s."""
    ordered = points.sort("cpu_s", maintain_order=True)
    before = ordered["value"].cum_max().shift(1).fill_null(-np.inf)
    return ordered.filter(ordered["value"] > before)["rung"].to_list()


def finish(chart: alt.LayerChart | alt.FacetChart | alt.Chart, alt_text: str, height: int = HEIGHT) -> dict[str, Any]:
    """The specification: as wide as the page, with the text for those who cannot see it."""
    return dict(chart.properties(width="container", height=height, description=alt_text).to_dict())


def tooltip(label: str, *more: str) -> list[alt.Tooltip]:
    """Rung, value with its 95% interval, then more columns of ``NAMES``."""
    numbers = {"value": label, "low": "95% low", "high": "95% high"}
    tips = [alt.Tooltip(f"{field}:Q", title=title, format=".4f") for field, title in numbers.items()]
    return [alt.Tooltip("rung:N"), *tips, *(alt.Tooltip(f"{c}:Q", title=NAMES[c][0], format=NAMES[c][1]) for c in more)]


def _placed(points: pl.DataFrame) -> pl.DataFrame:
    """Adds name, frontier, and where the name stands (``place_names``), the most accurate first."""
    known = points.drop_nulls("value")
    named = points.with_columns(
        name=pl.col("rung").replace({ROUTER: "what ships"}), frontier=pl.col("rung").is_in(frontier(known))
    )
    ordered = named.drop_nulls("value").sort("value", descending=True, maintain_order=True)
    top = float(ordered.select(pl.max_horizontal(pl.max("value"), pl.max("high")).fill_null(1.0)).item() or 1.0)
    x = np.log10(ordered["cpu_s"].clip(MIN_CPU_S).to_numpy())
    x = (x - x.min(initial=0)) / max(np.ptp(x) if len(x) else 0, 1e-9) if len(x) else x
    y = 1 - ordered["value"].to_numpy() / top
    where_ = place_names(ordered["name"].to_list(), list(x), list(y))
    rows = [(rung, w["dx"], w["dy"], w["align"]) for rung, w in zip(ordered["rung"], where_, strict=True)]
    schema = {"rung": pl.String, "dx": pl.Int64, "dy": pl.Int64, "align": pl.String}
    where = pl.DataFrame(rows, schema=schema, orient="row")
    return named.join(where, on="rung", how="left", maintain_order="left")


def place_names(names: Sequence[str], x: Sequence[float], y: Sequence[float]) -> list[dict[str, Any]]:
    """Where each name stands beside its point (dx, dy, align), so that on a phone too no two overlap where that can be
    had: each takes the nearest free place, in turn. Wider charts only move points apart. x, y: 0 to 1, from the left
    and from the top."""
    points = [(a * PHONE_WIDTH, b * HEIGHT) for a, b in zip(x, y, strict=True)]
    axis = (-PADDING, HEIGHT - 4, PHONE_WIDTH + PADDING, HEIGHT + 40)
    taken = [axis, *((a - 7, b - 7, a + 7, b + 7) for a, b in points)]
    places = []
    for name, (a, b) in zip(names, points, strict=True):
        width = 6.7 * len(name)
        sides: list[Side] = ["left", "right"] if a < PHONE_WIDTH * 0.6 else ["right", "left"]
        free = [(side, dy, (a + 9 if side == "left" else a - 9 - width, b + dy - 7)) for dy in SHIFTS for side in sides]
        boxes = [(left, up, left + width, up + 14) for _, _, (left, up) in free]
        inside = [box[0] > -PADDING and box[2] < PHONE_WIDTH + PADDING for box in boxes]
        clear = [ok and not any(_overlap(box, t) for t in taken) for ok, box in zip(inside, boxes, strict=True)]
        chosen = clear.index(True) if any(clear) else 0
        taken.append(boxes[chosen])
        side, dy, _ = free[chosen]
        places.append({"dx": 9 if side == "left" else -9, "dy": dy, "align": side})
    return places


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
