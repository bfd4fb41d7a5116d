"""One column of a table, read as what a rule needs: flags, numbers, times, levels or groups."""

from __future__ import annotations

import numpy as np
import polars as pl

from recommender.data.dataset import Table, microseconds
from recommender.data.times import parse_times
from recommender.errors import ConfigError, nearest


def flags(table: Table, column: str, where: str) -> np.ndarray:
    """A boolean column, bool (n,); null = False. Raises ConfigError naming ``where`` for another type."""
    values = read_column(table, column, where)
    if values.dtype not in (pl.Boolean, pl.Null) and not values.dtype.is_numeric():
        raise ConfigError(f"{where}: {table.key[:-3]}s.{column} must hold booleans, it holds {values.dtype}.")
    return values.cast(pl.Boolean).fill_null(False).to_numpy()


def numbers(table: Table, column: str, where: str) -> np.ndarray:
    """A numeric column, float64 (n,); null = NaN. Raises ConfigError naming ``where`` for another type."""
    values = read_column(table, column, where)
    if not values.dtype.is_numeric() and values.dtype != pl.Null:
        raise ConfigError(f"{where}: {table.key[:-3]}s.{column} must hold numbers, it holds {values.dtype}.")
    return values.cast(pl.Float64).fill_null(np.nan).to_numpy()


def levels(table: Table, column: str, order: list[str], where: str) -> np.ndarray:
    """Position of each row's value in ``order``, float64 (n_rows,); NaN where it is none of them."""
    values = read_column(table, column, where)
    if values.dtype.is_nested():
        raise ConfigError(f"{where}: {table.key[:-3]}s.{column} must hold one level each, it holds {values.dtype}.")
    level = values.cast(pl.String).replace_strict(order, np.arange(len(order)), default=None, return_dtype=pl.Float64)
    return level.fill_null(np.nan).to_numpy()


def times(table: Table, column: str, where: str) -> np.ndarray:
    """Times of a column, int64 microseconds (n_rows,). Raises ConfigError where it holds none; where: the key to
    name."""
    values = read_column(table, column, where)
    if isinstance(values.dtype, pl.Datetime):
        return microseconds(values)
    parsed = parse_times(values)  # a file of words, such as CSV
    if parsed is None or parsed.unparsable.any():
        raise ConfigError(f"{where}: {table.key[:-3]}s.{column} must hold times, it holds {values.dtype}.")
    return microseconds(parsed.values)


def labels(table: Table, column: str, where: str) -> pl.Series:
    """The group that each row belongs to, String (n,); null where it states none. Rows with equal lists are one group,
    whatever their order. Raises ConfigError naming ``where`` as ``plain_values``."""
    values = plain_values(table, column, where)
    if not isinstance(values.dtype, pl.List):
        return values.cast(pl.String)
    names = pl.element().cast(pl.String).drop_nulls().unique().sort()
    listed = values.list.eval(names).list.join(", ")
    return pl.select(pl.when(values.list.len() > 0).then(listed)).to_series().alias(column)


def plain_values(table: Table, column: str, where: str) -> pl.Series:
    """The column. Raises ConfigError naming ``where`` for anything but single values and lists of them."""
    dtype = table.frame[column].dtype
    inner = dtype.inner if isinstance(dtype, pl.List) else dtype
    if inner.is_nested() or inner in (pl.Binary, pl.Object):
        raise ConfigError(
            f"{where}: {table.key[:-3]}s.{column} must hold single values or lists of them, it holds {dtype}."
        )
    return table.frame[column]


def read_column(table: Table, column: str, where: str) -> pl.Series:
    """A column by name. Raises ConfigError where it is not there or protected; where: the configuration key to name."""
    kind = f"{table.key[:-3]}s"
    if column not in table.frame.columns:
        raise ConfigError(f"{where}: {kind} have no column '{column}'{nearest(column, table.frame.columns)}")
    if table.roles.get(column) == "protected":
        raise ConfigError(f"{where}: {kind}.{column} is protected, so nothing that chooses items may read it.")
    return table.frame[column]
