"""Which rung serves whom: climb only where the evidence says that it pays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from recommender.config import DecisionRule
from recommender.experiment.blends import Blend
from recommender.names import IN_SESSION, RETURNING, USER_BUCKETS, WITH_HISTORY

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


def decide(evidence: pl.DataFrame, ladder: Sequence[str], rule: DecisionRule) -> dict[str, Choice]:
    """Who is served by which rung, from the bottom of the ladder up: the next rung replaces the champion
    where the Holm-adjusted p is below ``alpha`` and the lower bound of the paired gain above ``min_gain``.

    Users without history are one group; those with history are two, in the midst of a visit and back after
    ``away_days`` (who is back wants what is new, who is in a visit wants more of the same). Each group climbs
    on all of its queries. A warmth bucket of it then starts from the group's rung and leaves it, upwards or
    downwards, only where its own queries say so by the same test. Starting every bucket at the bottom
    instead keeps small buckets on popularity for want of queries, not for want of gain (seen on KuaiRand,
    experiments/LOG.md). Groups with fewer than ``thin`` queries take the rung
    of all users with history; without history, the simplest rung stands.

    evidence: comparisons (evaluate.comparisons_table with ``visits``) of the pooled validation origins.
    Returns a choice per bucket (in a visit), per ``<bucket>_returning``, and of the groups.
    """
    evidence = evidence.filter(pl.col("metric") == rule.metric)
    everyone = _climb(_rows(evidence, WITH_HISTORY), ladder, rule)
    newcomers = _rows(evidence, USER_BUCKETS[0])
    enough = _n(newcomers) >= rule.thin
    choices = {USER_BUCKETS[0]: _climb(newcomers, ladder, rule) if enough else _stay(ladder[0], _n(newcomers))}
    for visit in (IN_SESSION, RETURNING):
        group = _rows(evidence, WITH_HISTORY + visit)
        known = _climb(group, ladder, rule) if _n(group) >= rule.thin else _inherit(everyone, WITH_HISTORY, _n(group))
        suffix = "" if visit == IN_SESSION else RETURNING
        choices[WITH_HISTORY + suffix] = known
        for bucket in USER_BUCKETS[1:]:
            rows = _rows(evidence, bucket + visit)
            choices[bucket + suffix] = _deviate(rows, known, ladder, rule, WITH_HISTORY + suffix)
    return choices


def day_zero_choices(rung: str) -> dict[str, Choice]:
    """One rung for everyone, without evidence."""
    return dict.fromkeys((WITH_HISTORY, *USER_BUCKETS), Choice(rung, None, None, None, None, None, 0))


def _rows(evidence: pl.DataFrame, segment: str) -> pl.DataFrame:
    return evidence.filter(pl.col("user_bucket") == segment)


def _n(rows: pl.DataFrame) -> int:
    return int(rows["n_queries"].max() or 0)  # type: ignore[arg-type]


def _stay(rung: str, n: int) -> Choice:
    return Choice(rung, None, None, None, None, None, n)


def _inherit(choice: Choice, source: str, n: int) -> Choice:
    return replace(choice, n_queries=n, inherited_from=source)


def _climb(rows: pl.DataFrame, ladder: Sequence[str], rule: DecisionRule, start: Choice | None = None) -> Choice:
    choice = start or _stay(ladder[0], _n(rows))
    for rung in ladder[ladder.index(choice.rung) + 1 :]:
        row = _pair(rows, choice.rung, rung)
        if row and row["p_holm"] < rule.alpha and row["ci_low"] > rule.min_gain:
            gain = (row["difference"], row["ci_low"], row["ci_high"])
            choice = Choice(rung, choice.rung, *gain, row["p_holm"], _n(rows))
    return choice


def _deviate(rows: pl.DataFrame, group: Choice, ladder: Sequence[str], rule: DecisionRule, source: str) -> Choice:
    """The group's rung, unless the bucket's own queries are enough and speak for a simpler or a higher one."""
    inherited = _inherit(group, source, _n(rows))
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


def sentences(choices: dict[str, Choice], rule: DecisionRule, blends: Mapping[str, Blend] | None = None) -> list[str]:
    """The decision in plain English: a sentence per group, with its evidence, and one per bucket that leaves its group.

    Those who come back have sentences of their own where validation saw any.
    """
    days = "a day" if rule.away_days == 1 else f"{rule.away_days:g} days"
    blends = blends or {}
    told = [_sentence(AUDIENCE[USER_BUCKETS[0]], choices[USER_BUCKETS[0]], rule)]
    told += _blended(AUDIENCE[USER_BUCKETS[0]], blends.get(USER_BUCKETS[0]), rule)
    seen = choices[WITH_HISTORY + RETURNING].n_queries > 0
    for suffix, words in (("", " in a visit" if seen else ""), (RETURNING, f" who come back after {days} or more")):
        group = choices[WITH_HISTORY + suffix]
        if suffix and not seen:
            continue
        told.append(_sentence(AUDIENCE[WITH_HISTORY] + words, group, rule))
        told += _blended(AUDIENCE[WITH_HISTORY] + words, blends.get(WITH_HISTORY + suffix), rule)
        for bucket in USER_BUCKETS[1:]:
            own = choices[bucket + suffix]
            if own.inherited_from is None:
                told.append(_sentence(AUDIENCE[bucket] + words, own, rule))
    return told


def _sentence(audience: str, choice: Choice, rule: DecisionRule) -> str:
    head = f"{audience[0].upper()}{audience[1:]} get {choice.rung}"
    n = f"{choice.n_queries:,} validation queries"
    if choice.over is None:
        reason = f"over {n} no higher rung gained enough to replace it"
    else:
        reason = (
            f"it beat {choice.over} by {choice.gain:.4f} {rule.metric} [{choice.ci_low:.4f}, {choice.ci_high:.4f}], "
            f"adjusted p {_p(choice.p_holm)}"
        )
    if choice.inherited_from:  # what is known of the wider group stands for one too thin to tell
        because = f", where {reason}" if choice.over else ""
        return f"{head}, as all {AUDIENCE[choice.inherited_from]}{because}: only {n} of their own."
    if choice.over:
        return f"{head}: {reason}, over {n}."
    if choice.n_queries < rule.thin:
        return f"{head}, the simplest rung: {n} are not enough evidence to climb."
    return f"{head}: {reason}."


def _blended(audience: str, blend: Blend | None, rule: DecisionRule) -> list[str]:
    if blend is None:
        return []
    return [
        f"Into the lists of {audience} those of {blend.rung} are blended, by rank: that gained {blend.gain:.4f} "
        f"{rule.metric} [{blend.ci_low:.4f}, {blend.ci_high:.4f}], adjusted p {_p(blend.p_holm)}, "
        f"over {blend.n_queries:,}."
    ]


def _p(p: float | None) -> str:
    return "" if p is None else "below .001" if p < 0.001 else f"{p:.3f}".lstrip("0")
