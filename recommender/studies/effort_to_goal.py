"""effort_to_goal: how much data, computing and tuning does each rung need to reach the scenario's stated goal?

Cells: mode test, axis ``size`` as in ``data_volume``; then one tuned cell per data set with all of the data. Tables:
data (rung, value, interactions needed with interval, CPU seconds there) and tuning (rung, untuned, tuned, trials, CPU
seconds, goal met). Options: ``goal`` in place of the scenario's target; ``trials`` of each rung, 0 for no tuning.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recommender.config import Tune
from recommender.errors import DataError
from recommender.evaluation.metric_table import metric_label
from recommender.evaluation.rounding import with_interval
from recommender.names import ALL
from recommender.studies.engine.cell import TUNED
from recommender.studies.engine.contrast import values
from recommender.studies.engine.curves import Curves, curves, interactions, overtakes
from recommender.studies.engine.finding import NOT_ENOUGH, Finding, Grid, grid, not_enough
from recommender.studies.engine.measured import Measured, by_site
from recommender.studies.engine.plan import Cell, Study

MODE = "tuning"  # the label of second cells


def analyse(study: Study, runs: Sequence[Measured]) -> list[Finding]:
    """A finding per scenario and data set."""
    return [_finding(study, site, cells) for site, cells in by_site(runs).items()]


def more(study: Study, runs: Sequence[Measured]) -> list[Cell]:
    """A tuned cell with all data per scenario and data set; none once they are there."""
    trials = int(study.options.get("trials", 0))
    if not trials or any(MODE in r.labels for r in runs):
        return []
    full = [max(cells, key=lambda r: r.origin["n_train"]) for cells in by_site(runs).values()]
    return [
        Cell({**r.labels, MODE: TUNED}, r.scenario.model_copy(update={"tune": Tune(trials=trials)}), TUNED)
        for r in full
    ]


def reached(curve: Curves, rung: str, goal: float) -> tuple[float, float, float]:
    """Interactions from which on the rung stays at the goal, with a 95% interval; ``-inf``: at every size measured,
    ``inf``: not in the range."""
    x = np.log(curve.size)
    point = overtakes(x, curve.mean[rung, ALL][None] - goal)[0]
    return interactions(point, overtakes(x, curve.replicates[rung, ALL] - goal))


def _finding(study: Study, site: str, runs: Sequence[Measured]) -> Finding:
    out = Finding(site)
    tuned = next((r for r in runs if MODE in r.labels), None)
    runs = [r for r in runs if r is not tuned]
    problem, metric = runs[0].scenario.problem, runs[0].scenario.decision.metric
    goal = float(study.options.get("goal", problem.target))
    label = metric_label(metric)
    try:
        curve = curves(runs)
    except DataError as error:
        out.sentences.append(f"{NOT_ENOUGH}: {error}")
        return out
    sizes = {rung: reached(curve, rung, goal) for rung in curve.rungs}
    rows = []
    for rung, (at, low, high) in sizes.items():
        seconds = None
        if at < np.inf:
            seconds = float(np.interp(np.log(max(at, curve.size[0])), np.log(curve.size), curve.cpu_s[rung]))
        cells = [_size(curve, n) for n in (at, low, high)]
        rows.append([rung, with_interval(*curve.value(rung)), *cells, "–" if seconds is None else f"{seconds:.2f}"])
        head = f"{rung} and {label} {goal:g}"
        if low == np.inf:
            out.sentences.append(f"{head}: not reached with up to {curve.size[-1]:,.0f} interactions.")
        elif high == np.inf:
            full = f"{curve.size[-1]:,.0f} interactions"
            out.sentences.append(f"{head}: {not_enough} that it is reached with {full}.")
        else:
            span = "" if low == high == at else f" (95%: {cells[1]} to {cells[2]})"
            out.sentences.append(f"{head}: reached with {cells[0]} interactions{span}, {seconds:.2f} CPU seconds.")
    if all(high == -np.inf for _, _, high in sizes.values()):
        out.sentences.append(
            f"Every rung is there with the least data measured, so {goal:g} tells nothing apart here; "
            "SET='problem.target=…' asks for more."
        )
    heads = ["rung", f"{label} at the largest size", "interactions needed", "95% from", "to", "CPU s there"]
    out.grids.append(grid(f"Data and CPU seconds until {label} of all users is {goal:g}.", heads, rows))
    if tuned is not None:
        untuned = next(r for r in runs if r.labels.items() <= tuned.labels.items())
        out.grids.append(_tuning(tuned, untuned, metric, goal))
    out.notes.append(
        f"The goal is the scenario's own: {problem.what} CPU seconds: fit and recommend once, untuned, interpolated "
        "between the sizes measured. The work of people is stated in the configuration (person_days)."
    )
    return out


def _tuning(tuned: Measured, untuned: Measured, metric: str, goal: float) -> Grid:
    """What a search of each rung's parameters took and gave, with all data.

    untuned: the cell of the same seed, since another seed may move a rung further than tuning does.
    """
    rows = []
    for rung in tuned.rungs:
        before, after = values(untuned, rung, metric), values(tuned, rung, metric)
        half = 1.96 * after.std(ddof=1) / np.sqrt(len(after))
        mean = float(after.mean())
        met = "yes" if mean - half >= goal else "no" if mean + half < goal else not_enough
        effort = ((tuned.trials.get(rung), 0), (tuned.tuning_seconds.get(rung), 1))
        cells = ["–" if v is None else f"{v:.{digits}f}" for v, digits in effort]
        rows.append([rung, f"{before.mean():.4f}", with_interval(mean, mean - half, mean + half), *cells, met])
    heads = ["rung", "untuned", "tuned", "trials to within 1% of the best", "CPU s of tuning", "goal met"]
    return grid("With all data and tuned on the validation periods, all users of the test.", heads, rows)


def _size(curve: Curves, n: float) -> str:
    if n == np.inf:
        return "not in the range"
    return f"{n:,.0f}" if n > 0 else f"at most {curve.size[0]:,.0f}"
