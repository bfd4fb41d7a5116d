"""Logs of a small service, made up: users with lists of ten places, each taken by chance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from tests.helpers.small import START

PLACES = 10


def log_of(rates: Mapping[str, float], n: int = 400, lists: int = 3, days: int = 14, seed: int = 0,
           prefix: str = "") -> tuple[pl.DataFrame, pl.DataFrame]:  # fmt: skip
    """served and feedback of ``n`` users a variant; rates: variant -> chance that a place is taken, times a liking of
    each user that does not depend on the variant."""
    rng = np.random.default_rng(seed)
    names = [name for name in rates for _ in range(n * lists)]
    user = [f"{prefix}{name}-{u}" for name in rates for u in range(n) for _ in range(lists)]
    liking = np.repeat(rng.gamma(2, 0.5, len(rates) * n), lists)
    chance = (np.array([rates[name] for name in names]) * liking).clip(0, 1)
    when = pl.Series(rng.integers(0, days * 86_400, len(user)) * 1_000_000 + int(START.timestamp() * 1e6))
    one = pl.DataFrame({
        "list_id": [f"{prefix}{i}" for i in range(len(user))], "user_id": user, "variant": names,
        "as_of": when.cast(pl.Datetime("us", "UTC")),
    })  # fmt: skip
    places = pl.DataFrame({"rank": pl.Series(range(1, PLACES + 1), dtype=pl.Int32), "item_id": list("abcdefghij")})
    served = one.join(places, how="cross").with_columns(
        request_id=pl.col("list_id"), model_version=pl.col("variant"), surface=pl.lit("home"), source=pl.lit("rung"),
        propensity=pl.lit(None, pl.Float64),
    )  # fmt: skip
    taken = rng.random(served.height) < np.repeat(chance, PLACES)
    feedback = served.filter(pl.Series(taken)).select(
        "list_id", "item_id", event=pl.lit("take"), timestamp=pl.col("as_of").dt.offset_by("1m")
    )
    return served, feedback
