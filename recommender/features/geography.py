"""Places as unit vectors: distances between all pairs are one matrix product."""

from __future__ import annotations

import numpy as np
import polars as pl

from recommender.errors import ConfigError

EARTH_KM = 6371.0088  # mean radius (IUGG)


def vectors(column: pl.Series, where: str) -> np.ndarray:
    """float64 (n, 3), points on the unit sphere; NaN where latitude or longitude is missing.

    column: Struct(lat, lon) or lists of two numbers, in degrees. Raises ConfigError, naming ``where``, for
    anything else: a region's name has no distance.
    """
    if column.dtype == pl.Null:
        return np.full((len(column), 3), np.nan)
    if isinstance(column.dtype, pl.Struct) and {f.name for f in column.dtype.fields} >= {"lat", "lon"}:
        degrees = [column.struct.field(f) for f in ("lat", "lon")]
    elif isinstance(column.dtype, pl.List) and column.dtype.inner.is_numeric():
        degrees = [column.list.get(i, null_on_oob=True) for i in (0, 1)]
    else:
        raise ConfigError(f"{where} must hold places with lat and lon in degrees, it holds {column.dtype}.")
    lat, lon = (np.radians(d.cast(pl.Float64).fill_null(np.nan).to_numpy()) for d in degrees)
    return np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def km(a: np.ndarray, b: np.ndarray, paired: bool = False) -> np.ndarray:
    """Great-circle distances in km, float64 (n_a, n_b), or (n,) with ``paired``; NaN where a place is missing.

    The haversine of the angle between two unit vectors is a quarter of their squared distance (Sinnott 1984),
    (1 - a.b) / 2, so near points do not suffer from the arc cosine's loss of digits.
    """
    return np.asarray(2 * EARTH_KM * np.arcsin(np.sqrt(np.clip((1 - _cosine(a, b, paired)) / 2, 0, 1))))


def beyond(a: np.ndarray, b: np.ndarray, max_km: float, paired: bool = False) -> np.ndarray:
    """``km(a, b, paired) > max_km``, bool, False where a place is missing; without a root and an arc for each pair,
    which would be most of the time of a rule."""
    return np.asarray(_cosine(a, b, paired) < np.cos(min(max_km / EARTH_KM, np.pi)))


def _cosine(a: np.ndarray, b: np.ndarray, paired: bool) -> np.ndarray:
    return np.asarray(np.einsum("ij,ij->i", a, b) if paired else a @ b.T)
