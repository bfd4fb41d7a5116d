"""Simulated services with known ground truth: the embedded default data of every scenario.

Needs no file and no network. ``knobs.py`` says what can be turned and which real data each default
follows; ``world.py`` is the truth, ``log.py`` exposure and choice, ``columns.py`` what the service knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recommender.data.schema import Features, MatchSpec, Spec, Tables
from recommender.data.simulate import columns
from recommender.data.simulate.knobs import PRESETS, Knobs, Signal, resolve
from recommender.data.simulate.log import SLOWEST, Log, simulate
from recommender.data.simulate.world import World, make_world
from recommender.errors import ConfigError, nearest

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
    item_columns = _chosen(columns.ITEMS, resolved.item_columns, "item")
    user_columns = _chosen(columns.USERS, resolved.user_columns, "user")
    world = make_world(resolved, seed)
    log = simulate(world, seed)
    item_ids, user_ids = _ids("i", resolved.n_items), _ids("u", resolved.n_users)
    return Tables(
        name="simulated",
        interactions=_interactions(world, log, user_ids, item_ids, seed),
        items=columns.make_table(world, item_columns, seed).insert_column(0, item_ids.alias("item_id")),
        users=columns.make_table(world, user_columns, seed).insert_column(0, user_ids.alias("user_id")),
        spec=Spec(
            features=Features(items=_roles(item_columns), users=_roles(user_columns)),
            match=[MatchSpec(user=user, item=item) for user, item in resolved.match],
            positive=[resolved.event],
        ),
    )


def _chosen(registry: Mapping[str, columns.Column], names: tuple[str, ...], kind: str) -> tuple[columns.Column, ...]:
    for name in names:
        if name not in registry:
            raise ConfigError(f"The simulator has no {kind} column '{name}'{nearest(name, registry)}")
    return tuple(registry[name] for name in names)


def _interactions(world: World, log: Log, user_ids: pl.Series, item_ids: pl.Series, seed: int) -> pl.DataFrame:
    """Taken items and the signals that followed some of them, sorted by time."""
    rng = np.random.default_rng([seed, 4])
    knobs = world.knobs
    liking = (log.utility - log.utility.mean()) / max(float(log.utility.std()), 1e-9)
    weight = (
        np.clip(np.round(3.6 + 0.8 * liking + 0.7 * rng.standard_normal(len(liking))), 1, 5) if knobs.rated else None
    )
    events = [_rows(log, np.arange(len(log.user)), 0.0, knobs.event, weight)]
    for signal in knobs.signals:
        odds = np.log(signal.share / (1 - signal.share)) + signal.slope * liking
        given = np.flatnonzero(rng.random(len(liking)) < 1 / (1 + np.exp(-odds)))
        delay = signal.delay_minutes * (0.5 + (SLOWEST - 0.5) * rng.random(len(given))) / 1440
        events.append(_rows(log, given, delay, signal.event, None))
    table = pl.concat(events)
    return table.select(
        user_id=user_ids.gather(table["user"]),
        item_id=item_ids.gather(table["item"]),
        timestamp=columns.times(table["time"].to_numpy(), knobs),
        event=table["event"],
        weight=table["weight"],
    ).sort("timestamp", "user_id", "item_id", "event")


def _rows(log: Log, rows: np.ndarray, delay: np.ndarray | float, event: str, weight: np.ndarray | None) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "user": log.user[rows],
            "item": log.item[rows],
            "time": log.time[rows] + delay,
            "event": pl.repeat(event, len(rows), eager=True),
            "weight": np.ones(len(rows), np.float32) if weight is None else weight[rows].astype(np.float32),
        }
    )


def _ids(prefix: str, n: int) -> pl.Series:
    """Padded numbers: sorted by id is the order of rows, which tells nothing of time."""
    return pl.Series(np.arange(n)).cast(pl.String).str.pad_start(len(str(n - 1)), "0").str.replace("^", prefix)


def _roles(chosen: tuple[columns.Column, ...]) -> dict[str, str]:
    return {column.name: column.role for column in chosen if column.role is not None}
