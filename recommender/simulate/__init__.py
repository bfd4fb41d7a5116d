"""Simulated services with known ground truth: the embedded default data of every scenario.

Needs no file and no network. ``knobs.py`` says what can be turned and which real data each default
follows, ``configs/simulator/`` what differs by kind of service; ``make.py`` draws the truth (``world.py``),
``log.py`` plays exposure (``service.py``) and choice, ``columns.py`` and ``feedback.py`` are what the
service knows of it. Networks of people are drawn by ``network.py``, from ``configs/simulator/networks/``.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from recommender.data.gate import Features, MatchSpec, Spec, Tables
from recommender.errors import ConfigError
from recommender.simulate import columns, network
from recommender.simulate.column_values import ids
from recommender.simulate.feedback import interactions
from recommender.simulate.knobs import Knobs, Signal
from recommender.simulate.log import Log, simulate
from recommender.simulate.make import make_world
from recommender.simulate.network_truth import NetworkTruth
from recommender.simulate.presets import preset_names, resolve
from recommender.simulate.truth import SimulatedTruth
from recommender.simulate.world import World

__all__ = ["Knobs", "Log", "Signal", "SimulatedTruth", "World"]
__all__ += ["load", "make_world", "observed", "play", "preset_names", "resolve", "simulate"]


def load(raw_dir: Path | None = None, *, preset: str = "catalog", seed: int = 0, **knobs: Any) -> Tables:
    """A simulated data set: ``preset`` (a file of ``configs/simulator/``) with the named knobs turned.

    The same preset, seed and knobs give equal tables; about 1 s per 100,000 interactions at most.
    ``raw_dir`` is not used: every source takes it. Raises ConfigError for an unknown preset, knob or
    column, and for a value out of range.
    """
    return observed(play(preset=preset, seed=seed, **knobs))


def play(
    *, preset: str = "catalog", seed: int = 0, record: bool = False, **knobs: Any
) -> SimulatedTruth | NetworkTruth:
    """The world of these knobs and what happens in it; ``record``: with what was shown. Raises as ``load``."""
    if not isinstance(seed, int) or seed < 0:
        raise ConfigError(f"The simulator's seed must be a whole number from 0, got {seed!r}")
    if preset in network.network_names():
        return NetworkTruth.simulated(network.resolve(preset, knobs), seed)
    resolved = resolve(preset, knobs)
    columns.check(resolved)
    return SimulatedTruth.simulated(resolved, seed, record)


def observed(truth: SimulatedTruth | NetworkTruth) -> Tables:
    """What the service knows of a world and of what happened in it."""
    if isinstance(truth, NetworkTruth):
        return truth.tables()
    world, log, seed = truth.world, truth.log, truth.seed
    knobs = world.knobs
    item_ids, user_ids = ids("i", knobs.n_items), ids("u", knobs.n_users)
    item_columns = columns.chosen(columns.ITEMS, knobs.item_columns, "item")
    user_columns = columns.chosen(columns.USERS, knobs.user_columns, "user")
    return Tables(
        name="simulated",
        interactions=interactions(world, log, user_ids, item_ids, seed),
        items=columns.make_table(world, item_ids.alias("item_id"), item_columns, seed),
        users=columns.make_table(world, user_ids.alias("user_id"), user_columns, seed),
        spec=Spec(
            features=Features(items=columns.roles(item_columns), users=columns.roles(user_columns)),
            match=[MatchSpec(user=user, item=item) for user, item in knobs.match],
            positive=[knobs.event],
        ),
        truth=(lambda: truth) if truth.log.shown else partial(SimulatedTruth.simulated, knobs, seed, record=True),
    )
