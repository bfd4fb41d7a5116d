"""Ids are exact: they come back byte for byte as in the file, and two are equal only where their text is.

A data set's ids are Int64 where every table has integers of that range, else String in all tables. Across the two
types an integer equals a text only where the text is the integer's canonical form: 17 equals "17", and neither
"017", "17.0", "+17" nor " 17". Nothing passes through a float.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from recommender.errors import DataError

if TYPE_CHECKING:
    from recommender.data.findings import Findings

CANONICAL = r"^(0|-?[1-9]\d*)$"  # how an integer is written; what else looks like a number is a text of its own
_INT64 = (-(2**63), 2**63 - 1)
_WHOLE_FLOAT = r"^[+-]?\d+[.,]0*$"  # 17.0: pandas makes floats of integers with gaps
_SHORTENED = r"^[+-]?\d([.,]\d*)?[eE]\+\d+$"  # 1.23E+12: a spreadsheet keeps 15 digits and shows fewer
_PLACEHOLDER = r"(?i)^\s*(nan|null|none|nil|na|n/a|#n/a|<na>|nat|undefined)\s*$"
_SHORTENED_WHY = (
    "Ids such as 1.23E+12: a spreadsheet has shortened long numbers, so their last digits are lost and different ids "
    "may have become one. Export the ids as text (format the column as text before typing or importing)."
)
_FLOAT_WHY = (
    "Ids such as 17.0 are whole numbers that some program made decimal (pandas does where a value is missing); 17.0 "
    "and 17 are two ids. Write them as integers or text."
)
_PLACEHOLDER_WHY = (
    "Words that mean 'no id' (null_ids): all rows with one would become a single big user or item. Leave the value "
    "empty, or keep it if it truly is an id."
)


def unify(findings: Findings, frames: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Ids as Int64 where every table has integers of that range, else as String in all; "" counts as null."""
    out = dict(frames)
    for key in ("user_id", "item_id"):
        columns = {table: frame[key] for table, frame in out.items() if key in frame.columns}
        for table, column in columns.items():
            if (advice := unfit(column)) is not None:
                findings.offending(out[table], table, key, "wrong_type", column.is_not_null(), advice)
                out[table] = out[table].drop(key)
        columns = {table: column for table, column in columns.items() if key in out[table].columns}
        known = [column for column in columns.values() if column.dtype != pl.Null and len(column)]
        whole = bool(known) and all(_fits_int64(column) for column in known)
        for table, column in columns.items():
            out[table] = out[table].with_columns(as_ids(column, pl.Int64() if whole else pl.String()).alias(key))
    return out


def spoilt(findings: Findings, frame: pl.DataFrame, table: str, key: str) -> pl.DataFrame:
    """Reports ids that a spreadsheet or pandas has changed, and words that stand for no id."""
    if frame[key].dtype != pl.String:
        return frame
    for rule, pattern, reason in (
        ("shortened_ids", _SHORTENED, _SHORTENED_WHY),
        ("float_ids", _WHOLE_FLOAT, _FLOAT_WHY),
        ("placeholder_ids", _PLACEHOLDER, _PLACEHOLDER_WHY),
    ):
        frame = findings.apply(frame, table, key, rule, frame[key].str.contains(pattern), reason, "keep")
    return frame


def is_spoilt(ids: pl.Series) -> pl.Series:
    """Boolean: text ids that a spreadsheet or pandas has changed (1.23E+12, 17.0)."""
    if ids.dtype != pl.String:
        return pl.Series([False]).new_from_index(0, len(ids))
    return ids.str.contains(f"{_SHORTENED}|{_WHOLE_FLOAT}").fill_null(False)


def as_ids(ids: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Ids in the type that a data set uses (Int64 or String), exactly; what cannot be is null.

    For query and candidate files, whose ids may be integers where the data set's are texts, or the other way round.
    """
    if ids.dtype.is_float():
        ids = _exact_integers(ids)
    text = ids if ids.dtype == pl.String else None
    if dtype.is_integer():
        if text is None and ids.dtype.is_integer():
            return ids.cast(pl.Int64, strict=False)
        text = ids.cast(pl.String)
        return text.set(~text.str.contains(CANONICAL), None).cast(pl.Int64, strict=False)
    text = ids.cast(pl.String) if text is None else text
    return text.set(text == "", None)


def as_column(name: str, values: pl.Series | Iterable[object]) -> pl.Series:
    """Ids of a list, an array or a column as a column; integers beside texts become text, as they are written."""
    if isinstance(values, pl.Series):
        return values.alias(name)
    given = [v.item() if isinstance(v, np.generic) else v for v in values]
    if any(isinstance(v, str) for v in given):
        given = [str(v) if isinstance(v, int) else v for v in given]
    try:
        return pl.Series(name, given)
    except (TypeError, OverflowError, pl.exceptions.PolarsError):
        kinds = ", ".join(sorted({type(v).__name__ for v in given}))
        raise DataError(f"{name}: ids are integers or strings, found {kinds}.") from None


def tidied(ids: pl.Series) -> pl.Series:
    """Ids as text without what most often keeps keys from meeting: blanks, case, leading zeros, a trailing .0."""
    return (
        ids.cast(pl.String)
        .str.replace_all(r"\p{Cf}", "")  # marks of no width
        .str.strip_chars()
        .str.to_lowercase()
        .str.replace(r"^(\d+)\.0*$", "$1")
        .str.replace(r"^0+(.)", "$1")
    )


def near_misses(missing: pl.Series, known: pl.Series) -> list[str]:
    """Up to three pairs such as ``'u1' (the other has 'U1')``: ids that would meet but for blanks, case or zeros."""
    pairs = pl.DataFrame({"a": missing.cast(pl.String), "tidy": tidied(missing)}).unique("a", maintain_order=True)
    other = pl.DataFrame({"b": known.cast(pl.String), "tidy": tidied(known)}).unique("tidy", maintain_order=True)
    both = pairs.drop_nulls().join(other, on="tidy", maintain_order="left").filter(pl.col("a") != pl.col("b")).head(3)
    return [f"{a[:60]!r} (there: {b[:60]!r})" for a, b in both.select("a", "b").iter_rows()]


def unfit(ids: pl.Series) -> str | None:
    """Why a column cannot hold ids; None where it can."""
    dtype = ids.dtype
    if dtype.is_integer() or dtype in (pl.Null, pl.String, pl.Categorical, pl.Enum) or not len(ids):
        return None
    if isinstance(dtype, pl.Decimal) and dtype.scale == 0:
        return None
    if not dtype.is_float():
        return f"Ids are integers or strings, not {dtype}."
    known = ids.fill_nan(None).drop_nulls()
    if not bool((known == known.round()).all()):
        return f"Ids are integers or strings, not {dtype}."
    if len(known) > len(_exact_integers(known).drop_nulls()):
        return f"Ids of type {dtype} this large have lost their last digits. Write them as integers or text."
    return None


def _exact_integers(ids: pl.Series) -> pl.Series:
    """Whole numbers that a float holds exactly, as Int64; others are null."""
    bound = 2**24 if ids.dtype == pl.Float32 else 2**53
    known = ids.fill_nan(None)
    return known.set((known != known.round()) | (known.abs() >= bound), None).cast(pl.Int64, strict=False)


def _fits_int64(ids: pl.Series) -> bool:
    if ids.dtype.is_float():
        return True  # whole numbers below 2**53: ``unfit`` refused the others
    if not ids.dtype.is_integer():
        return False
    known = ids.drop_nulls()
    return not len(known) or (_INT64[0] <= int(known.min()) and int(known.max()) <= _INT64[1])  # type: ignore[arg-type]
