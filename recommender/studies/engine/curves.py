"""Learning curves: accuracy of every rung by how much it learned from, with replicates of all that is read off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from recommender.errors import DataError
from recommender.names import ALL, USER_BUCKETS, WITH_HISTORY
from recommender.studies.engine.cell import Measured

_CHUNK = 100  # resamples at a time
Segment = tuple[str, str]  # rung, user bucket or WITH_HISTORY


@dataclass(frozen=True)
class Curves:
    """Of one scenario and data set. Sizes ascend; replicates resample users and, at each size, its samples (seeds)."""

    size: np.ndarray  # float64 (n_sizes,): mean interactions in train
    per_user: np.ndarray  # float64 (n_sizes,): of each user with any
    rungs: list[str]  # simplest first
    mean: Mapping[Segment, np.ndarray]  # float64 (n_sizes,)
    replicates: Mapping[Segment, np.ndarray]  # float64 (n_resamples, n_sizes)
    n_queries: Mapping[str, int]  # by user bucket
    cpu_s: Mapping[str, np.ndarray]  # rung -> float64 (n_sizes,): fit and recommend
    per_week: float | None  # interactions at the full size, of late
    n_seeds: int

    def buckets(self, least: int = 100) -> list[str]:
        """``all`` and the user buckets with enough queries to read a curve from."""
        return [b for b in (ALL, *USER_BUCKETS) if self.n_queries.get(b, 0) >= least]

    def interval(self, segment: Segment) -> tuple[np.ndarray, np.ndarray]:
        low, high = np.nanpercentile(self.replicates[segment], [2.5, 97.5], axis=0)
        return low, high


def curves(runs: Sequence[Measured], axis: str, metric: str, resamples: int, seed: int) -> Curves:
    """axis: the label that names the size; every other axis (``seed``) is a sample of that size.

    Sizes that lack a sample, because it failed, are left out. Raises DataError where fewer than two are left, or
    where the cells do not ask the same queries.
    """
    by_size: dict[str, list[Measured]] = {}
    for run in runs:
        by_size.setdefault(run.labels[axis], []).append(run)
    most = max(map(len, by_size.values()))
    whole = sorted((g for g in by_size.values() if len(g) == most), key=_size)
    if len(whole) < 2:
        raise DataError("A learning curve needs two sizes of which every sample could be measured.")
    rungs = [r for r in whole[0][0].rungs if all(r in m.rungs for g in whole for m in g)]
    asked = whole[0][0].values.filter(pl.col("rung") == rungs[0])
    users = asked["user_id"].rank("dense").to_numpy().astype(np.int64) - 1
    masks = {ALL: asked["first"].to_numpy()} | {b: (asked["user_bucket"] == b).to_numpy() for b in USER_BUCKETS}
    masks[WITH_HISTORY] = ~masks[USER_BUCKETS[0]]
    values = {r: np.stack([np.stack([_values(m, r, metric, asked) for m in g]) for g in whole]) for r in rungs}
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(most, [1 / most] * most, (resamples, len(whole))) / most
    mean: dict[Segment, np.ndarray] = {}
    replicates: dict[Segment, np.ndarray] = {}
    for bucket, mask in masks.items():
        if not mask.any():
            continue
        for rung in rungs:
            mean[rung, bucket] = values[rung][:, :, mask].mean(axis=(1, 2))
        # The same users are drawn for every rung, so that differences of replicates are paired.
        stacked = np.stack([values[r][:, :, mask] for r in rungs])
        drawn = resampled(stacked.reshape(-1, mask.sum()), users[mask], resamples, seed)
        drawn = drawn.reshape(resamples, len(rungs), len(whole), most)
        for n, rung in enumerate(rungs):
            replicates[rung, bucket] = (drawn[:, n] * draws).sum(axis=2)
    return Curves(
        size=np.array([_size(g) for g in whole]),
        per_user=np.array(
            [np.mean([m.origin["n_train"] / max(m.origin["n_train_users"], 1) for m in g]) for g in whole]
        ),
        rungs=rungs,
        mean=mean,
        replicates=replicates,
        n_queries={b: int(m.sum()) for b, m in masks.items()},
        cpu_s={r: np.array([np.mean([m.seconds[r] for m in g]) for g in whole]) for r in rungs},
        per_week=whole[-1][0].origin.get("train_per_week"),
        n_seeds=most,
    )


def _size(group: Sequence[Measured]) -> float:
    return float(np.mean([m.origin["n_train"] for m in group]))


def _values(run: Measured, rung: str, metric: str, asked: pl.DataFrame) -> np.ndarray:
    rows = run.values.filter(pl.col("rung") == rung)
    if not rows["user_id"].equals(asked["user_id"]) or not rows["user_bucket"].equals(asked["user_bucket"]):
        raise DataError("A learning curve needs the same queries at every size: change data.train_differences only.")
    return rows[metric].to_numpy().astype(np.float64)


def resampled(values: np.ndarray, users: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Means of ``values`` (n_columns, n) under Poisson weights of users: float64 (resamples, n_columns)."""
    n_users = int(users.max()) + 1
    total = np.zeros((n_users, len(values)), np.float32)
    np.add.at(total, users, values.T.astype(np.float32))
    count = np.bincount(users, minlength=n_users).astype(np.float32)
    rng, parts = np.random.default_rng(seed), []
    for start in range(0, resamples, _CHUNK):
        weights = rng.poisson(1.0, (min(_CHUNK, resamples - start), n_users)).astype(np.float32)
        parts.append(weights @ total / np.maximum(weights @ count, 1e-9)[:, None])
    return np.concatenate(parts).astype(np.float64)


