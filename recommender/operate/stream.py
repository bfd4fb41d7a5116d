"""A number per day that must not change unnoticed, and the alarm that may look at it every day.

Each day is compared with all days before it by its recursive residual (Brown, Durbin & Evans 1975): under a constant
mean and normal noise these are independent, so each gives a p of its own. A p becomes an e-value (the calibrator of
Vovk & Wang 2021, eq. 3), and the e-values of a stream add up as a Shiryaev-Roberts e-detector (Shin, Ramdas & Rinaldo
2024, "E-detectors"): ``R = (R + 1) * e``, an alarm where R reaches ``c``. The mean time to a false alarm is then ``c``
days or more, however often one looks. Correlation of successive days widens the noise by (1 + rho) / (1 - rho). A p
counts as ``LEAST_P`` at least, so that no day, however odd, is an alarm, nor two: an item that is in fashion for some
days moves real noise further and for longer than independent days do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

MONTH_DAYS = 30.0
LEAST_P = 3e-3
LEARNING = 10  # days before which a stream learns only
WEEKS = 4  # of days before shipping, from which on weekdays have means of their own
MORE, FEWER, EITHER = 1, -1, 0


@dataclass(frozen=True)
class Stream:
    """days: whole days since 1970, ascending; values: float64, NaN where there is none; weight: how much each value
    tells (rows behind it; 1 where the value is a total). worse: MORE, FEWER or EITHER; smallest: a change of the mean
    that nobody needs to hear of, in the unit of ``values``; log: values are logarithms, shown as what they are of."""

    name: str
    label: str
    days: np.ndarray
    values: np.ndarray
    weight: np.ndarray
    worse: int
    smallest: float
    shipped: int  # the first day after everything that the model learned from
    log: bool = False

    @property
    def shown(self) -> np.ndarray:
        """Values as a reader sees them."""
        return np.expm1(self.values) if self.log else self.values


@dataclass(frozen=True)
class Watched:
    """A stream with its evidence. evidence: R of each day, 0 before shipping; alarm: day of the first alarm; began:
    day since when the evidence that led to it had grown."""

    stream: Stream
    evidence: np.ndarray
    threshold: float
    alarm: int | None
    began: int | None

    @property
    def before(self) -> float:
        """Mean before shipping, as shown."""
        return self._mean(self.stream.days < self.stream.shipped)

    @property
    def since(self) -> float:
        """Mean since the change where there is an alarm, else since shipping."""
        return self._mean(self.stream.days >= (self.stream.shipped if self.began is None else self.began))

    def _mean(self, rows: np.ndarray) -> float:
        known = rows & np.isfinite(self.stream.values)
        if not known.any():
            return float("nan")
        mean = float(np.average(self.stream.values[known], weights=self.stream.weight[known]))
        return float(np.expm1(mean)) if self.stream.log else mean


def threshold(n_streams: int, false_alarms_per_month: float) -> float:
    """The evidence for an alarm, so that ``n_streams`` together have at most that rate of false ones."""
    return max(n_streams, 1) * MONTH_DAYS / false_alarms_per_month


def watch(stream: Stream, bound: float) -> Watched:
    """Looks at every day since shipping, in turn."""
    residual, error, freedom = _recursive(stream)
    far = np.abs(residual) if stream.worse == EITHER else stream.worse * residual
    sides = 2 if stream.worse == EITHER else 1
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.minimum(sides * student.sf((far - stream.smallest) / error, np.maximum(freedom, 1)), 1.0)
    e = np.where(np.isfinite(p), e_value(p), 1.0)
    evidence, total, restart, alarm, began = np.zeros(len(e)), 0.0, None, None, None
    for n in np.flatnonzero(stream.days >= stream.shipped):
        if total < 1 or restart is None:
            restart = int(stream.days[n])
        total = evidence[n] = min((total + 1) * e[n], 1e12)
        if alarm is None and total >= bound:
            alarm, began = int(stream.days[n]), restart
    return Watched(stream, evidence, bound, alarm, began)


def e_value(p: np.ndarray) -> np.ndarray:
    """The integral of ``k * p ** (k - 1)`` over k from 0 to 1: of mean 1 at most where p is uniform."""
    p = np.clip(p, LEAST_P, 1 - 1e-9)
    log = np.log(p)
    return np.asarray((1 - p + p * log) / (p * log**2))


def _recursive(stream: Stream) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Residual of each day from the fit to all days before it, its standard error and degrees of freedom; NaN where
    nothing can be told."""
    n = len(stream.days)
    residual, error, freedom = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n)
    known = np.flatnonzero(np.isfinite(stream.values) & (stream.weight > 0))
    past = stream.days[known] < stream.shipped
    design = np.ones((len(known), 1))
    if past.sum() >= 7 * WEEKS:
        design = np.eye(7)[stream.days[known] % 7]
    root = np.sqrt(stream.weight[known] / stream.weight[known].mean()) if len(known) else np.zeros(0)
    x, y = design * root[:, None], stream.values[known] * root
    start = max(LEARNING, design.shape[1] + 3)
    noise: list[float] = []
    for m in range(design.shape[1], len(known)):
        inverse = np.linalg.pinv(x[:m].T @ x[:m])
        beta = inverse @ (x[:m].T @ y[:m])
        spread = np.sqrt(1 + x[m] @ inverse @ x[m])
        off = float(y[m] - x[m] @ beta)
        if m >= start:
            width = max(_width(np.array(noise)), stream.smallest / 3)
            at = known[m]
            residual[at], error[at], freedom[at] = off / root[m], width * spread / root[m], len(noise)
        # The noise is that of before shipping, where there is enough of it: a lasting change would count as noise.
        if stream.days[known[m]] < stream.shipped or len(noise) < LEARNING:
            noise.append(off / spread)
    return residual, error, freedom


def _width(noise: np.ndarray) -> float:
    """Standard deviation of recursive residuals, wider where successive days resemble each other."""
    if len(noise) < 2:
        return 0.0
    sd = float(np.sqrt(np.mean(noise**2)))
    rho = float(np.clip(np.mean(noise[1:] * noise[:-1]) / max(sd**2, 1e-300), 0, 0.9))
    return sd * np.sqrt((1 + rho) / (1 - rho)) if len(noise) >= LEARNING else sd
