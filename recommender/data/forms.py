"""A feature column in the form of its role, and which values do not fit it."""

from __future__ import annotations

import polars as pl

from recommender.data.list_text import split_texts

PLACE = r"^\s*-?\d{1,3}\.\d+\s*,\s*-?\d{1,3}\.\d+\s*$"
_LAT_LON = pl.Struct({"lat": pl.Float64, "lon": pl.Float64})
_CURRENCY = r"^[$€£¥₹₽]\s*|^(USD|EUR|GBP|CHF|JPY|INR)\s*|\s*[$€£¥₹₽%]$|\s*(USD|EUR|GBP|CHF|JPY|INR)$"
_THOUSANDS = r"^[+-]?\d{1,3}([,'\x{00a0}\x{202f} ]\d{3})+(\.\d+)?$"
DECIMAL_COMMA = r"^[+-]?(\d{1,3}(\.\d{3})+|\d+),\d{1,2}$"
_FAULTS = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
_TEXTS = (pl.String, pl.Categorical, pl.Enum)


def to_form(column: pl.Series, role: str) -> pl.Series | None:
    """``column`` in the form of its role, null where missing; None where its type or a value cannot be that.

    category: String (Boolean stays). multi: List(String), see ``list_text.py``. text: String or List(String).
    numeric: Float64; money, percent and marks between thousands are read. embedding: List(Float32).
    location: String or Struct(lat, lon). protected and ignore stay as they are.
    """
    try:
        formed, misfits = _formed(column, role)
    except _FAULTS:
        return None
    return None if formed is None or bool(misfits.any()) else formed


def misfits(column: pl.Series, role: str) -> pl.Series:
    """Boolean, without nulls: the values that do not fit the role; all that are not null where the type does not."""
    try:
        formed, misfit = _formed(column, role)
    except _FAULTS:
        return column.is_not_null()
    return column.is_not_null() if formed is None else misfit


def numbers(text: pl.Series) -> pl.Series:
    """Texts as Float64, null where they are none: 3.5, $3.99, 10%, 1,234 and 1 234; 12,50 and 1.234,50 €, beside
    which 1,234 is none."""
    plain = text.str.strip_chars().str.replace_all(_CURRENCY, "")
    comma = plain.str.contains(DECIMAL_COMMA).fill_null(False)
    grouped = plain.str.contains(_THOUSANDS).fill_null(False)
    without = plain.str.replace_all(r"[,'\x{00a0}\x{202f} ]", "")
    if bool(comma.any()):
        grouped, without = comma, plain.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    chosen = pl.select(pl.when(grouped).then(without).otherwise(plain)).to_series()
    return chosen.cast(pl.Float64, strict=False).alias(text.name)


def as_text(column: pl.Series) -> pl.Series | None:
    """Any plain value as text; None for nested values, bytes, durations and objects."""
    dtype = column.dtype
    if dtype.is_nested() or dtype in (pl.Binary, pl.Object) or isinstance(dtype, pl.Duration):
        return None
    if dtype.is_float():
        known = column.fill_nan(None)
        given = known.drop_nulls()
        whole = bool(((given == given.round()) & (given.abs() < 2**63)).all())
        column = known.cast(pl.Int64, strict=False) if whole else known
    return column.cast(pl.String)


def _formed(column: pl.Series, role: str) -> tuple[pl.Series | None, pl.Series]:
    no = pl.Series([False]).new_from_index(0, len(column))
    if isinstance(column.dtype, pl.Array):
        column = column.arr.to_list()
    if column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    match role:
        case "category":
            return (column if column.dtype == pl.Boolean else as_text(column)), no
        case "multi":
            return _to_multi(column, no)
        case "text":
            return _to_multi(column, no) if isinstance(column.dtype, pl.List) else (as_text(column), no)
        case "numeric":
            return _to_numeric(column, no)
        case "embedding":
            return _to_embedding(column, no)
        case "location":
            return _to_location(column, no)
        case "protected":  # groups are counted by their text
            inner = column.dtype.inner if isinstance(column.dtype, pl.List) else column.dtype
            return (None if as_text(pl.Series([], dtype=inner)) is None else column), no
        case _:
            return column, no


