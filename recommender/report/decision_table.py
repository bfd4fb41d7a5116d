"""Who gets what by the decision, and what it then gave on the test period: pure functions."""

from __future__ import annotations

from dataclasses import asdict

import polars as pl

from recommender.experiment.run_folder import RunFolder
from recommender.experiment.run_tables import cells, ladder
from recommender.names import IN_SESSION, PLAIN, RETURNING, ROUTER

_DECISION = {
    **dict.fromkeys(("user_bucket", "rung", "over", "inherited_from", "blended"), pl.String),
    **dict.fromkeys(("gain", "ci_low", "ci_high", "p_holm", "blend_gain"), pl.Float64),
    "n_queries": pl.Int64,
}


def decision(out: RunFolder) -> pl.DataFrame:
    """What to ship: user_bucket, rung, over (the champion that it replaced), gain, ci_low, ci_high, p_holm,
    n_queries, inherited_from, blended (the rung whose lists are blended in) and blend_gain, and test_value, test_low,
    test_high: what that rung then gave on the test origin, or where blended the router, before it re-ranks.

    A bucket whose users get something else when they come back has two rows, ``<bucket>_in_session`` and
    ``<bucket>_returning``; else the reasons of the larger of the two groups stand for both.
    """
    rows = [
        asdict(choice) | {"user_bucket": segment, "blended": blend and blend.rung, "blend_gain": blend and blend.gain}
        for segment, (choice, blend) in out.decision.shipped().items()
    ]
    whole = ladder(out).select("rung", "value", "ci_low", "ci_high", user_bucket="column")
    visits = [visit(out, v).with_columns(user_bucket=pl.col("column") + v) for v in (IN_SESSION, RETURNING)]
    tested = pl.concat([whole, *(v.select(whole.columns) for v in visits)]).rename(
        {"value": "test_value", "ci_low": "test_low", "ci_high": "test_high"}
    )
    choices = pl.DataFrame([{c: row[c] for c in _DECISION} for row in rows], schema=_DECISION)
    routed = PLAIN if PLAIN in out.rungs else ROUTER
    shown = choices.with_columns(shown=pl.when(pl.col("blended").is_null()).then("rung").otherwise(pl.lit(routed)))
    tested = tested.rename({"rung": "shown"})
    return shown.join(tested, on=["user_bucket", "shown"], how="left", maintain_order="left").drop("shown")


def visit(out: RunFolder, kind: str) -> pl.DataFrame:
    """``cells`` of the headline metric by user bucket, for users in a visit (IN_SESSION) or back after a while
    (RETURNING); without the buckets that hold none."""
    values = cells(out.metrics, out.rungs, out.metric, "user_bucket", "visit", kind.removeprefix("_"))
    return values.filter(pl.col("n_queries") > 0)


def in_visit(out: RunFolder, kind: str) -> str:
    """``", in a visit"`` or ``", back after 1 day or more"``: what tells the users of a bucket apart."""
    days = out.scenario.decision.away_days
    return ", in a visit" if kind == IN_SESSION else f", back after {days:g} day{'s' * (days != 1)} or more"
