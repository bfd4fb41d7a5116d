"""The part of the page that tells of one place, and the table that opens it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from recommender.compare.answers import answers
from recommender.compare.places import Scene
from recommender.compare.said import Part
from recommender.compare.steps import best, gain, segments, value
from recommender.compare.table import frontier, ladder
from recommender.experiment.run_tables import USERS
from recommender.names import ALL, ROUTER
from recommender.studies import data_volume
from recommender.studies.charts import MIN_CPU_S, effort_scatter
from recommender.studies.engine.curves import Curves, crossings
from recommender.studies.engine.finding import Chart, Grid, grid, interval


def glance(scenes: Sequence[Scene]) -> Grid:
    """A row per place: what it is for, what it ships, whether the goal is reached."""
    rows = []
    for scene in scenes:
        found, target = scene.tested(), scene.scenario.problem.target
        reached = "yes" if found and found[1] >= target else "no" if found and found[2] < target else "not settled"
        seconds = f"{scene.decided.seconds[ROUTER]:.1f}" if scene.decided else "–"
        shown = interval(*found) if found else "–"
        first = scene.steps()[0][0].rung if scene.curves else "–"
        build = (scene.enough or "that choice") if scene.decided else "–"
        rows.append([scene.name, first, build, scene.mix or "–", shown, f"{target:g}", reached, seconds])
    heads = ["where", "day one", "build first", "validation chose", f"{scenes[0].label}, test period, 95%"]
    caption = (
        "Day one: with the fewest interactions measured. Build first: of least person-days, and for everyone as good, "
        "as far as is shown, as what validation chose with all of today's data. NDCG@10, CPU seconds: of that choice."
    )
    return grid(caption, [*heads, "goal", "reached", "CPU s"], rows)


def place(scene: Scene, widen: float) -> Part:
    """The part of one place, headed by its problem and goal."""
    problem = scene.scenario.problem
    out = Part(scene.name)
    out.intro = [
        f"{problem.what} For {problem.for_whom}. Goal: {scene.label} of {problem.target:g}. "
        f"Cost of an error: {problem.cost_of_error}."
    ]
    if problem.business_value is not None:
        out.intro.append(f"Stated: .01 of {scene.label} is worth {problem.business_value:g}.")
    out.answers = answers(scene, widen)
    made = scene.curves
    if made is not None:
        out.grids = [_winners(scene, made), data_volume.curve_grid(made, scene.metric)]
        crossed = [c for bucket in segments(made) for c in crossings(made, bucket)]
        out.more = [data_volume.crossing_grid(crossed, made)]
        out.charts = [data_volume.chart(scene.name, made, scene.metric), _frontier(scene)]
    if scene.part_finding:
        out.grids.append(scene.part_finding.grids[0])
    return out


def _winners(scene: Scene, made: Curves) -> Grid:
    rows = []
    for bucket in segments(made):
        path = scene.steps(bucket)[0]
        now, top = path[-1].rung, best(made, bucket)
        since = f"{path[-1].at:,.0f}" if np.isfinite(path[-1].at) else f"at most {made.size[0]:,.0f}"
        more = "" if top == now else f", {interval(*gain(made, top, now, bucket, -1), sign=True)}"
        shown = interval(*value(made, now, bucket, -1))
        rows.append([USERS[bucket], f"{made.n_queries[bucket]:,}", path[0].rung, now, since, shown, top + more])
    heads = ["users", "n", "least data", "today", "from interactions", f"{scene.label}, 95%"]
    heads += ["most accurate"]
    caption = (
        "Who wins for whom. The winner is the simplest rung, or one that overtakes all simpler ones with its whole 95% "
        "interval, and not in the test period only; the most accurate one may not be shown to."
    )
    return grid(caption, heads, rows)


def _frontier(scene: Scene) -> Chart:
    points = ladder([scene]).filter(pl.col("user_bucket") == ALL, pl.col("rung") != ROUTER)
    points = points.with_columns(pl.col("cpu_s").clip(MIN_CPU_S))
    line = frontier(points)
    drawn = points.with_columns(shipped=pl.col("rung").is_in(line))
    spec, alt = effort_scatter(drawn, scene.label, line)
    title = (
        "Accuracy against effort, all users, all of today's data. Blue diamonds, joined by a dashed line: nothing "
        "cheaper is as accurate. Up is better, left is cheaper."
    )
    name = "frontier-" + "".join(c if c.isalnum() else "-" for c in scene.name.lower())
    return Chart(
        name,
        title,
        spec,
        f"{alt} On the frontier: {', '.join(line)}.",
        drawn.select("rung", "n_queries", "value", "ci_low", "ci_high", "cpu_s"),
    )
