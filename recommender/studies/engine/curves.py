"""Learning curves: accuracy of every rung by how much it learned from, with the replicates behind each interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from recommender.errors import DataError
from recommender.evaluation import statistics
from recommender.names import ALL, USER_BUCKETS, WITH_HISTORY
from recommender.studies.engine.measured import Measured

SIZE = "size"  # the label of a cell that names how much of the data it learned from; others (seed) name a sample of it
LEAST = 100  # queries of a group of users from which on its curve is read
Segment = tuple[str, str]  # rung, user bucket or WITH_HISTORY


@dataclass(frozen=True)
class Curves:
    """Learning curves of one scenario and data set. Sizes ascend; replicates resample users and, at each size, its
    samples (seeds)."""

    size: np.ndarray  # float64 (n_sizes,): mean interactions in train
    per_user: np.ndarray  # float64 (n_sizes,): interactions of each user who has any
    rungs: list[str]  # simplest first
    mean: Mapping[Segment, np.ndarray]  # float64 (n_sizes,)
    replicates: Mapping[Segment, np.ndarray]  # float64 (n_resamples, n_sizes)
    n_queries: Mapping[str, int]  # by user bucket
    cpu_s: Mapping[str, np.ndarray]  # rung -> float64 (n_sizes,): fit and recommend
    per_week: float | None  # recent interactions at the full size
    n_seeds: int

    def buckets(self) -> list[str]:
        """All users, and the user buckets with ``LEAST`` queries or more."""
        return [ALL, *(b for b in USER_BUCKETS if self.n_queries.get(b, 0) >= LEAST)]

    def groups(self) -> list[str]:
        """The groups that a decision is made for (all users, without and with history), with ``LEAST`` queries each."""
        return [g for g in (ALL, USER_BUCKETS[0], WITH_HISTORY) if self.n_queries.get(g, 0) >= LEAST]

    def interval(self, segment: Segment) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of the 95% interval at each size, float64 (n_sizes,) each."""
        low, high = np.nanpercentile(self.replicates[segment], [2.5, 97.5], axis=0)
        return low, high

    def value(self, rung: str, bucket: str = ALL, size: int = -1) -> tuple[float, float, float]:
        """Accuracy at one size (a position in ``size``), with its 95% interval."""
        low, high = (float(bound[size]) for bound in self.interval((rung, bucket)))
        return float(self.mean[rung, bucket][size]), low, high

    def gain(self, rung: str, over: str, bucket: str = ALL, size: int = -1) -> tuple[float, float, float]:
        """What ``rung`` gives more than ``over`` at one size, paired by user, with its 95% interval."""
        drawn = self.replicates[rung, bucket][:, size] - self.replicates[over, bucket][:, size]
        low, high = np.percentile(drawn, [2.5, 97.5])
        return float(self.mean[rung, bucket][size] - self.mean[over, bucket][size]), float(low), float(high)


