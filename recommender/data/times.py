"""Times in any common form -> UTC timestamps of microseconds; one parser for every time column and for ``as_of``.

A stated format (``times: {timestamp: "%d/%m/%Y"}`` in dataset.yaml) is a pattern of strftime, or one of ``UNITS``:
s, ms, us, ns since 1970, days since 1970, excel (days since 1899-12-30).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import polars as pl

UTC_US = pl.Datetime("us", "UTC")
US_PER_DAY = 86_400_000_000
# Numbers below each bound count this unit since 1970; valid for every time from 1973-03 to 5138.
_UNITS = (("s", 1e11, 1e6), ("ms", 1e14, 1e3), ("us", 1e17, 1.0), ("ns", float("inf"), 1e-3))
# stated unit -> microseconds in one, and the number that stands for 1970
UNITS = {
    "s": (1e6, 0.0),
    "ms": (1e3, 0.0),
    "us": (1.0, 0.0),
    "ns": (1e-3, 0.0),
    "days": (float(US_PER_DAY), 0.0),
    "excel": (float(US_PER_DAY), 25569.0),
}
_FORMATS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_ZONED = ("%Y-%m-%d %H:%M:%S%.f%z", "%Y-%m-%d %H:%M%z")
_NUMBER = r"^[+-]?\d+(\.\d+)?$"
LATEST_US = 253_402_300_800_000_000  # the year 10000
_EARLIEST_US = 631_152_000_000_000  # 1990: a number that gives an earlier time most likely counts something else
_LATEST_DAY = 21_001_231  # of eight digits that may be a day of the calendar
_YYYYMMDD = r"^(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$"
DAYS = "days written as 20240131"  # the unit of eight digits
HOW = "Give UTC datetimes, ISO 8601 text, or seconds or milliseconds since 1970"


@dataclass(frozen=True)
class Times:
    """One parsed column. The masks are Boolean series without nulls, as long as ``values``."""

    values: pl.Series  # Datetime us UTC; null where missing or unparsable
    unparsable: pl.Series
    other_unit: pl.Series  # numbers in another unit than most of the column; converted by their own
    implausible: pl.Series  # numbers that would be times before 1990, where no unit is stated
    unit: str  # the unit of most of the column; "" where it holds no numbers

    @property
    def faulty(self) -> pl.Series:
        return self.unparsable | self.other_unit | self.implausible


def within_calendar(column: pl.Series) -> pl.Series:
    """The column; times, dates and durations as the numbers that they are where one is beyond the year 9999.

    Neither polars nor Python can show such a value: they stop the program.
    """
    if not column.dtype.is_temporal() or column.dtype == pl.Time:
        return column
    unit = {"ms": 1e3, "us": 1.0, "ns": 1e-3}.get(str(getattr(column.dtype, "time_unit", "")), float(US_PER_DAY))
    number = column.to_physical()
    return number if bool((number.cast(pl.Float64).abs() * unit >= LATEST_US).any()) else column


def check_format(form: str) -> str | None:
    """What is wrong with a stated format; None where nothing is."""
    if form in UNITS:
        return None
    try:
        if "%" in form and datetime(2001, 2, 3, 4, 5).strftime(form) != form and len(form) <= 60:
            _read_as(pl.Series(["2001"]), form)
            return None
    except (ValueError, pl.exceptions.PolarsError):
        pass
    return f"expected a pattern such as '%d/%m/%Y %H:%M', or one of {', '.join(UNITS)}; found {form[:60]!r}"


def parse_times(raw: pl.Series, form: str | None = None) -> Times | None:
    """Datetimes (any unit and zone; naive = UTC), dates, ISO 8601 text, days as 20240131, or numbers since 1970.

    Numbers may be seconds, milliseconds, microseconds or nanoseconds; the unit is told by their
    magnitude. form: the stated format. None where the column's type cannot be a time at all.
    """
    no = pl.Series([False]).new_from_index(0, len(raw))
    if raw.dtype == pl.Null:
        return Times(raw.cast(UTC_US), no, no, no, "")
    if isinstance(raw.dtype, pl.Datetime):
        utc = raw.dt.convert_time_zone("UTC") if raw.dtype.time_zone else raw.dt.replace_time_zone("UTC")
        return Times(utc.cast(UTC_US), no, no, no, "")
    if raw.dtype == pl.Date:
        return Times(raw.cast(pl.Datetime("us")).dt.replace_time_zone("UTC"), no, no, no, "")
    number, text = raw.dtype.is_numeric(), raw.dtype in (pl.String, pl.Categorical, pl.Enum)
    if not number and not text:
        return None
    if form is not None:
        return _from_form(raw, form)
    return _from_numbers(raw) if number else _from_text(raw.cast(pl.String))


def advice(raw: pl.Series, column: str) -> str:
    """What to do about values that are no time, told from how they look."""
    text = raw.cast(pl.String, strict=False).str.strip_chars().drop_nulls()
    state = f"in dataset.yaml: 'times: {{{column}:"
    if bool(text.str.contains(r"^\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}").any()):
        return (
            "Which is the day and which the month cannot be told from such values. State it "
            f'{state} "%d/%m/%Y %H:%M"}}\' (or "%m/%d/%Y", as the values are written).'
        )
    if bool(text.str.contains(r"^(19|20)\d\d$").any()):
        return f'They look like years. If so, state it {state} "%Y"}}\'. {HOW}.'
    if bool(text.str.contains(r"[eE]\+\d").any()):
        return f"A spreadsheet has shortened them, so their last digits are lost. Export them as text. {HOW}."
    if bool(text.str.contains(r"^[+-]?\d{1,9}(\.\d+)?$").any()):
        return (
            f"If they count days, state it {state} days}}' (since 1970) or 'excel' (a spreadsheet's day number); if "
            f"they are seconds of that time, {state} s}}'. {HOW}."
        )
    return f'{HOW}; any other form can be stated {state} "%d %b %Y"}}\'.'


def _read_as(text: pl.Series, form: str) -> pl.Series:
    if "%z" in form:
        return text.str.to_datetime(form, time_unit="us", strict=False).cast(UTC_US)
    if form == "%Y":
        text, form = text + "-01-01", "%Y-%m-%d"
    elif not any(part in form for part in ("%H", "%I", "%T", "%R", "%s", "%c", "%X")):
        return text.str.to_date(form, strict=False).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return text.str.to_datetime(form, time_unit="us", strict=False).dt.replace_time_zone("UTC")


def _from_form(raw: pl.Series, form: str) -> Times:
    no = pl.Series([False]).new_from_index(0, len(raw))
    if form in UNITS:
        factor, origin = UNITS[form]
        number = raw.cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
        scaled = (number.fill_nan(None) - origin) * factor
        values = scaled.set(scaled.abs() >= LATEST_US, None).round().cast(pl.Int64, strict=False).cast(UTC_US)
    else:
        if raw.dtype.is_float():
            raw = raw.fill_nan(None).cast(pl.Int64, strict=False)
        values = _read_as(raw.cast(pl.String).str.strip_chars(), form)
    given = raw.is_not_null() & (raw.cast(pl.String).str.strip_chars() != "")
    return Times(values.alias(raw.name), given & values.is_null(), no, no, form)


def _days(text: pl.Series) -> pl.Series:
    """Eight digits that are a day of the calendar (20240131), as UTC times; null otherwise."""
    text = text.set(~text.str.contains(_YYYYMMDD), None)
    return text.str.to_date("%Y%m%d", strict=False).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _of_one_unit(raw: pl.Series) -> Times | None:
    """Whole numbers that all count one unit and give plausible times, without a float of each: what most logs hold.

    None where that is not so, or a float could not hold them exactly.
    """
    low, high = (raw.min(), raw.max()) if raw.dtype.is_integer() and not raw.null_count() else (None, None)
    if not isinstance(low, int) or not isinstance(high, int) or low <= _LATEST_DAY:
        return None
    unit, bound, factor = next(entry for entry in _UNITS if low < entry[1])
    if unit == "ns" or high >= bound or high * factor >= 2**53 or low * factor < _EARLIEST_US:
        return None
    no = pl.Series([False]).new_from_index(0, len(raw))
    return Times((raw.cast(pl.Int64) * int(factor)).cast(UTC_US), no, no, no, unit)


def _from_numbers(raw: pl.Series) -> Times:
    plain = _of_one_unit(raw)
    if plain is not None:
        return plain
    frame = raw.alias("raw").to_frame().with_columns(pl.col("raw").cast(pl.Float64).fill_nan(None).alias("x"))
    # Zero is epoch-0 in every unit: it tells nothing of the column's.
    nonzero = frame.filter(pl.col("x").is_not_null() & (pl.col("x") != 0))["x"]
    eight = ((nonzero >= 19000101) & (nonzero <= _LATEST_DAY)).mean() or 0.0
    if len(nonzero) and float(eight) > 0.5:  # type: ignore[arg-type]
        return _from_days(raw, frame["x"])
    unit, scaled = pl.lit(None, pl.String), pl.lit(None, pl.Float64)
    micros: pl.Expr = pl.lit(None, pl.Int64)
    for name, bound, factor in reversed(_UNITS):
        below = pl.col("x").abs() < bound
        unit = pl.when(below).then(pl.lit(name)).otherwise(unit)
        scaled = pl.when(below).then(pl.col("x") * factor).otherwise(scaled)
    frame = frame.with_columns(unit.alias("unit"), scaled.alias("scaled"))
    representable = pl.col("scaled").abs() < LATEST_US
    micros = pl.when(representable).then(pl.col("scaled")).round().cast(pl.Int64, strict=False)
    frame = frame.with_columns(micros.alias("us"))
    counted = frame.filter(pl.col("us").is_not_null() & (pl.col("x") != 0))
    most = counted["unit"].value_counts(sort=True)["unit"][0] if counted.height else ""
    # 1980-01-01 and 1970-01-01 stand for "unknown", which is another fault than a wrong unit.
    sentinel = pl.col("us").is_in([0, 315_532_800_000_000])
    early = (pl.col("us") < _EARLIEST_US) & ~sentinel
    masks = frame.select(
        unparsable=pl.col("x").is_not_null() & pl.col("us").is_null(),
        implausible=early.fill_null(False),
        other=(pl.col("us").is_not_null() & (pl.col("x") != 0) & (pl.col("unit") != most) & ~early).fill_null(False),
    )
    values = frame["us"].cast(UTC_US).alias(raw.name)
    return Times(values, masks["unparsable"], masks["other"], masks["implausible"], most)


def _from_days(raw: pl.Series, number: pl.Series) -> Times:
    whole = number.set((number != number.round()) | (number.abs() > 1e9), None).cast(pl.Int64, strict=False)
    values = _days(whole.cast(pl.String)).alias(raw.name)
    no = pl.Series([False]).new_from_index(0, len(raw))
    zero = (number == 0).fill_null(False)  # epoch-0
    values = values.set(zero, datetime(1970, 1, 1, tzinfo=UTC))
    return Times(values, number.is_not_null() & values.is_null(), no, no, DAYS)


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
    plain = plain.set(~plain.str.contains(r"^\d{4}"), None)  # else 31-12-20 would be a day of the year 31
    # A zone is four digits for %z: +02:00 and +02 become +0200.
    zoned = plain.str.replace(r"\s*([+-]\d{2}):?(\d{2})$", "$1$2").str.replace(
        r"(:\d{2}(?:\.\d+)?[+-]\d{2})$", "${1}00"
    )
    naive = [plain.str.to_datetime(f, time_unit="us", strict=False).dt.replace_time_zone("UTC") for f in _FORMATS]
    with_zone = [zoned.str.to_datetime(f, time_unit="us", strict=False).cast(UTC_US) for f in _ZONED]
    parsed = pl.select(pl.coalesce(*naive, *with_zone, _days(plain), numbers.values)).to_series().alias(raw.name)
    return Times(parsed, given & parsed.is_null(), numbers.other_unit, numbers.implausible, numbers.unit)


def ages_of(timestamps: np.ndarray, earliest: int, latest: int) -> np.ndarray:
    """Days from each time to the latest one, float64; without a time: as old as the earliest."""
    return np.asarray((latest - np.maximum(timestamps, earliest)) / US_PER_DAY)


def to_microseconds(time: datetime) -> int:
    """A UTC datetime as int64 microseconds since 1970, exactly."""
    return int(pl.Series([time]).dt.epoch("us").item())
