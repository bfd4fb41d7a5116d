"""Team-draft interleaving: one list of two, each place credited to the list that chose it.

Radlinski, Kurup & Joachims 2008. Two teams pick in rounds; a coin says who picks first in each; each picks its best
item that is not in the list yet. What users take then counts for the team that picked it, in one and the same list, so
far fewer users are needed than for a test of two groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from recommender.hashing import GOLDEN, mixed

T = TypeVar("T")


def team_draft(first: Sequence[T], second: Sequence[T], k: int, coins: Sequence[bool]) -> tuple[list[T], list[int]]:
    """At most ``k`` items, and the team of each, 0 or 1. coins: one per round, whether ``second`` picks first in it;
    ``k`` of them are enough."""
    lists: list[T] = []
    teams: list[int] = []
    used: set[T] = set()
    queues = [iter(first), iter(second)]
    for coin in coins:
        picked = 0
        for team in (int(coin), 1 - int(coin)):
            item = next((i for i in queues[team] if i not in used), None)
            if item is None:
                continue
            picked += 1
            if len(lists) < k:
                used.add(item)
                lists.append(item)
                teams.append(team)
        if not picked or len(lists) == k:
            break
    return lists, teams


def coins(seeds: np.ndarray, n: int) -> np.ndarray:
    """Fair coins fixed by a uint64 for each list, bool (len(seeds), n)."""
    rounds = np.arange(1, n + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        return np.asarray(mixed(seeds[:, None] + rounds * GOLDEN) >> np.uint64(63), bool)
