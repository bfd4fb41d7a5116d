"""Times in any common form -> UTC timestamps of microseconds."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

UTC_US = pl.Datetime("us", "UTC")
# Numbers below each bound count this unit since 1970; valid for every time from 1973-03 to 5138.
_UNITS = (("s", 1e11, 1e6), ("ms", 1e14, 1e3), ("us", 1e17, 1.0), ("ns", float("inf"), 1e-3))
_FORMATS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_ZONED = ("%Y-%m-%d %H:%M:%S%.f%z", "%Y-%m-%d %H:%M%z")
_NUMBER = r"^[+-]?\d+(\.\d+)?$"
_LATEST_US = 253_402_300_800_000_000  # the year 10000


@dataclass(frozen=True)
class Times:
    """One parsed column. The masks are Boolean series without nulls, as long as ``values``."""

    values: pl.Series  # Datetime us UTC; null where missing or unparsable
    unparsable: pl.Series
    other_unit: pl.Series  # numbers in another unit than most of the column; converted by their own
    unit: str  # the unit of most of the column; "" where it holds no numbers


def parse_times(raw: pl.Series) -> Times | None:
    """Datetimes (any unit and zone; naive = UTC), dates, ISO 8601 text, or numbers since 1970.

    Numbers may be seconds, milliseconds, microseconds or nanoseconds; the unit is told by their
    magnitude. None where the column's type cannot be a time at all.
    """
    no = pl.Series([False]).new_from_index(0, len(raw))
    if raw.dtype == pl.Null:
        return Times(raw.cast(UTC_US), no, no, "")
    if isinstance(raw.dtype, pl.Datetime):
        utc = raw.dt.convert_time_zone("UTC") if raw.dtype.time_zone else raw.dt.replace_time_zone("UTC")
        return Times(utc.cast(UTC_US), no, no, "")
    if raw.dtype == pl.Date:
        return Times(raw.cast(pl.Datetime("us")).dt.replace_time_zone("UTC"), no, no, "")
    if raw.dtype.is_numeric() and raw.dtype != pl.Decimal:
        return _from_numbers(raw)
    if raw.dtype == pl.String or raw.dtype == pl.Categorical or raw.dtype == pl.Enum:
        return _from_text(raw.cast(pl.String))
    return None


def _from_numbers(raw: pl.Series) -> Times:
    frame = raw.alias("raw").to_frame().with_columns(pl.col("raw").cast(pl.Float64).fill_nan(None).alias("x"))
    unit, scaled = pl.lit(None, pl.String), pl.lit(None, pl.Float64)
    micros: pl.Expr = pl.lit(None, pl.Int64)
    for name, bound, factor in reversed(_UNITS):
        below = pl.col("x").abs() < bound
        unit = pl.when(below).then(pl.lit(name)).otherwise(unit)
        scaled = pl.when(below).then(pl.col("x") * factor).otherwise(scaled)
    frame = frame.with_columns(unit.alias("unit"), scaled.alias("scaled"))
    representable = pl.col("scaled").abs() < _LATEST_US
    micros = pl.when(representable).then(pl.col("scaled")).round().cast(pl.Int64, strict=False)
    frame = frame.with_columns(micros.alias("us"))
    # Zero is epoch-0 in every unit: it tells nothing of the column's.
    nonzero = frame.filter(pl.col("us").is_not_null() & (pl.col("x") != 0))
    most = nonzero["unit"].value_counts(sort=True)["unit"][0] if nonzero.height else ""
    masks = frame.select(
        unparsable=pl.col("x").is_not_null() & pl.col("us").is_null(),
        other=(pl.col("us").is_not_null() & (pl.col("x") != 0) & (pl.col("unit") != most)).fill_null(False),
    )
    return Times(frame["us"].cast(UTC_US).alias(raw.name), masks["unparsable"], masks["other"], most)


def _from_text(raw: pl.Series) -> Times:
    text = raw.str.strip_chars()
    text = text.set(text == "", None)
    given = text.is_not_null()
    numeric = (text.str.contains(_NUMBER) & (text.str.len_chars() > 8)).fill_null(False)
    numbers = _from_numbers(text.set(~numeric, None).cast(pl.Float64, strict=False))
    plain = (
        text.set(numeric, None)
        .str.replace(r"^(\d{4})/(\d{1,2})/", "$1-$2-")
        .str.replace(r"^(\d{4}-\d{1,2}-\d{1,2})T", "$1 ")
        .str.replace(r"(?i)\s*(utc|gmt|z)$", "")
    )
    # A zone is four digits for %z: +02:00 and +02 become +0200.
    zoned = plain.str.replace(r"\s*([+-]\d{2}):?(\d{2})$", "$1$2").str.replace(
        r"(:\d{2}(?:\.\d+)?[+-]\d{2})$", "${1}00"
    )
    naive = [plain.str.to_datetime(f, time_unit="us", strict=False).dt.replace_time_zone("UTC") for f in _FORMATS]
    with_zone = [zoned.str.to_datetime(f, time_unit="us", strict=False).cast(UTC_US) for f in _ZONED]
    parsed = pl.select(pl.coalesce(*naive, *with_zone, numbers.values)).to_series().alias(raw.name)
    return Times(parsed, given & parsed.is_null(), numbers.other_unit, numbers.unit)
