"""Moves on the calendar: when each is due at today's rate of interactions, what to prepare before, what to stop."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl

from recommender.experiment.facts import REACHED, untestable
from recommender.experiment.run_tables import GROUPS
from recommender.names import ALL
from recommender.planning.ranking import Chance
from recommender.studies.data_volume import SURE

NOW, DUE, MAY, NEVER, NO_RATE = "check now", "due", "may come", "not in sight", "no rate"
GOAL = "the goal"
WORKDAYS = 5  # of a week
_SCHEMA = {
    **dict.fromkeys(("site", "users", "move", "from", "verdict"), pl.String),
    **dict.fromkeys(("chance", "weeks", "weeks_low", "weeks_high"), pl.Float64),
    **dict.fromkeys(("due", "due_from", "due_by", "start_by"), pl.Date),
    **dict.fromkeys(("prepare", "stop", "note"), pl.String),
}
Row = Mapping[str, Any]


@dataclass(frozen=True)
class DatedMove:
    """``what`` takes over from ``over`` for a group of users, or reaches the goal. weeks, low, high: from today, None
    beyond ten times today's data; prepare: what must be built before; build_weeks: that it takes one person, at the 95%
    end, so that it is ready at the earliest due date; stop: what serves nobody afterwards."""

    site: str
    bucket: str
    what: str
    over: str
    verdict: str
    share: float
    weeks: float | None
    low: float | None
    high: float | None
    prepare: tuple[str, ...] = ()
    build_weeks: float = 0.0
    stop: str = ""
    note: str = ""


def moves(
    facts: pl.DataFrame, needs: Mapping[str, Sequence[str]], chances: Mapping[str, Chance], stop_here: bool
) -> list[DatedMove]:
    """facts: of one site; needs: option -> everything that must be there before and is not; stop_here: a rule
    reaches the goal, so that moves are not needed for it. What ships already is no move, nor is a goal that is
    reached or that these data cannot test."""
    rows = facts.to_dicts()
    rate = next((r for r in rows if r["topic"] == "rate"), None)
    ships = {r["what"] for r in rows if r["topic"] == "ships"} | {r["reason"] for r in rows if r["topic"] == "ships"}
    open_goal = any(r["topic"] == "goal" and r["verdict"] != REACHED and not untestable(r) for r in rows)
    leads = {r["over"] for r in rows if r["topic"] == "ahead" and r["over"] != GOAL}
    steps = []
    for r in (r for r in rows if r["topic"] == "ahead"):
        goal = r["over"] == GOAL
        if stop_here or not open_goal if goal else r["what"] in ships:
            continue
        weeks = [_weeks(r[end], rate) for end in ("value", "low", "high")]
        before = () if goal else (*needs.get(r["what"], ()), r["what"])
        spans = [chances[b].days for b in before if b in chances]
        last = not goal and r["bucket"] == ALL and len(leads) == 1  # it leads in no other group
        steps.append(DatedMove(
            r["site"], r["bucket"], r["what"], r["over"], _verdict(r["extra"], weeks, rate), r["extra"],
            weeks[0], weeks[1], weeks[2], before, sum(days[2] for days in spans if days) / WORKDAYS,
            r["over"] if last else "", "the goal is reached without it" if stop_here and not goal else "",
        ))  # fmt: skip
    return sorted(steps, key=lambda m: (m.verdict == NEVER, m.weeks is None, m.weeks or 0.0, m.bucket, m.what))


def table(steps: Sequence[DatedMove], today: date) -> pl.DataFrame:
    """The moves with dates, for roadmap.csv and the page."""
    rows = []
    for m in steps:
        due, first, last = (_day(today, weeks) for weeks in (m.weeks, m.low, m.high))
        earliest = first if first is not None else due
        start = None
        if m.prepare and earliest is not None and m.verdict == DUE:  # what only may come is looked at again first
            start = max(today, earliest - timedelta(weeks=m.build_weeks))
        rows.append((
            m.site, GROUPS[m.bucket], m.what, m.over, m.verdict, m.share, m.weeks, m.low, m.high, due, first, last,
            start, ", ".join(m.prepare), m.stop, m.note,
        ))  # fmt: skip
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def _weeks(at: float | None, rate: Row | None) -> float | None:
    if at is None or rate is None or not rate["value"]:
        return None
    return max(0.0, float(at - rate["n"]) / float(rate["value"]))


def _verdict(share: float, weeks: Sequence[float | None], rate: Row | None) -> str:
    if rate is None or not rate["value"]:
        return NO_RATE
    if weeks[0] == 0 and share >= SURE:
        return NOW  # ahead on the curves today, and does not ship
    return DUE if share >= SURE else MAY if share >= 0.5 else NEVER


def _day(today: date, weeks: float | None) -> date | None:
    """The day so many weeks from now; None beyond what a calendar holds."""
    if weeks is None or weeks > 52 * 100:
        return None
    return today + timedelta(days=math.ceil(7 * weeks))
