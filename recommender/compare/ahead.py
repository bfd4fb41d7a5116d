"""When is a rung that is not ahead today forecast to be: both curves as power laws, set against each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender.studies.data_volume import FURTHEST, LEAST_SIZES
from recommender.studies.engine import powerlaw
from recommender.studies.engine.curves import Curves

RESAMPLES = 200  # of the curves' replicates: enough for 95%, and fits are what takes time
_GRID = np.geomspace(1.0, FURTHEST, 60)  # times today's data


@dataclass(frozen=True)
class Ahead:
    """Interactions at which ``rung`` passes ``over`` for good, from today's on; infinite: not within ``FURTHEST`` times
    today's. share: of the resamples that pass within it."""

    rung: str
    over: str
    at: float
    low: float
    high: float
    share: float


def ahead(curve: Curves, bucket: str, over: str, widen: float) -> list[Ahead]:
    """One for each rung after ``over`` on the ladder; none with too few sizes. widen: of ``data_volume.widening``."""
    if len(curve.size) < LEAST_SIZES:
        return []
    champion = _forecast(curve, over, bucket)
    later = curve.rungs[curve.rungs.index(over) + 1 :]
    return [Ahead(r, over, *_passes(curve, _forecast(curve, r, bucket) - champion, widen)) for r in later]


def reaches(curve: Curves, rung: str, target: float, widen: float) -> Ahead | None:
    """When the rung's curve of all users reaches ``target``, as ``Ahead`` over the goal."""
    if len(curve.size) < LEAST_SIZES:
        return None
    return Ahead(rung, "the goal", *_passes(curve, _forecast(curve, rung, "all") - target, widen))


def _forecast(curve: Curves, rung: str, bucket: str) -> np.ndarray:
    """Values at the sizes of the grid, from today's value of each resample on, float64 (n_resamples, n_grid)."""
    drawn = curve.replicates[rung, bucket][:RESAMPLES]
    law, today = powerlaw.fit(curve.size, drawn), float(curve.size[-1])
    values = np.stack([law.at(today * times) for times in _GRID], axis=1)
    return np.asarray(values - values[:, :1] + drawn[:, -1:])


def _passes(curve: Curves, gain: np.ndarray, widen: float) -> tuple[float, float, float, float]:
    """Median, 95% interval in interactions and share of the rows of ``gain`` that stay above 0 from somewhere on."""
    below = gain <= 0
    last = np.where(below.any(axis=1), gain.shape[1] - 1 - np.argmax(below[:, ::-1], axis=1), -1)
    times = np.where(last >= len(_GRID) - 1, np.inf, _GRID[np.minimum(last + 1, len(_GRID) - 1)])
    low, middle, high = np.quantile(times, [0.025, 0.5, 0.975], method="nearest")
    if np.isfinite(middle):  # widened about the median, as ratios
        low, high = max(1.0, middle * (low / middle) ** widen), middle * (high / middle) ** widen
        high = high if high <= FURTHEST else np.inf
    today = float(curve.size[-1])
    return middle * today, low * today, high * today, float(np.isfinite(times).mean())
