"""Origins: the times up to which a model may see data, of validation and of the test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np

from recommender import config
from recommender.data.dataset import Dataset
from recommender.data.times import to_microseconds
from recommender.errors import ConfigError

LEAST = 30  # interactions of a short horizon; one with fewer is joined to the one before it


def origins(data: Dataset, split: config.Split) -> list[datetime]:
    """The origins of validation, ascending, then the test's. Raises ConfigError where they do not ascend."""
    wanted = [*split.validation, split.test]
    if split.unit == "days":
        last = to_datetime(data.time_quantiles([1.0])[0])
        times = [last - timedelta(days=d) for d in wanted]
    else:
        times = [to_datetime(time) for time in data.time_quantiles(wanted)]
    if any(a >= b for a, b in pairwise(times)):
        raise ConfigError(
            f"split: origins must ascend in time, got {', '.join(map(iso, times))} from {wanted} {split.unit}. "
            "Timestamps that are all alike cannot be split in time."
        )
    if split.retrain_days is None:
        return times
    days = split.stale_days if split.retrain_days == "auto" else split.retrain_days
    return _short(data.timestamps, times[0], times[-1], days)


def _short(times: np.ndarray, first: datetime, test: datetime, days: float | None) -> list[datetime]:
    """Origins from ``first`` to ``test``, as far apart as a model is in use until it is trained again; ascending.

    At most ``SHORT_HORIZONS`` of them, the latest; days None: as many as that. times: int64 microseconds of the
    interactions; NO_TIME, the least of all, is before any of them.
    """
    step = (test - first) / config.SHORT_HORIZONS if days is None else timedelta(days=days)
    n = min(config.SHORT_HORIZONS, max(1, round((test - first) / step)))
    starts = [test]
    for origin in (test - i * step for i in range(1, n + 1)):
        begin, end = to_microseconds(origin), to_microseconds(starts[0])
        if int(((times >= begin) & (times < end)).sum()) >= LEAST:
            starts.insert(0, origin)
    if len(starts) == 1:
        raise ConfigError(
            f"split.retrain_days: no {step.total_seconds() / 86400:g} days before the test origin {iso(test)} have "
            f"{LEAST} interactions. Give more days."
        )
    return starts


def to_datetime(us: int) -> datetime:
    """Microseconds since 1970 as a UTC datetime."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=us)


def iso(time: datetime | None) -> str:
    """ISO 8601 to the second; empty without a time."""
    return "" if time is None else time.isoformat(timespec="seconds")
