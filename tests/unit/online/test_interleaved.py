"""The read-out of interleaved lists."""

from __future__ import annotations

import polars as pl
import pytest

from recommender.errors import DataError
from recommender.online.interleaved import BETTER, OPEN, WORSE, preference
from tests.helpers.service_log import log_of


def logged(better: float, n: int = 300) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Lists with places of two teams in turn; those of b are taken ``better`` times as often."""
    served, feedback = log_of({"x": 0.2}, n=n)
    team = pl.when((pl.col("rank") + pl.col("list_id").hash(0) % 2) % 2 == 0).then(pl.lit("a")).otherwise(pl.lit("b"))
    served = served.with_columns(variant=team)
    teams = feedback.join(served.select("list_id", "item_id", "variant"), on=["list_id", "item_id"])
    loser = "a" if better > 1 else "b"
    keep = (pl.col("variant") != loser) | (pl.int_range(pl.len()) % 100 < 100 * min(better, 1 / better))
    return served, teams.filter(keep).drop("variant")


def test_who_is_preferred() -> None:
    out = preference(*logged(2.0), None, ("a", "b"), 0.05)
    assert out.verdict == BETTER
    assert out.share == pytest.approx(2 / 3, abs=0.04)
    assert preference(*logged(0.5), None, ("a", "b"), 0.05).verdict == WORSE
    even = preference(*logged(1.0), None, ("a", "b"), 0.05)
    assert (even.verdict, even.places) == (OPEN, pytest.approx(0.5, abs=0.03))


def test_too_few_users_are_refused() -> None:
    with pytest.raises(DataError, match="30 are needed"):
        preference(*logged(1.0, n=20), None, ("a", "b"), 0.05)
