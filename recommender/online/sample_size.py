"""Before an A/B test: how many users it needs, how many weeks that takes, and what it could find at all."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from recommender.config import OnlineTest
from recommender.errors import DataError
from recommender.online.log_totals import ONLINE_METRICS, Totals
from recommender.online.ratio import LEAST_USERS, Sample, detectable, needed

MOST_WEEKS = 104  # looked ahead
CURVE_WEEKS = 12  # drawn at least


@dataclass(frozen=True)
class ServiceTraffic:
    """What a service sees. base: the metric's value; deviation: standard deviation of a user's linearised value;
    users_by_week: distinct users seen until the end of each week from the start, float64 (MOST_WEEKS,); explained:
    share of the variance that CUPED would take away; source: where the numbers come from."""

    base: float
    deviation: float
    users_by_week: np.ndarray
    explained: float
    source: str


@dataclass(frozen=True)
class SamplePlan:
    """users: of both variants; None: not within ``MOST_WEEKS``. weeks: whole ones. curve: rows of week, users and the
    least relative effect that is found with the wanted power after so many weeks."""

    metric: str
    base: float
    min_effect: float
    users: int
    weeks: int | None
    explained: float
    curve: pl.DataFrame
    source: str

    def tree(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "curve": self.curve.to_dicts()}


def logged_traffic(totals: Totals, metric: str) -> ServiceTraffic:
    """Measured on a log without a test. Weeks beyond it: as many new users as in its last week.

    Raises DataError where it is too short, or nothing is taken.
    """
    sample = _everyone(totals, metric)
    if len(sample) < LEAST_USERS or not sample.x.sum():
        size = f"The log holds {len(sample):,} users who took {sample.x.sum():,.0f} times"
        raise DataError(f"{size}: too few to plan by. Give a log of {LEAST_USERS} users or more, or USERS= and RATE=.")
    day = totals.users["day"].to_numpy()
    week = (day - day.min()) // 7
    n_weeks = max(1, int(totals.weeks))  # whole weeks; what is over is part of none
    seen = np.cumsum(np.bincount(week, minlength=n_weeks))[:n_weeks].astype(float)
    new = seen[-1] - (seen[-2] if n_weeks > 1 else 0)
    ahead = seen[-1] + new * np.arange(1, MOST_WEEKS + 1)
    by_week = np.concatenate([seen, ahead])[:MOST_WEEKS]
    explained = 0.0
    if sample.before is not None and sample.before.std() > 0 and sample.linear.std() > 0:
        explained = float(np.corrcoef(sample.before, sample.linear)[0, 1] ** 2)
    return ServiceTraffic(sample.ratio, float(sample.linear.std(ddof=1)), by_week, explained,
                   f"{len(sample):,} users of the log over {totals.weeks:.1f} weeks")  # fmt: skip


def stated_traffic(users_per_week: float, rate: float, lists: float) -> ServiceTraffic:
    """users_per_week: who come in a week, each week others; rate: of ``lists`` lists that each user sees, the share
    with a take. Lists of a user are taken to be independent, so a real log needs more users."""
    deviation = float(np.sqrt(rate * (1 - rate) / lists))
    by_week = users_per_week * np.arange(1, MOST_WEEKS + 1.0)
    source = f"stated: {users_per_week:,.0f} users a week, {lists:g} lists each, {rate:.1%} of them with a take"
    return ServiceTraffic(rate, deviation, by_week, 0.0, source)


def plan(traffic: ServiceTraffic, rule: OnlineTest) -> SamplePlan:
    """Users and weeks for ``rule.min_effect`` at its alpha and power, two-sided, by CUPED where history allows."""
    unit = _unit_error(traffic, rule)  # of the difference, with one user in all
    least = needed(unit, 1, rule.min_effect * traffic.base, rule.alpha, rule.power)
    users = int(np.ceil(max(least, LEAST_USERS / min(rule.share, 1 - rule.share))))
    enough = np.flatnonzero(traffic.users_by_week >= users)
    weeks = int(enough[0]) + 1 if len(enough) else None
    shown = min(MOST_WEEKS, max(CURVE_WEEKS, 2 * (weeks or MOST_WEEKS)))
    seen = np.maximum(traffic.users_by_week[:shown], 1)
    effects = [detectable(unit / np.sqrt(n), rule.alpha, rule.power) / traffic.base for n in seen]
    curve = pl.DataFrame({"week": np.arange(1, shown + 1), "users": seen.astype(np.int64), "effect": effects})
    return SamplePlan(
        rule.metric, traffic.base, rule.min_effect, users, weeks, traffic.explained, curve, traffic.source
    )


def sentences(plan: SamplePlan, rule: OnlineTest) -> list[str]:
    """The plan in words, the answer first."""
    label = ONLINE_METRICS[plan.metric].label
    when = f"{plan.weeks} week{'s' * (plan.weeks > 1)}" if plan.weeks else f"more than {MOST_WEEKS} weeks"
    lines = [
        f"A change of {plan.min_effect:.0%} in {label} needs {plan.users:,} users in all: {when} of your traffic.",
        f"Today there are {plan.base:.3g} {label}. The change is found with {rule.power:.0%} power at alpha "
        f"{rule.alpha:g}, two-sided, with {rule.share:.0%} of the users on the candidate. Numbers: {plan.source}.",
    ]  # fmt: skip
    if plan.weeks is None:
        best = plan.curve["effect"][-1]
        lines.append(f"Within {MOST_WEEKS} weeks only a change of {best:.0%} or more is found: test a bolder change, "
                     "or compare the lists by interleaving, which needs far fewer users.")  # fmt: skip
    elif plan.weeks < 2:
        lines.append("Run whole weeks, two at least: weekdays and the novelty of a change differ.")
    if plan.explained > 0.005:
        lines.append(
            f"What users took before explains {plan.explained:.0%} of the variance; CUPED saves as many users."
        )
    return lines


def _unit_error(traffic: ServiceTraffic, rule: OnlineTest) -> float:
    """Standard error of the difference, were there one user to be split."""
    left = traffic.deviation * np.sqrt(1 - traffic.explained)
    return float(left * np.sqrt(1 / rule.share + 1 / (1 - rule.share)))


def _everyone(totals: Totals, metric: str) -> Sample:
    m, users = ONLINE_METRICS[metric], totals.users
    past = users["before"].to_numpy() if "before" in users.columns else None
    return Sample(users[m.x].to_numpy().astype(float), users[m.n].to_numpy().astype(float), past)
