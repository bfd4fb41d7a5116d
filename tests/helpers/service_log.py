"""Logs of a small service, made up: users with lists of ten places, each taken by chance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from recommender.config import Eligibility
from recommender.ranking.router import Router
from recommender.serving.bundle import Bundle
from tests.helpers.routers import Line
from tests.helpers.small import START, dataset, table, times

PLACES, DAY = 10, 24.0


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


def model_of(users: list[str]) -> Bundle:
    """A model of these users and ten items: i has expired before the log, j is held back, a and b pay best."""
    ends = [-DAY if i == "i" else 1000 * DAY for i in "abcdefghij"]
    items = table(
        "item_id", "abcdefghij", {"salary": "numeric"}, expires_at=times(ends),
        salary=[9.0, 9.0, *[1.0] * 8], held=[*[1.0] * 9, -1.0],
    )  # fmt: skip
    members = table(
        "user_id", users, {"gender": "protected"}, gender=["f" if n % 2 else "m" for n in range(len(users))]
    )
    data = dataset([(users[0], "a", -DAY)], items, members)
    router = Router(dict.fromkeys(("0", "1_2", "3_9", "10_plus"), "line"), {"line": Line(1)}).fit_rerankers(data)
    return Bundle.of(router, data, Eligibility(holds_column="held"))
