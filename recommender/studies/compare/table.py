"""Place x rung x user bucket as one table, and what of it nothing cheaper beats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from recommender.effort import PLAIN
from recommender.evaluate import ALL
from recommender.query import USER_BUCKETS
from recommender.studies.compare.places import Scene

LADDER = ["place", "rung", "setting", "user_bucket", "n_queries", "metric", "value", "ci_low", "ci_high", "cpu_s"]
FIRST, CHOSEN = "first", "chosen"  # setting of a rung: the ladder's first, or the one that validation chose


def ladder(scenes: Sequence[Scene]) -> pl.DataFrame:
    """Columns ``LADDER``, with all of today's data. The router is what the validation periods chose to ship."""
    rows = [row for scene in scenes for row in (*_chosen(scene), *_first(scene))]
    types = [pl.String] * 4 + [pl.Int64, pl.String] + [pl.Float64] * 4
    return pl.DataFrame(rows, schema=dict(zip(LADDER, types, strict=True)), orient="row")


def best_known(table: pl.DataFrame) -> pl.DataFrame:
    """Of ``ladder``: one row per place, rung and bucket, with the chosen setting where there is one."""
    return table.unique(["place", "rung", "user_bucket"], keep="first", maintain_order=True)


def frontier(points: pl.DataFrame) -> list[str]:
    """Rungs that nothing cheaper beats, cheapest first. points: rung, value, cpu_s."""
    ordered = points.sort("cpu_s", maintain_order=True)
    before = ordered["value"].cum_max().shift(1).fill_null(-np.inf)
    return ordered.filter(ordered["value"] > before)["rung"].to_list()


def _first(scene: Scene) -> list[tuple[object, ...]]:
    made = scene.curves
    if made is None:
        return []
    rows: list[tuple[object, ...]] = []
    for rung in made.rungs:
        for bucket in (b for b in (ALL, *USER_BUCKETS) if (rung, b) in made.mean):
            low, high = (float(bound[-1]) for bound in made.interval((rung, bucket)))
            told = (scene.metric, float(made.mean[rung, bucket][-1]), low, high, float(made.cpu_s[rung][-1]))
            rows.append((scene.name, rung, FIRST, bucket, made.n_queries[bucket], *told))
    return rows


def _chosen(scene: Scene) -> list[tuple[object, ...]]:
    if scene.decided is None:
        return []
    rows: list[tuple[object, ...]] = []
    for rung in (r for r in scene.decided.rungs if r != PLAIN):
        asked = scene.decided.values.filter(rung=rung)
        for bucket in (ALL, *USER_BUCKETS):
            found = scene.tested(rung, bucket)
            if found is not None and found[0] is not None:
                n = asked.filter("first").height if bucket == ALL else asked.filter(user_bucket=bucket).height
                told = (scene.metric, *found, scene.decided.seconds.get(rung, 0.0))
                rows.append((scene.name, rung, CHOSEN, bucket, n, *told))
    return rows
