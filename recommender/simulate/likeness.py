"""Twins: knobs set so that a simulated set is like a given one in what decides which rung pays.

Sizes, times and columns are read off. The others are found by simulating, measuring and turning each knob
towards its measure, a few times (Robbins & Monro 1951); what no knob reaches stays as the preset has it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from recommender.data.dataset import NO_TIME, Dataset, Table
from recommender.data.gate import build
from recommender.errors import DataError
from recommender.features.encoder import FeatureEncoder
from recommender.simulate import columns, observed, play, resolve
from recommender.simulate.measures import measures

ROUNDS = 10
PAIRS = 20_000  # of items that a user took one after the other: how alike they are
LONGEST_BLOCKS = 400  # a long span is played in so many blocks at most
Measures = Mapping[str, float | None]  # of ``likeness``
ENDLESS = 3.0  # lives as long as a third of the data are no matter of the items: they have no end


@dataclass(frozen=True)
class Turn:
    """A knob and the measure that it moves: by so much per unit of error, within bounds."""

    knob: str
    measure: str
    gain: float
    low: float
    high: float
    relative: bool = False  # the error is that of the logarithms, and the knob is multiplied


TURNS = (
    Turn("n_interactions", "n_interactions", 0.7, 1, 1e9, relative=True),
    Turn("n_users", "n_users", 0.7, 1, 1e8, relative=True),
    Turn("n_items", "n_used_items", 0.7, 1, 1e8, relative=True),
    Turn("quality_sd", "gini_used", 4.0, 0.0, 5.0),
    Turn("activity_sigma", "user_sigma", 1.0, 0.05, 3.0),
    Turn("stay_days", "stay_days", 0.7, 0.01, 10_000, relative=True),
    Turn("established", "late_new_users", -0.8, 0.0, 1.0),
    Turn("back_catalogue", "late_new_items", -0.8, 0.0, 1.0),
    Turn("life_days", "life_days", 0.7, 0.05, 10_000, relative=True),
    Turn("taste_weight", "co_lift", 3.0, 0.0, 20.0),
    Turn("rho", "feature_lift", 2.0, 0.0, 1.0),
)


def knobs_like(data: Dataset, preset: str, rounds: int = ROUNDS, seed: int = 0) -> dict[str, Any]:
    """Knobs that differ from the preset's, as ``load`` takes them. Raises DataError where the data have no times."""
    if not data.has_times:
        raise DataError(f"'{data.name}' states no times, so nothing like it can be simulated: a twin plays over time.")
    aim = likeness(data)
    knobs = _read_off(data, aim, preset)
    best, least = knobs, math.inf
    for number in range(rounds):
        twin = build(observed(play(preset=preset, seed=seed, **knobs)))
        measured = likeness(twin)
        far = sum(abs(error(turn, aim, measured)) for turn in TURNS)
        if far < least:
            best, least = dict(knobs), far
        knobs = _turned(knobs, preset, aim, measured, 1 / (1 + 0.3 * number))
    return best


def likeness(data: Dataset) -> dict[str, float | None]:
    """``measures``, and how alike the items are that a user took one after the other.

    co_lift: log of how much oftener other users took both than if they chose by popularity alone.
    feature_lift: how much more their features agree (cosine) than those of two such items by chance.
    """
    numbers = measures(data)
    order = np.lexsort((data.timestamps, data.user_idx))
    item, user = data.item_idx[order], data.user_idx[order]
    at = np.flatnonzero((np.diff(user) == 0) & (np.diff(item) != 0))
    rng = np.random.default_rng(0)
    at = rng.choice(at, min(len(at), PAIRS), replace=False)
    if not len(at):
        return numbers | {"co_lift": None, "feature_lift": None}
    a, b = item[at], item[at + 1]
    taken = data.matrix().tocsc()
    both = np.asarray(taken[:, a].multiply(taken[:, b]).sum(0)).ravel() - 1
    count = np.diff(taken.indptr)
    by_chance = count[a] * count[b] / len(data.users)
    rows = FeatureEncoder().fit(data.items).transform(data.items)
    length = np.sqrt(np.asarray(rows.multiply(rows).sum(1)).ravel())
    rows = rows.multiply(1 / np.maximum(length, 1e-9)[:, None]).tocsr()
    other = rng.permutation(b)
    alike, chance = (float(rows[a].multiply(rows[x]).sum(1).mean()) for x in (b, other))
    lift = math.log((both.sum() + 1) / (by_chance.sum() + 1))
    return numbers | {"co_lift": lift, "feature_lift": (alike - chance) / max(1e-9, 1 - chance)}


