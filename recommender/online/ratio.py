"""Differences of ratio metrics between two groups of users: the delta method, CUPED, and bounds for early looks.

A metric is ``sum of x / sum of n`` over users, such as takes / lists. Users are independent, their lists are not: the
variance is that of each user's linearised value (delta method; Deng, Knoblich & Lu 2018). CUPED subtracts what a
number of the time before the test explains of it (Deng, Xu, Kohavi & Walker 2013).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import lambertw
from scipy.stats import norm

LEAST_USERS = 30  # of each variant; with fewer, a normal interval says little


@dataclass(frozen=True)
class Sample:
    """Users of one variant. x, n: numerator and denominator of each, float64 (users,); before: what is known of each
    from before the test, the zero of nobody; None: nothing."""

    x: np.ndarray
    n: np.ndarray
    before: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def ratio(self) -> float:
        """Sum of x by sum of n; NaN without any n."""
        total = float(self.n.sum())
        return float(self.x.sum()) / total if total else float("nan")

    @property
    def linear(self) -> np.ndarray:
        """Each user's share of the ratio's error, float64 (users,), of mean 0."""
        return np.asarray((self.x - self.ratio * self.n) / self.n.mean())


@dataclass(frozen=True)
class RatioEffect:
    """treated - control. error: standard error; low, high: the fixed interval, for one look at the planned end;
    early_low, early_high: of a confidence sequence, which holds however often one looks; explained: share of the
    variance that CUPED took away."""

    control: float
    treated: float
    difference: float
    error: float
    low: float
    high: float
    early_low: float
    early_high: float
    explained: float
    users: tuple[int, int]

    def relative(self, value: float) -> float:
        """The difference as a share of the control's value; NaN where that is 0."""
        return value / self.control if self.control else float("nan")


def effect(control: Sample, treated: Sample, alpha: float, planned: int | None = None) -> RatioEffect:
    """planned: users of both variants at which the early bounds are narrowest (None: now). Early bounds take a tenth
    of ``alpha``, so that early looks and the one at the end together err in at most 1.1 ``alpha`` of the tests."""
    lines = [control.linear, treated.linear]
    shift, explained = 0.0, 0.0
    if control.before is not None and treated.before is not None:
        shift, explained, lines = _cuped(lines, [control.before, treated.before])
    difference = treated.ratio - control.ratio - shift
    error = float(np.sqrt(sum(_variance(line) for line in lines)))
    users = len(control), len(treated)
    return _with_bounds(control.ratio, treated.ratio, difference, error, explained, users, alpha, planned)


def impact_effect(
    control: Mapping[str, Sample], treated: Mapping[str, Sample], alpha: float, planned: int | None = None
) -> RatioEffect | None:
    """The difference of impact ratios: the lowest ratio of a group by the highest, among groups of ``LEAST_USERS`` in
    both variants. None where there are no two such groups, or one of the variants selects nobody."""
    groups = [g for g in control if g in treated and min(len(control[g]), len(treated[g])) >= LEAST_USERS]
    sides = [[side[g] for g in groups] for side in (control, treated)]
    if len(groups) < 2 or not all(any(s.x.sum() for s in side) for side in sides):
        return None
    (then, then_error), (now, now_error) = map(_impact_ratio, sides)
    users = sum(map(len, sides[0])), sum(map(len, sides[1]))
    error = float(np.hypot(then_error, now_error))
    return _with_bounds(then, now, now - then, error, 0.0, users, alpha, planned)


def _impact_ratio(groups: Sequence[Sample]) -> tuple[float, float]:
    """The lowest ratio by the highest, and its standard error by the delta method."""
    low, high = (choose(groups, key=lambda s: s.ratio) for choose in (min, max))
    value = low.ratio / high.ratio
    parts = _variance(low.linear) + value**2 * _variance(high.linear)
    return value, float(np.sqrt(parts)) / high.ratio


def _variance(line: np.ndarray) -> float:
    """Variance of the mean of ``line``."""
    return float(line.var(ddof=1)) / len(line) if len(line) > 1 else float("inf")


def _with_bounds(
    control: float, treated: float, difference: float, error: float, explained: float, users: tuple[int, int],
    alpha: float, planned: int | None,
) -> RatioEffect:  # fmt: skip
    wide, n = float(norm.ppf(1 - alpha / 2)), sum(users)
    early = early_width(n, planned or n, alpha / 10)
    return RatioEffect(
        control, treated, difference, error, difference - wide * error, difference + wide * error,
        difference - early * error, difference + early * error, explained, users,
    )  # fmt: skip


def early_width(n: int, planned: int, alpha: float) -> float:
    """Half the width, in standard errors, of an asymptotic confidence sequence after ``n`` users, which is narrowest at
    ``planned`` (Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2024, theorem 2.2)."""
    best = float(-lambertw(-(alpha**2) / np.e, -1).real - 1)  # n * rho squared where the width is least
    scaled = best * n / max(planned, 1)
    return float(np.sqrt((scaled + 1) / scaled * np.log((scaled + 1) / alpha**2)))


def needed(error: float, users: int, difference: float, alpha: float, power: float) -> float:
    """Users of both variants with which a true ``difference`` is found with this power, where ``users`` of them have
    the standard error ``error``."""
    if difference <= 0:
        return float("inf")
    z = norm.ppf(1 - alpha / 2) + norm.ppf(power)
    return float(users * (z * error / difference) ** 2)


def detectable(error: float, alpha: float, power: float) -> float:
    """The least true difference that is found with this power."""
    return float((norm.ppf(1 - alpha / 2) + norm.ppf(power)) * error)


def _cuped(lines: list[np.ndarray], before: list[np.ndarray]) -> tuple[float, float, list[np.ndarray]]:
    """What the past explains of the difference, its share of the variance, and what is left of each user's value."""
    centred = [b - b.mean() for b in before]
    spread = sum(float(c @ c) for c in centred)
    if spread <= 0:
        return 0.0, 0.0, lines
    slope = sum(float(c @ line) for c, line in zip(centred, lines, strict=True)) / spread
    left = [line - slope * c for c, line in zip(centred, lines, strict=True)]
    whole = sum(float(line @ line) for line in lines)
    explained = 1 - sum(float(rest @ rest) for rest in left) / whole if whole else 0.0
    return slope * float(before[1].mean() - before[0].mean()), explained, left
