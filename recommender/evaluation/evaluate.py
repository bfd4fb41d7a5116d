"""Lists -> per-query metrics -> tables by user bucket, item bucket and slice, with intervals and paired tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import polars as pl
import scipy.sparse as sp

from recommender.config import Scenario
from recommender.data.dataset import NO_TIME
from recommender.data.split import Fold
from recommender.evaluation.judge import AccuracyJudge
from recommender.evaluation.metric_table import ANSWERED, METRICS, compared, of_every_query
from recommender.evaluation.shown import Shown
from recommender.evaluation.statistics import ClusteredValues, estimates, holm, numbered, sign_flip_p
from recommender.features.columns import labels
from recommender.names import ALL, USER_BUCKETS, WITH_HISTORY
from recommender.ranking.lists import Lists

VISIT = "visit"  # the slice by time since the last interaction
POOLED = "pooled"  # the origin of rows that pool the validation origins
PERIODS = 4  # of each horizon: what a decision counts as its draws of time
_SLICE_VALUES, _SLICE_QUERIES = 10, 30


@dataclass(frozen=True)
class QueryInfo:
    """The queries of one fold, without the data behind them."""

    split: str
    origin: str
    user_ids: pl.Series
    as_of: np.ndarray
    bucket: np.ndarray  # int64, position in USER_BUCKETS
    first: np.ndarray  # bool, the user's first query
    returning: np.ndarray  # bool, has a history, but none of it in the last days
    slices: Mapping[str, pl.Series]  # user column -> value of each query, String
    groups: Mapping[str, pl.Series] = field(default_factory=dict)  # likewise, for the audit only
    n_periods: int = PERIODS  # of the horizon, that decisions count


@dataclass(frozen=True)
class Outcome:
    """One rung's results on one fold: one value per query and column, NaN where not defined."""

    values: Mapping[str, np.ndarray]  # metric, or "recall_at_20:<item bucket>"
    shares: Mapping[str, float] = field(default_factory=dict)  # of all lists together: coverage, survival
    over_all: pl.DataFrame | None = None  # where the queries are a sample's: accuracy of all users', see ``Asker``


def periods(as_of: np.ndarray, n: int = PERIODS) -> np.ndarray:
    """Which of ``n`` periods of about equally many queries each one lies in, int64. as_of: microseconds of a fold's."""
    return np.argsort(np.argsort(as_of, kind="stable"), kind="stable") * n // max(len(as_of), 1)


def periods_of(query_info: Sequence[QueryInfo]) -> list[np.ndarray]:
    """The period of each query, int64 per fold: none is of two folds; a single one where none are counted.

    Folds that are split at random are draws of one period.
    """
    if all((info.as_of == NO_TIME).all() for info in query_info):
        return [np.zeros(len(info.as_of), np.int64) for info in query_info]
    return [n * info.n_periods + periods(info.as_of, info.n_periods) for n, info in enumerate(query_info)]


def query_info(
    fold: Fold, slices: Sequence[str], away_days: float, groups: Sequence[str] = (), n_periods: int = PERIODS
) -> QueryInfo:
    """What evaluation groups the queries of a fold by. slices, groups: columns of users; away_days: see ``Queries``."""
    queries, users = fold.queries, fold.queries.users
    chosen = {c: labels(users, c, "slices") for c in slices if c in users.frame.columns}
    audited = {c: labels(users, c, "audit.columns") for c in groups if c in users.frame.columns}
    back = (queries.buckets > 0) & (queries.away_days >= away_days)
    return QueryInfo(
        fold.split,
        fold.origin,
        queries.ids,
        queries.as_of,
        queries.buckets,
        fold.first,
        back,
        chosen,
        audited,
        n_periods,
    )


def outcome(
    lists: Lists, fold: Fold, scenario: Scenario, item_rows: sp.csr_matrix | None = None,
    values: Mapping[str, np.ndarray] | None = None,
) -> Outcome:  # fmt: skip
    """Every metric whose ``needs`` are met. item_rows: feature rows of ``fold.items``, for diversity; None: accuracy
    only, all that a choice reads. values: of accuracy, where they are measured already."""
    values = AccuracyJudge.of(fold).values(lists) if values is None else dict(values)
    if item_rows is None:
        return Outcome(values)
    shown = Shown(lists, fold.truth, fold, scenario, item_rows, grades=fold.grades)
    ready = [m for m in METRICS.values() if m.name not in values and (not m.needs or m.needs(shown))]
    values |= {m.name: m.values(shown) for m in ready if m.values}
    whole = {m.name: m.over_lists(shown) for m in ready if m.over_lists}
    return Outcome(values, {name: value for name, value in whole.items() if not np.isnan(value)})


