"""One column of a table, read as what a rule needs: flags, numbers, times or levels."""

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
    values = read_column(table, column, where).cast(pl.String)
    level = values.replace_strict(order, np.arange(len(order)), default=None, return_dtype=pl.Float64)
    return level.fill_null(np.nan).to_numpy()


def times(table: Table, column: str, where: str) -> np.ndarray:
    values = read_column(table, column, where)
    if isinstance(values.dtype, pl.Datetime):
        return microseconds(values)
    parsed = parse_times(values)  # a file of words, such as CSV
    if parsed is None or parsed.unparsable.any():
        raise ConfigError(f"{where}: {table.key[:-3]}s.{column} must hold times, it holds {values.dtype}.")
    return microseconds(parsed.values)


def read_column(table: Table, column: str, where: str) -> pl.Series:
    kind = f"{table.key[:-3]}s"
    if column not in table.frame.columns:
        raise ConfigError(f"{where}: {kind} have no column '{column}'{nearest(column, table.frame.columns)}")
    if table.roles.get(column) == "protected":
        raise ConfigError(f"{where}: {kind}.{column} is protected, so nothing that chooses items may read it.")
    return table.frame[column]
