"""The cells of a study as one tidy table."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from recommender.studies.engine.cell import Measured
from recommender.studies.engine.plan import Study

_KEPT = ("rung", "user_bucket", "item_bucket", "slice", "slice_value", "metric", "value", "ci_low", "ci_high")


def tidy(study: Study, runs: Sequence[Measured]) -> pl.DataFrame:
    """results.parquet: study, the labels of the cell, rung, segment, metric, value, interval, n_queries, cell.

    What the test origin's fit and recommend took stands as the metric ``cpu_s`` (all users), and what there was to
    learn from as ``n_train``.
    """
    axes = list(dict.fromkeys(axis for r in runs for axis in r.labels))
    frames = []
    for r in runs:
        rows = r.metrics.select(*_KEPT, "n_queries")
        more = [(rung, "cpu_s", r.seconds.get(rung)) for rung in r.rungs]
        more += [(rung, "n_train", float(r.origin["n_train"])) for rung in r.rungs]
        extra = pl.DataFrame(more, schema={"rung": pl.String, "metric": pl.String, "value": pl.Float64}, orient="row")
        every = {c: pl.lit("all").alias(c) for c in ("user_bucket", "item_bucket", "slice", "slice_value")}
        both = pl.concat([rows, extra.with_columns(**every)], how="diagonal")
        labels = [pl.lit(r.labels.get(axis, "")).alias(axis) for axis in axes]
        frames.append(both.select(pl.lit(study.name).alias("study"), *labels, pl.all(), cell=pl.lit(r.folder.name)))
    return pl.concat(frames)
