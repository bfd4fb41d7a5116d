"""Draws who takes up another occupation within the data, when, and what they like from then on."""

from __future__ import annotations

import numpy as np

from recommender.simulate.draw import NICHES, SCENES, TOPICS, profile
from recommender.simulate.knobs import Knobs
from recommender.simulate.world import Careers, Users

WITHIN_FIELD = 0.6  # of the moves; most people who change occupation stay near what they know
EARLIEST, LATEST = 0.2, 0.8  # of a user's stay


def make_careers(knobs: Knobs, fame: np.ndarray, users: Users, rng: np.random.Generator) -> Careers | None:
    """One move for a share of the users, None where nobody moves. fame: see ``make_users``.

    A move falls on the begin of a block, so that nobody has two occupations in one. What no column shows (the scene,
    the second topic) goes along.
    """
    if not knobs.moves:
        return None
    n, personas = users.niche.shape
    block = knobs.block_hours / 24
    day = block * np.floor((users.arrived + users.stay * rng.uniform(EARLIEST, LATEST, n)) / block)
    moves = (rng.random(n) < knobs.moves) & (day > users.arrived) & (users.ring < 0)
    near = rng.random((n, personas)) < WITHIN_FIELD
    main = np.where(near, users.topics[:, :, 0], rng.choice(TOPICS, (n, personas), p=fame))
    other = (users.niche + NICHES // 2) % NICHES  # the specialisms of one occupation are neighbours
    niche = main * NICHES + np.where(near, other, rng.integers(NICHES, size=(n, personas)))
    topics = np.stack([main, users.topics[:, :, 1]], axis=2)
    taste = np.concatenate([profile(topics, TOPICS, rng), users.taste[:, :, TOPICS:]], axis=2)
    assert taste.shape[2] == TOPICS + SCENES
    return Careers(np.where(moves, day, np.inf), taste, topics, niche)
