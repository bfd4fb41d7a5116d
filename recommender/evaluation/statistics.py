"""Intervals and paired tests with users as the unit: one user's queries rise and fall together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import scipy.sparse as sp
from scipy.special import stdtrit
from threadpoolctl import threadpool_limits

from recommender.evaluation.kernels import poisson_weights, weighted_sums
from recommender.hashing import GOLDEN, mixed, of_values

_RESAMPLES, _FLIPS = 128, 100  # at a time, so that memory stays at so many x users


@dataclass(frozen=True)
class ClusteredValues:
    """Values of some queries, one column per quantity; NaN = not defined for that query."""

    users: np.ndarray  # int64 (n,): which user each query belongs to, a place in ``keys``
    values: np.ndarray  # float64 (n, n_columns)


@dataclass(frozen=True)
class Estimate:
    """Per column: mean, bounds of the 95% interval, queries with a value."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: np.ndarray


@dataclass(frozen=True)
class Sums:
    """What means and intervals follow from; those of blocks of users add up. Per column the sum of the values and how
    many are defined, float64 (n_columns,); under each draw of users likewise, float64 (resamples, n_columns)."""

    total: np.ndarray
    count: np.ndarray
    drawn_total: np.ndarray
    drawn_count: np.ndarray

    def __add__(self, other: Sums) -> Sums:
        return Sums(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    def estimate(self) -> Estimate:
        with np.errstate(invalid="ignore", divide="ignore"):
            return _estimate(self.total, self.count, self.drawn_total / self.drawn_count)


def numbered(ids: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """The place of each id among the sorted distinct ones, int64 (n,); the hash of each of these, uint64 (n_users,)."""
    codes = ids.rank("dense").to_numpy().astype(np.int64) - 1
    return codes, of_values(ids.unique().sort())


def estimates(
    cells: Sequence[ClusteredValues], keys: np.ndarray, resamples: int, seed: int,
    periods: Sequence[np.ndarray] | None = None,
) -> list[Estimate]:  # fmt: skip
    """Means with bootstrap percentile intervals that resample users, one per cell. keys: see ``user_weights``.

    periods: int64 per cell, the period of each of its rows, which then have no NaN. Intervals hold for other users
    *and* other periods: the wider bound of the two (``period_interval``).
    """
    by_user = [_by_user(c) for c in cells]
    drawn = _resampled(by_user, keys, resamples, seed)
    of_users = [_estimate(*_whole(total, count), r) for (_, total, count), r in zip(by_user, drawn, strict=True)]
    if periods is None:
        return of_users
    return [_wider(e, *period_interval(c.values, p)) for e, c, p in zip(of_users, cells, periods, strict=True)]


def user_sums(cells: Sequence[ClusteredValues], keys: np.ndarray, resamples: int, seed: int) -> list[Sums]:
    """What ``estimates`` takes means and intervals from, one per cell. A user's draws follow from the hash alone, so
    the sums of blocks of users add up to those of all of them."""
    by_user = [_by_user(c) for c in cells]
    parts: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in cells]
    for drawn in _drawn(by_user, keys, resamples, seed):
        for out, pair in zip(parts, drawn, strict=True):
            out.append(pair)
    return [
        Sums(*_whole(total, count), *(np.concatenate(draws) for draws in zip(*out, strict=True)))
        for (_, total, count), out in zip(by_user, parts, strict=True)
    ]


def replicates(cell: ClusteredValues, keys: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """The bootstrap means that ``estimates`` takes its intervals from, float64 (resamples, n_columns); NaN where a
    resample drew nobody. Cells of the same users get the same draws, so differences of their replicates are paired."""
    (drawn,) = _resampled([_by_user(cell)], keys, resamples, seed)
    return drawn.astype(np.float64)


def user_weights(keys: np.ndarray, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each user counts in each resample, uint8 (n_users, <= 128) at a time. keys: uint64 (n_users,), a hash
    of each user; whoever else is there, and in which order, changes no user's weights.

    Poisson weights (Hanley & MacGibbon 2006; Chamandy et al. 2012): each user counts a Poisson(1) number of times, so
    one set of weights serves every cell, and a mean is a ratio of sums.
    """
    streams = mixed(keys ^ mixed(np.array([seed], np.uint64) * GOLDEN))
    for start in range(0, resamples, _RESAMPLES):
        yield poisson_weights(streams, start, min(_RESAMPLES, resamples - start))


def _resampled(
    by_user: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], keys: np.ndarray, resamples: int, seed: int
) -> list[np.ndarray]:
    """Means per cell under resampled users, float32 (resamples, n_columns). by_user: of ``_by_user``."""
    means = [np.empty((resamples, total.shape[1]), np.float32) for _, total, _ in by_user]
    start = 0
    with np.errstate(invalid="ignore", divide="ignore"):
        for drawn in _drawn(by_user, keys, resamples, seed):
            stop = start + max((len(total) for total, _ in drawn), default=0)
            for out, (total, count) in zip(means, drawn, strict=True):
                out[start:stop] = total / count
            start = stop
    return means


def _drawn(
    by_user: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], keys: np.ndarray, resamples: int, seed: int
) -> Iterator[list[tuple[np.ndarray, np.ndarray]]]:
    """Sums of values and numbers of defined ones per cell, float64 (n, n_columns), of some resamples at a time."""
    # Most columns are defined for the same queries: each distinct count is resampled once.
    distinct = [_distinct(count) for _, _, count in by_user]
    values = [np.hstack([total, count]) for (_, total, _), (count, _) in zip(by_user, distinct, strict=True)]
    for weights in user_weights(keys, resamples, seed):
        chunk = []
        for (who, _, _), (_, which), columns in zip(by_user, distinct, values, strict=True):
            sums = weighted_sums(weights, who, columns)
            chunk.append((sums[: len(which)].T, sums[len(which) :][which].T))
        yield chunk


def period_error(values: np.ndarray, periods: np.ndarray) -> tuple[np.ndarray, int]:
    """Standard error of each column's mean with periods as clusters, float64 (n_columns,), and how many there are.

    Cluster-robust, of a ratio of sums (Cameron, Gelbach & Miller 2011; Owen & Eckles 2012 on two crossed factors): what
    gains on a few days only is luck of those days, however many users they have. 0 for fewer than two periods.
    periods: int64 (n,), which period each row of ``values`` (float64 (n, n_columns), no NaN) belongs to.
    """
    _, row = np.unique(periods, return_inverse=True)
    n = int(row.max(initial=-1)) + 1
    if n < 2:
        return np.zeros(values.shape[1]), n
    apart = values - values.mean(axis=0)
    sums = np.stack([np.bincount(row, column, n) for column in apart.T], axis=1)
    return np.sqrt((sums**2).sum(axis=0) * n / (n - 1)) / len(values), n


def period_interval(values: np.ndarray, periods: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the 95% interval of each column's mean with periods as clusters (Student's t), float64 (n_columns,)."""
    error, n = period_error(values, periods)
    half = stdtrit(max(n - 1, 1), 0.975) * error
    mean = values.mean(axis=0)
    return mean - half, mean + half


def _wider(e: Estimate, low: np.ndarray, high: np.ndarray) -> Estimate:
    return replace(e, low=np.minimum(e.low, low), high=np.maximum(e.high, high))


def sign_flip_p(cell: ClusteredValues, seed: int, flips: int = 1999) -> np.ndarray:
    """Two-sided p of each column's mean being 0, by flipping users' signs at random; float64 (n_columns,).

    Exact in small samples for symmetric differences (Fisher's randomisation test; Smucker et al. 2007
    recommend it for retrieval metrics). Never 0: the data itself is one of the flips.
    """
    _, total, _ = _by_user(cell)
    seen = np.abs(total.sum(axis=0)) * (1 - 1e-6)  # float32 sums must not lose ties
    beaten = np.zeros(total.shape[1])
    rng = np.random.default_rng(seed)
    with threadpool_limits(1, "blas"):  # many small products: beside another busy process, threads wait six-fold
        for start in range(0, flips, _FLIPS):
            signs = rng.integers(0, 2, (min(_FLIPS, flips - start), len(total)), dtype=np.int8) * np.float32(2) - 1
            beaten += (np.abs(signs @ total) >= seen).sum(axis=0)
    return np.asarray((1 + beaten) / (1 + flips))


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's (1979) step-down adjusted p-values of one family."""
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted


def _by_user(cell: ClusteredValues) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The users of a cell, ascending, and per column the sum and number of their defined values, float32."""
    users, row = np.unique(cell.users, return_inverse=True)
    defined, n = ~np.isnan(cell.values), len(row)
    of_user = sp.csr_matrix((np.ones(n), (row, np.arange(n))), shape=(len(users), n))
    total, count = of_user @ np.where(defined, cell.values, 0), of_user @ defined.astype(np.float64)
    return users, total.astype(np.float32), count.astype(np.float32)


def _distinct(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different columns of ``counts``, and which of them each column is.

    Columns are compared by an exact sum of random whole numbers, fifty times faster than value by value.
    """
    draws = np.random.default_rng(0).integers(2**30, size=len(counts)).astype(np.float64)
    _, first, which = np.unique(draws @ counts, return_index=True, return_inverse=True)
    return counts[:, first], which


def _whole(total: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums over users, float64 (n_columns,)."""
    return total.sum(axis=0, dtype=np.float64), count.sum(axis=0, dtype=np.float64)


def _estimate(total: np.ndarray, n: np.ndarray, replicates: np.ndarray) -> Estimate:
    mean = np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0)
    ordered = np.sort(np.ascontiguousarray(replicates.T), axis=1)  # NaN, of a resample that drew nobody, last
    drawn = np.count_nonzero(~np.isnan(ordered), axis=1)
    return Estimate(mean, _quantile(ordered, drawn, 0.025), _quantile(ordered, drawn, 0.975), n.astype(np.int64))


def _quantile(ordered: np.ndarray, n: np.ndarray, at: float) -> np.ndarray:
    """Linear interpolation in the first ``n`` values of each ascending row, float64 (n_rows,); NaN where n is 0."""
    row, place = np.arange(len(ordered)), at * np.maximum(n - 1, 0)
    below = place.astype(np.int64)
    low, high = ordered[row, below], ordered[row, np.minimum(below + 1, np.maximum(n - 1, 0))]
    return np.asarray(low + (place - below) * (high.astype(np.float64) - low))
