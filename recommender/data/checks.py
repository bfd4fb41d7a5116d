"""The checks of the gate, one column at a time. Each returns the frame after what ``repairs`` asks for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import polars as pl

from recommender.data.findings import ROW, Findings
from recommender.data.roles import to_form
from recommender.data.spec import KEYS
from recommender.data.times import UTC_US, parse_times
from recommender.errors import nearest

_RAW = "__raw__"
_HOW_TIMES = "Give UTC datetimes, ISO 8601 text, or seconds or milliseconds since 1970."


def unify_ids(found: Findings, frames: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Ids as Int64 where every table has integers, else as String in all; "" counts as null."""
    out = dict(frames)
    for key in ("user_id", "item_id"):
        columns = {table: frame[key] for table, frame in out.items() if key in frame.columns}
        kinds = {table: _id_kind(column) for table, column in columns.items()}
        for table, kind in kinds.items():
            if kind == "wrong":
                advice = f"Ids are integers or strings, not {columns[table].dtype}."
                found.problem(table, key, "wrong_type", len(columns[table]), advice, *columns[table].head(3))
        whole = all(kind in ("integer", "any") for kind in kinds.values()) and "integer" in kinds.values()
        for table in columns:
            if kinds[table] == "wrong":
                out[table] = out[table].drop(key)
            else:
                out[table] = out[table].with_columns(as_ids(columns[table], pl.Int64() if whole else pl.String()))
    return out


def _id_kind(ids: pl.Series) -> str:
    if ids.dtype == pl.Null or not len(ids):
        return "any"
    if ids.dtype.is_integer():
        return "string" if ids.dtype == pl.UInt64 and (ids.max() or 0) > 2**63 - 1 else "integer"  # type: ignore[operator]
    if ids.dtype.is_float():
        known = ids.fill_nan(None).drop_nulls()
        return "integer" if bool((known == known.round()).all()) else "wrong"
    return "string" if ids.dtype in (pl.String, pl.Categorical, pl.Enum) else "wrong"