def _read_off(data: Dataset, aim: Mapping[str, float | None], preset: str) -> dict[str, Any]:
    """Knobs that a data set states by itself."""
    per_session, span = aim["per_visit"] or 1.0, max(aim["span_days"] or 1.0, 1.0)
    base = resolve(preset, {})
    # What lives long beside the data has no end; a life is never longer than what the data can show.
    endless = (aim["life_days"] or math.inf) > span / ENDLESS and not _states(data.items, "expires_at")
    knobs: dict[str, Any] = {
        "n_interactions": int(aim["n_interactions"] or 1),
        "n_users": int(aim["n_users"] or 1),
        "n_items": int(aim["n_items"] or 1),
        "n_creators": max(2, int((aim["n_items"] or 1) * base.n_creators / base.n_items)),
        "span_days": span,
        "ends": str(data.interactions["timestamp"].dt.offset_by("1d").dt.date().max()),
        "block_hours": max(base.block_hours, span * 24 / LONGEST_BLOCKS),
        "per_session": per_session,
        "list_length": max(base.list_length, int(3 * per_session)),
        "life_days": 0 if endless else aim["life_days"],
        "fade": 0 if endless else base.fade,
        "ending": "stated" if _states(data.items, "expires_at") else "silent",
        "metadata_missing": min(0.95, 1 - (aim["coverage_items"] or 1)),
        "resume_coverage": aim["coverage_users"] or 0.0,
        "rated": bool(data.weights.min() < data.weights.max()),
        "fake_accounts": 0.0,
        "violating": 0.0,
    }
    if aim.get("back_catalogue") is not None:
        knobs |= {"back_catalogue": aim["back_catalogue"], "back_days": 2 * (aim["back_days"] or 0.0)}
    knobs["item_columns"], knobs["user_columns"] = _columns(data, base.item_columns, base.user_columns)
    known = {columns.USERS[name].name for name in knobs["user_columns"]}
    shown = {columns.ITEMS[name].name for name in knobs["item_columns"]}
    knobs["match"] = tuple(pair for pair in base.match if pair[0] in known and pair[1] in shown)
    return knobs


def _states(items: Table, column: str) -> bool:
    return bool((items.times(column) != NO_TIME).any())


def _columns(data: Dataset, items: tuple[str, ...], users: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Columns of the preset that the data have by name or, where a role has no such column, by role."""
    return _present(columns.ITEMS, items, data.items), _present(columns.USERS, users, data.users)


def _present(registry: Mapping[str, columns.Column], names: tuple[str, ...], table: Table) -> tuple[str, ...]:
    chosen = {name: registry[name] for name in names}
    named = {n for n, c in chosen.items() if (c.name in table.roles if c.role else _states(table, c.name))}
    missed = set(table.roles.values()) - {chosen[n].role for n in named} - {"protected", "ignore"}
    return tuple(n for n in names if n in named or chosen[n].role in missed)


def error(turn: Turn, aim: Mapping[str, float | None], measured: Mapping[str, float | None]) -> float:
    """How far the measure is below its aim; 0 where either is not known."""
    target, got = aim.get(turn.measure), measured.get(turn.measure)
    if target is None or got is None:
        return 0.0
    return math.log(max(target, 1e-6) / max(got, 1e-6)) if turn.relative else target - got


def _turned(
    knobs: Mapping[str, Any],
    preset: str,
    aim: Mapping[str, float | None],
    measured: Mapping[str, float | None],
    pace: float,
) -> dict[str, Any]:
    turned = dict(knobs)
    fixed = {"back_catalogue", "n_items"} if aim.get("back_catalogue") is not None else set()  # stated
    for turn in TURNS:
        now = float(knobs.get(turn.knob, getattr(resolve(preset, {}), turn.knob)))
        if turn.knob in fixed or (turn.knob == "life_days" and not now):  # no end, so none to move
            continue
        step = pace * turn.gain * error(turn, aim, measured)
        moved = now * math.exp(np.clip(step, -1.5, 1.5)) if turn.relative else now + step
        bounded = float(np.clip(moved, turn.low, turn.high))
        turned[turn.knob] = round(bounded) if isinstance(knobs.get(turn.knob), int) and turn.relative else bounded
    return turned


def table(data: Dataset, twin: Dataset) -> pl.DataFrame:
    """Measures of a set and of its twin, side by side: measure, real, twin."""
    real, twins = likeness(data), likeness(twin)
    rows = [(name, real[name], twins.get(name)) for name in real]
    return pl.DataFrame(rows, schema=["measure", "real", "twin"], orient="row", strict=False)