@dataclass(frozen=True)
class Group:
    """Folds read together: one origin, or the validation origins pooled with users as clusters."""

    split: str
    origin: str
    query_info: Sequence[QueryInfo]
    outcomes: Sequence[Mapping[str, Outcome]]  # per fold: rung -> outcome

    @property
    def rungs(self) -> list[str]:
        return list(self.outcomes[0])

    def stack(self, names: Sequence[str]) -> np.ndarray:
        """float64 (n_queries, rungs x names), rung by rung."""
        rows = [np.column_stack([o[r].values[n] for r in self.rungs for n in names]) for o in self.outcomes]
        return np.concatenate(rows)

    def users(self) -> tuple[np.ndarray, np.ndarray]:
        """See ``numbered``."""
        return numbered(pl.concat([a.user_ids for a in self.query_info]))

    def periods(self) -> np.ndarray:
        """The period of each query, int64; none is of two folds."""
        return np.concatenate(periods_of(self.query_info))

    def silent(self, mask: np.ndarray) -> set[str]:
        """The rungs that have no score for any of these queries (bool): their lists are completion alone."""
        if any(ANSWERED not in by_rung[rung].values for by_rung in self.outcomes for rung in self.rungs):
            return set()
        some = (self.stack([ANSWERED])[mask] > 0).any(axis=0)
        return {rung for rung, answers in zip(self.rungs, some, strict=True) if not answers}

    def masks(self) -> Iterator[tuple[str, str, str, np.ndarray]]:
        """(user bucket, slice, slice value, which queries). Rows for all users use first queries only."""
        bucket = np.concatenate([a.bucket for a in self.query_info])
        first = np.concatenate([a.first for a in self.query_info])
        yield ALL, "", "", first
        for b, name in enumerate(USER_BUCKETS):
            yield name, "", "", bucket == b
        yield WITH_HISTORY, "", "", bucket > 0
        back = np.concatenate([a.returning for a in self.query_info])
        warm = {name: bucket == b for b, name in enumerate(USER_BUCKETS) if b} | {WITH_HISTORY: bucket > 0}
        for name, rows in warm.items():
            yield name, VISIT, "in_session", rows & ~back
            yield name, VISIT, "returning", rows & back
        for column in self.query_info[0].slices:
            values = pl.concat([a.slices[column] for a in self.query_info])
            common = values.filter(pl.Series(first)).drop_nulls().value_counts(sort=True).head(_SLICE_VALUES)
            for value, n in common.iter_rows():
                if n >= _SLICE_QUERIES:
                    yield ALL, column, value, first & (values == value).fill_null(False).to_numpy()


def groups(queries_by_fold: Sequence[QueryInfo], outcomes: Sequence[Mapping[str, Outcome]]) -> list[Group]:
    """One group per origin, and the validation origins pooled where there are several."""
    single = [Group(a.split, a.origin, [a], [o]) for a, o in zip(queries_by_fold, outcomes, strict=True)]
    validation = [g for g in single if g.split == "validation"]
    if len(validation) < 2:
        return single
    pooled = Group("validation", POOLED, [g.query_info[0] for g in validation], [g.outcomes[0] for g in validation])
    return [*single, pooled]


def metrics_table(group: Group, resamples: int, seed: int) -> pl.DataFrame:
    """Rows of metrics.parquet for one group."""
    names = list(next(iter(group.outcomes[0].values())).values)
    codes, keys = group.users()
    values, masks = group.stack(names), list(group.masks())
    cells = estimates([ClusteredValues(codes[m], values[m]) for *_, m in masks], keys, resamples, seed)
    rows = []
    for (user_bucket, name, value, _), estimate in zip(masks, cells, strict=True):
        mean = estimate.mean.reshape(len(group.rungs), len(names))
        low, high, n = (x.reshape(mean.shape) for x in (estimate.low, estimate.high, estimate.n))
        share = mean[:, names.index(ANSWERED)]
        for r, rung in enumerate(group.rungs):
            for c, column in enumerate(names):
                metric, _, item_bucket = column.partition(":")
                rows.append((rung, user_bucket, item_bucket or ALL, name or ALL, value or ALL, metric,
                             mean[r, c], low[r, c], high[r, c], int(n[r, c]), share[r]))  # fmt: skip
    for rung in group.rungs:
        whole = [o[rung].shares for o in group.outcomes]
        n_queries = sum(len(a.first) for a in group.query_info)
        for name in dict.fromkeys(n for shares in whole for n in shares):
            over_folds = float(np.mean([shares[name] for shares in whole if name in shares]))
            rows.append((rung, ALL, ALL, ALL, ALL, name, over_folds, None, None, n_queries, None))
    schema = {"rung": pl.String, "user_bucket": pl.String, "item_bucket": pl.String, "slice": pl.String,
              "slice_value": pl.String, "metric": pl.String, "value": pl.Float64, "ci_low": pl.Float64,
              "ci_high": pl.Float64, "n_queries": pl.Int64, "answered_share": pl.Float64}  # fmt: skip
    table = pl.DataFrame(rows, schema=schema, orient="row").fill_nan(None)
    where = (pl.lit(group.split).alias("split"), pl.lit(group.origin).alias("origin"))
    return table.select(*where, pl.all(), pl.lit(1, pl.Int64).alias("seed_count"))


