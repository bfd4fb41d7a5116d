"""What is watched of a service's own log: lists shown, how full they are, who filled them, and whether they are taken.

Rates are takes per shown place. Where exploration drew items at random (``propensity``), its rows tell how much each
rank is looked at, and a rate is adjusted by that: takes per place that would have been looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from recommender.data.times import US_PER_DAY
from recommender.names import USER_BUCKETS
from recommender.operate.daily import WINDOW, Span
from recommender.operate.mix import counted, rates_moved
from recommender.operate.stream import FEWER, LEARNING, MORE, Stream

FALLBACK = "fallback"
IGNORED = ("impression",)  # feedback that is no take
MOST_ITEMS = 2_000  # whose take rates are watched
LEAST_EXPLORED = 300  # places that exploration drew, for an examination curve
_DAY = (pl.col("as_of").dt.epoch("us") // US_PER_DAY).alias("day")


@dataclass(frozen=True)
class Rate:
    """Takes per shown place of one group. adjusted: per place that is looked at; None without exploration."""

    by: str
    group: str
    lists: int
    places: int
    rate: float
    low: float
    high: float
    adjusted: float | None


def answered(served: pl.DataFrame, feedback: pl.DataFrame, events: Sequence[str] | None) -> pl.DataFrame:
    """The rows of ``served`` with ``day`` and ``taken`` (bool). events: kinds of feedback that count as taken; None:
    all but impressions."""
    kind = pl.col("event")
    takes = feedback.filter(kind.is_in(list(events)) if events else ~kind.is_in(IGNORED))
    takes = takes.select("list_id", pl.col("item_id").cast(served["item_id"].dtype)).unique()
    taken = served.join(takes.with_columns(taken=pl.lit(True)), on=["list_id", "item_id"], how="left")
    return taken.with_columns(_DAY, pl.col("taken").fill_null(False))


def service_streams(rows: pl.DataFrame, span: Span) -> list[Stream]:
    """The streams of ``answered`` rows. Where nothing was logged before shipping, the first days are the baseline."""
    lists = rows.group_by("list_id", maintain_order=True).agg(pl.first("day"), pl.len().alias("length"))
    usual = lists["length"].mode().max()
    lists = lists.with_columns(short=pl.col("length") < usual)
    by_day = lists.group_by("day").agg(pl.len().alias("lists"), pl.mean("short"))
    places = rows.group_by("day").agg(
        pl.len().alias("places"), (pl.col("source") == FALLBACK).mean().alias("fallback"), pl.mean("taken")
    )
    table = pl.DataFrame({"day": span.days}).join(by_day, on="day", how="left").join(places, on="day", how="left")
    begin = int(lists["day"].min())  # type: ignore[arg-type]
    span = replace(span, shipped=max(span.shipped, begin + LEARNING + 4))
    table = table.sort("day").with_columns(pl.col("lists", "places").fill_null(0))
    known = table["day"].to_numpy() >= begin
    n_lists, n_places = (np.where(known, table[c].to_numpy().astype(float), 0) for c in ("lists", "places"))
    values = {c: table[c].cast(pl.Float64).fill_null(np.nan).to_numpy() for c in ("short", FALLBACK, "taken")}
    window = min(WINDOW, max(1, (span.shipped - max(begin, span.first)) // 3))
    moved = rates_moved(*_by_item(rows, span), window)
    volume = np.where(known, np.log1p(n_lists), np.nan)
    return [
        span.stream("lists", "lists shown", volume, known.astype(float), FEWER, 0.1, log=True),
        span.stream("short_lists", "share of lists shorter than usual", values["short"], n_lists, MORE, 0.02),
        span.stream(FALLBACK, "share of places filled by the fallback", values[FALLBACK], n_places, MORE, 0.02),
        span.stream("take_rate", "takes per shown place", values["taken"], n_places, FEWER, 0.0),
        span.stream(
            "item_take_rates", f"takes of items against their own rates of the {window} days before; 1: nothing moved",
            moved, np.isfinite(moved).astype(float), MORE, 0.0,
        ),
    ]  # fmt: skip


def _by_item(rows: pl.DataFrame, span: Span) -> tuple[np.ndarray, np.ndarray]:
    """How often each item was shown and taken, float64 (n_days, n_items) each; the items that were shown most."""
    often = rows["item_id"].value_counts(sort=True).head(MOST_ITEMS).select("item_id", code=pl.int_range(pl.len()))
    listed = rows.select("day", "item_id", "taken").join(often, on="item_id")
    day, code = listed["day"].to_numpy() - span.first, listed["code"].to_numpy()
    taken = listed["taken"].to_numpy()
    shown = counted(code, day, len(span.days), often.height)
    return shown, counted(code[taken], day[taken], len(span.days), often.height)


def examination(rows: pl.DataFrame) -> dict[int, float] | None:
    """Rank -> how much it is looked at, the first rank 1, from the places that exploration drew; None: too few.

    The item is independent of the rank there once each row counts 1 / propensity, so that what differs is the look.
    """
    drawn = rows.filter(pl.col("propensity").is_not_null() & (pl.col("propensity") > 0))
    if drawn.height < LEAST_EXPLORED:
        return None
    weight = 1 / pl.col("propensity")
    by_rank = drawn.group_by("rank").agg(((pl.col("taken") * weight).sum() / weight.sum()).alias("rate")).sort("rank")
    best = float(by_rank["rate"].max() or 0)  # type: ignore[arg-type]
    return {int(rank): rate / best for rank, rate in by_rank.iter_rows()} if best else None


def rates(rows: pl.DataFrame, warmth: pl.Series | None, slices: Sequence[str]) -> list[Rate]:
    """Takes per shown place by surface, variant, source, warmth and slices. warmth: of each row, where it is known."""
    if warmth is not None:
        rows = rows.with_columns(warmth.alias("warmth"))
    curve = examination(rows)
    looked = pl.lit(None, pl.Float64) if curve is None else pl.col("rank").cast(pl.Int64).replace_strict(
        curve, default=0.0, return_dtype=pl.Float64)  # fmt: skip
    rows = rows.with_columns(looked=looked)
    table = []
    for by in (c for c in ("surface", "variant", "source", "warmth", *slices) if c in rows.columns):
        for (group,), part in sorted(rows.partition_by(by, as_dict=True).items(), key=lambda g: -g[1].height)[:10]:
            table.append(_rate(by, str(group), part, curve is not None))
    order = {bucket: n for n, bucket in enumerate(USER_BUCKETS)}
    return sorted(table, key=lambda r: order.get(r.group, 0) if r.by == "warmth" else 0) if warmth is None else table


def _rate(by: str, group: str, rows: pl.DataFrame, adjusted: bool) -> Rate:
    """The rate with a 95% interval that has users as clusters."""
    users = rows.group_by("user_id").agg(pl.col("taken").sum().alias("takes"), pl.len().alias("n"))
    takes, n = users["takes"].to_numpy().astype(float), users["n"].to_numpy().astype(float)
    rate = takes.sum() / n.sum()
    error = np.sqrt(((takes - rate * n) ** 2).sum()) / n.sum()
    looked = float(rows["looked"].sum()) if adjusted else 0.0
    lists = rows["list_id"].n_unique()
    return Rate(by, group, lists, rows.height, float(rate), float(max(rate - 1.96 * error, 0)),
                float(rate + 1.96 * error), float(takes.sum() / looked) if looked else None)  # fmt: skip