@dataclass(frozen=True)
class Crossing:
    """Where a rung overtakes the best simpler one for good, in interactions.

    at: from the curves; ``-inf``: ahead at every size measured, ``inf``: never in the range. low, high: 95% interval
    of the replicates, infinite likewise. share: of the replicates that are ahead at the largest size.
    """

    rung: str
    bucket: str
    over: str  # the best simpler rung at the largest size
    at: float
    low: float
    high: float
    share: float


def crossings(found: Curves, bucket: str) -> list[Crossing]:
    """One for every rung but the simplest."""
    made = []
    x = np.log(found.size)
    for place, rung in enumerate(found.rungs[1:], 1):
        simpler = found.rungs[:place]
        champion = np.max([found.mean[r, bucket] for r in simpler], axis=0)
        champions = np.max([found.replicates[r, bucket] for r in simpler], axis=0)
        at = overtakes(x, (found.mean[rung, bucket] - champion)[None])[0]
        drawn = overtakes(x, found.replicates[rung, bucket] - champions)
        low, high = np.quantile(drawn, [0.025, 0.975], method="nearest")
        over = max(simpler, key=lambda r: found.mean[r, bucket][-1])
        share = float((drawn < np.inf).mean())
        at, low, high = (float(np.exp(v)) if np.isfinite(v) else float(v) for v in (at, low, high))
        made.append(Crossing(rung, bucket, over, at, low, high, share))
    return made


def overtakes(x: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Where each curve of ``gain`` (n, n_sizes) rises above 0 for good, linear between the sizes ``x`` (ascending).

    ``-inf`` where it is above 0 throughout, ``inf`` where it ends at or below 0. float64 (n,).
    """
    below = gain <= 0
    last = gain.shape[1] - 1 - np.argmax(below[:, ::-1], axis=1)  # the largest size at which it is not ahead
    here = np.minimum(last, gain.shape[1] - 2)
    rows = np.arange(len(gain))
    a, b = gain[rows, here], gain[rows, here + 1]
    between = x[here] + (x[here + 1] - x[here]) * np.divide(-a, b - a, out=np.zeros(len(gain)), where=b > a)
    return np.where(~below.any(axis=1), -np.inf, np.where(below[:, -1], np.inf, between))
