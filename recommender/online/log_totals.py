"""What each user of a test was shown and took, as the totals that its metrics are ratios of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from recommender.errors import DataError
from recommender.evaluation.metric_table import HIGHER, LOWER
from recommender.online.harms import GROUP, PLACE_HARMS, SELECTED
from recommender.online.ratio import Sample
from recommender.operate.service import FALLBACK, answered


@dataclass(frozen=True)
class OnlineMetric:
    """``x / n`` over users. better: HIGHER or LOWER. What is better lower is a share; its tolerance is a rise of it,
    that of the others a part of the control's value."""

    label: str
    x: str
    n: str
    better: int = HIGHER


ONLINE_METRICS: Mapping[str, OnlineMetric] = {
    "takes_per_list": OnlineMetric("takes per list", "takes", "lists"),
    "lists_with_take": OnlineMetric("lists with a take", "hits", "lists"),
    "takes_per_user": OnlineMetric("takes per user", "takes", "users"),
    "users_who_take": OnlineMetric("users who take something", "took", "users"),
    "lists_per_user": OnlineMetric("lists per user", "lists", "users"),
    "short_lists": OnlineMetric("lists shorter than usual", "short", "lists", LOWER),
    "fallback": OnlineMetric("places filled by the fallback", "fallback", "places", LOWER),
    "unavailable": OnlineMetric("places with an item that is gone", "unavailable", "places", LOWER),
    "blocked": OnlineMetric("places with an item that a rule shuts out", "blocked", "places", LOWER),
    "load": OnlineMetric("share of the lists that show a place's item", "load", "places", LOWER),
}
IMPACT: Final = "impact_ratio"


def label_of(metric: str) -> str:
    """The label of a metric, or of the impact ratio by a column of users."""
    name, _, column = metric.partition("/")
    return f"impact ratio by {column}" if name == IMPACT else ONLINE_METRICS[metric].label


@dataclass(frozen=True)
class Totals:
    """lists: a row per list with user_id, variant, day (since 1970) and what metrics count; users: their sums by user,
    with ``before`` where it is known; mixed: users who saw lists of both variants, who are left out."""

    lists: pl.DataFrame
    users: pl.DataFrame
    mixed: int
    before: pl.DataFrame | None = None

    def sample(self, variant: str, metric: str) -> Sample:
        """The users of a variant."""
        rows, m = self.users.filter(pl.col("variant") == variant), ONLINE_METRICS[metric]
        past = rows["before"].to_numpy() if "before" in rows.columns else None
        return Sample(rows[m.x].to_numpy().astype(float), rows[m.n].to_numpy().astype(float), past)

    def by_group(self, variant: str, column: str) -> dict[str, Sample]:
        """Lists with enough favourable items / lists, of the users of each group."""
        rows = self.users.filter(pl.col("variant") == variant).drop_nulls(column)
        return {
            str(group): Sample(part[SELECTED].to_numpy().astype(float), part["lists"].to_numpy().astype(float))
            for (group,), part in rows.partition_by(column, as_dict=True).items()
        }

    @property
    def group_columns(self) -> list[str]:
        return [c for c in self.users.columns if c.startswith(GROUP)]

    def until(self, day: int) -> Totals:
        """The totals at the end of that day."""
        return of_lists(self.lists.filter(pl.col("day") <= day), self.before)

    @property
    def weeks(self) -> float:
        """How long the log is, from its first day to its last."""
        return float(self.lists["day"].max() - self.lists["day"].min() + 1) / 7  # type: ignore[operator]


def totals(
    served: pl.DataFrame, feedback: pl.DataFrame, events: Sequence[str] | None, before: pl.DataFrame | None = None
) -> Totals:
    """served, feedback: tables of a service's log; served may have the columns of ``harms.py``. events: kinds of
    feedback that count as taken (None: all but impressions). before: user_id, and ``before``: a number of each from
    before the test; who lacks has 0.

    Raises DataError where nothing was logged.
    """
    if not served.height:
        raise DataError("The log holds no lists. Name the LOG of a service that has answered requests.")
    rows = answered(served, feedback, events)
    lists = rows.group_by("list_id").agg(
        pl.first("user_id", "variant", "day"), pl.len().alias("places"), pl.col("taken").sum().alias("takes"),
        (pl.col("source") == FALLBACK).sum().alias("fallback"),
        *(pl.col(c).sum() for c in _harms(rows)), *(pl.col(c).first() for c in _of_list(rows)),
    )  # fmt: skip
    usual = lists["places"].mode().max()
    short = (pl.col("places") < usual).cast(pl.Int64)
    return of_lists(lists.with_columns(hits=(pl.col("takes") > 0).cast(pl.Int64), short=short), before)


def of_lists(lists: pl.DataFrame, before: pl.DataFrame | None) -> Totals:
    """The sums of each user's lists."""
    users = lists.group_by("user_id").agg(
        pl.first("variant"), pl.col("variant").n_unique().alias("variants"), pl.col("day").min(),
        pl.len().alias("lists"), pl.col("places", "takes", "fallback", "hits", "short", *_harms(lists)).sum(),
        *(pl.col(c).first() if c.startswith(GROUP) else pl.col(c).sum() for c in _of_list(lists)),
    ).sort("user_id")  # fmt: skip
    mixed = int((users["variants"] > 1).sum())
    users = users.filter(pl.col("variants") == 1).drop("variants")
    users = users.with_columns(took=(pl.col("takes") > 0).cast(pl.Int64), users=pl.lit(1))
    if before is not None:
        past = before.select(pl.col("user_id").cast(users["user_id"].dtype), pl.col("before").cast(pl.Float64))
        users = users.join(past, on="user_id", how="left").with_columns(pl.col("before").fill_null(0.0))
    return Totals(lists, users, mixed, before)


def _harms(rows: pl.DataFrame) -> list[str]:
    return [c for c in PLACE_HARMS if c in rows.columns]


def _of_list(rows: pl.DataFrame) -> list[str]:
    return [c for c in rows.columns if c == SELECTED or c.startswith(GROUP)]


def variants_of(served: pl.DataFrame) -> list[str]:
    """The variants of a log, sorted."""
    return sorted(served["variant"].unique().to_list())


def is_interleaved(served: pl.DataFrame) -> bool:
    """Whether places of one list are credited to more than one variant."""
    return bool((served.group_by("list_id").agg(pl.col("variant").n_unique())["variant"] > 1).any())
