"""Twins of networks: knobs set so that a simulated network is like a given one; as ``likeness.py`` for services.

Address books and blocks are not copied: the public networks have none.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from recommender.data.dataset import Dataset
from recommender.data.gate import build
from recommender.errors import DataError
from recommender.simulate import likeness, observed, play
from recommender.simulate.likeness import Turn
from recommender.simulate.network import STATED, network_names, resolve

TURNS = (
    Turn("n_interactions", "n_interactions", 0.7, 1, 1e9, relative=True),
    Turn("n_users", "n_users", 0.7, 1, 1e8, relative=True),
    Turn("hub_sigma", "user_sigma", 0.8, 0.05, 3.0),
    Turn("closure", "closing_links", 0.8, 0.0, 0.8),
    Turn("homophily", "feature_lift", 1.0, 0.0, 0.8),
    Turn("established", "late_new_users", -0.8, 0.0, 1.0),
    Turn("growth", "late_new_users", 3.0, 0.0, 6.0),
    Turn("honeymoon", "late_cold_links", 1.5, 0.1, 1e4, relative=True),
)
MOST = 0.95  # of the links that closure, acquaintance and homophily may make together


def twin_knobs(data: Dataset, preset: str, rounds: int = likeness.ROUNDS, seed: int = 0) -> dict[str, Any]:
    """Knobs of a twin of ``data``, of a network or another service, as ``play`` takes them. Raises DataError where the
    data have no times, or are no network where the preset is one."""
    if preset not in network_names():
        return likeness.knobs_like(data, preset, rounds, seed)
    if not data.has_times or data.relation is None:
        lacks = "is no network of members (relation in dataset.yaml)" if data.relation is None else "states no times"
        raise DataError(f"'{data.name}' {lacks}, so no network like it can be simulated.")
    aim = likeness.likeness(data)
    knobs = _read_off(data, aim)
    best, least = knobs, math.inf
    for number in range(rounds):
        measured = likeness.likeness(build(observed(play(preset=preset, seed=seed, **knobs))))
        far = sum(abs(likeness.error(turn, aim, measured)) for turn in TURNS)
        if far < least:
            best, least = dict(knobs), far
        knobs = _turned(knobs, preset, aim, measured, 1 / (1 + 0.3 * number))
    return best


def _read_off(data: Dataset, aim: likeness.Measures) -> dict[str, Any]:
    """Knobs that a network states by itself."""
    described = data.items.columns("category", "multi", "text")
    stated = aim["coverage_items"] or 0.0
    return {
        "n_users": int(aim["n_users"] or 1),
        "n_interactions": int((aim["n_interactions"] or 2) / (2 if data.symmetric else 1)),
        "span_days": max(aim["span_days"] or 1.0, 1.0),
        "ends": str(data.interactions["timestamp"].dt.offset_by("1d").dt.date().max()),
        "columns": STATED[: len(described)],
        "metadata_missing": float(np.clip(1 - stated, 0, 0.95)),
        "homophily": 0.15 if described else 0.0,
        "acquaintance": 0.1,
        "books": 0.0,
        "invited": 0.0,
        "blocks": 0.0,
    }


def _turned(
    knobs: dict[str, Any], preset: str, aim: likeness.Measures, measured: likeness.Measures, pace: float
) -> dict[str, Any]:
    turned = dict(knobs)
    for turn in TURNS:
        if turn.knob == "homophily" and not knobs["columns"]:
            continue
        now = float(knobs.get(turn.knob, getattr(resolve(preset, {}), turn.knob)))
        step = pace * turn.gain * likeness.error(turn, aim, measured)
        moved = now * math.exp(np.clip(step, -1.5, 1.5)) if turn.relative else now + step
        bounded = float(np.clip(moved, turn.low, turn.high))
        turned[turn.knob] = round(bounded) if turn.knob.startswith("n_") else bounded
    over = sum(turned.get(k, 0.0) for k in ("closure", "acquaintance", "homophily")) / MOST
    if over > 1:
        turned |= {k: turned[k] / over for k in ("closure", "acquaintance", "homophily") if k in turned}
    return turned
