"""What could be done next at one site: rungs and parts that do not ship, what is no code, and the team's own ideas."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import polars as pl

from recommender.config import Scenario
from recommender.experiment.facts import GAIN, UNKNOWN
from recommender.experiment.value import POINT
from recommender.planning.estimates import TeamEstimate

MEASURED, ESTIMATED, NEITHER = "measured", "estimated", "neither measured nor estimated"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Proposal:
    """gain: of the scenario's metric, value and 95% interval, None where nobody knows; source: where it comes from.
    group: proposals of one group give the same thing another way, so their gains overlap. needs: what must be there
    before and is not. estimates, stated: person-days of the team, else of the configuration. reason: why it is not
    ranked, empty where it is."""

    what: str
    kind: str  # rung, part, action, idea or need
    group: str
    gain: tuple[float, float, float] | None
    source: str
    over: str
    confirmed: bool  # not a gain of the test period only
    needs: tuple[str, ...] = ()
    estimates: Sequence[TeamEstimate] = field(default_factory=tuple)
    stated: tuple[float, float] | None = None
    reason: str = ""


def proposals(
    facts: pl.DataFrame, scenario: Scenario, estimates: Mapping[str, Sequence[TeamEstimate]], built: Collection[str]
) -> list[Proposal]:
    """facts: of one site; built: options that are finished. What ships is none; what is built, or lacks days or a
    gain, is listed with the reason that it is not ranked, as is what others need."""
    rows = facts.to_dicts()
    ships = {r["what"] for r in rows if r["topic"] == "ships"} | {r["reason"] for r in rows if r["topic"] == "ships"}
    there = {*ships, *built} - {""}
    options = [_proposal(p, scenario, estimates, there, built) for p in _known(rows, scenario, ships)]
    names = {p.what for p in options} | ships
    ideas = [_unknown(what, "idea") for what in estimates if what not in names]
    options += [_proposal(p, scenario, estimates, there, built) for p in ideas]
    names = {p.what for p in options}
    lacking = dict.fromkeys(name for p in options for name in p.needs if name not in names)
    return options + [_proposal(_unknown(name, "need"), scenario, estimates, there, built) for name in lacking]


def closed(what: str, needs: Mapping[str, Sequence[str]], there: Collection[str]) -> tuple[str, ...]:
    """Everything that must be there before ``what`` and is not, also what that needs, in the order of building."""
    order: list[str] = []

    def visit(one: str, path: tuple[str, ...]) -> None:
        for before in needs.get(one, ()):
            if before not in there and before not in order and before not in path:
                visit(before, (*path, before))
                order.append(before)

    visit(what, (what,))
    return tuple(order)


def _known(rows: Sequence[Row], scenario: Scenario, ships: Collection[str]) -> Iterator[Proposal]:
    for r in (r for r in rows if r["topic"] == "build"):
        confirmed = r["verdict"] != "open" or "test period only" not in r["over"]
        group = "rung" if r["split"] == "rung" else r["what"]  # rungs compete for the same lists
        gain = None if r["value"] is None else (r["value"], r["low"], r["high"])
        yield Proposal(r["what"], r["split"], group, gain, MEASURED, r["over"], confirmed)
    assets = {r["what"]: r for r in rows if r["topic"] == "asset" and r["value"] is not None}
    for what, asset in scenario.plan.actions.items():
        row = assets.get(asset or "")
        if row is None:
            yield _unknown(what, "action")
            continue
        gain = (row["value"], row["low"], row["high"])
        yield Proposal(
            what,
            "action",
            str(asset),
            gain,
            f"an upper limit: “{asset}” is worth that much today, more of it may bring less",
            row["over"],
            row["verdict"] == GAIN,
        )


def _unknown(what: str, kind: str) -> Proposal:
    return Proposal(what, kind, what, None, UNKNOWN, "", False)


def _proposal(
    p: Proposal, scenario: Scenario, estimates: Mapping[str, Sequence[TeamEstimate]], there: Collection[str],
    built: Collection[str],
) -> Proposal:  # fmt: skip
    """The option with the team's days, what it needs, and its estimated gain where none is measured."""
    mine, stated = estimates.get(p.what, ()), scenario.person_days.get(p.what)
    gain, source, confirmed = p.gain, p.source, p.confirmed
    impacts = sorted(e.impact for e in mine if e.impact is not None)
    if gain is None and impacts:
        guess = median(impacts)  # nobody has seen it: from nothing, or the lowest guess, to twice as much
        gain = (guess * POINT, min(0.0, impacts[0]) * POINT, max(2 * guess, impacts[-1]) * POINT)
        source, confirmed = ESTIMATED, True
    reason = "is built, and does not ship" if p.what in built else "gain " + NEITHER if gain is None else ""
    if not reason and not mine and (stated is None or sum(stated) <= 0):
        reason = "days not stated"
    needs = closed(p.what, scenario.plan.needs, there)
    source = source if gain else NEITHER
    return Proposal(p.what, p.kind, p.group, gain, source, p.over, confirmed, needs, tuple(mine), stated, reason)
