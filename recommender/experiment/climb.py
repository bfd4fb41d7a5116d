"""Which rung serves whom: climbs the ladder only where the evidence says that it pays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from recommender.config import DecisionRule
from recommender.names import IN_SESSION, RETURNING, USER_BUCKETS, WITH_HISTORY

NEWCOMERS = 3  # times ``thin``: users without history get much the same list, so that few items decide for all of them


@dataclass(frozen=True)
class Choice:
    """The rung that serves one segment of queries, with its evidence."""

    rung: str
    over: str | None = None  # the champion that it replaced; None: the ladder's simplest rung stands
    gain: float | None = None  # paired, of the decision's metric, over ``over``
    ci_low: float | None = None
    ci_high: float | None = None
    p_holm: float | None = None
    n_queries: int = 0
    inherited_from: str | None = None


def climb(evidence: pl.DataFrame, ladder: Sequence[str], rule: DecisionRule) -> dict[str, Choice]:
    """Who is served by which rung, from the bottom of the ladder up: the next rung replaces the champion
    where the Holm-adjusted p is below ``alpha`` and the lower bound of the paired gain above ``min_gain``. The bound is
    of users and of periods, whichever is lower.

    Users without history are one group; those with history are two, in the midst of a visit and back after
    ``away_days`` (who is back wants what is new, who is in a visit wants more of the same). Each group climbs
    on all of its queries, and on to the rung of all users with history where the queries of all show that it gains over
    the group's and the mean of the group agrees. A warmth bucket of it then starts from the group's rung and leaves it,
    upwards or downwards, only where its own queries say so by the same test. Starting every bucket at the bottom
    instead keeps small buckets on popularity for want of queries, not for want of gain (seen on KuaiRand,
    experiments/LOG.md). Groups with fewer than ``thin`` queries take the rung
    of all users with history; without history, the simplest rung stands below ``NEWCOMERS`` times as many.

    evidence: comparisons (evaluate.comparisons_table, ``deciding``) of the pooled validation origins.
    Returns a choice per bucket (in a visit), per ``<bucket>_returning``, and of the groups.
    """
    evidence = evidence.filter(pl.col("metric") == rule.metric)
    everyone = _climb(_rows(evidence, WITH_HISTORY), ladder, rule)
    newcomers = _rows(evidence, USER_BUCKETS[0])
    enough = _n(newcomers) >= needed(USER_BUCKETS[0], rule)
    choices = {
        USER_BUCKETS[0]: _climb(newcomers, ladder, rule) if enough else Choice(ladder[0], n_queries=_n(newcomers))
    }
    for visit in (IN_SESSION, RETURNING):
        group = _rows(evidence, WITH_HISTORY + visit)
        if _n(group) >= rule.thin:
            known = _join(_climb(group, ladder, rule), everyone, group, _rows(evidence, WITH_HISTORY), rule)
        else:
            known = _inherit(everyone, WITH_HISTORY, _n(group))
        suffix = "" if visit == IN_SESSION else RETURNING
        choices[WITH_HISTORY + suffix] = known
        for bucket in USER_BUCKETS[1:]:
            rows = _rows(evidence, bucket + visit)
            choices[bucket + suffix] = _deviate(rows, known, ladder, rule, WITH_HISTORY + suffix)
    return choices


def needed(bucket: str, rule: DecisionRule) -> int:
    """How many validation queries a bucket needs for a decision of its own."""
    return rule.thin * (NEWCOMERS if bucket == USER_BUCKETS[0] else 1)


def _rows(evidence: pl.DataFrame, segment: str) -> pl.DataFrame:
    return evidence.filter(pl.col("user_bucket") == segment)


def _n(rows: pl.DataFrame) -> int:
    return int(rows["n_queries"].max() or 0)  # type: ignore[arg-type]


def _inherit(choice: Choice, wider: str, n: int) -> Choice:
    return replace(choice, n_queries=n, inherited_from=wider)


def _climb(rows: pl.DataFrame, ladder: Sequence[str], rule: DecisionRule, start: Choice | None = None) -> Choice:
    choice = start or Choice(ladder[0], n_queries=_n(rows))
    for rung in ladder[ladder.index(choice.rung) + 1 :]:
        row = _pair(rows, choice.rung, rung)
        if row and row["p_holm"] < rule.alpha and row["ci_low"] > rule.min_gain:
            gain = (row["difference"], row["ci_low"], row["ci_high"])
            choice = Choice(rung, choice.rung, *gain, row["p_holm"], _n(rows))
    return choice


def _join(choice: Choice, everyone: Choice, rows: pl.DataFrame, of_all: pl.DataFrame, rule: DecisionRule) -> Choice:
    """The group's choice, or everyone's where the queries of all show that it gains over the group's, and those of the
    group (``rows``), too few to show it, gain on average."""
    row, bucket_row = _pair(of_all, choice.rung, everyone.rung), _pair(rows, choice.rung, everyone.rung)
    if not (
        row
        and bucket_row
        and row["p_holm"] < rule.alpha
        and row["ci_low"] > rule.min_gain
        and bucket_row["difference"] > 0
    ):
        return choice
    gain = (row["difference"], row["ci_low"], row["ci_high"])
    return Choice(everyone.rung, choice.rung, *gain, row["p_holm"], _n(rows), WITH_HISTORY)


def _deviate(rows: pl.DataFrame, group: Choice, ladder: Sequence[str], rule: DecisionRule, wider: str) -> Choice:
    """The group's rung, unless the bucket's own queries are enough and speak for a simpler or a higher one."""
    inherited = _inherit(group, wider, _n(rows))
    if _n(rows) < rule.thin:
        return inherited
    for simpler in ladder[: ladder.index(group.rung)]:
        row = _pair(rows, simpler, group.rung)
        if row and row["p_holm"] < rule.alpha and -row["ci_high"] > rule.min_gain:
            gain = (-row["difference"], -row["ci_high"], -row["ci_low"])
            return _climb(rows, ladder, rule, Choice(simpler, group.rung, *gain, row["p_holm"], _n(rows)))
    return _climb(rows, ladder, rule, inherited)


def _pair(rows: pl.DataFrame, a: str, b: str) -> dict[str, Any] | None:
    pair = rows.filter((pl.col("rung_a") == a) & (pl.col("rung_b") == b))
    return pair.row(0, named=True) if pair.height else None
