"""Who links to whom in a simulated network, block after block of two days.

A member makes links as often as its activity says, more just after joining. Each goes to a friend of a friend
(closure), to somebody known offline, to a member of the same company or school, or to anyone, hubs first; the other
side always accepts. Within a block everybody sees the network as it was when the block began.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy.sparse as sp

from recommender.simulate.network import Members, pick, pick_alike

BLOCK_DAYS = 2.0
MINUTE = 1 / 1440


@dataclass(frozen=True)
class Links:
    """One row per link, sorted by time; ``one`` made it."""

    one: np.ndarray
    other: np.ndarray
    time: np.ndarray  # days

    def graph(self, n: int, before: float) -> sp.csr_matrix:
        """Who has whom just before a time (days): float64 csr (n, n) of ones, symmetric."""
        upto = np.searchsorted(self.time, before)
        return adjacency(self.one[:upto], self.other[:upto], n)


def adjacency(one: np.ndarray, other: np.ndarray, n: int) -> sp.csr_matrix:
    """Links between rows ``one`` and ``other`` in both directions, float64 csr (n, n) of ones."""
    ends = (np.concatenate([one, other]), np.concatenate([other, one]))
    return sp.csr_matrix((np.ones(2 * len(one)), ends), shape=(n, n))


def rates(members: Members, now: float) -> np.ndarray:
    """How many links each member makes, relative, float64 (n,); 0 for those who are not there yet."""
    knobs = members.knobs
    since = now - members.joined
    fresh = knobs.honeymoon * np.exp(-np.maximum(since, 0) / max(knobs.honeymoon_days, 1e-9))
    return np.asarray(members.activity * (1 + fresh) * (since >= 0))


def play(members: Members, seed: int) -> Links:
    """All links of the data; equal for equal members and seed."""
    rng = np.random.default_rng([seed, 2])
    knobs, n = members.knobs, len(members.joined)
    guests = np.flatnonzero(members.inviter >= 0)
    one, other, time = [members.inviter[guests]], [guests], [members.joined[guests] + MINUTE]
    taken = np.unique(_keys(one[0], other[0], n))
    begins = np.arange(0, knobs.span_days, BLOCK_DAYS)
    volume = np.array([rates(members, begin).sum() for begin in begins])
    expected = max(knobs.n_interactions - len(guests), 0) * volume / max(volume.sum(), 1e-12)
    for begin, m in zip(begins, rng.poisson(expected), strict=True):
        known = [np.concatenate(part) for part in (one, other, time)]
        earlier = known[2] < begin
        graph = adjacency(known[0][earlier], known[1][earlier], n)
        a, b = _block(members, graph, begin, int(m), rng)
        keys, first = np.unique(_keys(a, b, n), return_index=True)
        new = np.sort(first[~np.isin(keys, taken) & (a[first] != b[first])])
        taken = np.union1d(taken, keys)
        one.append(a[new])
        other.append(b[new])
        time.append(begin + BLOCK_DAYS * rng.random(len(new)))
    links = Links(*(np.concatenate(part) for part in (one, other, time)))
    inside = (links.time >= 0) & (links.time < knobs.span_days)
    order = np.argsort(links.time, kind="stable")[inside[np.argsort(links.time, kind="stable")]]
    return Links(links.one[order], links.other[order], links.time[order])


def _block(
    members: Members, graph: sp.csr_matrix, now: float, m: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Both ends of ``m`` links that are tried; some are there already, or lead back."""
    knobs, rate = members.knobs, rates(members, now)
    if not rate.any() or not m:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    fame = members.fame * (members.joined <= now)
    one = pick(rate, rng.random(m))
    kind, chance = rng.random(m), rng.random((m, 2))
    other = pick(fame, chance[:, 0])  # anyone, hubs first
    edges = np.cumsum([0, knobs.closure, knobs.acquaintance, knobs.homophily])
    closing, knowing, alike = ((kind >= low) & (kind < high) for low, high in pairwise(edges))
    between = _step(graph, one[closing], chance[closing, 0])
    other[closing] = _step(graph, between, chance[closing, 1])
    other[knowing] = _step(members.known, one[knowing], chance[knowing, 0])
    for group, rows in (
        (members.company, alike & (chance[:, 1] < 0.7)),
        (members.school, alike & (chance[:, 1] >= 0.7)),
    ):
        other[rows] = pick_alike(group, fame, group[one[rows]], chance[rows, 0])
    there = (other >= 0) & (members.joined[other] <= now)
    return one[there], other[there]


def _step(graph: sp.csr_matrix, at: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """A neighbour of each row at random, -1 where there is none or the row is -1."""
    start, stop = graph.indptr[at], graph.indptr[at + 1]
    reached = start + (chance * (stop - start)).astype(np.int64)
    neighbour = graph.indices[np.minimum(reached, max(graph.nnz - 1, 0))] if graph.nnz else np.full(len(at), -1)
    return np.where((at >= 0) & (stop > start), neighbour, -1)


def _keys(one: np.ndarray, other: np.ndarray, n: int) -> np.ndarray:
    return np.asarray(np.minimum(one, other) * n + np.maximum(one, other), np.int64)
