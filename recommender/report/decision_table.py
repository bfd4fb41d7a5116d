"""Who gets what by the decision, and what it then gave on the test period; as ``tables.py``, pure functions."""

from __future__ import annotations

from typing import Any

import polars as pl

from recommender.experiment.run_tables import USERS, Out, cells, ladder
from recommender.names import IN_SESSION, PLAIN, RETURNING, ROUTER, USER_BUCKETS, WITH_HISTORY

_DECISION = {
    **dict.fromkeys(("user_bucket", "rung", "over", "inherited_from", "blended"), pl.String),
    **dict.fromkeys(("gain", "ci_low", "ci_high", "p_holm", "blend_gain"), pl.Float64),
    "n_queries": pl.Int64,
}


def decision(out: Out) -> pl.DataFrame:
    """What to ship: user_bucket, rung, over (the champion that it replaced), gain, ci_low, ci_high, p_holm,
    n_queries, inherited_from, blended (the rung whose lists are blended in) and blend_gain, and test_value, test_low,
    test_high: what that rung then gave on the test origin, or where blended the router, before it re-ranks.

    A bucket whose users get something else when they come back has two rows, ``<bucket>_in_session`` and
    ``<bucket>_returning``; else the reasons of the larger of the two groups stand for both.
    """
    rows = [{**dict.fromkeys(_DECISION), **entry, "user_bucket": segment} for segment, entry in _decided(out).items()]
    whole = ladder(out).select("rung", "value", "ci_low", "ci_high", user_bucket="column")
    visits = [visit(out, v).with_columns(user_bucket=pl.col("column") + v) for v in (IN_SESSION, RETURNING)]
    tested = pl.concat([whole, *(v.select(whole.columns) for v in visits)]).rename(
        {"value": "test_value", "ci_low": "test_low", "ci_high": "test_high"}
    )
    found = pl.DataFrame([{c: row[c] for c in _DECISION} for row in rows], schema=_DECISION)
    routed = PLAIN if PLAIN in out.rungs else ROUTER
    shown = found.with_columns(shown=pl.when(pl.col("blended").is_null()).then("rung").otherwise(pl.lit(routed)))
    tested = tested.rename({"rung": "shown"})
    return shown.join(tested, on=["user_bucket", "shown"], how="left", maintain_order="left").drop("shown")


def _decided(out: Out) -> dict[str, dict[str, Any]]:
    staying, back = out.decision.get("buckets", {}), out.decision.get("returning", {})
    blends = out.decision.get("blends", {})
    found = {}
    for bucket in (b for b in USER_BUCKETS if b in staying):
        group = WITH_HISTORY if bucket != USER_BUCKETS[0] else bucket
        here = staying[bucket] | _second(staying[bucket], blends.get(group))
        there = back[bucket] | _second(back[bucket], blends.get(group + RETURNING)) if bucket in back else here
        if (here["rung"], here["blended"]) == (there["rung"], there["blended"]):
            found[bucket] = max(here, there, key=lambda entry: entry["n_queries"])
        else:
            found |= {bucket + IN_SESSION: here, bucket + RETURNING: there}
    return found


def _second(entry: dict[str, Any], blend: dict[str, Any] | None) -> dict[str, Any]:
    """The rung that is blended into the lists of a segment's own, if any; none is blended with itself."""
    if blend is None or blend["rung"] == entry["rung"]:
        return {"blended": None, "blend_gain": None}
    return {"blended": blend["rung"], "blend_gain": blend["gain"]}


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
