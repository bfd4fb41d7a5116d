"""SiteSpec x rung x user bucket as one table, and what of it nothing cheaper beats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from recommender.compare.site import Site
from recommender.names import ALL, PLAIN, USER_BUCKETS

LADDER = ["place", "rung", "user_bucket", "n_queries", "metric", "value", "ci_low", "ci_high", "cpu_s"]


def ladder(sites: Sequence[Site]) -> pl.DataFrame:
    """Columns ``LADDER``, with all of today's data. The router is what the validation periods chose to ship."""
    rows = [row for site in sites for row in _rows(site)]
    types = [pl.String] * 3 + [pl.Int64, pl.String] + [pl.Float64] * 4
    return pl.DataFrame(rows, schema=dict(zip(LADDER, types, strict=True)), orient="row")


def frontier(points: pl.DataFrame) -> list[str]:
    """Rungs that nothing cheaper beats, cheapest first. points: rung, value, cpu_s."""
    ordered = points.sort("cpu_s", maintain_order=True)
    before = ordered["value"].cum_max().shift(1).fill_null(-np.inf)
    return ordered.filter(ordered["value"] > before)["rung"].to_list()


def _rows(site: Site) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    if site.today is None:
        return rows
    for rung in (r for r in site.today.rungs if r != PLAIN):
        asked = site.today.values.filter(rung=rung)
        for bucket in (ALL, *USER_BUCKETS):
            found = site.tested(rung, bucket)
            if found is not None and found[0] is not None:
                n = asked.filter("first").height if bucket == ALL else asked.filter(user_bucket=bucket).height
                told = (site.metric, *found, site.today.seconds.get(rung, 0.0))
                rows.append((site.name, rung, bucket, n, *told))
    return rows
