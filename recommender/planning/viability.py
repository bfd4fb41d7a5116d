"""Is this problem one for a recommender that learns, and can it be started? Answers from the facts of a train."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from recommender.evaluation.metric_table import metric_label
from recommender.experiment.facts import MISSED, REACHED, simplest, untestable
from recommender.experiment.run_folder import RunFolder
from recommender.experiment.value import NOT_STATED, tolerable
from recommender.names import ALL, ROUTER

YES, NO, OPEN = "yes", "no", "open"
START = "Can you start?"
LABEL, ENOUGH, RULE, TOLERABLE = (
    "Is there a label?",
    "Is there enough of it?",
    "Is the rule-based answer enough?",
    "What error is tolerable?",
)
MISSING = ("no label", "few", "no times", "goal not testable")  # answers with which nothing can be started
Row = Mapping[str, Any]


@dataclass(frozen=True)
class SheetAnswer:
    """A line of the sheet. what: a key for its words in planning.html; numbers: what they need; must: whether it has to
    be ``yes`` before anything is started."""

    question: str
    verdict: str
    what: str
    numbers: Mapping[str, Any]
    must: bool = False


def answers(run: RunFolder, facts: pl.DataFrame) -> list[SheetAnswer]:
    """The sheet of one site, the verdict first. facts: of ``train_facts``, of the same run."""
    rows = facts.to_dicts()
    lines = [_label(run), _enough(run, rows), rule(run, rows), *_tolerable(run, rows), *_before(run, rows)]
    lacking = [a.what for a in lines if a.must and a.verdict == NO]
    verdict = NO if lacking else YES
    return [SheetAnswer(START, verdict, "not yet" if lacking else "start", {"lacking": lacking}), *lines]


def stop_here(sheet: Sequence[SheetAnswer]) -> bool:
    """Whether a rule reaches the goal, so that nothing more needs to be built for it."""
    return any(a.question == RULE and a.verdict == YES for a in sheet)


def _label(run: RunFolder) -> SheetAnswer:
    counted = dict(run.data_effort.select("measure", "value").iter_rows())
    summary = {f"n_{name}": counted.get(name, 0) for name in ("interactions", "users")} | run.data.get("summary", {})
    n = int(summary["n_interactions"])
    events = ", ".join(run.scenario.data.positive_events or ())
    numbers = {"n": n, "users": int(summary["n_users"]), "events": events}
    return SheetAnswer(LABEL, YES if n else NO, "label" if n else "no label", numbers, must=True)


def _enough(run: RunFolder, rows: Sequence[Row]) -> SheetAnswer:
    """Lists to decide by on validation, per group of users."""
    thin = run.scenario.decision.thin
    groups = [r for r in rows if r["topic"] == "ships"]
    few = [r["bucket"] for r in groups if r["n"] is not None and r["n"] < thin]
    tested = next((r for r in rows if r["topic"] == "goal"), None)
    n = tested["n"] if tested else 0
    numbers = {"n": n, "thin": thin, "few": few, "groups": len(groups)}
    verdict = NO if n < thin else OPEN if few else YES
    return SheetAnswer(
        ENOUGH, verdict, "enough" if verdict == YES else "some few" if verdict == OPEN else "few", numbers, must=True
    )


def rule(run: RunFolder, rows: Sequence[Row]) -> SheetAnswer:
    """Whether a rule reaches the goal: the simplest rung, or another of its recommender (popularity by occupation). The
    answer is about the first that does, else the most accurate; open where the goal cannot be tested."""
    problem, cheap = run.scenario.problem, simplest(run)
    kind = {r.name: r.recommender for r in run.scenario.ladder if not r.control}
    rules = [name for name in run.rungs if name == cheap or (name in kind and kind[name] == kind.get(cheap))]
    goal = next((r for r in rows if r["topic"] == "goal"), None)
    measured = [
        r for r in rows if r["topic"] == "accuracy" and r["bucket"] == ALL and r["what"] in rules
        and r["metric"] == problem.metric and r["value"] is not None and r["low"] is not None
    ]  # fmt: skip
    measured.sort(key=lambda r: rules.index(r["what"]))
    enough = [r for r in measured if r["low"] >= problem.target]
    row = enough[0] if enough else max(measured, key=lambda r: r["value"], default=None)
    numbers = {"rung": row["what"] if row else cheap, "row": row, "metric": problem.metric, "target": problem.target}
    numbers |= {"goal": goal}
    if row is None or goal is None:
        return SheetAnswer(RULE, OPEN, "not measured", numbers)
    if untestable(goal):
        return SheetAnswer(RULE, OPEN, "cannot be told", numbers)
    if row["low"] >= problem.target:
        return SheetAnswer(RULE, YES, "stop here", numbers)
    if row["high"] < problem.target:
        return SheetAnswer(RULE, NO, "more is needed", numbers)
    return SheetAnswer(RULE, OPEN, "cannot be told", numbers)


def _tolerable(run: RunFolder, rows: Sequence[Row]) -> Iterator[SheetAnswer]:
    """For each harm with a stated cost: up to which share it costs less than the gain is surely worth."""
    problem = run.scenario.problem
    value = next(
        (r for r in rows if r["topic"] == "gain" and r["bucket"] == ALL and r["metric"] == problem.metric), None
    )
    now = {r["metric"]: r["value"] for r in rows if r["topic"] == "harm" and r["what"] == ROUTER and not r["over"]}
    harms = [m for m in problem.cost_of_error.per_1000 if m in now]
    if not harms:
        stated = ", ".join(metric_label(m) for m in problem.cost_of_error.per_1000)
        yield SheetAnswer(TOLERABLE, OPEN, "not measured" if stated else NOT_STATED, {"harms": stated})
    for harm in harms:
        numbers: dict[str, Any] = {"harm": metric_label(harm), "now": now[harm], "over": value["over"] if value else ""}
        share = tolerable(problem, harm, _span(value)) if value and value["low"] is not None else None
        if share is None or now[harm] is None:
            yield SheetAnswer(TOLERABLE, OPEN, "no gain to pay for it", numbers)
        else:
            verdict = YES if now[harm] <= share else NO
            yield SheetAnswer(
                TOLERABLE, verdict, "tolerable" if verdict == YES else "too much", numbers | {"share": share}
            )


def _before(run: RunFolder, rows: Sequence[Row]) -> Iterator[SheetAnswer]:
    """What else must be true before starting."""
    question, problem = "What must be true before starting?", run.scenario.problem
    honest = run.scenario.split.kind == "time" and run.data.get("has_times") is not False
    yield SheetAnswer(question, YES if honest else NO, "times" if honest else "no times", {}, must=True)
    goal = next((r for r in rows if r["topic"] == "goal"), None)
    testable = goal is not None and (goal["verdict"] in (REACHED, MISSED) or not untestable(goal))
    yield SheetAnswer(question, YES if testable else NO, "goal testable" if testable else "goal not testable",
                 {"reason": goal["reason"] if goal else ""}, must=True)  # fmt: skip
    stated = problem.value_per_point is not None
    yield SheetAnswer(question, YES if stated else NO, "value stated" if stated else "value not stated", {}, must=False)


def _span(r: Row) -> tuple[float, float, float]:
    return float(r["value"]), float(r["low"]), float(r["high"])
