"""The read-out of an A/B test: is the split sound, what changed, do the guardrails hold, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import chisquare

from recommender.config import OnlineTest
from recommender.errors import ConfigError, DataError
from recommender.evaluation.metric_table import HIGHER
from recommender.online.harms import GROUP
from recommender.online.log_totals import IMPACT, ONLINE_METRICS, Totals, label_of
from recommender.online.ratio import LEAST_USERS, RatioEffect, effect, impact_effect, needed

SHIP, KEEP, WAIT, BROKEN = "ship", "do not ship", "not enough evidence yet", "the split is broken"
HOLDS, FAILS, OPEN = "holds", "broken", "open"
MISMATCH = 1e-3  # p of the split from which on it is no luck (Fabijan et al. 2019: below .0005 to .01 in practice)
MOST_MIXED = 0.01  # share of the users who saw both variants


@dataclass(frozen=True)
class Guardrail:
    """tolerance: as in ``online.guardrails``; state: HOLDS, FAILS or OPEN."""

    metric: str
    tolerance: float
    effect: RatioEffect
    state: str
    sentence: str


@dataclass(frozen=True)
class ReadOut:
    """A finished or running test. p_split: of the sample ratio; planned: users in all; by_day: the effect as a share
    of the control's value with its fixed and early bounds, as it was on each day."""

    control: str
    treated: str
    metric: str
    effect: RatioEffect
    guardrails: tuple[Guardrail, ...]
    p_split: float
    mixed: int
    planned: int
    weeks_left: float | None
    verdict: str
    reason: str
    by_day: pl.DataFrame

    @property
    def relative(self) -> tuple[float, float, float]:
        """The effect as a share of the control's value, with its fixed interval."""
        return relative_interval(self.effect)

    def tree(self) -> dict[str, Any]:
        """Plain values, the content of experiment.json."""
        rows = self.by_day.to_dicts()
        return {**asdict(self), "relative": self.relative, "by_day": rows}


def read_out(totals: Totals, control: str, treated: str, rule: OnlineTest, planned: int | None = None) -> ReadOut:
    """planned: users in all by the plan made before; None: as many as ``rule`` needs by what the test itself shows.

    Raises DataError where a variant has too few users, ConfigError for guardrails that are no metric.
    """
    if unknown := [name for name in rule.guardrails if name not in ONLINE_METRICS]:
        raise ConfigError(f"online.guardrails: {', '.join(unknown)} is no metric. Valid: {', '.join(ONLINE_METRICS)}.")
    main = _effect(totals, control, treated, rule.metric, rule.alpha, planned)
    n = sum(main.users)
    if min(main.users) < LEAST_USERS:
        raise DataError(f"{control}: {main.users[0]:,} users, {treated}: {main.users[1]:,}. A read-out needs "
                        f"{LEAST_USERS} of each.")  # fmt: skip
    least = needed(main.error, n, rule.min_effect * main.control, rule.alpha, rule.power)
    goal = planned or int(min(max(np.ceil(least), LEAST_USERS), 1e12))
    if planned is None:
        main = _effect(totals, control, treated, rule.metric, rule.alpha, goal)
    guardrails = tuple(
        _guardrail(_effect(totals, control, treated, name, rule.alpha, goal), name, tolerance, n >= goal)
        for name, tolerance in rule.guardrails.items() if name != rule.metric
    )  # fmt: skip
    guardrails += tuple(_harm_guardrails(totals, control, treated, rule, goal))
    share = np.array([1 - rule.share, rule.share])
    p_split = float(chisquare(main.users, n * share).pvalue)
    left = None if n >= goal else (goal - n) / max(n / totals.weeks, 1e-9)
    verdict, reason = _verdict(main, guardrails, p_split, totals.mixed / (n + totals.mixed), n >= goal, left, rule)
    return ReadOut(control, treated, rule.metric, main, guardrails, p_split, totals.mixed, goal, left, verdict, reason,
                   _by_day(totals, control, treated, rule, goal))  # fmt: skip


def relative_interval(e: RatioEffect, early: bool = False) -> tuple[float, float, float]:
    """difference / control with the bounds of the difference as shares of the control's value."""
    low, high = (e.early_low, e.early_high) if early else (e.low, e.high)
    return e.relative(e.difference), e.relative(low), e.relative(high)


def _effect(totals: Totals, control: str, treated: str, metric: str, alpha: float, planned: int | None) -> RatioEffect:
    samples = [totals.sample(variant, metric) for variant in (control, treated)]
    if not all(len(s) for s in samples):
        raise DataError(f"No user saw only {control if not len(samples[0]) else treated}, so nothing can be compared.")
    return effect(samples[0], samples[1], alpha, planned)


