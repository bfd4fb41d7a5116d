"""The checks of the gate on times: readable, plausible, in order."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import polars as pl

from recommender.data.findings import ROW, Findings, short
from recommender.data.times import DAYS, HOW, UTC_US, advice, parse_times
from recommender.errors import nearest

_RAW = "__raw__"  # the values as given, which the messages show


def parse(
    findings: Findings, table: str, frame: pl.DataFrame, column: str, otherwise: str, formats: Mapping[str, str]
) -> pl.DataFrame:
    """A time column as UTC microseconds; unparsable, implausible, mixed and sentinel times are reported or repaired."""
    raw = frame[column]
    times = parse_times(raw, formats.get(column))
    if times is None:
        findings.offending(
            frame, table, column, "wrong_type", raw.is_not_null(), f"Times cannot be of type {raw.dtype}. {HOW}."
        )
        return frame.with_columns(pl.lit(None, UTC_US).alias(column))
    if times.unit == DAYS:
        findings.note(table, column, "eight digits are read as days of the calendar, such as 20240131")
    stated = f" in the stated form {formats[column]!r}" if column in formats else ""
    faults = (
        ("unparsable_times", times.unparsable, f"Values that are no time{stated}.", otherwise),
        ("implausible_times", times.implausible, "Numbers that would be times before 1990.", otherwise),
        (
            "mixed_time_units",
            times.other_unit,
            f"Numbers of another unit than the rest of the column (which is in {times.unit}).",
            "keep",
        ),
    )
    marks = {f"__{rule}__": mask for rule, mask, _, _ in faults}
    frame = frame.with_columns(raw.alias(_RAW), times.values.alias(column), *(m.alias(c) for c, m in marks.items()))
    for rule, mask, reason, instead in faults:
        if bool(mask.any()):
            text = reason if rule == "mixed_time_units" else f"{reason} {advice(raw.filter(mask), column)}"
            frame = findings.apply(frame, table, column, rule, frame[f"__{rule}__"], text, instead, show=_RAW)
    reason = "Times such as 1970-01-01 and 1980-01-01 stand for 'unknown', or are seconds read as milliseconds."
    frame = findings.apply(frame, table, column, "sentinel_times", _sentinel(frame[column], table), reason, otherwise)
    return frame.drop(_RAW, *marks)


def _sentinel(times: pl.Series, table: str) -> pl.Series:
    """Interactions: the whole days, and all before 1971. Items, which may be old: midnight of the days only."""
    earliest = times.min()
    if isinstance(earliest, datetime) and earliest.year > 1980:
        return pl.Series([False]).new_from_index(0, len(times))
    exact = times.is_in([datetime(1970, 1, 1, tzinfo=UTC), datetime(1980, 1, 1, tzinfo=UTC)])
    if table == "items":
        return exact
    days = (times.dt.year() == 1980) & (times.dt.ordinal_day() == 1)
    return exact | days | (times < datetime(1971, 1, 1, tzinfo=UTC))


def availability(findings: Findings, items: pl.DataFrame, formats: Mapping[str, str]) -> pl.DataFrame:
    """Parsed available_from and expires_at (either may be absent, and lie in the future)."""
    stated = [c for c in ("available_from", "expires_at") if c in items.columns]
    for column in stated:
        items = parse(findings, "items", items, column, "set_null", formats)
    if len(stated) < 2:
        return items
    reversed_ = items["expires_at"] < items["available_from"]
    reason = "Items that expire before they start."
    return findings.apply(items, "items", "expires_at", "expires_before_start", reversed_, reason, "set_null")


def interaction_times(findings: Findings, frame: pl.DataFrame, formats: Mapping[str, str]) -> pl.DataFrame:
    """Parsed timestamps; all null = a data set without times, which is fine here and noted."""
    if "timestamp" not in frame.columns:
        hint = nearest("timestamp", [c for c in frame.columns if c != ROW])
        reason = (
            f"There is no column 'timestamp'{hint}. Name it under 'columns' in dataset.yaml if it has another name."
        )
        frame = frame.with_columns(pl.lit(None, UTC_US).alias("timestamp"))
        if "missing_times" in findings.actions:  # named, so counted
            none = frame["timestamp"].is_null()
            return findings.apply(frame, "interactions", "timestamp", "missing_times", none, reason, "keep")
        findings.note("interactions", "timestamp", f"no times. {reason} {_NO_TIMES}")
        return frame
    given = frame["timestamp"].null_count() < frame.height
    frame = parse(findings, "interactions", frame, "timestamp", "drop", formats)
    late = frame["timestamp"] > datetime.now(UTC) + timedelta(days=1)
    frame = findings.apply(
        frame, "interactions", "timestamp", "future_times", late, "Interactions later than tomorrow."
    )
    missing = frame["timestamp"].is_null()
    if bool(missing.all()):
        if not given and frame.height and "missing_times" not in findings.actions:
            findings.note("interactions", "timestamp", f"no times: the column is empty. {_NO_TIMES}")
        return frame
    reason = (
        "Interactions without a time where others have one ('history' = before everything, in the order of the file)."
    )
    return findings.apply(frame, "interactions", "timestamp", "missing_times", missing, reason)


_NO_TIMES = (
    "Nothing is to be repaired: train with SET='split.kind=random', which cannot be honest in time and says so in "
    "every result."
)


def note_late_availability(findings: Findings, items: pl.DataFrame, interactions: pl.DataFrame) -> None:
    """Notes items whose every use lies before their available_from: most likely the time of the last edit."""
    if "available_from" not in items.columns or not interactions.height:
        return
    used = interactions.group_by("item_id").agg(pl.col("timestamp").max().alias("last"))
    both = items.select("item_id", "available_from").join(used, on="item_id").drop_nulls()
    late = both.filter(pl.col("available_from") > pl.col("last")).sort("item_id")
    if not late.height:
        return
    some = "; ".join(
        f"{short(item, quoted=False)} from {start:%Y-%m-%d}, last used {last:%Y-%m-%d}"
        for item, start, last in late.head(3).rows()
    )
    findings.note(
        "items",
        "available_from",
        f"{late.height:,} of {both.height:,} used items become available only after their last use ({some}). Is it the "
        "time of the last edit? Then leave the column out: such items would not be candidates when they were taken.",
    )