def curves(runs: Sequence[Measured], resamples: int | None = None) -> Curves:
    """The curves of the scenario's decision metric. resamples: half of the scenario's ``bootstrap``, at least 200.

    Sizes that lack a sample, because it failed, are left out. Raises DataError where fewer than two are left, or
    where the cells do not ask the same queries.
    """
    scenario = runs[0].scenario
    resamples = max(200, scenario.bootstrap // 2) if resamples is None else resamples
    by_size: dict[str, list[Measured]] = {}
    for run in runs:
        by_size.setdefault(run.labels[SIZE], []).append(run)
    n_seeds = max(map(len, by_size.values()))
    sizes = sorted((cells for cells in by_size.values() if len(cells) == n_seeds), key=_n_train)
    if len(sizes) < 2:
        raise DataError("A learning curve needs two sizes of which every sample could be measured.")
    rungs = [r for r in sizes[0][0].rungs if all(r in m.rungs for cells in sizes for m in cells)]
    queries = sizes[0][0].values.filter(pl.col("rung") == rungs[0])
    users, keys = statistics.numbered(queries["user_id"])
    masks = {ALL: queries["first"].to_numpy()} | {b: (queries["user_bucket"] == b).to_numpy() for b in USER_BUCKETS}
    masks[WITH_HISTORY] = ~masks[USER_BUCKETS[0]]
    metric = scenario.decision.metric
    values = {r: np.stack([[_values(m, r, metric, queries) for m in cells] for cells in sizes]) for r in rungs}
    rng = np.random.default_rng(scenario.seed)
    draws = rng.multinomial(n_seeds, [1 / n_seeds] * n_seeds, (resamples, len(sizes))) / n_seeds
    mean: dict[Segment, np.ndarray] = {}
    replicates: dict[Segment, np.ndarray] = {}
    for bucket, mask in masks.items():
        if not mask.any():
            continue
        # One cell for all rungs: the same users are drawn for each, so that differences of replicates are paired.
        columns = np.stack([values[r][:, :, mask] for r in rungs]).reshape(-1, mask.sum()).T
        cell = statistics.ClusteredValues(users[mask], columns)
        drawn = statistics.replicates(cell, keys, resamples, scenario.seed)
        drawn = drawn.reshape(resamples, len(rungs), len(sizes), n_seeds)
        for n, rung in enumerate(rungs):
            mean[rung, bucket] = values[rung][:, :, mask].mean(axis=(1, 2))
            replicates[rung, bucket] = (drawn[:, n] * draws).sum(axis=2)

    def each_user(run: Measured) -> float:
        return float(run.origin["n_train"] / max(run.origin["n_train_users"], 1))

    return Curves(
        size=np.array([_n_train(cells) for cells in sizes]),
        per_user=np.array([np.mean([each_user(m) for m in cells]) for cells in sizes]),
        rungs=rungs,
        mean=mean,
        replicates=replicates,
        n_queries={b: int(m.sum()) for b, m in masks.items()},
        cpu_s={r: np.array([np.mean([m.seconds[r] for m in cells]) for cells in sizes]) for r in rungs},
        per_week=sizes[-1][0].origin.get("train_per_week"),
        n_seeds=n_seeds,
    )


def _n_train(cells: Sequence[Measured]) -> float:
    return float(np.mean([m.origin["n_train"] for m in cells]))


def _values(run: Measured, rung: str, metric: str, queries: pl.DataFrame) -> np.ndarray:
    rows = run.values.filter(pl.col("rung") == rung)
    if not rows["user_id"].equals(queries["user_id"]) or not rows["user_bucket"].equals(queries["user_bucket"]):
        raise DataError("A learning curve needs the same queries at every size: change data.train_differences only.")
    return rows[metric].to_numpy().astype(np.float64)


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


def crossings(curves: Curves, bucket: str) -> list[Crossing]:
    """One for every rung but the simplest."""
    crossed = []
    x = np.log(curves.size)
    for n, rung in enumerate(curves.rungs[1:], 1):
        simpler = curves.rungs[:n]
        champion = np.max([curves.mean[r, bucket] for r in simpler], axis=0)
        champions = np.max([curves.replicates[r, bucket] for r in simpler], axis=0)
        point = overtakes(x, (curves.mean[rung, bucket] - champion)[None])[0]
        drawn = overtakes(x, curves.replicates[rung, bucket] - champions)
        over = max(simpler, key=lambda r: curves.mean[r, bucket][-1])
        share = float((drawn < np.inf).mean())
        crossed.append(Crossing(rung, bucket, over, *interactions(point, drawn), share))
    return crossed


def interactions(point: float, drawn: np.ndarray) -> tuple[float, float, float]:
    """Interactions of a logarithmic size, with the 95% interval of its replicates ``drawn``; infinite ones stay."""
    low, high = np.quantile(drawn, [0.025, 0.975], method="nearest")
    at, low, high = (float(np.exp(v)) if np.isfinite(v) else float(v) for v in (point, low, high))
    return at, low, high


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
