"""Simulated services with known ground truth: the embedded default data of every scenario.

Needs no file and no network. ``knobs.py`` says what can be turned and which real data each default
follows, ``presets.py`` what differs by kind of service; ``make.py`` draws the truth (``world.py``),
``log.py`` plays exposure (``service.py``) and choice, ``columns.py`` and ``feedback.py`` are what the
service knows of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recommender.data.schema import Features, MatchSpec, Spec, Tables
from recommender.data.simulate import columns
from recommender.data.simulate.feedback import interactions
from recommender.data.simulate.knobs import Knobs, Signal
from recommender.data.simulate.log import Log, simulate
from recommender.data.simulate.make import make_world
from recommender.data.simulate.parts import ids
from recommender.data.simulate.presets import PRESETS, resolve
from recommender.data.simulate.world import World
from recommender.errors import ConfigError

__all__ = ["PRESETS", "Knobs", "Log", "Signal", "World", "load", "make_world", "resolve", "simulate"]


def load(raw_dir: Path | None = None, *, preset: str = "catalog", seed: int = 0, **knobs: Any) -> Tables:
    """A simulated data set: ``preset`` (catalog, ugc or jobs) with the named knobs turned.

    The same preset, seed and knobs give equal tables; about 1 s per 100,000 interactions at most.
    ``raw_dir`` is not used: every source takes it. Raises ConfigError for an unknown preset, knob or
    column, and for a value out of range.
    """
    resolved = resolve(preset, knobs)
    if not isinstance(seed, int) or seed < 0:
        raise ConfigError(f"The simulator's seed must be a whole number from 0, got {seed!r}")
    item_columns = columns.chosen(columns.ITEMS, resolved.item_columns, "item")
    user_columns = columns.chosen(columns.USERS, resolved.user_columns, "user")
    world = make_world(resolved, seed)
    log = simulate(world, seed)
    item_ids, user_ids = ids("i", resolved.n_items), ids("u", resolved.n_users)
    return Tables(
        name="simulated",
        interactions=interactions(world, log, user_ids, item_ids, seed),
        items=columns.make_table(world, item_columns, seed).insert_column(0, item_ids.alias("item_id")),
        users=columns.make_table(world, user_columns, seed).insert_column(0, user_ids.alias("user_id")),
        spec=Spec(
            features=Features(items=columns.roles(item_columns), users=columns.roles(user_columns)),
            match=[MatchSpec(user=user, item=item) for user, item in resolved.match],
            positive=[resolved.event],
        ),
    )
