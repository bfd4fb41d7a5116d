"""The section of the page about one site, and the table that opens the page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from recommender.compare.answers import answers
from recommender.compare.page_model import Section
from recommender.compare.site import Site
from recommender.compare.tables import ladder
from recommender.experiment.run_tables import USERS
from recommender.names import ALL, ROUTER
from recommender.studies import data_volume
from recommender.studies.charts import effort_scatter
from recommender.studies.engine.curves import Curves, crossings
from recommender.studies.engine.finding import Chart, Grid, grid, interval


def glance(sites: Sequence[Site]) -> Grid:
    """A row per site: what to ship first, what to build first, whether the goal is reached."""
    rows = []
    for site in sites:
        value, target = site.value(), site.scenario.problem.target
        reached = "yes" if value and value[1] >= target else "no" if value and value[2] < target else "not settled"
        first = site.moves()[0][0].rung if site.curves else "–"
        build, seconds = "–", "–"
        if site.decided:
            build, seconds = site.build_first or "that choice", f"{site.decided.seconds[ROUTER]:.1f}"
        shown = interval(*value) if value else "–"
        rows.append([site.name, first, build, site.shipped_text or "–", shown, f"{target:g}", reached, seconds])
    heads = ["where", "day one", "build first", "validation chose", f"{sites[0].label}, test period, 95%"]
    caption = (
        "Day one: with the fewest interactions measured. Build first: the rung of least person-days that is not shown "
        "to give everyone less than what validation chose with all of today's data. NDCG@10, CPU seconds: of that "
        "choice."
    )
    return grid(caption, [*heads, "goal", "reached", "CPU s"], rows)


def site_section(site: Site, widen: float) -> Section:
    """The section of one site, headed by its problem and goal. widen: the factor of ``data_volume.widening``."""
    problem, curve = site.scenario.problem, site.curves
    out = Section(site.name, answers=answers(site, widen))
    out.intro = [
        f"{problem.what} For {problem.for_whom}. Goal: {site.label} of {problem.target:g}. "
        f"Cost of an error: {problem.cost_of_error}."
    ]
    if problem.business_value is not None:
        out.intro.append(f"Stated: .01 of {site.label} is worth {problem.business_value:g}.")
    if curve is not None:
        crossed = [c for bucket in curve.buckets() for c in crossings(curve, bucket)]
        out.grids = [_winners(site, curve), data_volume.curve_grid(curve, site.metric)]
        out.more = [data_volume.crossing_grid(crossed, curve)]
        out.charts = [data_volume.chart(site.name, curve, site.metric), _frontier(site)]
    if site.part_finding:
        out.grids.append(site.part_finding.grids[0])
    return out


def _winners(site: Site, curve: Curves) -> Grid:
    rows = []
    for bucket in curve.buckets():
        path = site.moves(bucket)[0]
        now, top = path[-1].rung, max(curve.rungs, key=lambda r, b=bucket: curve.mean[r, b][-1])  # type: ignore[misc]
        since = f"{path[-1].at:,.0f}" if np.isfinite(path[-1].at) else f"at most {curve.size[0]:,.0f}"
        more = "" if top == now else f", {interval(*curve.gain(top, now, bucket), sign=True)}"
        shown = interval(*curve.value(now, bucket))
        rows.append([USERS[bucket], f"{curve.n_queries[bucket]:,}", path[0].rung, now, since, shown, top + more])
    heads = ["users", "n", "least data", "today", "from interactions", f"{site.label}, 95%", "most accurate"]
    caption = (
        "Who wins for whom. The winner is the simplest rung, or one that overtakes all simpler ones with its whole 95% "
        "interval, and not in the test period only; the most accurate one may not be shown to."
    )
    return grid(caption, heads, rows)


def _frontier(site: Site) -> Chart:
    points = ladder([site]).filter(pl.col("user_bucket") == ALL, pl.col("rung") != ROUTER)
    drawn = points.select(
        "rung", "metric", "value", "cpu_s", group="user_bucket", low="ci_low", high="ci_high", n="n_queries",
        ships=pl.lit(False),
    )  # fmt: skip
    spec = effort_scatter(drawn, site.label, metric=site.metric)
    title = (
        "Accuracy against effort, all users, all of today's data. On the dashed line nothing cheaper is as accurate. "
        "Up is better, left is cheaper."
    )
    name = "frontier-" + "".join(c if c.isalnum() else "-" for c in site.name.lower())
    table = points.select("rung", "n_queries", "value", "ci_low", "ci_high", "cpu_s")
    return Chart(name, title, spec, spec["description"], table)
