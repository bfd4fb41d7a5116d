"""effort_to_goal: data and CPU seconds until each rung reaches the scenario's stated goal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recommender.errors import DataError
from recommender.evaluate import ALL
from recommender.report.tables import metric_label
from recommender.studies.cell import Measured, by_place
from recommender.studies.curves import Curves, curves, overtakes
from recommender.studies.finding import NOT_ENOUGH, Finding, grid, interval, not_enough
from recommender.studies.plan import Study
from recommender.studies.volume import AXIS


def analyse(study: Study, runs: Sequence[Measured]) -> list[Finding]:
    """A finding per scenario and data set. options: ``goal``, in place of the scenario's target."""
    return [_finding(study, place, mine) for place, mine in by_place(runs).items()]


def reached(made: Curves, rung: str, goal: float) -> tuple[float, float, float]:
    """Interactions from which on the rung stays at the goal, with a 95% interval; ``-inf``: at every size measured,
    ``inf``: not in the range."""
    x = np.log(made.size)
    at = overtakes(x, made.mean[rung, ALL][None] - goal)
    drawn = overtakes(x, made.replicates[rung, ALL] - goal)
    low, high = np.quantile(drawn, [0.025, 0.975], method="nearest")
    first, soon, late = (float(np.exp(v)) if np.isfinite(v) else float(v) for v in (at[0], low, high))
    return first, soon, late


def _finding(study: Study, place: str, runs: Sequence[Measured]) -> Finding:
    out = Finding(place)
    problem, metric = runs[0].scenario.problem, runs[0].scenario.decision.metric
    goal = float(study.options.get("goal", problem.target))
    label = metric_label(metric)
    try:
        made = curves(runs, AXIS, metric, max(200, runs[0].scenario.bootstrap // 2), runs[0].scenario.seed)
    except DataError as error:
        out.sentences.append(f"{NOT_ENOUGH}: {error}")
        return out
    rows = []
    for rung in made.rungs:
        first, soon, late = reached(made, rung, goal)
        spent = _cpu(made, rung, first)
        now, (low, high) = made.mean[rung, ALL][-1], (b[-1] for b in made.interval((rung, ALL)))
        shown = [_size(made, n) for n in (first, soon, late)]
        rows.append(
            [rung, interval(float(now), float(low), float(high)), *shown, "–" if spent is None else f"{spent:.2f}"]
        )
        out.sentences.append(_sentence(made, rung, goal, label, (first, soon, late), spent))
    heads = ["rung", f"{label} at the largest size", "interactions needed", "95% from", "to", "CPU s there"]
    out.grids.append(grid(f"Data and CPU seconds until {label} of all users is {goal:g}.", heads, rows))
    out.notes.append(
        f"The goal is the scenario's own: {problem.what} CPU seconds: fit and recommend once, untuned, between "
        "the sizes measured by interpolation. The work of people is stated in the configuration (person_days)."
    )
    return out


def _cpu(made: Curves, rung: str, first: float) -> float | None:
    if first == np.inf:
        return None
    at = max(first, made.size[0])
    return float(np.interp(np.log(at), np.log(made.size), made.cpu_s[rung]))


def _size(made: Curves, n: float) -> str:
    if n == np.inf:
        return "not in the range"
    return f"{n:,.0f}" if n > 0 else f"at most {made.size[0]:,.0f}"


def _sentence(
    made: Curves, rung: str, goal: float, label: str, sizes: tuple[float, float, float], spent: float | None
) -> str:
    first, soon, late = sizes
    head = f"{rung} and {label} {goal:g}"
    if soon == np.inf:
        return f"{head}: not reached with up to {made.size[-1]:,.0f} interactions."
    if late == np.inf:
        return f"{head}: {not_enough} that it is reached with {made.size[-1]:,.0f} interactions."
    span = "" if (soon, late) == (first, first) else f" (95%: {_size(made, soon)} to {_size(made, late)})"
    return f"{head}: reached with {_size(made, first)} interactions{span}, {spent:.2f} CPU seconds."
