"""Which rung serves whom: climb only where the evidence says that it pays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import polars as pl

from recommender.config import Decision
from recommender.evaluate import WITH_HISTORY
from recommender.query import RETURNING, USER_BUCKETS

AUDIENCE = {
    "0": "users without history",
    "1_2": "users with 1-2 interactions",
    "3_9": "users with 3-9 interactions",
    "10_plus": "users with 10 or more interactions",
    WITH_HISTORY: "users with history",
}


@dataclass(frozen=True)
class Choice:
    """The rung that serves one user bucket, and why."""

    rung: str
    over: str | None  # the champion that it replaced; None: the ladder's simplest rung stands
    gain: float | None  # paired, of the decision's metric, over ``over``
    ci_low: float | None
    ci_high: float | None
    p_holm: float | None
    n_queries: int
    inherited_from: str | None = None


def decide(evidence: pl.DataFrame, ladder: Sequence[str], rule: Decision) -> dict[str, Choice]:
    """Per user bucket, from the bottom of the ladder up: the next rung replaces the champion where the
    Holm-adjusted p is below ``alpha`` and the lower bound of the paired gain above ``min_gain``.

    evidence: comparisons (evaluate.comparisons_table) of the pooled validation origins. Buckets with
    fewer than ``thin`` queries inherit the choice of all users with history; without history, the
    simplest rung stands. Users who come back after a while are decided for by themselves where there
    are ``thin`` of them (``<bucket>_returning``), else as their bucket: who is back after weeks wants
    what is new, who is in the midst of a visit wants more of the same.
    """
    evidence = evidence.filter(pl.col("metric") == rule.metric)
    choices = {}
    for bucket in (WITH_HISTORY, *USER_BUCKETS):
        rows = evidence.filter(pl.col("user_bucket") == bucket)
        n = int(rows["n_queries"].max() or 0)  # type: ignore[arg-type]
        if n >= rule.thin or bucket == WITH_HISTORY:
            choices[bucket] = _climb(rows, ladder, rule, n)
        elif bucket == USER_BUCKETS[0]:
            choices[bucket] = Choice(ladder[0], None, None, None, None, None, n)
        else:
            inherited = choices[WITH_HISTORY]
            choices[bucket] = Choice(**{**asdict(inherited), "n_queries": n, "inherited_from": WITH_HISTORY})
    for bucket in USER_BUCKETS[1:]:
        rows = evidence.filter(pl.col("user_bucket") == bucket + RETURNING)
        n = int(rows["n_queries"].max() or 0)  # type: ignore[arg-type]
        inherited = Choice(**{**asdict(choices[bucket]), "n_queries": n, "inherited_from": bucket})
        choices[bucket + RETURNING] = _climb(rows, ladder, rule, n) if n >= rule.thin else inherited
    return choices


def day_zero_choices(rung: str) -> dict[str, Choice]:
    """One rung for everyone, without evidence."""
    return dict.fromkeys((WITH_HISTORY, *USER_BUCKETS), Choice(rung, None, None, None, None, None, 0))


def _climb(rows: pl.DataFrame, ladder: Sequence[str], rule: Decision, n: int) -> Choice:
    choice = Choice(ladder[0], None, None, None, None, None, n)
    for rung in ladder[1:]:
        pair = rows.filter((pl.col("rung_a") == choice.rung) & (pl.col("rung_b") == rung))
        if not pair.height:
            continue
        row = pair.row(0, named=True)
        if row["p_holm"] < rule.alpha and row["ci_low"] > rule.min_gain:
            choice = Choice(rung, choice.rung, row["difference"], row["ci_low"], row["ci_high"], row["p_holm"], n)
    return choice


def sentences(choices: dict[str, Choice], rule: Decision) -> list[str]:
    """The decision in plain English, one sentence per user bucket."""
    told = [_sentence(AUDIENCE[b], choices[b], rule) for b in USER_BUCKETS]
    for bucket in USER_BUCKETS[1:]:
        back = choices[bucket + RETURNING]
        if back.rung != choices[bucket].rung:
            told.append(_sentence(f"{AUDIENCE[bucket]} who come back after {rule.away_days:g} days or more", back, rule))
    return told


def _sentence(audience: str, choice: Choice, rule: Decision) -> str:
    head = f"{audience[0].upper()}{audience[1:]} get {choice.rung}"
    if choice.inherited_from:
        return (
            f"{head}: only {choice.n_queries} validation queries of their own "
            f"(fewer than {rule.thin}), so they inherit the choice for all users with history."
        )
    if choice.over is None:
        if choice.n_queries < rule.thin:
            return f"{head}, the simplest rung: {choice.n_queries} validation queries are not enough evidence to climb."
        return f"{head}: over {choice.n_queries:,} validation queries no higher rung gained enough to replace it."
    return (
        f"{head}: it beat {choice.over} by {choice.gain:.4f} {rule.metric} "
        f"[{choice.ci_low:.4f}, {choice.ci_high:.4f}] over {choice.n_queries:,} validation queries "
        f"(adjusted p {_p(choice.p_holm)})."
    )


def _p(p: float | None) -> str:
    return "" if p is None else "below .001" if p < 0.001 else f"{p:.3f}".lstrip("0")