def comparisons_table(
    group: Group,
    ladder: Sequence[str],
    resamples: int,
    seed: int,
    metrics: Sequence[str] | None = None,
    deciding: bool = False,
) -> pl.DataFrame:
    """Paired differences b - a of every two rungs, a before b in the ladder, by user bucket.

    metrics: by default those that the table compares. deciding: also each bucket's ``<bucket>_in_session`` and
    ``<bucket>_returning``; intervals then hold for other users *and* other periods, the wider bound of the two.
    p is then 1 where the better rung answers none of the bucket's queries: its lists are completion, no evidence.
    p_holm: sign-flip p over users, Holm-adjusted within a bucket and metric over the rungs above a.
    Columns: rung_a, rung_b, user_bucket, metric, difference, ci_low, ci_high, p_holm, n_queries.
    """
    pairs = list(combinations(ladder, 2))  # none for a ladder of one rung
    return compare(group, pairs, [a for a, _ in pairs], resamples, seed, metrics, deciding)


def compare(
    group: Group,
    pairs: Sequence[tuple[str, str]],
    families: Sequence[str],
    resamples: int,
    seed: int,
    metrics: Sequence[str] | None = None,
    deciding: bool = False,
) -> pl.DataFrame:
    """Paired differences b - a of ``pairs`` (a, b), as ``comparisons_table``; Holm within those of one family."""
    codes, user_keys = group.users()
    times = group.periods()
    cells, keys, when, silent = [], [], [], []
    for metric in (metrics or compared()) if pairs else ():
        values = dict(zip(group.rungs, group.stack([metric]).T, strict=True))
        gain = np.column_stack([values[b] - values[a] for a, b in pairs])
        for user_bucket, name, value, mask in group.masks():
            if mask.any() and (not name or (deciding and name == VISIT)):
                when.append(times[mask])
                keys.append((f"{user_bucket}_{value}" if name else user_bucket, metric))
                cells.append(ClusteredValues(codes[mask], gain[mask]))
                silent.append(group.silent(mask) - {pairs[0][0]} if deciding else set())
    rows: list[tuple[object, ...]] = []
    gains = estimates(cells, user_keys, resamples, seed, when if deciding else None)
    family = np.array(families)
    for (user_bucket, metric), cell, e, without in zip(keys, cells, gains, silent, strict=True):
        p = sign_flip_p(cell, seed)
        for one in np.unique(family):
            p[family == one] = holm(p[family == one])
        p[[(b if gained > 0 else a) in without for (a, b), gained in zip(pairs, e.mean, strict=True)]] = 1.0
        rows += [(a, b, user_bucket, metric, e.mean[i], e.low[i], e.high[i], p[i], int(e.n[i]))
                 for i, (a, b) in enumerate(pairs)]  # fmt: skip
    names = ["rung_a", "rung_b", "user_bucket", "metric", "difference", "ci_low", "ci_high", "p_holm", "n_queries"]
    types = [pl.String] * 4 + [pl.Float64] * 4 + [pl.Int64]
    return pl.DataFrame(rows, schema=dict(zip(names, types, strict=True)), orient="row")


def per_query_table(queries_by_fold: Iterable[QueryInfo], outcomes: Iterable[Mapping[str, Outcome]]) -> pl.DataFrame:
    """Rows of per_query.parquet: the accuracy metrics of every query and rung."""
    frames = []
    names = of_every_query()
    for a, by_rung in zip(queries_by_fold, outcomes, strict=True):
        base = pl.DataFrame({
            "split": pl.Series([a.split] * len(a.first), dtype=pl.String),
            "origin": pl.Series([a.origin] * len(a.first), dtype=pl.String),
            "query_id": np.arange(len(a.first)),
            "user_id": a.user_ids,
            "as_of": as_times(a.as_of),
            "user_bucket": np.array(USER_BUCKETS)[a.bucket],
        })  # fmt: skip
        for rung, result in by_rung.items():
            wide = base.with_columns(*(pl.Series(n, result.values[n]) for n in names), pl.lit(rung).alias("rung"))
            frames.append(wide.unpivot(names, index=[*base.columns, "rung"], variable_name="metric"))
    order = ["split", "origin", "rung", "query_id", "user_id", "as_of", "user_bucket", "metric", "value"]
    return pl.concat(frames).drop_nans("value").select(order)  # the oracle is asked some of the queries only


def as_times(us: np.ndarray) -> pl.Series:
    """int64 microseconds -> Datetime UTC; NO_TIME -> null."""
    stated = pl.Series(us != np.iinfo(np.int64).min)
    times = pl.Series("as_of", us).cast(pl.Datetime("us", "UTC"))
    return pl.select(pl.when(stated).then(times).alias("as_of"))["as_of"]
