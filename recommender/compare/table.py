"""Place x rung x user bucket as one table, and what of it nothing cheaper beats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from recommender.compare.places import Scene
from recommender.names import ALL, PLAIN, USER_BUCKETS

LADDER = ["place", "rung", "user_bucket", "n_queries", "metric", "value", "ci_low", "ci_high", "cpu_s"]


def ladder(scenes: Sequence[Scene]) -> pl.DataFrame:
    """Columns ``LADDER``, with all of today's data. The router is what the validation periods chose to ship."""
    rows = [row for scene in scenes for row in _rows(scene)]
    types = [pl.String] * 3 + [pl.Int64, pl.String] + [pl.Float64] * 4
    return pl.DataFrame(rows, schema=dict(zip(LADDER, types, strict=True)), orient="row")


def frontier(points: pl.DataFrame) -> list[str]:
    """Rungs that nothing cheaper beats, cheapest first. points: rung, value, cpu_s."""
    ordered = points.sort("cpu_s", maintain_order=True)
    before = ordered["value"].cum_max().shift(1).fill_null(-np.inf)
    return ordered.filter(ordered["value"] > before)["rung"].to_list()


def _rows(scene: Scene) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    if scene.today is None:
        return rows
    for rung in (r for r in scene.today.rungs if r != PLAIN):
        asked = scene.today.values.filter(rung=rung)
        for bucket in (ALL, *USER_BUCKETS):
            found = scene.tested(rung, bucket)
            if found is not None and found[0] is not None:
                n = asked.filter("first").height if bucket == ALL else asked.filter(user_bucket=bucket).height
                told = (scene.metric, *found, scene.today.seconds.get(rung, 0.0))
                rows.append((scene.name, rung, bucket, n, *told))
    return rows
