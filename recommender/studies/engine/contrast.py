"""Two cells compared user by user: what a change did, with intervals that resample users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from recommender.evaluation.statistics import ClusteredValues, estimates, holm, sign_flip_p
from recommender.names import ALL, USER_BUCKETS
from recommender.studies.engine.cell import Measured

ALPHA = 0.05
FLIPS = 1999
COLUMNS = ("base", "other", "difference", "ci_low", "ci_high", "p", "n_queries")


@dataclass(frozen=True)
class Contrast:
    """``other`` against ``base``, a rung of each; ``name`` says which question it answers."""

    name: str
    base: Measured
    other: Measured
    base_rung: str
    other_rung: str


def contrast(
    contrasts: Sequence[Contrast], metrics: Sequence[str], resamples: int, seed: int, buckets: bool = True
) -> pl.DataFrame:
    """One row per contrast, user bucket (``all``: first queries only) and metric: means of both, the paired
    difference other - base with its 95% interval, sign-flip p, and p_holm over the contrasts of a bucket and metric;
    base_rung and other_rung name whose they are.

    Queries are paired by user and bucket, since a change of the data may move the time of a query. Metrics that
    either cell lacks, and buckets without common queries, are left out.
    """
    rows: list[tuple[object, ...]] = []
    for c in contrasts:
        for bucket in (ALL, *USER_BUCKETS) if buckets else (ALL,):
            rows += _cell(c, bucket, metrics, resamples, seed)
    names = ["name", "base_rung", "other_rung", "user_bucket", "metric", *COLUMNS]
    types = [pl.String] * 5 + [pl.Float64] * 6 + [pl.Int64]
    table = pl.DataFrame(rows, schema=dict(zip(names, types, strict=True)), orient="row")
    adjusted = [
        part.with_columns(p_holm=pl.Series(holm(part["p"].to_numpy()), dtype=pl.Float64))
        for part in table.partition_by("user_bucket", "metric", maintain_order=True)
    ]
    return pl.concat(adjusted) if adjusted else table.with_columns(p_holm=pl.lit(None, pl.Float64))


def _cell(c: Contrast, bucket: str, metrics: Sequence[str], resamples: int, seed: int) -> list[tuple[object, ...]]:
    base, other = _queries(c.base, c.base_rung, bucket), _queries(c.other, c.other_rung, bucket)
    shared = [m for m in metrics if m in base.columns and m in other.columns]
    both = base.join(other, on="user_id", suffix=":other", maintain_order="left")
    if not both.height or not shared:
        return []
    one = both.select(shared).to_numpy().astype(np.float64)
    two = both.select(f"{m}:other" for m in shared).to_numpy().astype(np.float64)
    cell = ClusteredValues(np.arange(both.height), two - one)  # one query per user here
    (found,) = estimates([cell], both.height, resamples, seed)
    p = sign_flip_p(cell, FLIPS, seed)
    defined = ~np.isnan(two - one)
    rows = []
    for i, metric in enumerate(shared):
        if defined[:, i].any():
            means = (float(x[defined[:, i], i].mean()) for x in (one, two))
            told = (found.mean[i], found.low[i], found.high[i], p[i], int(found.n[i]))
            rows.append((c.name, c.base_rung, c.other_rung, bucket, metric, *means, *told))
    return rows


def significant(row: Mapping[str, Any]) -> bool:
    """Of a row of ``contrast``."""
    return bool(row["p_holm"] < ALPHA and row["ci_low"] * row["ci_high"] > 0)


def paired(base: Measured, other: Measured, rung: str, metric: str) -> np.ndarray:
    """float64 (2, n_users): the metric of each common user's first query, in ``base`` and in ``other``."""
    both = _queries(base, rung, ALL).join(_queries(other, rung, ALL), on="user_id", suffix=":other")
    return both.select(metric, f"{metric}:other").to_numpy().T.astype(np.float64)


def _queries(cell: Measured, rung: str, bucket: str) -> pl.DataFrame:
    rows = cell.values.filter(pl.col("rung") == rung)
    return rows.filter("first") if bucket == ALL else rows.filter(pl.col("user_bucket") == bucket)
