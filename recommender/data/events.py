"""Which kinds of event count as taken; the others are kept beside the interactions."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import polars as pl

from recommender.data.findings import Findings
from recommender.data.spec import Spec, Threshold
from recommender.data.threshold import threshold
from recommender.errors import nearest

log = logging.getLogger(__name__)


def positive_of(spec: Spec, events: Sequence[str] | None) -> Threshold:
    """What counts as taken: the caller's events before the data set's own, with the data set's own bound."""
    stated = spec.positive if isinstance(spec.positive, Threshold) else Threshold(event=spec.positive)
    return stated if events is None else Threshold(event=list(events), weight=stated.weight)


def split_events(findings: Findings, frame: pl.DataFrame, positive: Threshold) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(what counts as taken, the other events)."""
    if positive.event is None and positive.weight is None:
        return frame, frame.clear()
    if positive.event is not None:
        there = frame["event"].unique().sort().to_list()
        absent = [e for e in positive.event if e not in there]
        if frame.height and len(absent) == len(positive.event):
            advice = f"None of the positive events is in the data: {', '.join(positive.event)}"
            close = nearest(positive.event[0], there) if absent else "; the list is empty."
            findings.problem("interactions", "event", "unknown_event", frame.height, f"{advice}{close}")
        elif frame.height and absent:
            log.warning("positive events that the data does not have: %s", ", ".join(absent))
    took = taken(positive)
    return frame.filter(took), frame.filter(~took)


def taken(positive: Threshold) -> pl.Expr:
    """Whether an interaction counts as taken."""
    took = pl.lit(True) if positive.weight is None else threshold(positive.weight)
    return took if positive.event is None else took & pl.col("event").is_in(positive.event)