def as_ids(ids: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Ids in the type that a data set uses (Int64 or String); what cannot be is null.

    For query and candidate files, whose ids may be integers where the data set's are strings.
    """
    if ids.dtype.is_float():  # pandas makes floats of integers with gaps
        ids = ids.fill_nan(None).cast(pl.Int64, strict=False)
    if dtype.is_integer():
        return ids.cast(pl.Int64, strict=False)
    text = ids.cast(pl.String)
    return text.set(text == "", None)


def keys(found: Findings, table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """No null ids; in items and users, one row per id."""
    for key in ("user_id", "item_id") if table == "interactions" else (KEYS[table],):
        frame = found.apply(frame, table, key, "null_ids", frame[key].is_null(), "Rows without an id.")
    if table == "interactions":
        return frame
    key = KEYS[table]
    last = found.asked.get("duplicate_ids") == "keep_last"
    repeated = ~(frame[key].is_last_distinct() if last else frame[key].is_first_distinct())
    return found.apply(frame, table, key, "duplicate_ids", repeated, "Rows whose id another row has already.")


def parse(found: Findings, table: str, frame: pl.DataFrame, column: str, otherwise: str) -> pl.DataFrame:
    """A time column as UTC microseconds; unparsable, mixed and sentinel times are reported or repaired."""
    raw = frame[column]
    times = parse_times(raw)
    if times is None:
        advice = f"Times cannot be of type {raw.dtype}. {_HOW_TIMES}"
        found.problem(table, column, "wrong_type", len(raw), advice, *raw.head(3))
        return frame.with_columns(pl.lit(None, UTC_US).alias(column))
    # The raw values stay in the frame while they are shown as examples.
    marks = {"__unparsable__": times.unparsable, "__mixed__": times.other_unit}
    frame = frame.with_columns(times.values.alias(_RAW), *(mask.alias(name) for name, mask in marks.items()))
    why = f"Values that are no time. {_HOW_TIMES}"
    frame = found.apply(frame, table, column, "unparsable_times", frame["__unparsable__"], why, otherwise)
    why = f"Numbers of another unit than the rest of the column (which is in {times.unit})."
    frame = found.apply(frame, table, column, "mixed_time_units", frame["__mixed__"], why, "keep")
    frame = frame.with_columns(pl.col(_RAW).alias(column)).drop(_RAW, *marks)
    why = "Times such as 1970-01-01 and 1980-01-01 stand for 'unknown', or are seconds read as milliseconds."
    return found.apply(frame, table, column, "sentinel_times", _sentinel(frame[column], table), why, otherwise)


def _sentinel(times: pl.Series, table: str) -> pl.Series:
    """Interactions: the whole days, and all before 1971. Items, which may be old: midnight of the days only."""
    exact = times.is_in([datetime(1970, 1, 1, tzinfo=UTC), datetime(1980, 1, 1, tzinfo=UTC)])
    if table == "items":
        return exact
    days = (times.dt.year() == 1980) & (times.dt.ordinal_day() == 1)
    return exact | days | (times < datetime(1971, 1, 1, tzinfo=UTC))


def availability(found: Findings, items: pl.DataFrame) -> pl.DataFrame:
    """Parsed available_from and expires_at (either may be absent, and lie in the future)."""
    stated = [c for c in ("available_from", "expires_at") if c in items.columns]
    for column in stated:
        items = parse(found, "items", items, column, "set_null")
    if len(stated) < 2:
        return items
    reversed_ = items["expires_at"] < items["available_from"]
    why = "Items that expire before they start."
    return found.apply(items, "items", "expires_at", "expires_before_start", reversed_, why, "set_null")


def interaction_times(found: Findings, frame: pl.DataFrame) -> pl.DataFrame:
    """Parsed timestamps; all null = a data set without times, which is fine here."""
    if "timestamp" not in frame.columns:
        hint = nearest("timestamp", [c for c in frame.columns if c != ROW])
        frame = frame.with_columns(pl.lit(None, UTC_US).alias("timestamp"))
        why = (
            f"There is no column 'timestamp'{hint}. Name it under 'columns' in dataset.yaml if it has another name; "
            "if nobody knows the times, SET='split.kind=random' accepts that, with a warning on every result."
        )
        none = frame["timestamp"].is_null()
        return found.apply(frame, "interactions", "timestamp", "missing_times", none, why, "keep")
    frame = parse(found, "interactions", frame, "timestamp", "drop")
    late = frame["timestamp"] > datetime.now(UTC) + timedelta(days=1)
    why = "Interactions later than tomorrow."
    frame = found.apply(frame, "interactions", "timestamp", "future_times", late, why)
    missing = frame["timestamp"].is_null()
    if bool(missing.all()):
        return frame
    why = "Interactions without a time where others have one ('history' = before everything, in the order of the file)."
    return found.apply(frame, "interactions", "timestamp", "missing_times", missing, why)


def event_and_weight(found: Findings, frame: pl.DataFrame) -> pl.DataFrame:
    """event: String, 'interaction' where not stated. weight: Float32 >= 0, 1 where there is no column."""
    if "event" not in frame.columns:
        frame = frame.with_columns(event=pl.lit("interaction"))
    elif frame["event"].dtype.is_nested():
        found.problem(
            "interactions", "event", "wrong_type", frame.height, "Events are strings.", *frame["event"].head(3)
        )
        frame = frame.with_columns(event=pl.lit("interaction"))
    frame = frame.with_columns(pl.col("event").cast(pl.String).fill_null("interaction"))
    if "weight" not in frame.columns:
        return frame.with_columns(weight=pl.lit(1, pl.Float32))
    number = to_form(frame["weight"], "numeric")
    if number is None:
        advice = "Weights are numbers of at least 0."
        found.problem("interactions", "weight", "wrong_type", frame.height, advice, *frame["weight"].head(3))
        return frame.with_columns(weight=pl.lit(1, pl.Float32))
    broken = number.is_null() | ~number.is_finite() | (number < 0)
    why = "Weights that are missing, not finite or negative."
    frame = found.apply(frame, "interactions", "weight", "bad_weights", broken, why)
    return frame.with_columns(pl.col("weight").cast(pl.Float32))


def duplicates(found: Findings, frame: pl.DataFrame) -> pl.DataFrame:
    """Later rows with the user, item, event and time of an earlier one."""
    same = frame.select("user_id", "item_id", "event", "timestamp")
    repeated = ~same.select(pl.struct(pl.all()).is_first_distinct()).to_series()
    why = "Rows with the user, item, event and time of an earlier row."
    return found.apply(frame, "interactions", "timestamp", "duplicates", repeated, why)


def feature(found: Findings, table: str, frame: pl.DataFrame, column: str, role: str) -> pl.DataFrame:
    """A feature column in the form of its role; numbers and embeddings finite, embeddings of one length."""
    formed = to_form(frame[column], role)
    if formed is None:
        advice = f"The role {role} does not fit a column of type {frame[column].dtype}; state another role or mend it."
        found.problem(table, column, "wrong_type", frame.height, advice, *frame[column].drop_nulls().head(3))
        return frame
    frame = frame.with_columns(formed.alias(column))
    if role == "numeric":
        why = "Numbers that are not finite."
        return found.apply(frame, table, column, "bad_numbers", formed.is_infinite(), why, "set_null")
    if role != "embedding":
        return frame
    sound = pl.element().is_not_null() & pl.element().is_finite()
    broken = ~formed.list.eval(sound.fill_null(False)).list.all()
    why = "Embeddings with values that are missing or not finite."
    frame = found.apply(frame, table, column, "bad_embeddings", broken, why, "set_null")
    lengths = frame[column].list.len()
    usual = lengths.drop_nulls().mode().sort()
    if not len(usual):
        return frame
    why = f"Embeddings that do not have the {usual[-1]} numbers that most have."
    return found.apply(frame, table, column, "ragged_embeddings", lengths != usual[-1], why, "set_null")
