"""Spam: rings of fake accounts that push their own uploads in bursts, and change their face when blocked.

A ring is ``ring_size`` fake accounts and a creator. Soon after each upload its accounts take it, all within
``burst_hours``: it looks popular. Where moderators block an upload, the ring may go on with another creator,
other accounts and reworded captions (knob ``adapt``): its next *generation*.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from recommender.simulate.knobs import Knobs
from recommender.simulate.world import Bursts, Items, Users

GENERATIONS = 3  # sets of accounts that a ring has; then it starts again with the first
TAKE_PART = 0.8  # share of a ring's accounts in each burst
AHEAD_DAYS = 2.0  # accounts are opened up to so long before their first burst


def make_rings(knobs: Knobs, items: Items, users: Users, rng: np.random.Generator) -> tuple[Items, Users, Bursts]:
    """Fake accounts and spam items in their rings, and what the accounts do."""
    fake, spam = np.flatnonzero(users.ring >= 0), np.flatnonzero(items.ring >= 0)
    if not len(fake) or not len(spam):
        return items, users, Bursts(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    n_rings = max(1, len(fake) // knobs.ring_size)
    of_user, of_item = users.ring.copy(), items.ring.copy()
    of_user[fake], of_item[spam] = np.arange(len(fake)) % n_rings, rng.integers(n_rings, size=len(spam))
    generation = _generations(items, of_item, spam, knobs, rng)
    creator = items.creator.copy()  # creators of rings are numbered after the honest ones
    creator[spam] = knobs.n_creators + of_item[spam] * (generation.max() + 1) + generation[spam]
    items = dataclasses.replace(items, ring=of_item, generation=generation, creator=creator)
    account_set = np.full(len(of_user), -1)
    account_set[fake] = np.arange(len(fake)) // n_rings % _sets(generation, of_item, n_rings)[of_user[fake]]
    bursts = _bursts(knobs, items, of_user, account_set, rng)
    first = np.full(len(of_user), np.inf)
    np.minimum.at(first, bursts.user, bursts.time)
    opened = np.where(np.isfinite(first), first - AHEAD_DAYS * rng.random(len(first)), users.arrived)
    arrived = np.where(of_user >= 0, opened, users.arrived)
    signed_up = np.where(of_user >= 0, opened, users.signed_up)
    rate = np.where(of_user >= 0, 0.0, users.rate)  # they do nothing else
    before = users.established & (of_user < 0)
    users = dataclasses.replace(
        users, ring=of_user, arrived=arrived, signed_up=signed_up, rate=rate, established=before
    )
    return items, users, bursts


def _generations(
    items: Items, ring: np.ndarray, spam: np.ndarray, knobs: Knobs, rng: np.random.Generator
) -> np.ndarray:
    """How often the ring of each item had changed its face when it uploaded it; int64 (n_items,)."""
    changed = spam[np.isfinite(items.moderated[spam]) & (rng.random(len(spam)) < knobs.adapt)]
    # rings one after the other on one line of time
    offset = 10 * (np.abs(items.published).max() + knobs.span_days + 1)
    strikes = np.sort(ring[changed] * offset + items.moderated[changed])
    upto = np.searchsorted(strikes, ring[spam] * offset + items.published[spam])
    generation = np.zeros(len(ring), np.int64)
    generation[spam] = np.maximum(upto - np.searchsorted(strikes, (ring[spam] - 0.5) * offset), 0)
    return generation


def _sets(generation: np.ndarray, ring: np.ndarray, n_rings: int) -> np.ndarray:
    """How many sets of accounts each ring needs, int64 (n_rings,)."""
    last = np.zeros(n_rings, np.int64)
    np.maximum.at(last, ring[ring >= 0], generation[ring >= 0])
    return np.minimum(last + 1, GENERATIONS)


def _bursts(knobs: Knobs, items: Items, ring: np.ndarray, account_set: np.ndarray, rng: np.random.Generator) -> Bursts:
    spam = np.flatnonzero((items.ring >= 0) & (items.published >= 0))
    n_sets = _sets(items.generation, items.ring, int(ring.max()) + 1)
    fake = np.flatnonzero(ring >= 0)
    key = ring[fake] * GENERATIONS + account_set[fake]
    fake = fake[np.argsort(key, kind="stable")]
    key = np.sort(key, kind="stable")
    accounts = items.ring[spam] * GENERATIONS + items.generation[spam] % n_sets[items.ring[spam]]
    low, high = np.searchsorted(key, accounts), np.searchsorted(key, accounts, side="right")
    count = high - low
    item = np.repeat(spam, count)
    user = fake[np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(low, count)]
    time = items.published[item] + knobs.burst_hours / 24 * rng.random(len(item)) ** 2
    takes_part = (rng.random(len(item)) < TAKE_PART) & (time < np.minimum(items.moderated, items.ends)[item])
    takes_part &= time < knobs.span_days - knobs.longest_visit_days
    order = np.flatnonzero(takes_part)[np.argsort(time[takes_part], kind="stable")]
    return Bursts(user[order], item[order], time[order])
