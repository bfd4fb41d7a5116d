"""Who gets what by the decision, and what it then gave on the test period; as ``tables.py``, pure functions."""

from __future__ import annotations

from typing import Any

import polars as pl

from recommender.query import IN_SESSION, RETURNING, USER_BUCKETS
from recommender.report.tables import USERS, Out, cells, ladder

_DECISION = {
    **dict.fromkeys(("user_bucket", "rung", "over", "inherited_from"), pl.String),
    **dict.fromkeys(("gain", "ci_low", "ci_high", "p_holm"), pl.Float64),
    "n_queries": pl.Int64,
}


def decision(out: Out) -> pl.DataFrame:
    """What to ship: user_bucket, rung, over (the champion that it replaced), gain, ci_low, ci_high, p_holm,
    n_queries, inherited_from, and test_value, test_low, test_high: what that rung then gave on the test origin.

    A bucket whose users get another rung when they come back has two rows, ``<bucket>_in_session`` and
    ``<bucket>_returning``; else the reasons of the larger of the two groups stand for both.
    """
    rows = [
        {c: entry[c] if c != "user_bucket" else segment for c in _DECISION} for segment, entry in _decided(out).items()
    ]
    whole = ladder(out).select("rung", "value", "ci_low", "ci_high", user_bucket="column")
    visits = [visit(out, v).with_columns(user_bucket=pl.col("column") + v) for v in (IN_SESSION, RETURNING)]
    tested = pl.concat([whole, *(v.select(whole.columns) for v in visits)]).rename(
        {"value": "test_value", "ci_low": "test_low", "ci_high": "test_high"}
    )
    found = pl.DataFrame(rows, schema=_DECISION)
    return found.join(tested, on=["user_bucket", "rung"], how="left", maintain_order="left")


def _decided(out: Out) -> dict[str, dict[str, Any]]:
    staying, back = out.decision.get("buckets", {}), out.decision.get("returning", {})
    found = {}
    for bucket in (b for b in USER_BUCKETS if b in staying):
        here, there = staying[bucket], back.get(bucket, staying[bucket])
        if here["rung"] == there["rung"]:
            found[bucket] = max(here, there, key=lambda entry: entry["n_queries"])
        else:
            found |= {bucket + IN_SESSION: here, bucket + RETURNING: there}
    return found


def visit(out: Out, kind: str) -> pl.DataFrame:
    """``cells`` of the headline metric by user bucket, for users in a visit (IN_SESSION) or back after a while
    (RETURNING); without the buckets that hold none."""
    found = cells(out.metrics, out.rungs, out.metric, "user_bucket", "visit", kind.removeprefix("_"))
    return found.filter(pl.col("n_queries") > 0)


def in_visit(out: Out, kind: str) -> str:
    """``", in a visit"`` or ``", back after 1 day or more"``: what tells the users of a bucket apart."""
    days = out.scenario.decision.away_days
    return ", in a visit" if kind == IN_SESSION else f", back after {days:g} day{'s' * (days != 1)} or more"


def users(segment: str, out: Out) -> str:
    """Who they are, of a ``user_bucket`` of ``decision``."""
    for kind in (IN_SESSION, RETURNING):
        if segment.endswith(kind):
            return USERS[segment.removesuffix(kind)] + in_visit(out, kind)
    return USERS[segment]
