"""Draws a whole world: items, users, spam rings, the follow graph, trends and careers."""

from __future__ import annotations

import numpy as np

from recommender.simulate.careers import make_careers
from recommender.simulate.draw import TOPICS, zipf
from recommender.simulate.items import make_items
from recommender.simulate.knobs import Knobs
from recommender.simulate.social import make_follows
from recommender.simulate.spam import make_rings
from recommender.simulate.users import make_users
from recommender.simulate.world import World, make_trends


def make_world(knobs: Knobs, seed: int) -> World:
    """A whole world; equal for equal knobs and seed."""
    rng = np.random.default_rng([seed, 1])
    fame = zipf(TOPICS, 0.7)
    items, users = make_items(knobs, fame, rng), make_users(knobs, fame, rng)
    items, users, bursts = make_rings(knobs, items, users, rng)
    follows, trends = make_follows(knobs, users, rng), make_trends(knobs, rng)
    return World(knobs, items, users, follows, trends, bursts, make_careers(knobs, fame, users, rng))
