"""The part of the page that tells of one place, and the table that opens it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from recommender.compare.answers import answers
from recommender.compare.moves import best, gain, segments, value
from recommender.compare.page_model import Section
from recommender.compare.site import Site
from recommender.compare.tables import frontier, ladder
from recommender.experiment.run_tables import USERS
from recommender.names import ALL, ROUTER
from recommender.studies import data_volume
from recommender.studies.charts import MIN_CPU_S, effort_scatter
from recommender.studies.engine.curves import Curves, crossings
from recommender.studies.engine.finding import Chart, Grid, grid, interval


def glance(sites: Sequence[Site]) -> Grid:
    """A row per place: what it is for, what it ships, whether the goal is reached."""
    rows = []
    for site in sites:
        found, target = site.tested(), site.scenario.problem.target
        reached = "yes" if found and found[1] >= target else "no" if found and found[2] < target else "not settled"
        seconds = f"{site.decided.seconds[ROUTER]:.1f}" if site.decided else "–"
        shown = interval(*found) if found else "–"
        first = site.moves()[0][0].rung if site.curves else "–"
        build = (site.enough or "that choice") if site.decided else "–"
        rows.append([site.name, first, build, site.mix or "–", shown, f"{target:g}", reached, seconds])
    heads = ["where", "day one", "build first", "validation chose", f"{sites[0].label}, test period, 95%"]
    caption = (
        "Day one: with the fewest interactions measured. Build first: of least person-days, and for everyone as good, "
        "as far as is shown, as what validation chose with all of today's data. NDCG@10, CPU seconds: of that choice."
    )
    return grid(caption, [*heads, "goal", "reached", "CPU s"], rows)


def site_section(site: Site, widen: float) -> Section:
    """The part of one place, headed by its problem and goal."""
    problem = site.scenario.problem
    out = Section(site.name)
    out.intro = [
        f"{problem.what} For {problem.for_whom}. Goal: {site.label} of {problem.target:g}. "
        f"Cost of an error: {problem.cost_of_error}."
    ]
    if problem.business_value is not None:
        out.intro.append(f"Stated: .01 of {site.label} is worth {problem.business_value:g}.")
    out.answers = answers(site, widen)
    made = site.curves
    if made is not None:
        out.grids = [_winners(site, made), data_volume.curve_grid(made, site.metric)]
        crossed = [c for bucket in segments(made) for c in crossings(made, bucket)]
        out.more = [data_volume.crossing_grid(crossed, made)]
        out.charts = [data_volume.chart(site.name, made, site.metric), _frontier(site)]
    if site.part_finding:
        out.grids.append(site.part_finding.grids[0])
    return out


def _winners(site: Site, made: Curves) -> Grid:
    rows = []
    for bucket in segments(made):
        path = site.moves(bucket)[0]
        now, top = path[-1].rung, best(made, bucket)
        since = f"{path[-1].at:,.0f}" if np.isfinite(path[-1].at) else f"at most {made.size[0]:,.0f}"
        more = "" if top == now else f", {interval(*gain(made, top, now, bucket, -1), sign=True)}"
        shown = interval(*value(made, now, bucket, -1))
        rows.append([USERS[bucket], f"{made.n_queries[bucket]:,}", path[0].rung, now, since, shown, top + more])
    heads = ["users", "n", "least data", "today", "from interactions", f"{site.label}, 95%"]
    heads += ["most accurate"]
    caption = (
        "Who wins for whom. The winner is the simplest rung, or one that overtakes all simpler ones with its whole 95% "
        "interval, and not in the test period only; the most accurate one may not be shown to."
    )
    return grid(caption, heads, rows)


def _frontier(site: Site) -> Chart:
    points = ladder([site]).filter(pl.col("user_bucket") == ALL, pl.col("rung") != ROUTER)
    points = points.with_columns(pl.col("cpu_s").clip(MIN_CPU_S))
    line = frontier(points)
    drawn = points.with_columns(shipped=pl.col("rung").is_in(line))
    spec, alt = effort_scatter(drawn, site.label, line)
    title = (
        "Accuracy against effort, all users, all of today's data. Blue diamonds, joined by a dashed line: nothing "
        "cheaper is as accurate. Up is better, left is cheaper."
    )
    name = "frontier-" + "".join(c if c.isalnum() else "-" for c in site.name.lower())
    return Chart(
        name,
        title,
        spec,
        f"{alt} On the frontier: {', '.join(line)}.",
        drawn.select("rung", "n_queries", "value", "ci_low", "ci_high", "cpu_s"),
    )
