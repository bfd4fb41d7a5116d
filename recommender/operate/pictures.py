"""Pictures and tables of what is watched, for the page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import altair as alt
import numpy as np
import polars as pl

from recommender.operate.service import Rate
from recommender.operate.stream import Watched
from recommender.studies.charts import BLUE, GREY, finish
from recommender.studies.engine.finding import Chart, Grid, grid, slug

HEIGHT, RED = 160, "#c0392b"
_EPOCH = date(1970, 1, 1)


def picture(w: Watched) -> Chart:
    """The stream over time: grey before shipping, blue since, red from the day of an alarm on."""
    s = w.stream
    phase = np.where(s.days < s.shipped, "before shipping", "since")
    if w.alarm is not None:
        phase = np.where(s.days >= w.alarm, "alarm", phase)
    table = pl.DataFrame({
        "day": [str(_EPOCH + timedelta(days=int(d))) for d in s.days], "value": s.shown, "phase": phase,
        "evidence": w.evidence / w.threshold,
    }).fill_nan(None).drop_nulls("value")  # fmt: skip
    base = alt.Chart(alt.InlineData(values=table.to_dicts())).encode(x=alt.X("day:T", title=None))
    scale = alt.Scale(domain=["before shipping", "since", "alarm"], range=[GREY, BLUE, RED])
    y = alt.Y("value:Q", title=s.name).scale(zero=False)
    tips = [alt.Tooltip("day:T"), alt.Tooltip("value:Q", format=".4g"),
            alt.Tooltip("evidence:Q", title="evidence, 1 = alarm", format=".2g")]  # fmt: skip
    colour = alt.Color("phase:N", title=None, scale=scale).legend(orient="top")
    layers = [base.mark_line(color=GREY, strokeWidth=1).encode(y=y),
              base.mark_point(filled=True, size=35, opacity=1).encode(y=y, color=colour, tooltip=tips)]  # fmt: skip
    text = f"{s.label[:1].upper()}{s.label[1:]} by day: {w.before:.3g} before shipping, {w.since:.3g} since."
    return Chart(slug(f"stream {s.name}"), text, finish(alt.layer(*layers), text, HEIGHT), text, table)


def streams_grid(watched: Sequence[Watched]) -> Grid:
    """Everything of a part that is watched. Evidence 1 is an alarm."""
    rows = [
        [w.stream.name, f"{w.before:.3g}", f"{w.since:.3g}", f"{w.evidence.max(initial=0) / w.threshold:.2g}",
         "" if w.alarm is None else str(_EPOCH + timedelta(days=w.alarm))]
        for w in sorted(watched, key=lambda w: -w.evidence.max(initial=0))
    ]  # fmt: skip
    return grid("Watched; evidence of 1 is an alarm", ["what", "before", "since", "evidence", "alarm"], rows)


def rates_grid(rates: Sequence[Rate]) -> Grid:
    """Takes per shown place by group."""
    rows = [
        [f"{r.by}: {r.group}", f"{r.lists:,}", f"{r.rate:.2%} [{r.low:.2%}, {r.high:.2%}]",
         "–" if r.adjusted is None else f"{r.adjusted:.2%}"]
        for r in rates
    ]  # fmt: skip
    caption = "Takes per shown place, with 95% intervals; adjusted: per place that is looked at"
    return grid(caption, ["group", "lists", "rate", "adjusted"], rows)
