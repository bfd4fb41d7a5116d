"""Which rung serves whom at each size of the data, and from how many interactions on it does: climb on evidence."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from recommender.studies.data_volume import SURE
from recommender.studies.engine.curves import Crossing, Curves, crossings


@dataclass(frozen=True)
class Move:
    """``rung`` serves from ``at`` interactions on (``-inf``: from the smallest size); low, high: 95%."""

    rung: str
    at: float
    low: float
    high: float


def moves(curve: Curves, bucket: str, doubted: Collection[str] = ()) -> tuple[list[Move], list[Crossing]]:
    """Who serves from when on: the simplest rung, then each that overtakes all simpler ones for good, with evidence.

    Second: crossings that the data leave open. doubted: rungs that won in the test period only; theirs are open.
    """
    crossed = crossings(curve, bucket)
    path = [Move(curve.rungs[0], -np.inf, -np.inf, -np.inf)]
    for c in (c for c in crossed if c.share >= SURE and c.rung not in doubted):
        at = curve.size[0] if c.at < 0 and c.high > c.at else c.at  # ahead from the start, but not surely so
        path = [m for m in path if m.at < at]  # overtaken before, or just as, they took over
        path.append(Move(c.rung, at, c.low, c.high))
    return path, [c for c in crossed if c.share > 1 - SURE and (c.share < SURE or c.rung in doubted)]