def _harm_guardrails(totals: Totals, control: str, treated: str, rule: OnlineTest, goal: int) -> Iterator[Guardrail]:
    """Guardrails of ``online.harms``, where the log was joined with what items and users are (``harms.py``)."""
    for name, tolerance in rule.harms.items():
        if name in totals.users.columns:
            e = _effect(totals, control, treated, name, rule.alpha, goal)
            yield _guardrail(e, name, tolerance, sum(e.users) >= goal)
    for column in totals.group_columns if IMPACT in rule.harms else ():
        samples = [totals.by_group(variant, column) for variant in (control, treated)]
        impact = impact_effect(samples[0], samples[1], rule.alpha, goal)
        if impact is not None:
            done = sum(impact.users) >= goal
            yield _impact_guardrail(impact, f"{IMPACT}/{column.removeprefix(GROUP)}", rule.harms[IMPACT], done)


def _impact_guardrail(e: RatioEffect, name: str, tolerance: float, done: bool) -> Guardrail:
    low, high = (e.low, e.high) if done else (e.early_low, e.early_high)
    state = HOLDS if low >= -tolerance else FAILS if high < -tolerance else OPEN
    words = f"{label_of(name).capitalize()} {e.treated:.2f}, {e.difference:+.2f} [{low:+.2f}, {high:+.2f}]"
    return Guardrail(name, tolerance, e, state, f"{words}; a fall of {tolerance:.2f} is allowed")


def _guardrail(e: RatioEffect, name: str, tolerance: float, done: bool) -> Guardrail:
    """Non-inferiority: it holds where the bad end of the interval is within the tolerance."""
    m = ONLINE_METRICS[name]
    low, high = (e.low, e.high) if done else (e.early_low, e.early_high)
    if m.better == HIGHER:
        worst, best, bound = low, high, -tolerance * e.control
        state = HOLDS if worst >= bound else FAILS if best < bound else OPEN
        value, span = e.relative(e.difference), (e.relative(low), e.relative(high))
        allowed = f"a loss of {tolerance:.0%} is allowed"
    else:
        state = HOLDS if high <= tolerance else FAILS if low > tolerance else OPEN
        value, span = e.difference, (low, high)
        allowed = f"a rise of {tolerance:.1%} is allowed"
    words = f"{m.label} {value:+.1%} [{span[0]:+.1%}, {span[1]:+.1%}]; {allowed}"
    return Guardrail(name, tolerance, e, state, words[:1].upper() + words[1:])


def _verdict(
    e: RatioEffect, guardrails: tuple[Guardrail, ...], p_split: float, mixed: float, done: bool, left: float | None,
    rule: OnlineTest,
) -> tuple[str, str]:  # fmt: skip
    if p_split < MISMATCH:
        split = f"{e.users[0]:,} and {e.users[1]:,} users are no split of {1 - rule.share:.0%} to {rule.share:.0%}"
        return BROKEN, f"{split} (p = {p_split:.1g}): find what loses users, mend it, test again."
    if mixed > MOST_MIXED:
        return BROKEN, f"{mixed:.1%} of the users saw both variants: mend the assignment, test again."
    if failed := [g.sentence for g in guardrails if g.state == FAILS]:
        return KEEP, f"A guardrail is broken: {'; '.join(failed)}."
    value, low, high = relative_interval(e, early=not done)
    label = ONLINE_METRICS[rule.metric].label
    change = f"{label[:1].upper()}{label[1:]} {value:+.1%} [{low:+.1%}, {high:+.1%}]"
    unsure = [g.metric for g in guardrails if g.state == OPEN and g.metric in rule.guardrails]
    if low > 0 and not unsure:
        harms = [label_of(g.metric) for g in guardrails if g.state == OPEN]
        too_few = f" Too few users to rule out a change for the worse in: {', '.join(harms)}." if harms else ""
        return SHIP, f"{change}, and every guardrail {'holds' if not harms else 'that can be judged holds'}.{too_few}"
    if high < 0:
        return KEEP, f"The candidate loses: {change}."
    if high < rule.min_effect:
        return KEEP, f"A gain of {rule.min_effect:.0%} is ruled out: {change}."
    if left is not None:
        return WAIT, f"{change} so far. Look again in {max(left, 1 / 7):.1f} weeks, at the planned number of users."
    if low > 0:
        return WAIT, f"{change}, but it is open whether these guardrails hold: {', '.join(unsure)}. Let it run on."
    both = f"{change} with all planned users: the gain may be nothing, or {rule.min_effect:.0%}"
    return WAIT, f"{both}. Run on, or keep the control, which costs nothing."


def _by_day(totals: Totals, control: str, treated: str, rule: OnlineTest, goal: int) -> pl.DataFrame:
    return pl.DataFrame(list(_days(totals, control, treated, rule, goal)), infer_schema_length=None)


def _days(totals: Totals, control: str, treated: str, rule: OnlineTest, goal: int) -> Iterator[dict[str, Any]]:
    for day in totals.lists["day"].unique().sort().to_list():
        then = totals.until(day)
        samples = [then.sample(variant, rule.metric) for variant in (control, treated)]
        if min(map(len, samples)) < LEAST_USERS or not samples[0].x.sum():
            continue
        e = effect(samples[0], samples[1], rule.alpha, goal)
        value, low, high = relative_interval(e)
        _, early_low, early_high = relative_interval(e, early=True)
        yield {"day": day, "users": sum(e.users), "value": value, "low": low, "high": high, "early_low": early_low,
               "early_high": early_high}  # fmt: skip
