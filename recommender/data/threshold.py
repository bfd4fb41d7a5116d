"""The bound of a weight from which a row counts as taken, such as ">= 4"."""

from __future__ import annotations

import re

import polars as pl

PATTERN = r"^\s*(>=|<=|==|>|<)\s*(-?\d+(?:\.\d+)?)\s*$"


def threshold(bound: str) -> pl.Expr:
    """The rows whose weight is within a bound such as ">= 4". Weights are float32, and so is the bound."""
    parsed = re.match(PATTERN, bound)
    assert parsed is not None, "checked by Threshold"
    value, weight = pl.lit(float(parsed[2]), pl.Float32), pl.col("weight")
    return {
        ">=": weight >= value,
        "<=": weight <= value,
        "==": weight == value,
        ">": weight > value,
        "<": weight < value,
    }[parsed[1]]


def within(bound: str | None) -> float:
    """A weight within the bound, for rows that state none but count as taken; 1 where there is no bound."""
    parsed = re.match(PATTERN, bound) if bound else None
    if parsed is None:
        return 1.0
    return float(parsed[2]) + {">": 1, "<": -1}.get(parsed[1], 0)
