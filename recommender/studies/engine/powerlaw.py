"""Saturating power law for learning curves, y = c - a n^-b, and how far its forecasts can be trusted.

The family that fits learning curves of most learners best (Viering & Loog 2023, "The Shape of Learning Curves").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_EXPONENTS = np.linspace(0.05, 2.0, 196)  # b; for each, c and a are linear least squares


@dataclass(frozen=True)
class PowerLaw:
    """One curve, or one per replicate: every field float64 (n,). residual: standard deviation of what is left."""

    c: np.ndarray
    a: np.ndarray
    b: np.ndarray
    scale: float  # n is measured in units of this
    residual: np.ndarray

    def at(self, n: float) -> np.ndarray:
        """The value at n interactions, float64 (n_curves,)."""
        return np.asarray(self.c - self.a * (n / self.scale) ** -self.b)

    def needs(self, goal: float) -> np.ndarray:
        """Interactions at which the value is ``goal``, float64 (n_curves,); inf where the curve levels out below it, 0
        where it does not rise and is above."""
        gap = self.c - goal
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            n = self.scale * (self.a / gap) ** (1 / self.b)
        return np.where(gap <= 0, np.inf, np.where(self.a <= 0, 0.0, n))


def fit(size: np.ndarray, values: np.ndarray) -> PowerLaw:
    """Least squares of each row of ``values`` (n_curves, n_sizes) over ``size`` (n_sizes,), at least three sizes.

    Curves that fall are fitted by their mean: more data is never forecast to do harm. Raises ValueError for fewer
    than three sizes.
    """
    if len(size) < 3:
        raise ValueError(f"a power law needs three sizes, got {len(size)}")
    scale = float(size[-1])
    mean = values.mean(axis=1)
    best = ((values - mean[:, None]) ** 2).sum(axis=1)
    c, a, b = mean.copy(), np.zeros(len(values)), np.ones(len(values))
    for exponent in _EXPONENTS:
        x = (size / scale) ** -exponent
        slope = ((values - mean[:, None]) @ (x - x.mean())) / ((x - x.mean()) ** 2).sum()
        level = mean - slope * x.mean()
        error = ((values - level[:, None] - slope[:, None] * x) ** 2).sum(axis=1)
        better = (slope < 0) & (error < best) & (level <= 1)
        best = np.where(better, error, best)
        c, a, b = np.where(better, level, c), np.where(better, -slope, a), np.where(better, exponent, b)
    return PowerLaw(c, a, b, scale, np.sqrt(best / max(len(size) - 3, 1)))


def forecast(
    size: np.ndarray, mean: np.ndarray, replicates: np.ndarray, n: float, widen: float, seed: int
) -> tuple[float, float, float]:
    """The value at ``n`` interactions, and its 95% prediction interval, where the value at the largest of ``size``
    (today's, for the same users) is known.

    mean: float64 (n_sizes,); replicates: (n_resamples, n_sizes). The interval is that of the gain over today's value
    within each replicate, with the scatter of points about a curve; widen: factor on the distance from its median.
    """
    drawn = fit(size, replicates)
    noise = np.random.default_rng(seed).normal(0, 1, len(replicates)) * drawn.residual
    low, middle, high = np.percentile(drawn.at(n) - replicates[:, -1] + noise, [2.5, 50, 97.5])
    today = float(mean[-1])
    point = float(fit(size, mean[None]).at(n)[0])
    return point, today + middle - widen * (middle - low), today + middle + widen * (high - middle)
