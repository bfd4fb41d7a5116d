"""Two cells compared user by user: what a change did, with intervals that resample users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from recommender.evaluation.statistics import ClusteredValues, estimates, holm, replicates, sign_flip_p
from recommender.hashing import of_values
from recommender.names import ALL, USER_BUCKETS
from recommender.studies.engine.measured import Measured

ALPHA = 0.05
_COLUMNS = {
    **dict.fromkeys(("name", "base_rung", "other_rung", "user_bucket", "metric"), pl.String),
    **dict.fromkeys(("base", "other", "difference", "ci_low", "ci_high", "p"), pl.Float64),
    "n_queries": pl.Int64,
}


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
            rows += _rows(c, bucket, metrics, resamples, seed)
    table = pl.DataFrame(rows, schema=_COLUMNS, orient="row")
    adjusted = [
        family.with_columns(p_holm=pl.Series(holm(family["p"].to_numpy()), dtype=pl.Float64))
        for family in table.partition_by("user_bucket", "metric", maintain_order=True)
    ]
    return pl.concat(adjusted) if adjusted else table.with_columns(p_holm=pl.lit(None, pl.Float64))


def _rows(c: Contrast, bucket: str, metrics: Sequence[str], resamples: int, seed: int) -> list[tuple[object, ...]]:
    base, other = _queries(c.base, c.base_rung, bucket), _queries(c.other, c.other_rung, bucket)
    shared = [m for m in metrics if m in base.columns and m in other.columns]
    both = base.join(other, on="user_id", suffix=":other", maintain_order="left")
    if not both.height or not shared:
        return []
    one = both.select(shared).to_numpy().astype(np.float64)
    two = both.select(f"{m}:other" for m in shared).to_numpy().astype(np.float64)
    cell = ClusteredValues(np.arange(both.height), two - one)  # one query per user here
    (estimate,) = estimates([cell], of_values(both["user_id"]), resamples, seed)
    p = sign_flip_p(cell, seed)
    defined = ~np.isnan(two - one)
    rows = []
    for i, metric in enumerate(shared):
        if defined[:, i].any():
            means = (float(x[defined[:, i], i].mean()) for x in (one, two))
            difference = (estimate.mean[i], estimate.low[i], estimate.high[i], p[i], int(estimate.n[i]))
            rows.append((c.name, c.base_rung, c.other_rung, bucket, metric, *means, *difference))
    return rows


def significant(row: Mapping[str, Any]) -> bool:
    """Whether a row of ``contrast`` shows a difference: adjusted p and interval both exclude 0."""
    return bool(row["p_holm"] < ALPHA and row["ci_low"] * row["ci_high"] > 0)


def values(run: Measured, rung: str, metric: str) -> np.ndarray:
    """The metric of each user's first query, float64 (n_users,)."""
    return _queries(run, rung, ALL)[metric].to_numpy().astype(np.float64)


def paired(base: Measured, other: Measured, rung: str, metric: str) -> np.ndarray:
    """The metric of each common user's first query, in ``base`` and in ``other``: float64 (2, n_users)."""
    both = _queries(base, rung, ALL).join(_queries(other, rung, ALL), on="user_id", suffix=":other")
    return both.select(metric, f"{metric}:other").to_numpy().T.astype(np.float64)


def ratio_interval(values: np.ndarray, resamples: int, seed: int) -> tuple[float, float]:
    """95% interval of the second row's mean over the first row's; the same users are drawn for both.

    values: float64 (2, n_users). Resamples in which the first mean is 0 do not count.
    """
    n = values.shape[1]
    drawn = replicates(ClusteredValues(np.arange(n), values.T), np.arange(n, dtype=np.uint64), resamples, seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(drawn[:, 0] > 0, drawn[:, 1] / drawn[:, 0], np.nan)
    low, high = np.nanpercentile(ratios, [2.5, 97.5])
    return float(low), float(high)


def _queries(cell: Measured, rung: str, bucket: str) -> pl.DataFrame:
    rows = cell.values.filter(pl.col("rung") == rung)
    return rows.filter("first") if bucket == ALL else rows.filter(pl.col("user_bucket") == bucket)
