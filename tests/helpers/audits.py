"""Outcomes by group, for what audits and their report say."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from recommender.evaluation.evaluate import Group, Outcome, QueryInfo
from recommender.names import PLAIN, ROUTER


def group(sex: list[str | None], selected: Any, age: list[str | None] | None = None, first: Any = None) -> Group:
    """A test group of the router and, served worse, its lists before; users who were not selected have no hit."""
    n = len(sex)
    values = np.array(selected, float)
    outcome = {
        "selected_at_10": values,
        "favourable_share_at_10": values / 2,
        "hit_rate_at_10": values,
        "taken_favourable_share": np.ones(n),
    }
    worse = {name: v * 0.5 for name, v in outcome.items()}
    groups = {"sex": pl.Series(sex, dtype=pl.String), "age": pl.Series(age or [None] * n, dtype=pl.String)}
    when = np.zeros(n, np.int64)
    seen = np.ones(n, bool) if first is None else np.array(first)
    rows = QueryInfo("test", "o", pl.Series(range(n)), when, when, seen, ~seen, {}, groups)
    return Group("test", "o", [rows], [{PLAIN: Outcome(worse), ROUTER: Outcome(outcome)}])
