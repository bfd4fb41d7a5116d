"""Chance that belongs to an id, not to its place in a table: what is drawn for a row never depends on other rows."""

from __future__ import annotations

import zlib

import numpy as np
import pandas as pd
import polars as pl


def hashes(ids: pl.Series) -> np.ndarray:
    """A fixed pseudo-random uint64 (n,) for each id."""
    return np.asarray(pd.util.hash_array(ids.to_numpy(), categorize=True), np.uint64)


def pairs(rows: pl.DataFrame) -> np.ndarray:
    """uint64 (n,) for each user and item of ``rows``: repeats and signals of a pair share it."""
    return np.asarray(mixed(hashes(rows["user_id"]) + np.uint64(0x9E3779B97F4A7C15)) ^ hashes(rows["item_id"]))


def uniform(keys: np.ndarray, seed: int, what: str) -> np.ndarray:
    """float64 (n,) in [0, 1) for each key; independent for every ``what`` and seed.

    Rows below a threshold are nested: those below .2 are among those below .5.
    """
    stream = np.uint64((seed * 0x9E3779B97F4A7C15 + zlib.crc32(what.encode())) % 2**64)
    return np.asarray((mixed(keys ^ mixed(np.array([stream]))) >> np.uint64(11)) / 2.0**53)


def mixed(state: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64 (Steele, Lea & Flood 2014): uint64 (n,), every bit depends on every other."""
    with np.errstate(over="ignore"):
        state = state + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(state ^ (state >> np.uint64(31)))
