"""Roles of feature columns: guessed where not stated, and each column brought to its role's form."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

TEXT_NAMES = {"title", "name", "headline", "description", "caption", "summary", "text", "abstract"}
PROTECTED_NAMES = {"gender", "sex", "race", "ethnicity", "religion", "disability", "sexual_orientation", "age_group"}
CODE_ENDINGS = ("_id", "_code", "zip", "postcode", "postal")
_JSON_LIST = r"^\s*\[.*\]\s*$"
_PLACE = r"^\s*-?\d{1,3}\.\d+\s*,\s*-?\d{1,3}\.\d+\s*$"


def guess_roles(frame: pl.DataFrame, stated: Mapping[str, str]) -> dict[str, str]:
    """Role of every column of ``frame`` that ``stated`` does not name, from its name, type and values.

    ``frame`` holds feature columns only (no ids, no availability). Names that denote protected groups
    (gender, race ...) are guessed ``protected``, so that none becomes a feature by oversight.
    """
    return {c: _guess(c, frame[c]) for c in frame.columns if c not in stated}


def _guess(name: str, column: pl.Series) -> str:
    values, dtype = column.drop_nulls(), column.dtype
    if name.lower() in PROTECTED_NAMES:
        return "protected"
    if not len(values) or dtype.is_temporal():
        return "ignore"  # dates are when something happened; as features they are easily a leak
    if dtype == pl.Boolean:
        return "category"
    if dtype.is_numeric():
        return "category" if name.lower().endswith(CODE_ENDINGS) else "numeric"
    if isinstance(dtype, pl.List | pl.Array):
        return _guess_list(column)
    if isinstance(dtype, pl.Struct):
        return "location" if {f.name for f in dtype.fields} >= {"lat", "lon"} else "ignore"
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return "text" if name.lower() in TEXT_NAMES else _guess_string(values.cast(pl.String))
    return "ignore"


def _guess_list(column: pl.Series) -> str:
    lists = column.drop_nulls()
    lists = lists.arr.to_list() if isinstance(lists.dtype, pl.Array) else lists
    inner = lists.explode(empty_as_null=False).drop_nulls()
    if inner.dtype.is_float():
        return "embedding"
    if inner.dtype != pl.String:
        return "multi" if not inner.dtype.is_nested() and len(inner) else "ignore"
    return "text" if _words(inner) > 2.5 else "multi"


def _guess_string(values: pl.Series) -> str:
    if bool(values.str.contains(_JSON_LIST).all()):
        numbers = values.str.contains(r"^[\s\[\]\d,.+\-eEnNaAiIfF]*$").all()
        return "embedding" if numbers else "multi"
    if bool(values.str.contains(_PLACE).all()):
        return "location"
    if bool(values.str.contains(r"^https?://").all()):
        return "ignore"
    distinct, words = values.n_unique() / len(values), _words(values)
    if bool((values.str.contains("|", literal=True)).mean() or 0.0) and words < 4 * _parts(values):
        return "multi"
    if words > 3 or (distinct > 0.5 and words > 1.3):
        return "text"
    return "ignore" if distinct == 1 and len(values) >= 20 else "category"  # a code of its own per row tells nothing


def _words(values: pl.Series) -> float:
    return float(values.str.count_matches(r"\S+").mean() or 0)  # type: ignore[arg-type]


def _parts(values: pl.Series) -> float:
    return 1 + float(values.str.count_matches("|", literal=True).mean() or 0)  # type: ignore[arg-type]


def to_form(column: pl.Series, role: str) -> pl.Series | None:
    """``column`` in the form of its role, null where missing; None where its type cannot be that.

    category: String (Boolean stays). multi: List(String) (strings split at ``|``, or JSON lists). text: String or
    List(String). numeric: Float64. embedding: List(Float32). location: String or Struct(lat, lon).
    protected and ignore stay as they are.
    """
    if isinstance(column.dtype, pl.Array):
        column = column.arr.to_list()
    if column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    match role:
        case "category":
            return _to_category(column)
        case "multi":
            return _to_multi(column)
        case "text":
            return _to_multi(column) if isinstance(column.dtype, pl.List) else _to_category(column)
        case "numeric":
            return _to_numeric(column)
        case "embedding":
            return _to_embedding(column)
        case "location":
            return _to_location(column)
        case _:
            return column


def _to_category(column: pl.Series) -> pl.Series | None:
    if column.dtype.is_nested():
        return None
    if column.dtype == pl.Boolean:
        return column
    if column.dtype.is_float():
        known = column.fill_nan(None)
        whole = bool((known.drop_nulls() == known.drop_nulls().round()).all())
        column = known.cast(pl.Int64, strict=False) if whole else known
    return column.cast(pl.String)


def _to_multi(column: pl.Series) -> pl.Series | None:
    if column.dtype == pl.Null:
        return column.cast(pl.List(pl.String))
    if column.dtype == pl.String:
        json = bool(column.drop_nulls().str.contains(_JSON_LIST).all()) and column.null_count() < len(column)
        column = column.str.json_decode(pl.List(pl.String)) if json else column.str.split("|")
    if not isinstance(column.dtype, pl.List) or column.dtype.inner in (pl.List, pl.Struct):
        return None
    tidy = pl.element().cast(pl.String).str.strip_chars()
    return column.list.eval(tidy.filter(tidy.is_not_null() & (tidy != "")))


def _to_numeric(column: pl.Series) -> pl.Series | None:
    if column.dtype == pl.String:
        number = column.str.strip_chars().cast(pl.Float64, strict=False)
        bad = number.is_null() & column.is_not_null() & (column.str.strip_chars() != "")
        return None if bool(bad.any()) else number.fill_nan(None)
    if column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null):
        return column.cast(pl.Float64).fill_nan(None)
    return None


def _to_embedding(column: pl.Series) -> pl.Series | None:
    if column.dtype == pl.Null:
        return column.cast(pl.List(pl.Float32))
    if column.dtype == pl.String:
        numbers = column.str.strip_chars(" []").str.split(",")
        tidy = numbers.list.eval(pl.element().str.strip_chars())
        decoded = tidy.cast(pl.List(pl.Float32), strict=False)
        spoiled = numbers.list.len() != decoded.list.eval(pl.element().drop_nulls()).list.len()
        return None if bool((spoiled & ~column.str.contains(r"(?i)nan|null").fill_null(False)).any()) else decoded
    if not isinstance(column.dtype, pl.List) or not (column.dtype.inner is pl.Null or _is_number(column.dtype.inner)):
        return None
    return column.cast(pl.List(pl.Float32))


def _is_number(dtype: object) -> bool:
    return isinstance(dtype, pl.DataType) and (dtype.is_numeric() or dtype == pl.Null)


def _to_location(column: pl.Series) -> pl.Series | None:
    place = pl.Struct({"lat": pl.Float64, "lon": pl.Float64})
    if isinstance(column.dtype, pl.Struct):
        named = {f.name for f in column.dtype.fields} >= {"lat", "lon"}
        return column.cast(place) if named else None
    if column.dtype == pl.String and len(known := column.drop_nulls()) and bool(known.str.contains(_PLACE).all()):
        column = column.str.split(",").list.eval(pl.element().str.strip_chars()).cast(pl.List(pl.Float64))
    if isinstance(column.dtype, pl.List):
        if not _is_number(column.dtype.inner):
            return None
        if bool((column.list.len() != 2).any()):
            return None
        lat, lon = (column.cast(pl.List(pl.Float64)).list.get(i) for i in (0, 1))
        return (
            pl.select(pl.when(column.is_not_null()).then(pl.struct(lat=lat, lon=lon)))
            .to_series()
            .cast(place)
            .alias(column.name)
        )
    return _to_category(column)
