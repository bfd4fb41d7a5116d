"""What a gain is worth and what a harm costs, in money a week, from what the scenario's problem states of both.

``value_per_point`` and ``cost_of_error.per_1000`` are ranges, and so is the measured gain or harm; the interval of a
product goes from the smallest to the largest of its corners, so it is wider than 95%, never narrower.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from recommender.config import ProblemStatement
from recommender.names import ALL, PLAIN, ROUTER

POINT = 0.01  # of the metric: what value_per_point is stated for
PLACES = 10  # that one list of a user shows, one list per user and week
NOT_STATED = "not stated"
Span = tuple[float, float, float]  # value, low, high
Row = dict[str, Any]


def worth(problem: ProblemStatement, gain: Span) -> Span | None:
    """Money a week that a gain of the problem's metric is worth; None where the problem states no value."""
    if problem.value_per_point is None or problem.users_per_week is None:
        return None
    return _product(gain, problem.value_per_point, problem.users_per_week / 1000 / POINT)


def costs(problem: ProblemStatement, harm: str, share: Span) -> Span | None:
    """Money a week that a harm costs, of which this share of the shown places has it; None where none is stated."""
    if harm not in problem.cost_of_error.per_1000 or problem.users_per_week is None:
        return None
    return _product(share, problem.cost_of_error.per_1000[harm], problem.users_per_week * PLACES / 1000)


def tolerable(problem: ProblemStatement, harm: str, gain: Span) -> float | None:
    """The share of shown places with this harm at which it costs as much as the gain is worth: the lower end of the
    gain, the dearest error, the lowest value. None where something is not stated, or no gain is shown."""
    value, dearest = worth(problem, gain), problem.cost_of_error.per_1000.get(harm)
    if value is None or dearest is None or value[1] <= 0 or problem.users_per_week is None:
        return None
    return min(1.0, value[1] / (problem.users_per_week * PLACES / 1000 * dearest[1]))


def value_rows(problem: ProblemStatement, rows: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    """Facts (topics ``value`` and ``error cost``) of the rows of a train's facts on gain and harm."""
    for r in rows:
        everyone = r["topic"] == "gain" and r["bucket"] == ALL and r["metric"] == problem.metric
        if everyone and r["value"] is not None:
            yield _row(r, "value", worth(problem, _span(r)), r["verdict"], "problem.value_per_point")
        named = r["topic"] == "harm" and r["what"] in (ROUTER, PLAIN) and not r.get("over")
        if named and r["value"] is not None:
            span = costs(problem, r["metric"], _span(r))
            row = _row(r, "error cost", span, "", f"problem.cost_of_error.per_1000.{r['metric']}")
            # of 1,000 lists
            yield row | {"extra": span and span[0] / (problem.users_per_week or 1) * 1000}


def _row(r: Mapping[str, Any], topic: str, span: Span | None, outcome: str, key: str) -> Row:
    same = {k: r.get(k) for k in ("bucket", "what", "metric", "split", "n")} | {"over": r.get("over") or ""}
    if span is None:
        return {**same, "topic": topic, "verdict": NOT_STATED, "reason": f"{key} is not stated"}
    value, low, high = span
    return {**same, "topic": topic, "value": value, "low": low, "high": high, "verdict": outcome}


def _span(r: Mapping[str, Any]) -> Span:
    value = float(r["value"])
    return (value, *(value if r[end] is None else float(r[end]) for end in ("low", "high")))  # type: ignore[return-value]


def _product(measured: Span, stated: tuple[float, float], factor: float) -> Span:
    value, low, high = measured
    corners = [end * amount * factor for end in (low, high) for amount in stated]
    return value * sum(stated) / 2 * factor, min(corners), max(corners)