def _to_multi(column: pl.Series, no: pl.Series) -> tuple[pl.Series | None, pl.Series]:
    misfit = no
    if column.dtype == pl.Null:
        return column.cast(pl.List(pl.String)), no
    if column.dtype == pl.String:
        column, misfit = split_texts(column)
    if not isinstance(column.dtype, pl.List):
        return None, no
    inner = column.dtype.inner
    if isinstance(inner, pl.Struct) and "name" in {f.name for f in inner.fields}:  # objects give their name
        column = column.list.eval(pl.element().struct.field("name"))
    elif isinstance(inner, pl.List | pl.Array | pl.Struct | pl.Duration) or inner in (pl.Binary, pl.Object):
        return None, no
    tidy = pl.element().cast(pl.String).str.strip_chars()
    return column.list.eval(tidy.filter(tidy.is_not_null() & (tidy != ""))), misfit


def _to_numeric(column: pl.Series, no: pl.Series) -> tuple[pl.Series | None, pl.Series]:
    if column.dtype == pl.String:
        number = numbers(column)
        given = column.is_not_null() & (column.str.strip_chars() != "")
        return number.fill_nan(None), (given & number.is_null()).fill_null(False)
    if column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null):
        return column.cast(pl.Float64).fill_nan(None), no
    return None, no


def _to_embedding(column: pl.Series, no: pl.Series) -> tuple[pl.Series | None, pl.Series]:
    if column.dtype == pl.Null:
        return column.cast(pl.List(pl.Float32)), no
    if column.dtype == pl.String:
        parts = column.str.strip_chars(" []()").str.replace_all(r"[,;\s]+", ",").str.split(",")
        decoded = parts.cast(pl.List(pl.Float32), strict=False)
        spoiled = parts.list.len() != decoded.list.eval(pl.element().drop_nulls()).list.len()
        return decoded, (spoiled & ~column.str.contains(r"(?i)nan|null")).fill_null(False)
    if not isinstance(column.dtype, pl.List) or not _is_number(column.dtype.inner):
        return None, no
    return column.cast(pl.List(pl.Float32), strict=False), no


def _is_number(dtype: object) -> bool:
    return dtype is pl.Null or (isinstance(dtype, pl.DataType) and (dtype.is_numeric() or dtype == pl.Null))


def _to_location(column: pl.Series, no: pl.Series) -> tuple[pl.Series | None, pl.Series]:
    if isinstance(column.dtype, pl.Struct):
        if not {f.name for f in column.dtype.fields} >= {"lat", "lon"}:
            return None, no
        return to_place(column.struct.field("lat"), column.struct.field("lon"), column.name)
    if column.dtype == pl.String and len(known := column.drop_nulls()):
        placed = column.str.contains(PLACE).fill_null(False)
        if float(placed.sum()) > len(known) / 2:  # else the names of regions
            pair = column.set(~placed, None).str.split(",")
            formed, misfit = _pairs(pair, column.name)
            return formed, misfit | (column.is_not_null() & ~placed)
    if isinstance(column.dtype, pl.List):
        if not _is_number(column.dtype.inner):
            return None, no
        wrong = (column.list.len() != 2).fill_null(False)
        pair = column.set(wrong, None).cast(pl.List(pl.Float64))
        formed, misfit = _pairs(pair, column.name)
        return formed, misfit | wrong
    return as_text(column), no


def _pairs(pair: pl.Series, name: str) -> tuple[pl.Series | None, pl.Series]:
    return to_place(pair.list.get(0, null_on_oob=True), pair.list.get(1, null_on_oob=True), name)


def to_place(lat: pl.Series, lon: pl.Series, name: str) -> tuple[pl.Series | None, pl.Series]:
    """(Struct(lat, lon), null where either is missing; mask of values that are no place of the earth)."""
    sides = []
    for side in (lat, lon):
        if side.dtype in _TEXTS:
            side = side.cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
        elif not (side.dtype.is_numeric() or side.dtype == pl.Null):
            return None, lat.is_not_null()
        sides.append(side.cast(pl.Float64).fill_nan(None))
    y, x = sides
    given = lat.is_not_null() | lon.is_not_null()
    sound = (y.abs() <= 90).fill_null(False) & (x.abs() <= 180).fill_null(False)
    place = pl.select(pl.when(sound).then(pl.struct(lat=y, lon=x))).to_series().cast(_LAT_LON).alias(name)
    return place, given & ~sound
