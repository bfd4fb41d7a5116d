"""Operators on what is known of items and users: fewer columns, missing, coarser or foreign values."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import polars as pl

from recommender.data.dataset import FEATURE_ROLES, ROLES, Dataset, Table
from recommender.data.operators.chance import uniform
from recommender.data.operators.shuffles import exchanged
from recommender.errors import ConfigError, nearest
from recommender.hashing import of_values


def metadata(
    data: Dataset,
    seed: int = 0,
    *,
    drop: list[str] | None = None,
    roles: list[str] | None = None,
    missing: float = 0.0,
    shuffle: bool = False,
    coarsen: dict[str, int] | None = None,
    columns: list[str] | None = None,
    blank: int = 0,
    table: str | None = None,
) -> Dataset:
    """Poorer metadata. Columns are named ``items.title``, or ``title`` for that of both tables.

    drop: columns that are not there at all. roles: all columns of these roles are not there. missing: this
    share of each column's values becomes null (nested: a smaller share is a subset). shuffle: rows exchange
    their values, all columns of a row together (a control). coarsen: column -> n: the n most frequent
    categories (others become "other"), first n values of a list, n words of a text, n numbers of an
    embedding, n classes of equal width of a number, places rounded to n degrees.
    columns: what ``missing``, ``shuffle`` and ``blank`` touch; by default every feature. blank: so many rows of
    each table lose these values, as if nobody had labelled them. table: ``items`` or ``users``, where only one
    is to change. Ids, availability and columns without a feature role stay. Raises ConfigError for an unknown
    column or role, ValueError out of range.
    """
    if not 0 <= missing <= 1:
        raise ValueError(f"missing must be from 0 to 1, got {missing:g}")
    if blank < 0 or table not in (None, "items", "users"):
        raise ValueError(f"blank must be 0 or more and table items or users, got {blank} and {table}")
    for role in roles or ():
        if role not in ROLES:
            raise ConfigError(f"metadata.roles: unknown role '{role}'{nearest(role, ROLES)}")
    _known(data, [*(drop or ()), *(coarsen or ()), *(columns or ())])
    tables = {}
    for name, one in (("items", data.items), ("users", data.users)):
        tables[name] = one
        if table not in (None, name):
            continue
        gone = {*_columns_of(one, name, drop or ()), *one.columns(*(roles or ()))}
        one = replace(one, frame=one.frame.drop(gone), roles={c: r for c, r in one.roles.items() if c not in gone})
        touched = [c for c in one.columns(*FEATURE_ROLES) if columns is None or c in _columns_of(one, name, columns)]
        one = _blank(_masked(one, touched, missing, seed), touched, blank, seed)
        if shuffle:
            one = exchanged(one, touched, np.random.default_rng([seed, len(name)]))
        for key, n in (coarsen or {}).items():
            for column in _columns_of(one, name, [key]):
                one = replace(one, frame=one.frame.with_columns(_coarse(one, column, n)))
        tables[name] = one
    items, users = tables["items"], tables["users"]
    match = tuple(m for m in data.match if m.item in items.frame.columns and m.user in users.frame.columns)
    return replace(data, items=items, users=users, match=match)


def _columns_of(table: Table, name: str, wanted: Collection[str]) -> list[str]:
    return [c for c in table.roles if c in wanted or f"{name}.{c}" in wanted]


def _known(data: Dataset, wanted: Collection[str]) -> None:
    valid = {
        n for name, t in (("items", data.items), ("users", data.users)) for c in t.roles for n in (c, f"{name}.{c}")
    }
    for column in wanted:
        if column not in valid:
            raise ConfigError(f"metadata: '{data.name}' has no column '{column}'{nearest(column, valid)}")


def _masked(table: Table, columns: Collection[str], missing: float, seed: int) -> Table:
    if not missing:
        return table
    keys = of_values(table.ids)
    masks = {c: pl.Series(uniform(keys, seed, f"metadata {table.key} {c}") >= missing) for c in columns}
    return replace(table, frame=table.frame.with_columns(pl.when(masks[c]).then(pl.col(c)).alias(c) for c in columns))


def _blank(table: Table, columns: Collection[str], n: int, seed: int) -> Table:
    """``n`` rows without a value in ``columns``; fewer are a subset."""
    if not n:
        return table
    first = pl.Series(uniform(of_values(table.ids), seed, f"metadata {table.key}")).rank("ordinal") <= n
    return replace(table, frame=table.frame.with_columns(pl.when(~first).then(pl.col(c)).alias(c) for c in columns))


def _coarse(table: Table, column: str, n: int) -> pl.Series:
    if n < 1:
        raise ValueError(f"coarsen.{column} must be at least 1, got {n}")
    values, role = table.frame[column], table.roles[column]
    if role == "text" and values.dtype == pl.String:
        return values.str.split(" ").list.head(n).list.join(" ")
    if values.dtype == pl.List and role != "location":
        return values.list.head(n)
    if role == "category":
        common = values.drop_nulls().value_counts(sort=True, name="n").sort("n", column, descending=[True, False])
        other = pl.when(values.is_null() | values.is_in(common[column].head(n).implode())).then(values.cast(pl.String))
        return pl.select(other.otherwise(pl.lit("other")).alias(column))[column]
    if role == "numeric":
        number = values.cast(pl.Float64)
        low, high = number.min(), number.max()
        width = (float(high) - float(low)) / n if low is not None and high is not None else 0.0  # type: ignore[arg-type]
        return number if width <= 0 else ((number - low) / width).floor().clip(upper_bound=n - 1).rename(column)
    if role == "location" and values.dtype == pl.Struct:
        degrees = [(pl.col(column).struct.field(f) / n).round() * n for f in ("lat", "lon")]
        return table.frame.select(pl.struct(degrees).alias(column))[column]
    raise ConfigError(f"metadata.coarsen: {table.key[:-3]}s.{column} ({role}, {values.dtype}) cannot be made coarser.")
