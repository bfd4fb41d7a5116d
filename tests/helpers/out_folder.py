"""A small synthetic OUT folder of a train, for tests of what reads one (report, tracking).

All files but ``report.html`` and ``model/``. Numbers are drawn, not trained; names are those of a train, which
tests/integration/test_train.py checks.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

RUNGS = ("random", "popularity", "content", "lightfm", "als", "router")
BUCKETS = {"0": 60, "1_2": 40, "3_9": 30, "10_plus": 12}  # queries per origin; the last one is thin
ORIGINS = (
    ("validation", "2026-01-01T00:00:00+00:00"),
    ("validation", "2026-01-31T00:00:00+00:00"),
    ("test", "2026-03-02T00:00:00+00:00"),
)
ACCURACY = ("ndcg_at_10", "recall_at_20", "map_at_10", "mrr_at_10", "hit_rate_at_10")
BEYOND = ("item_coverage_at_10", "new_item_share_at_10", "popularity_percentile_at_10", "diversity_at_10")
START = datetime(2026, 1, 1, tzinfo=UTC)


def write_out(
    path: Path,
    rungs: Sequence[str] = RUNGS,
    seed: int = 0,
    scenario: str = "jobs",
    data: str = "simulated",
) -> Path:
    """Writes the folder and returns it; the last rung is the router where one is named ``router``."""
    rng = np.random.default_rng(seed)
    path.mkdir(parents=True)
    per_query = _per_query(rungs, rng)
    per_query.write_parquet(path / "per_query.parquet")
    _metrics(per_query, rungs, rng).write_parquet(path / "metrics.parquet")
    _comparisons(rungs, rng).write_parquet(path / "comparisons.parquet")
    _effort(rungs, rng).write_parquet(path / "effort.parquet")
    _data_effort(rungs).write_parquet(path / "data_effort.parquet")
    (path / "decision.json").write_text(json.dumps(_decision(rungs), indent=1))
    (path / "data.json").write_text(json.dumps(_data(data, seed), indent=1))
    (path / "config.yaml").write_text(yaml.safe_dump(_config(scenario, data, rungs), sort_keys=False))
    return path


def _per_query(rungs: Sequence[str], rng: np.random.Generator) -> pl.DataFrame:
    parts = []
    warmth = np.repeat(list(BUCKETS), list(BUCKETS.values()))
    for split, origin in ORIGINS:
        for step, rung in enumerate(rungs):
            level = (0.02 + 0.04 * step) * (1 + np.repeat(np.arange(len(BUCKETS)), list(BUCKETS.values())) / 3)
            for metric in ACCURACY:
                value = np.clip(rng.normal(level, 0.1), 0, 1) * (rung != "random" or 0.1)
                parts.append(
                    pl.DataFrame(
                        {
                            "split": split,
                            "origin": origin,
                            "rung": rung,
                            "query_id": np.arange(len(warmth)),
                            "user_id": [f"u{i % 120}" for i in range(len(warmth))],
                            "as_of": [START + timedelta(hours=i) for i in range(len(warmth))],
                            "user_bucket": warmth,
                            "metric": metric,
                            "value": value.astype(np.float32),
                        }
                    )
                )
    return pl.concat(parts)


def _metrics(per_query: pl.DataFrame, rungs: Sequence[str], rng: np.random.Generator) -> pl.DataFrame:
    keys = ["split", "origin", "rung", "metric"]
    means = [pl.col("value").mean().cast(pl.Float64), pl.col("value").std().alias("sd"), pl.len().alias("n_queries")]
    # As evaluate.py does: one group per origin, and the validation origins pooled.
    pooled = per_query.filter(pl.col("split") == "validation").with_columns(origin=pl.lit("pooled"))
    per_query = pl.concat([per_query, pooled])
    by_user = per_query.group_by([*keys, "user_bucket"]).agg(means)
    overall = per_query.group_by(keys).agg(means).with_columns(user_bucket=pl.lit("all"))
    users = pl.concat([by_user, overall.select(by_user.columns)]).with_columns(
        item_bucket=pl.lit("all"), slice=pl.lit("all"), slice_value=pl.lit("all")
    )
    totals = users.filter((pl.col("user_bucket") == "all") & (pl.col("metric") == "recall_at_20"))
    extra = [
        totals.with_columns(item_bucket=pl.lit(b), value=pl.col("value") * f)
        for b, f in zip(BUCKETS, (0.3, 0.6, 1, 1.2), strict=True)
    ]
    extra += [totals.with_columns(slice=pl.lit("region"), slice_value=pl.lit(r)) for r in ("north", "south")]
    for metric in BEYOND:
        extra.append(totals.with_columns(metric=pl.lit(metric), value=pl.lit(rng.uniform(0.1, 0.9))))
    half = 1.96 * pl.col("sd").fill_null(0) / pl.col("n_queries").sqrt()
    return (
        pl.concat([users, *(e.select(users.columns) for e in extra)])
        .with_columns(
            ci_low=pl.col("value") - half,
            ci_high=pl.col("value") + half,
            n_queries=pl.col("n_queries").cast(pl.Int64),
            answered_share=pl.when((pl.col("rung") == "als") & (pl.col("user_bucket") == "0")).then(0.0).otherwise(0.9),
            seed_count=pl.lit(1, pl.Int64),
        )
        .select(
            *("split", "origin", "rung", "user_bucket", "item_bucket", "slice", "slice_value", "metric"),
            *("value", "ci_low", "ci_high", "n_queries", "answered_share", "seed_count"),
        )
        .sort(pl.all())
    )


def _comparisons(rungs: Sequence[str], rng: np.random.Generator) -> pl.DataFrame:
    rows = []
    for lower, upper in itertools.pairwise(rungs):
        for bucket in ("all", *BUCKETS):
            gain = rng.normal(0.03, 0.02)
            p = float(np.clip(rng.uniform(0, 0.1), 0, 1))
            rows.append((upper, lower, bucket, "ndcg_at_10", gain, gain - 0.02, gain + 0.02, p))
    names = ["rung_a", "rung_b", "user_bucket", "metric", "difference", "ci_low", "ci_high", "p_holm"]
    return pl.DataFrame(rows, schema=names, orient="row")


def _effort(rungs: Sequence[str], rng: np.random.Generator) -> pl.DataFrame:
    rows = []
    for split, origin in ORIGINS:
        rows.append(("all", "prepare", split, origin, 0.5, 0.6, 210.0, 1))
        for step, rung in enumerate(rungs):
            fit, recommend = 0.01 * 4**step * rng.uniform(0.8, 1.2), 0.05 * (1 + step)
            rows.append((rung, "fit", split, origin, fit, fit * 1.1, 200.0 + 40 * step, 1))
            rows.append((rung, "recommend", split, origin, recommend, recommend * 1.1, 230.0 + 20 * step, 1))
    names = ["rung", "stage", "split", "origin", "wall_s", "cpu_s", "peak_mb", "threads"]
    return pl.DataFrame(rows, schema=names, orient="row")


def _data_effort(rungs: Sequence[str]) -> pl.DataFrame:
    rows = [
        ("repaired/interactions/duplicates", 12.0, "rows"),
        ("repeated_interactions", 3.0, "rows"),
        ("feature_columns", 6.0, "columns"),
        ("configuration_lines", 18.0, "lines"),
    ]
    return pl.DataFrame(rows, schema=["measure", "value", "unit"], orient="row")


def _decision(rungs: Sequence[str]) -> dict[str, Any]:
    simple = rungs[min(1, len(rungs) - 1)]
    best = rungs[max(0, len(rungs) - 2)]
    evidence = {"gain": 0.031, "ci_low": 0.012, "ci_high": 0.05, "p_holm": 0.004}
    cell = {"over": simple, **evidence, "n_queries": 80, "inherited_from": None}
    buckets: dict[str, Any] = {
        "0": {**cell, "rung": simple, "over": None, **dict.fromkeys(evidence), "n_queries": 120},
        "1_2": {**cell, "rung": best},
        "3_9": {**cell, "rung": best, "n_queries": 60},
        "10_plus": {**cell, "rung": best, "n_queries": 24, "inherited_from": "with_history"},
        "with_history": {**cell, "rung": best, "n_queries": 164},
    }
    sentences = [
        f"Users without history: ship {simple}; nothing above it was shown to be better.",
        f"Users with history: ship {best}; it gains 0.031 ndcg_at_10 over {simple} (95% interval 0.012 to 0.050).",
    ]
    chosen = {"lightfm": {"factors": 32}}
    rule = {"metric": "ndcg_at_10", "min_gain": 0.0, "alpha": 0.05}
    return {**rule, "buckets": buckets, "parameters": chosen, "sentences": sentences}


def _data(data: str, seed: int) -> dict[str, Any]:
    origins = []
    for split, origin in ORIGINS:
        start = datetime.fromisoformat(origin)
        origins.append(
            {
                "split": split,
                "origin": origin,
                "end": (start + timedelta(days=30)).isoformat(),
                "n_queries": sum(BUCKETS.values()),
                "n_truth": 400,
                "n_candidates": 300,
                "n_truth_outside": 7,
            }
        )
    summary = {
        "n_interactions": 10_000,
        "n_users": 1_000,
        "n_items": 300,
        "density": 1 / 30,
        "gini_items": 0.6,
        "span_days": 90.0,
    }
    repair = {"table": "interactions", "rule": "duplicates", "action": "keep_first", "count": 12}
    return {
        "name": data,
        "source": data,
        "digest": f"{seed:08x}",
        "has_times": True,
        "summary": summary,
        "repairs": [{**repair, "reason": "the same view was logged twice"}],
        "warnings": ["Candidates are hindsight: the data state no availability of items."],
        "roles": {"items": {"title": "text", "city": "category"}, "users": {"city": "category", "gender": "protected"}},
        "origins": origins,
    }


def _config(scenario: str, data: str, rungs: Sequence[str]) -> dict[str, Any]:
    ladder = [
        {"name": rung, "recommender": rung, "params": {"factors": 64} if rung.startswith("als") else {}}
        for rung in rungs
    ]
    problem = {
        "what": "Show each visitor jobs that they will apply to.",
        "for_whom": "visitors of a job board",
        "metric": "ndcg_at_10",
        "target": 0.1,
        "cost_of_error": "a visitor who leaves",
    }
    days = {"content": [2, 5], "als": [3, 8]}
    return {"name": scenario, "problem": problem, "data": {"source": data}, "ladder": ladder, "person_days": days}
