"""Which rung serves whom at each size of the data, and from how many interactions on it does: climb on evidence."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from recommender.names import ALL, USER_BUCKETS, WITH_HISTORY
from recommender.studies.engine.curves import Crossing, Curves, crossings

LEAST = 100  # queries of a group
SURE = 0.975  # share of the replicates in which a rung must be ahead at the largest size


@dataclass(frozen=True)
class Move:
    """``rung`` serves from ``at`` interactions on (``-inf``: from the smallest size); low, high: 95%."""

    rung: str
    at: float
    low: float
    high: float


def ahead(made: Curves, bucket: str, size: int) -> str:
    """Up the ladder at one size (a position in ``made.size``), whatever larger ones show: the next rung replaces the
    champion where the whole 95% interval of its gain, paired by user, is above zero."""
    champion = made.rungs[0]
    for rung in made.rungs[1:]:
        if gain(made, rung, champion, bucket, size)[1] > 0:
            champion = rung
    return champion


def gain(made: Curves, rung: str, over: str, bucket: str, size: int) -> tuple[float, float, float]:
    """Of one rung over another at one size, with its 95% interval."""
    drawn = made.replicates[rung, bucket][:, size] - made.replicates[over, bucket][:, size]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(made.mean[rung, bucket][size] - made.mean[over, bucket][size]), float(low), float(high)


def value(made: Curves, rung: str, bucket: str, size: int) -> tuple[float, float, float]:
    """Accuracy of a rung at one size, with its 95% interval."""
    low, high = (float(bound[size]) for bound in made.interval((rung, bucket)))
    return float(made.mean[rung, bucket][size]), low, high


def segments(made: Curves) -> list[str]:
    """All users, and the user buckets with enough queries to read a curve from."""
    return [ALL, *(b for b in made.buckets() if b != ALL)]


def best(made: Curves, bucket: str, size: int = -1) -> str:
    """The most accurate rung, by evidence or not; of equals the simplest."""
    return max(made.rungs, key=lambda r: made.mean[r, bucket][size])


def groups(made: Curves) -> list[str]:
    """All users, those without and those with history: who a decision is made for, with enough queries for a curve."""
    return [g for g in (ALL, USER_BUCKETS[0], WITH_HISTORY) if made.n_queries.get(g, 0) >= LEAST]


def moves(made: Curves, bucket: str, doubted: Collection[str] = ()) -> tuple[list[Move], list[Crossing]]:
    """Who serves from when on: the simplest rung, then each that overtakes all simpler ones for good, with evidence.
    Second: crossings that the data leave open. doubted: rungs that won in the test period only; theirs are open."""
    crossed = crossings(made, bucket)
    found = [Move(made.rungs[0], -np.inf, -np.inf, -np.inf)]
    for c in (c for c in crossed if c.share >= SURE and c.rung not in doubted):
        at = made.size[0] if c.at < 0 and c.high > c.at else c.at  # ahead from the start, but not surely so
        found = [s for s in found if s.at < at]  # overtaken before, or just as, they took over
        found.append(Move(c.rung, at, c.low, c.high))
    return found, [c for c in crossed if c.share > 1 - SURE and (c.share < SURE or c.rung in doubted)]


def collected(made: Curves, interactions: float) -> str:
    """What so many interactions are: of each user with any, and in weeks where the data state times."""
    told = f"{float(np.interp(np.log(interactions), np.log(made.size), made.per_user)):.1f} per user with any"
    if not made.per_week:
        return told
    weeks = round(interactions / made.per_week)
    span = f"about {weeks:,} week{'s' * (weeks != 1)}" if weeks else "less than a week"
    return f"{told}; {span} at today's rate"
