"""The decision in plain English: sentences that a product manager can read, with their evidence."""

from __future__ import annotations

from recommender.config import DecisionRule
from recommender.evaluation.metric_table import metric_label
from recommender.evaluation.rounding import percent, with_interval
from recommender.experiment.blends import Blend
from recommender.experiment.climb import Choice, needed
from recommender.experiment.decision import Decision
from recommender.experiment.slots import SlotEvidence
from recommender.names import RETURNING, USER_BUCKETS, WITH_HISTORY

AUDIENCE = {
    "0": "users without history",
    "1_2": "users with 1-2 interactions",
    "3_9": "users with 3-9 interactions",
    "10_plus": "users with 10 or more interactions",
    WITH_HISTORY: "users with history",
}
DAY_ZERO = (
    "Day zero: nothing was evaluated. Everyone gets content recommendations from what they say of themselves, "
    "completed in editorial order, then newest first."
)


def sentences(decision: Decision, rule: DecisionRule) -> list[str]:
    """A sentence per group of users, one per bucket that leaves its group, per blend, and for the slots.

    Users who come back have their own sentences where validation saw any.
    """
    choices, newcomers = decision.choices, USER_BUCKETS[0]
    days = "a day" if rule.away_days == 1 else f"{rule.away_days:g} days"
    lines = [_sentence(AUDIENCE[newcomers], choices[newcomers], rule)]
    lines += _blended(AUDIENCE[newcomers], decision.blends.get(newcomers), choices[newcomers].n_queries, rule)
    seen = choices[WITH_HISTORY + RETURNING].n_queries > 0
    visits = {"": " in a visit", RETURNING: f" who come back after {days} or more"} if seen else {"": ""}
    for suffix, words in visits.items():
        group = WITH_HISTORY + suffix
        lines.append(_sentence(AUDIENCE[WITH_HISTORY] + words, choices[group], rule))
        lines += _blended(AUDIENCE[WITH_HISTORY] + words, decision.blends.get(group), choices[group].n_queries, rule)
        alone = [b for b in USER_BUCKETS[1:] if choices[b + suffix].inherited_from is None]
        lines += [_sentence(AUDIENCE[bucket] + words, choices[bucket + suffix], rule) for bucket in alone]
    return lines + _slots(decision)


def _sentence(audience: str, choice: Choice, rule: DecisionRule) -> str:
    head = f"{audience[0].upper()}{audience[1:]} get {choice.rung}"
    n = f"{choice.n_queries:,} validation queries"
    if choice.over is None:
        reason = f"over {n} no higher rung gained enough to replace it"
    else:
        reason = (
            f"it beat {choice.over} in {metric_label(rule.metric)} by "
            f"{with_interval(choice.gain, choice.ci_low, choice.ci_high)}, adjusted p {_p(choice.p_holm)}"
        )
    if choice.inherited_from:  # the evidence of the wider group stands for one that is too thin
        wider = f"all {AUDIENCE[choice.inherited_from]}"
        if choice.n_queries >= rule.thin:
            return f"{head}: for {wider} {reason}; the mean of these users' {n} agrees."
        because = f", where {reason}" if choice.over else ""
        return f"{head}, as {wider}{because}: only {n} of their own."
    if choice.over:
        return f"{head}: {reason}, over {n}."
    least = needed(USER_BUCKETS[0] if audience == AUDIENCE[USER_BUCKETS[0]] else WITH_HISTORY, rule)
    if choice.n_queries < least:
        return f"{head}, the simplest rung: {n} are not enough evidence to climb ({least:,} are needed)."
    return f"{head}: {reason}."


def _blended(audience: str, blend: Blend | None, n: int, rule: DecisionRule) -> list[str]:
    """n: validation queries of the group, of which a blend may have seen a sample only."""
    if blend is None:
        return []
    sample = f"a sample of {blend.n_queries:,} of {n:,}" if blend.n_queries < n else f"{blend.n_queries:,}"
    return [
        f"For {audience} the list of {blend.rung} is merged in (reciprocal rank fusion): "
        f"{metric_label(rule.metric)} {with_interval(blend.gain, blend.ci_low, blend.ci_high, sign=True)}, "
        f"adjusted p {_p(blend.p_holm)}, over {sample} validation queries."
    ]


def _slots(decision: Decision) -> list[str]:
    """What slots for new items bring and cost, where validation sized them."""
    slots, rows = decision.slots, decision.slot_evidence
    if not rows:
        return []
    without, chosen = rows[0], next(r for r in rows if r.n == slots.n and r.rung in ("", slots.rung))
    share = f"{percent(without.new_item_share_of_truth)} of what users took on validation was new"
    if not slots.n:
        return [f"No slots are reserved for new items: {share}, but no number of slots found more at the cost allowed."]
    change = chosen.recall_at_20 / without.recall_at_20 - 1 if without.recall_at_20 else 0.0
    return [
        f"{slots.n} of the first {slots.of} slots are reserved for new items, chosen by {slots.rung}: {share}. "
        f"Recall@20 of new items goes from {without.new_item_recall_at_20:.3f} to "
        f"{chosen.new_item_recall_at_20:.3f}; overall recall@20 changes by {change:+.1%} "
        f"(by {-chosen.loss_high:+.1%} at worst, over users and periods), {_seen(chosen)}."
    ]


def _seen(row: SlotEvidence) -> str:
    return f"seen on {'a sample of ' if row.sampled else ''}{row.n_queries:,} users' first queries"


def _p(p: float | None) -> str:
    return "" if p is None else "below .001" if p < 0.001 else f"{p:.3f}".lstrip("0")
