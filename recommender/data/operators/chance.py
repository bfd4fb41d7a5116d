"""Chance that belongs to an id, not to its place in a table: what is drawn for a row never depends on other rows."""

from __future__ import annotations

import numpy as np
import polars as pl

from recommender.hashing import GOLDEN, mixed, of_name, of_values


def pairs(rows: pl.DataFrame, symmetric: bool = False) -> np.ndarray:
    """uint64 (n,) for each user and item of ``rows``: repeats and signals of a pair share it; symmetric: so does the
    pair the other way round."""
    user, item = of_values(rows["user_id"]), of_values(rows["item_id"])
    if symmetric:
        user, item = np.minimum(user, item), np.maximum(user, item)
    return np.asarray(mixed(user + GOLDEN + GOLDEN) ^ item)


def uniform(keys: np.ndarray, seed: int, what: str) -> np.ndarray:
    """float64 (n,) in [0, 1) for each key; independent for every ``what`` and seed.

    Rows below a threshold are nested: those below .2 are among those below .5.
    """
    stream = np.uint64((seed * int(GOLDEN) + of_name(what)) % 2**64)
    return np.asarray((mixed((keys ^ mixed(np.array([stream]) + GOLDEN)) + GOLDEN) >> np.uint64(11)) / 2.0**53)
