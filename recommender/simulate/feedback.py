"""What the service records of taken items: ratings, the signals that follow, and recruiters' replies."""

from __future__ import annotations

import numpy as np
import polars as pl

from recommender.simulate.column_values import times
from recommender.simulate.draw import NICHES
from recommender.simulate.knobs import SLOWEST, Signal
from recommender.simulate.log import Log
from recommender.simulate.world import World

FAKE_LIKING = 3.0  # fake accounts like and share what they push
APPLICANTS = 5  # per vacancy, after which half as many are answered
REPLY_DAYS = (0.5, 7.0)
NO_FIT = 0.8  # log-odds of a reply lost per level of seniority or degree apart
OTHER_NICHE = 1.5  # ... where the title is another one than the seeker's


def interactions(world: World, log: Log, user_ids: pl.Series, item_ids: pl.Series, seed: int) -> pl.DataFrame:
    """Taken items and the signals that followed some of them, sorted by time."""
    rng = np.random.default_rng([seed, 4])
    knobs = world.knobs
    liking = _liking(world, log)
    weight = None
    if knobs.rated:
        weight = np.clip(np.round(3.6 + 0.8 * liking + 0.7 * rng.standard_normal(len(liking))), 1, 5)
    everything = np.arange(len(log.user))
    events = [_rows(log, everything, log.time, knobs.event, weight)]
    for signal in knobs.signals:
        followed = _given(signal, liking, rng)
        delay = signal.delay_minutes * (0.5 + (SLOWEST - 0.5) * rng.random(len(followed))) / 1440
        events.append(_rows(log, followed, log.time[followed] + delay, signal.event, None))
        if knobs.replies and signal.event == "apply":
            answered = _answered(world, log, followed, rng)
            low, high = REPLY_DAYS
            time = log.time[answered] + delay.max(initial=0) + low + (high - low) * rng.random(len(answered))
            within = time < knobs.span_days
            events.append(_rows(log, answered[within], time[within], "reply", None))
    table = pl.concat(events)
    return table.select(
        user_id=user_ids.gather(table["user"]),
        item_id=item_ids.gather(table["item"]),
        timestamp=times(table["time"].to_numpy(), knobs),
        event=table["event"],
        weight=table["weight"],
    ).sort("timestamp", "user_id", "item_id", "event")


def _liking(world: World, log: Log) -> np.ndarray:
    """How much each taken item was liked, float64 (n,): in standard deviations of utility; baits disappoint."""
    utility = log.utility - world.promise(log.item)
    organic = np.isfinite(utility)
    if not organic.any():
        return np.full(len(utility), FAKE_LIKING)
    scaled = (utility - utility[organic].mean()) / max(float(utility[organic].std()), 1e-9)
    return np.asarray(np.where(organic, scaled, FAKE_LIKING))


def _given(signal: Signal, liking: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows of the log that a signal follows."""
    odds = np.log(signal.share / (1 - signal.share)) + signal.slope * liking
    return np.asarray(np.flatnonzero(rng.random(len(liking)) < 1 / (1 + np.exp(-odds))))


def _answered(world: World, log: Log, applied: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows of the applications that recruiters answer.

    By fit of title, seniority and degree; ever fewer, the more have applied before per vacancy; and the
    historical bias: women were answered less.
    """
    knobs, items, users = world.knobs, world.items, world.users
    user, item = log.user[applied], log.item[applied]
    apart = np.abs(users.level[user] - items.level[item])
    apart = apart + np.maximum(items.education[item] - users.education[user], 0)
    niche = users.niche[user, 0]
    other = (niche != items.niche[item]) * np.where(niche // NICHES == items.niche[item] // NICHES, 0.5, 1)
    odds = np.log(knobs.replies / max(1 - knobs.replies, 1e-9)) - NO_FIT * apart - OTHER_NICHE * other
    crowd = _earlier(item, log.time[applied]) / (APPLICANTS * items.vacancies[item])
    chance = 1 / (1 + np.exp(-odds)) / (1 + crowd) * (1 - knobs.bias * (users.gender[user] == 0))
    return np.asarray(applied[rng.random(len(applied)) < chance])


def _earlier(item: np.ndarray, time: np.ndarray) -> np.ndarray:
    """How many rows of the same item come before each one, int64 (n,)."""
    order = np.lexsort((time, item))
    in_order = item[order]
    rank = np.empty(len(item), np.int64)
    rank[order] = np.arange(len(item)) - np.searchsorted(in_order, in_order)
    return rank


def _rows(log: Log, rows: np.ndarray, time: np.ndarray, event: str, weight: np.ndarray | None) -> pl.DataFrame:
    weights = np.ones(len(rows), np.float32) if weight is None else weight[rows].astype(np.float32)
    events = pl.repeat(event, len(rows), eager=True)
    return pl.DataFrame({
        "user": log.user[rows], "item": log.item[rows], "time": time, "event": events, "weight": weights
    })  # fmt: skip
