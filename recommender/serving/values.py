"""Values of requests to ``make serve`` in the types of the model: ids, times, rows. What cannot be is one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from recommender.data.dataset import NO_TIME
from recommender.data.times import US_PER_DAY
from recommender.errors import DataError
from recommender.serving.bodies import Id
from recommender.serving.log import now as this_moment
from recommender.serving.new_rows import times

AHEAD_US = US_PER_DAY  # how far ahead of this machine's clock an event may be


def check_ids(ids: Sequence[Id], dtype: pl.DataType, name: str) -> None:
    """Raises DataError for ids that are not of the model's type."""
    kind = int if dtype.is_integer() else str
    if wrong := [i for i in ids if not isinstance(i, kind)]:
        stated = "integers" if kind is int else "strings"
        raise DataError(f"{name}: {len(wrong):,} of {len(ids):,} are no {stated}, as this model's ids are.")
    try:
        "".join(i for i in ids if isinstance(i, str)).encode()
    except UnicodeError:
        raise DataError(f"{name}: half of a surrogate pair is no text.") from None


def as_times(values: Sequence[int | str | None], name: str, formats: Mapping[str, str]) -> list[int]:
    """int64 microseconds, ``NO_TIME`` for null, of times in any form that files may have. Raises DataError."""
    try:
        column = pl.Series(name, values)
    except (TypeError, OverflowError, UnicodeError, pl.exceptions.PolarsError):
        raise DataError(f"{name}: the values are of mixed types; write all in one form.") from None
    return times(column, "the request", formats).dt.epoch("us").fill_null(NO_TIME).to_list()


def stamps_of(values: Sequence[int | str | None], formats: Mapping[str, str]) -> list[int]:
    """int64 microseconds of each event; now where none is given. Raises DataError for one in the future."""
    now = this_moment()
    stamps = [now if t == NO_TIME else t for t in as_times(values, "timestamp", formats)] if any(values) else []
    if late := sum(t > now + AHEAD_US for t in stamps):
        raise DataError(f"timestamp: {late:,} events are more than a day ahead of the server's clock. Use UTC.")
    return stamps or [now] * len(values)


def as_frame(rows: list[dict[str, Any]], name: str) -> pl.DataFrame | None:
    """None of no rows. Raises DataError where values of a column are of mixed types."""
    try:
        return pl.DataFrame(rows, infer_schema_length=None) if rows else None
    except (TypeError, OverflowError, UnicodeError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{name}: the rows cannot be read as a table ({' '.join(str(error).split())[:200]}).") from None
