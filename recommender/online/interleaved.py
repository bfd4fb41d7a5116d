"""The read-out of interleaved lists: whose places are taken more often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import norm

from recommender.errors import DataError
from recommender.online.ratio import LEAST_USERS, Sample, early_width
from recommender.operate.service import answered

BETTER, WORSE, OPEN = "the candidate is preferred", "the control is preferred", "not enough evidence yet"


@dataclass(frozen=True)
class Preference:
    """share: of the takes that are credited to the treated variant, .5 where nobody is preferred; low, high: valid
    however often one looks, users as the unit; places: share of the places that the treated variant filled."""

    control: str
    treated: str
    share: float
    low: float
    high: float
    takes: int
    users: int
    lists: int
    places: float
    verdict: str

    @property
    def sentence(self) -> str:
        """The result in words."""
        return (f"{self.share:.1%} [{self.low:.1%}, {self.high:.1%}] of the {self.takes:,} takes went to places of "
                f"{self.treated}, which filled {self.places:.1%} of the places; {self.users:,} users, {self.lists:,} "
                "lists.")  # fmt: skip

    def tree(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def preference(
    served: pl.DataFrame, feedback: pl.DataFrame, events: Sequence[str] | None, pair: tuple[str, str], alpha: float
) -> Preference:
    """served: places of interleaved lists, ``variant`` the one that chose each. Raises DataError for too few users."""
    rows = answered(served, feedback, events).filter(pl.col("variant").is_in(pair))
    mine = pl.col("variant") == pair[1]
    users = rows.group_by("user_id").agg((pl.col("taken") & mine).sum().alias("x"), pl.col("taken").sum().alias("n"))
    taking = users.filter(pl.col("n") > 0)
    if taking.height < LEAST_USERS:
        raise DataError(f"{taking.height:,} users took something of interleaved lists; {LEAST_USERS} are needed.")
    share, error = share_and_error(taking["x"].to_numpy().astype(float), taking["n"].to_numpy().astype(float))
    width = early_width(taking.height, taking.height, alpha) * error
    low, high = share - width, share + width
    verdict = BETTER if low > 0.5 else WORSE if high < 0.5 else OPEN
    filled = float((rows["variant"] == pair[1]).mean())  # type: ignore[arg-type]
    return Preference(*pair, share, low, high, int(taking["n"].sum()), users.height, rows["list_id"].n_unique(),
                      filled, verdict)  # fmt: skip


def share_and_error(x: np.ndarray, n: np.ndarray) -> tuple[float, float]:
    """The share of takes that are credited to a variant, and its standard error with users as the unit."""
    sample = Sample(x, n)
    return sample.ratio, float(sample.linear.std(ddof=1) / np.sqrt(len(sample)))


def two_sided(share: float, error: float) -> float:
    """p of no preference, for one look."""
    return float(2 * norm.sf(abs(share - 0.5) / error)) if error else 1.0
