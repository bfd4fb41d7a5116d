"""effort_to_goal: data, CPU seconds and trials of tuning until each rung reaches the scenario's stated goal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from recommender.config import Tune
from recommender.errors import DataError
from recommender.experiment.run_tables import metric_label
from recommender.names import ALL
from recommender.studies.data_volume import AXIS
from recommender.studies.engine.cell import TUNED, Measured, by_place
from recommender.studies.engine.curves import Curves, curves, overtakes
from recommender.studies.engine.finding import NOT_ENOUGH, Finding, Grid, grid, interval, not_enough
from recommender.studies.engine.plan import Cell, Study

MODE = "tuning"  # the label of second cells


def analyse(study: Study, runs: Sequence[Measured]) -> list[Finding]:
    """A finding per scenario and data set. options: ``goal``, in place of the scenario's target."""
    return [_finding(study, place, mine) for place, mine in by_place(runs).items()]


def more(study: Study, runs: Sequence[Measured]) -> list[Cell]:
    """A cell per scenario and data set, with all data and tuned, for what trials bring; none once they are there.
    options: ``trials`` of each rung; 0: none."""
    trials = int(study.options.get("trials", 0))
    if not trials or any(MODE in r.labels for r in runs):
        return []
    whole = {place: max(mine, key=lambda r: r.origin["n_train"]) for place, mine in by_place(runs).items()}
    return [
        Cell({**r.labels, MODE: TUNED}, r.scenario.model_copy(update={"tune": Tune(trials=trials)}), TUNED)
        for r in whole.values()
    ]


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
    tuned = next((r for r in runs if MODE in r.labels), None)
    runs = [r for r in runs if r is not tuned]
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
    if all(reached(made, rung, goal)[2] == -np.inf for rung in made.rungs):
        out.sentences.append(
            f"Every rung is there with the least data measured, so {goal:g} tells nothing apart here; "
            "SET='problem.target=…' asks for more."
        )
    heads = ["rung", f"{label} at the largest size", "interactions needed", "95% from", "to", "CPU s there"]
    out.grids.append(grid(f"Data and CPU seconds until {label} of all users is {goal:g}.", heads, rows))
    if tuned is not None:
        before = next(r for r in runs if r.labels.items() <= tuned.labels.items())
        out.grids.append(_tuning(tuned, before, metric, goal))
    out.notes.append(
        f"The goal is the scenario's own: {problem.what} CPU seconds: fit and recommend once, untuned, between "
        "the sizes measured by interpolation. The work of people is stated in the configuration (person_days)."
    )
    return out


def _tuning(tuned: Measured, before: Measured, metric: str, goal: float) -> Grid:
    """What a search of each rung's parameters took and gave, with all data. before: the same cell, seed included, as
    it was: another seed may move a rung further than tuning does."""
    rows = []
    for rung in tuned.rungs:
        values, untuned = (_first(m, rung, metric) for m in (tuned, before))
        half = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
        mean = float(values.mean())
        met = "yes" if mean - half >= goal else "no" if mean + half < goal else not_enough
        spent = tuned.tuning_seconds.get(rung)
        shown = ["–" if v is None else f"{v:.{places}f}" for v, places in ((tuned.trials.get(rung), 0), (spent, 1))]
        rows.append([rung, f"{untuned.mean():.4f}", interval(mean, mean - half, mean + half), *shown, met])
    heads = ["rung", "untuned", "tuned", "trials to within 1% of the best", "CPU s of tuning", "goal met"]
    return grid("With all data and tuned on the validation periods, all users of the test.", heads, rows)


def _first(run: Measured, rung: str, metric: str) -> np.ndarray:
    """The metric of each user's first query, float64 (n_users,)."""
    return run.values.filter("first", pl.col("rung") == rung)[metric].to_numpy().astype(np.float64)


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
