"""The part of the page that tells of one place, and the table that opens it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from recommender.evaluate import ALL
from recommender.report.charts import MIN_CPU_S, effort_scatter
from recommender.report.tables import USERS
from recommender.rungs import ROUTER
from recommender.studies import volume
from recommender.studies.compare.answers import answers
from recommender.studies.compare.places import Scene
from recommender.studies.compare.said import Part
from recommender.studies.compare.steps import best, gain, segments, steps, value
from recommender.studies.compare.table import frontier, ladder
from recommender.studies.curves import Curves, crossings
from recommender.studies.finding import Chart, Grid, grid, interval


def glance(scenes: Sequence[Scene]) -> Grid:
    """A row per place: what it is for, what it ships, whether the goal is reached."""
    rows = []
    for scene in scenes:
        found, target = scene.tested(), scene.scenario.problem.target
        reached = "yes" if found and found[1] >= target else "no" if found and found[2] < target else "not settled"
        seconds = f"{scene.decided.seconds[ROUTER]:.1f}" if scene.decided else "–"
        shown = interval(*found) if found else "–"
        first = steps(scene.curves, ALL)[0][0].rung if scene.curves else "–"
        row = [scene.name, first, _ships(scene), shown, f"{target:g}", reached, seconds]
        rows.append(row)
    label = scenes[0].label
    heads = ["where", "day one", "ships today", f"{label}, test period, 95%", "goal", "reached", "CPU s"]
    caption = (
        "Day one: the simplest that none beats with the least data measured. Ships today: what validation chooses with "
        "all of today's data, and what that gives. CPU seconds: one fit, and the lists of the test period."
    )
    return grid(caption, heads, rows)


def _ships(scene: Scene) -> str:
    """Rungs that serve, that are blended in, and that choose new items: ``popularity; new items: ranker``."""
    if scene.decided is None:
        return "–"
    decision = scene.decided.decision
    told = ", ".join(dict.fromkeys([*scene.shipped(), *(b["rung"] for b in decision.get("blends", {}).values())]))
    slots = decision.get("slots", {})
    return told + (f"; new items: {slots['rung']}" if slots.get("n") else "")


def place(scene: Scene, trust: Sequence[str], widen: float) -> Part:
    """The part of one place, headed by its problem and goal."""
    problem = scene.scenario.problem
    out = Part(scene.name)
    out.intro = [
        f"{problem.what} For {problem.for_whom}. Goal: {scene.label} of {problem.target:g}. "
        f"Cost of an error: {problem.cost_of_error}."
    ]
    if problem.business_value is not None:
        out.intro.append(f"Stated: .01 of {scene.label} is worth {problem.business_value:g}.")
    out.answers = answers(scene, trust, widen)
    made = scene.curves
    if made is not None:
        out.grids = [_winners(scene, made), volume.curve_grid(made, scene.metric)]
        crossed = [c for bucket in segments(made) for c in crossings(made, bucket)]
        out.more = [volume.crossing_grid(crossed, made)]
        out.charts = [volume.chart(scene.name, made, scene.metric), _frontier(scene)]
    return out


def _winners(scene: Scene, made: Curves) -> Grid:
    rows = []
    for bucket in segments(made):
        path = steps(made, bucket)[0]
        now, top = path[-1].rung, best(made, bucket)
        since = f"{path[-1].at:,.0f}" if np.isfinite(path[-1].at) else f"at most {made.size[0]:,.0f}"
        more = "" if top == now else f", {interval(*gain(made, top, now, bucket, -1), sign=True)}"
        shown = interval(*value(made, now, bucket, -1))
        rows.append([USERS[bucket], f"{made.n_queries[bucket]:,}", path[0].rung, now, since, shown, top + more])
    heads = ["users", "n", "least data", "today", "from interactions", f"{scene.label}, 95%"]
    heads += ["most accurate"]
    caption = (
        "Who wins for whom. The winner is the simplest rung, or one that overtakes all simpler ones with its whole 95% "
        "interval; the most accurate one may not be shown to."
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
