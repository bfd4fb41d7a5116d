"""Charts of studies, as Vega-Lite by altair; colours come from the page."""

from __future__ import annotations

import re

import altair as alt
import polars as pl

from recommender.studies.finding import Chart

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
