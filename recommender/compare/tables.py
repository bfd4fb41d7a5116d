"""The numbers of a comparison as tidy tables, one Parquet file each; ``site`` is the site's name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import polars as pl

from recommender.compare import build_next
from recommender.compare.plan import TRANSFER
from recommender.compare.site import Site, named
from recommender.evaluation.metric_table import named as named_metrics
from recommender.names import ALL, PLAIN, USER_BUCKETS
from recommender.studies import transfer
from recommender.studies.engine.curves import crossings
from recommender.studies.engine.measured import Measured
from recommender.studies.engine.plan import SCENARIO, Study
from recommender.studies.engine.run import results_table

_LADDER = {
    **dict.fromkeys(("site", "rung", "user_bucket"), pl.String),
    "n_queries": pl.Int64,
    "metric": pl.String,
    **dict.fromkeys(("value", "ci_low", "ci_high", "cpu_s"), pl.Float64),
}
_MOVES = {
    **dict.fromkeys(("site", "user_bucket", "rung", "over"), pl.String),
    **dict.fromkeys(("interactions", "ci_low", "ci_high", "ahead_share"), pl.Float64),
}
_TRANSFER = {
    **dict.fromkeys(("used_in", "recipe_of", "user_bucket"), pl.String),
    **dict.fromkeys(("percent", "ci_low", "ci_high"), pl.Float64),
    "n_queries": pl.Int64,
    "lacking": pl.String,
}


def tables(
    sites: Sequence[Site], again: Sequence[Measured], studies: Mapping[str, Study], facts: pl.DataFrame
) -> dict[str, pl.DataFrame]:
    """File name -> table: what the page shows, and every cell behind it. again: the cells of every recipe;
    facts: of all sites."""
    cells = [results_table(studies[name], runs) for s in sites for name, runs in s.runs.items()]
    cells += [results_table(studies[TRANSFER], again)] if again else []
    by_name = {
        "facts": facts,
        "cells": pl.concat(cells, how="diagonal"),
        "ladder": ladder(sites),
        "moves": _moves(sites),
        "data_value": _effects({s.name: s.data_value for s in sites}),
        "parts": _effects({s.name: s.part_effects for s in sites}),
        "transfer": _transfer([*named(sites), *again]),
        "build": build_next.table([o for s in sites for o in build_next.options(s)]),
    }
    return {name: table for name, table in by_name.items() if table.height}


def ladder(sites: Sequence[Site]) -> pl.DataFrame:
    """site, rung, user_bucket, n_queries, metric, value, ci_low, ci_high, cpu_s, with all of today's data. The router
    is what the validation periods chose to ship."""
    rows: list[tuple[object, ...]] = []
    for site, cell in ((s, s.today) for s in sites if s.today):
        metrics = [site.metric, *(m for m in named_metrics("accuracy") if m != site.metric)]
        for rung in (r for r in cell.rungs if r != PLAIN):
            queries = cell.values.filter(rung=rung)
            for bucket, metric in product((ALL, *USER_BUCKETS), metrics):
                value = site.value(rung, bucket, metric)
                if value is not None and value[0] is not None:
                    n = queries.filter("first" if bucket == ALL else pl.col("user_bucket") == bucket).height
                    rows.append((site.name, rung, bucket, n, metric, *value, cell.seconds.get(rung, 0.0)))
    return pl.DataFrame(rows, schema=_LADDER, orient="row")


def _moves(sites: Sequence[Site]) -> pl.DataFrame:
    """Where each rung overtakes the best simpler one; infinite: before, or not in, the range."""
    rows = [
        (s.name, c.bucket, c.rung, c.over, c.at, c.low, c.high, c.share)
        for s in sites
        if s.curves
        for bucket in s.curves.buckets()
        for c in crossings(s.curves, bucket)
    ]
    return pl.DataFrame(rows, schema=_MOVES, orient="row")


def _effects(by_site: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    frames = [
        table.select(pl.lit(name).alias("site"), "pair", pl.exclude("pair", "name", "shown"))
        for name, table in by_site.items()
        if table.height
    ]
    return pl.concat(frames) if frames else pl.DataFrame()


def _transfer(runs: Sequence[Measured]) -> pl.DataFrame:
    sites = {r.labels[SCENARIO] for r in runs if transfer.RECIPE not in r.labels}
    if len(sites) < 2 or not any(transfer.RECIPE in r.labels for r in runs):
        return pl.DataFrame()
    rows = [
        (to, home, bucket, ratio.percent, ratio.low, ratio.high, ratio.n, ", ".join(ratio.lacking))
        for (to, home, bucket), ratio in transfer.matrix(runs).items()
        if ratio is not None
    ]
    return pl.DataFrame(rows, schema=_TRANSFER, orient="row")
