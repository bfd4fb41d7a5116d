"""A plan as rows of the table of facts, and pairs of rows of a page with a plan that cannot both hold.

option     what could be done next; value, low, high: its gain; target: chance to be the best, extra: to be among the
           best three; verdicts likely, maybe, unlikely, not ranked (reason)
days       person-days of an option, corrected by the team's factor; verdicts estimated, stated, not stated
due        a move; value, low, high: weeks from today; extra: share of the resamples; verdicts of ``roadmap``
viability  a line of the sheet; verdicts yes, no, open
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from recommender.experiment import consistency
from recommender.experiment import facts as base
from recommender.experiment.facts import LOSS, SCHEMA, Row
from recommender.experiment.value import NOT_STATED
from recommender.names import ALL
from recommender.planning.ranking import LIKELY, MAYBE, PICKS
from recommender.planning.roadmap import DUE, GOAL, MAY
from recommender.planning.site_plan import SitePlan
from recommender.planning.viability import MISSING, NO, RULE, START, YES

LIKELY_, MAYBE_, UNLIKELY, NOT_RANKED = "likely", "maybe", "unlikely", "not ranked"


def plan_facts(plan: SitePlan) -> pl.DataFrame:
    """The rows of one site."""
    blank = {**dict.fromkeys(SCHEMA), **dict.fromkeys(("over", "metric", "split", "reason", "verdict"), "")}
    blank |= {"site": plan.site, "bucket": ALL}
    rows = [{**blank, **row} for rows in (_options(plan), _due(plan), _sheet(plan)) for row in rows]
    return pl.DataFrame(rows, schema=SCHEMA)


def verdict(best: float) -> str:
    """A chance to be among the best three, as a word."""
    return LIKELY_ if best >= LIKELY else MAYBE_ if best >= MAYBE else UNLIKELY


def _options(plan: SitePlan) -> Iterator[Row]:
    for p, chance in plan.options:
        value, low, high = p.gain or (None, None, None)
        where = {"what": p.what, "over": p.over, "metric": plan.problem.metric, "split": p.kind}
        ends = {"value": value, "low": low, "high": high}
        outcome = NOT_RANKED if p.reason else verdict(chance.best)
        reason = p.reason or p.source
        yield {"topic": "option", **where, **ends, "extra": chance.best, "target": chance.first, "verdict": outcome,
               "n": len(p.estimates), "reason": reason}  # fmt: skip
        days = {"topic": "days", "what": p.what, "metric": "person_days", "n": len(p.estimates)}
        if chance.days is None:
            yield {**days, "verdict": NOT_STATED}
        else:
            middle, first, last = chance.days
            yield {
                **days,
                "value": middle,
                "low": first,
                "high": last,
                "verdict": "estimated" if p.estimates else "stated",
            }


def _due(plan: SitePlan) -> Iterator[Row]:
    for m in plan.moves:
        ends = {"value": m.weeks, "low": m.low, "high": m.high, "extra": m.share}
        yield {"topic": "due", "bucket": m.bucket, "what": m.what, "over": m.over, **ends, "verdict": m.verdict,
               "reason": m.note}  # fmt: skip


def _sheet(plan: SitePlan) -> Iterator[Row]:
    for a in plan.sheet:
        yield {"topic": "viability", "what": a.question, "over": a.what, "metric": str(a.numbers.get("harm", "")),
               "verdict": a.verdict}  # fmt: skip


def contradictions(facts: pl.DataFrame) -> list[str]:
    """Those of ``experiment.consistency``, and of the plan with itself and with what was measured."""
    faults = consistency.contradictions(facts)
    rows = facts.to_dicts()
    for site in facts["site"].unique(maintain_order=True):
        here = [r for r in rows if r["site"] == site]
        faults += [
            f"{fault}: {consistency.label(r)}" for r in here for fault, holds in _faults(r, here).items() if holds
        ]
        if sum(r["extra"] or 0.0 for r in here if r["topic"] == "option") > PICKS + 1e-9:
            faults.append(f"more than {PICKS} are among the best {PICKS}: {site}")
    return faults


def _faults(r: Row, here: Sequence[Row]) -> dict[str, bool]:
    """Fault -> whether the row has it, among the rows of its site."""
    ships = {o["what"] for o in here if o["topic"] == "ships"} | {o["reason"] for o in here if o["topic"] == "ships"}
    stop = any(o["topic"] == "viability" and o["what"] == RULE and o["verdict"] == YES for o in here)
    option, due = r["topic"] == "option", r["topic"] == "due"
    alike = [o for o in here if o["what"] == r["what"]]
    build = next((o for o in alike if o["topic"] == "build"), None)
    days = next((o for o in alike if o["topic"] == "days"), None)
    goal = next((o for o in here if o["topic"] == "goal"), None)
    blind = goal is not None and base.untestable(goal)
    ranked = option and r["verdict"] in (LIKELY_, MAYBE_, UNLIKELY)
    return {
        "an option, and ships": option and r["what"] in ships,
        "a chance that is none": option and not (0 <= (r["target"] or 0) <= (r["extra"] or 0) <= 1),
        "ranked without days": ranked and (days is None or days["verdict"] == NOT_STATED),
        "not ranked without a reason": option and r["verdict"] == NOT_RANKED and not r["reason"],
        "likely to be best, and shown to lose": option and r["verdict"] == LIKELY_ and bool(build)
        and build["verdict"] == LOSS,  # type: ignore[index]
        "two gains of one option": option and bool(build) and build["value"] != r["value"],  # type: ignore[index]
        "due, and ships": due and r["over"] != GOAL and r["what"] in ships,
        "due without a time": due and r["verdict"] == DUE and r["value"] is None,
        "due, and another is forecast": due and not any(
            o["topic"] == "ahead" and (o["bucket"], o["over"], o["extra"]) == (r["bucket"], r["over"], r["extra"])
            for o in alike
        ),
        "due for a goal that is reached or cannot be tested": due and r["over"] == GOAL
        and (goal is None or blind or goal["verdict"] == base.REACHED),
        "to be built for a goal that is reached": due and stop and r["verdict"] in (DUE, MAY)
        and r["over"] != GOAL and not r["reason"],
        "can be started, and something is missing": r["topic"] == "viability" and r["what"] == START
        and r["verdict"] == YES and any(o["topic"] == "viability" and o["over"] in MISSING for o in here),
        "a rule is or is not enough, for a goal that cannot be tested": r["topic"] == "viability"
        and r["what"] == RULE and r["verdict"] in (YES, NO) and blind,
    }  # fmt: skip
