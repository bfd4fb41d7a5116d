"""Alarms against injected faults: ``python -m experiments.alarm_delays [SEEDS] [--write]``.

A simulated job board of 150 days is served from day 30 on by a model that is trained again every week; the monitor
looks at every day from day 90 on, at all that is watched without fitting, and on day 115 a fault begins.
Per fault, over 20 seeds: how many are an alarm within 30 days, days until the first alarm, what alarmed, and false
alarms (before the fault, and over three times as many seeds without one). --write puts the table into
``docs/data/alarm-delays.csv``.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from pipelines.cli import run  # isort: skip  (it sets BLAS threads before NumPy is imported)

import numpy as np
import polars as pl
from scipy.stats import chi2

from experiments.realism import markdown, save
from recommender import config
from recommender.api.model import fit
from recommender.data.dataset import Dataset, microseconds
from recommender.data.gate import build
from recommender.data.split import to_datetime
from recommender.data.times import US_PER_DAY
from recommender.operate.answering import Answering
from recommender.operate.daily import Span, data_streams
from recommender.operate.service import answered, service_streams
from recommender.operate.stream import Stream, threshold, watch
from recommender.operate.traffic import WEEK, serve_world
from recommender.serving.log import ServiceLog
from recommender.simulate import World, make_world, observed, resolve, simulate
from recommender.simulate.column_values import times
from recommender.simulate.truth import SimulatedTruth

KNOBS = {"n_interactions": 20_000, "n_users": 3_000, "n_items": 900, "span_days": 150.0}
BEGIN, SHIP, FAULT, PATIENCE = 30.0, 90.0, 115.0, 30
TIME = pl.Datetime("us", "UTC")
FIRST_SEED = 100  # tolerances and LEAST_P were chosen on seeds 0 to 19
RATE = 0.1  # false alarms a month, of all series together


@dataclass(frozen=True)
class Look:
    """names: what alarmed first after the fault; delay: after how many days; false: alarms before the fault; days: that
    were looked at before it."""

    names: list[str]
    delay: int | None
    false: int
    days: int


@dataclass(frozen=True)
class Play:
    """A world that was served, as the service recorded it."""

    data: Dataset
    served: ServiceLog


def seasonal(world: World) -> World:
    """From the fault on, the demand for a third of the topics is 2 log-odds higher, for another third lower."""
    shift = np.resize([2.0, 0.0, -2.0], world.trends.shape[1])
    day = np.arange(len(world.trends))[:, None]
    knobs = replace(world.knobs, trend_sd=max(world.knobs.trend_sd, 1e-9))
    return replace(world, knobs=knobs, trends=world.trends + np.where(day >= FAULT, shift, 0.0))


def competitor(world: World) -> World:
    """One item, published on the day of the fault and open to the end, is liked by everyone."""
    items = world.items
    near = np.where(items.violating, np.inf, np.abs(items.published - FAULT))
    one = int(near.argmin())
    changed = {"published": FAULT, "ends": 500.0, "life": 400.0, "quality": 6.0, "remote": True, "moderated": np.inf}
    columns = {name: getattr(items, name).copy() for name in changed}
    for name, value in changed.items():
        columns[name][one] = value
    return replace(world, items=replace(items, **columns))


def dead_feed(play: Play, start: int, seed: int) -> Play:
    """Half of the interactions and of the feedback are lost."""
    alive = np.random.default_rng(seed).random(play.data.interactions.height) < 0.5
    rows = (play.data.timestamps < start) | alive
    return replace(play, data=replace(play.data, interactions=play.data.interactions.filter(pl.Series(rows))))


def column(play: Play, start: int, change: Callable[[pl.Expr], pl.Expr], name: str) -> Play:
    """A column of the items that are published after the fault is changed."""
    late = pl.col("available_from").dt.epoch("us") >= start
    items = play.data.items
    frame = items.frame.with_columns(pl.when(late).then(change(pl.col(name))).otherwise(pl.col(name)).alias(name))
    return replace(play, data=replace(play.data, items=replace(items, frame=frame)))


def spam_wave(play: Play, start: int, seed: int) -> Play:
    """On ten days, 60 new accounts a day take the same item, the newest one."""
    data, rng = play.data, np.random.default_rng(seed)
    newest = int(np.where(data.items.times("available_from") < start, data.items.times("available_from"), 0).argmax())
    day, account = np.repeat(np.arange(10), 60), np.arange(600)
    names = pl.Series([f"fake-{n}" for n in account])
    fake = pl.DataFrame({
        "user_id": names, "item_id": data.items.ids.gather(np.full(600, newest)),
        "timestamp": pl.Series(start + day * US_PER_DAY + rng.integers(0, US_PER_DAY // 4, 600)).cast(TIME),
        "event": pl.repeat(data.interactions["event"][0], 600, eager=True), "weight": np.ones(600, np.float32),
    })  # fmt: skip
    rows = pl.concat([data.interactions, fake.select(data.interactions.columns)]).sort("timestamp")
    users = pl.concat([data.users.frame, names.alias("user_id").to_frame()], how="diagonal")
    return replace(play, data=replace(data, interactions=rows, users=replace(data.users, frame=users)))


WORLDS: Mapping[str, Callable[[World], World]] = {"seasonal change": seasonal, "new competitor item": competitor}
RECORDS: Mapping[str, Callable[[Play, int, int], Play]] = {
    "half of the feed is lost": dead_feed,
    "frozen feature": lambda p, start, _: column(p, start, lambda c: c.median(), "salary"),
    "shifted unit": lambda p, start, _: column(p, start, lambda c: c / 12, "salary"),
    "spam wave": spam_wave,
}
STALE, NONE = "stale model", "no fault"


def play(fault: str, seed: int) -> Play:
    """The board with this fault."""
    one = served_board(fault if fault in (*WORLDS, STALE) else NONE, seed)
    start = int(np.floor(one.data.timestamps.min() / US_PER_DAY) + FAULT) * US_PER_DAY
    return RECORDS.get(fault, lambda p, *_: p)(one, start, seed)


@lru_cache(maxsize=1)
def served_board(fault: str, seed: int) -> Play:
    """The board that is served, before its records are spoilt."""
    scenario = config.load("jobs", {"bootstrap": 100})
    world = make_world(resolve("jobs", dict(KNOBS)), seed)
    world = WORLDS.get(fault, lambda w: w)(world)
    shop = build(observed(SimulatedTruth(world, simulate(world, seed), seed)))
    weeks = [float(day) for day in np.arange(BEGIN, KNOBS["span_days"], WEEK)]
    models = {day: {"a": _model(shop, world, day)} for day in weeks}
    if fault == STALE:  # from the fault on, the model of the first week answers again
        models |= {day: models[BEGIN] for day in weeks if day >= FAULT}
    served = serve_world(world, seed, shop, scenario, BEGIN, models[BEGIN], models)
    rows = shop.interactions.clear()
    event = pl.lit(shop.interactions["event"][0]).alias("event")
    taken = served.interactions.with_columns(event, pl.lit(1, pl.Float32).alias("weight")).select(rows.columns)
    data = replace(shop, interactions=taken.cast(dict(rows.schema)), signals=shop.signals.clear(), truth=None)
    return Play(data, served)


def _us(world: World, day: float) -> int:
    return int(microseconds(times(np.array([day]), world.knobs))[0])


def _model(data: Dataset, world: World, day: float) -> Answering:
    bundle = fit(data.before(to_datetime(_us(world, day))), "popularity", half_life_share=0.1).bundle
    return Answering(bundle.router, bundle.to_choose)


def streams_of(fault: str, seed: int) -> tuple[int, Span, list[Stream]]:
    """The first day of the data, the span that is watched, and its streams."""
    one = play(fault, seed)
    days = one.data.timestamps // US_PER_DAY
    start = int(days.min())
    last = (start + int(SHIP)) * US_PER_DAY - 1
    known = one.data.before(to_datetime(last + 1))
    span = Span.of(one.data, last, 60)
    rows = answered(one.served.served, one.served.feedback, None)
    return start, span, data_streams(one.data, known, span) + service_streams(rows, span)


def look(fault: str, seed: int) -> Look:
    """What the monitor says of the board with this fault."""
    start, span, streams = streams_of(fault, seed)
    bound = threshold(len(streams), RATE)
    alarms = [(w.alarm - start, w.stream.name) for w in (watch(s, bound) for s in streams) if w.alarm is not None]
    end = FAULT if fault != NONE else 1e9
    true = sorted((day - FAULT, name) for day, name in alarms if day >= end)
    delay = int(true[0][0]) if true and true[0][0] <= PATIENCE else None
    names = [name for day, name in true if day == true[0][0]] if delay is not None else []
    return Look(names, delay, sum(day < end for day, _ in alarms), int(min(end, span.until - start) - SHIP))


def main(argv: list[str]) -> None:
    seeds = int(next((a for a in argv if a.isdigit()), 20))
    looks: dict[str, list[Look]] = {fault: [] for fault in (NONE, *RECORDS, *WORLDS, STALE)}
    for seed in range(FIRST_SEED, FIRST_SEED + 3 * seeds):
        for fault in looks if seed < FIRST_SEED + seeds else (NONE,):  # a rate needs more months than a delay
            looks[fault].append(look(fault, seed))
        sys.stderr.write(f"seed {seed}\n")
    rows = [row(fault, several) for fault, several in looks.items()]
    table = [list(rows[0]), *(list(one.values()) for one in rows)]
    sys.stdout.write(markdown(table))
    if "--write" in argv:
        save("alarm-delays", table)


def row(fault: str, looks: list[Look]) -> dict[str, str]:
    """A line of the table. False alarms have an exact 95% interval of their rate (Garwood 1936)."""
    delays = [one.delay for one in looks if one.delay is not None]
    names = Counter(name for one in looks for name in one.names).most_common(3)
    months, false = sum(one.days for one in looks) / 30, sum(one.false for one in looks)
    low, high = chi2.ppf(0.025, 2 * false) / 2 if false else 0.0, chi2.ppf(0.975, 2 * false + 2) / 2
    delay = f"{np.median(delays):g} [{min(delays)}, {max(delays)}]" if delays else "–"
    rate = f"{false / months:.2f} a month [{low / months:.2f}, {high / months:.2f}]"
    return {
        "fault": fault, "alarm within 30 days": "–" if fault == NONE else f"{len(delays)} of {len(looks)}",
        "days until it, median [least, most]": delay,
        "what alarmed first": ", ".join(n for n, _ in names) or "–",
        "false alarms": f"{false} in {months:.0f} months" + (f": {rate}" if fault == NONE else ""),
    }  # fmt: skip


if __name__ == "__main__":
    run(main)
