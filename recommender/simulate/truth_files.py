"""``truth/`` beside the tables of a simulated dataset folder: everything that made them, and what was shown.

knobs.yaml; items.parquet and users.parquet: every array of ``world.Items`` and ``world.Users`` (labels of spam,
violations and rings among them) and whom users follow; exposures.parquet: one row per place of every list with
its propensity; visits.parquet: the taste of each visit; trends.parquet; careers.parquet where users move. ``read``
makes the ``SimulatedTruth`` of it again.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp
import yaml

from recommender.errors import DataError
from recommender.simulate import network
from recommender.simulate.column_values import ids, times
from recommender.simulate.knobs import Knobs, make_knobs
from recommender.simulate.log import Impressions, Log
from recommender.simulate.network_truth import NetworkTruth
from recommender.simulate.truth import SimulatedTruth
from recommender.simulate.user_columns import follows
from recommender.simulate.world import Bursts, Careers, Items, Users, World

KNOBS, CAREERS, NETWORK = "knobs.yaml", "careers.parquet", "network"
_EXPOSURES = pl.Schema({
    **dict.fromkeys(("user_id", "item_id"), pl.String()), "timestamp": pl.Datetime("us", "UTC"),
    "position": pl.Int16(), "propensity": pl.Float64(), "taken": pl.Boolean(),
})  # fmt: skip


def write(truth: SimulatedTruth | NetworkTruth, path: Path) -> None:
    """Writes the folder ``path``; it must not exist. A network is its knobs and seed: it is drawn again from those."""
    path.mkdir()
    if isinstance(truth, NetworkTruth):
        drawn = {"seed": truth.seed, NETWORK: dataclasses.asdict(truth.members.knobs)}
        (path / KNOBS).write_text(yaml.safe_dump(drawn, sort_keys=False), encoding="utf-8")
        return
    world, knobs = truth.world, truth.world.knobs
    (path / KNOBS).write_text(yaml.safe_dump({"seed": truth.seed, **_plain(knobs)}, sort_keys=False), encoding="utf-8")
    item_ids, user_ids = ids("i", knobs.n_items), ids("u", knobs.n_users)
    _frame(world.items, item_ids.alias("item_id")).write_parquet(path / "items.parquet")
    users = _frame(world.users, user_ids.alias("user_id"))
    users.with_columns(follows(world, np.random.default_rng(0)).alias("follows")).write_parquet(path / "users.parquet")
    exposures(truth).write_parquet(path / "exposures.parquet")
    none = pl.DataFrame({"user": np.zeros(0, np.int64), "time": np.zeros(0), "taste": world.users.taste[:0]})
    visits = [pl.DataFrame({"user": s.user, "time": s.time, "taste": s.taste}) for s in truth.log.shown]
    pl.concat([none, *visits]).write_parquet(path / "visits.parquet")
    if world.careers is not None:
        _frame(world.careers, user_ids.alias("user_id")).write_parquet(path / CAREERS)
    trends = pl.DataFrame(world.trends, schema=[f"topic_{n}" for n in range(world.trends.shape[1])])
    trends.write_parquet(path / "trends.parquet")
    log = truth.log
    taken = {"user": log.user, "item": log.item, "time": log.time, "utility": log.utility}
    pl.DataFrame(taken).write_parquet(path / "taken.parquet")


def read(path: Path) -> SimulatedTruth | NetworkTruth:
    """Raises DataError where files are missing or do not fit each other."""
    try:
        stated = yaml.safe_load((path / KNOBS).read_text(encoding="utf-8"))
        if NETWORK in stated:
            return NetworkTruth.simulated(network.make_knobs(stated[NETWORK]), stated["seed"])
        users, visits = pl.read_parquet(path / "users.parquet"), pl.read_parquet(path / "visits.parquet")
        items, taken = pl.read_parquet(path / "items.parquet"), pl.read_parquet(path / "taken.parquet")
        trends = pl.read_parquet(path / "trends.parquet").to_numpy()
        careers = pl.read_parquet(path / CAREERS) if (path / CAREERS).is_file() else None
    except (OSError, pl.exceptions.PolarsError, yaml.YAMLError) as error:
        raise DataError(f"{path}: the truth of a simulated set cannot be read ({error}). Simulate it again.") from None
    seed, knobs = stated.pop("seed"), make_knobs(stated)
    nobody = np.zeros(0, np.int64)
    graph = _graph(users, knobs.n_users)
    world = World(
        knobs, _arrays(Items, items), _arrays(Users, users), graph, trends, Bursts(nobody, nobody, nobody),
        None if careers is None else _arrays(Careers, careers),
    )  # fmt: skip
    shown = (_visits(visits),)
    user, item, time, utility = (taken[name].to_numpy() for name in ("user", "item", "time", "utility"))
    return SimulatedTruth(world, Log(user, item, time, utility, shown), seed)


def exposures(truth: SimulatedTruth) -> pl.DataFrame:
    """user_id, item_id, timestamp (of the visit), position (1 = first), propensity, taken; one row per place.

    propensity: the chance that the logging policy put this item at this place for this user then. Places that
    the historical bias left empty have no row. An item may stand twice in a list; it is taken once at most.
    """
    knobs = truth.world.knobs
    item_ids, user_ids = ids("i", knobs.n_items), ids("u", knobs.n_users)
    parts = []
    for shown in truth.log.shown:
        row, column = np.nonzero(shown.item >= 0)
        parts.append(pl.DataFrame({
            "user_id": user_ids.gather(shown.user[row]),
            "item_id": item_ids.gather(shown.item[row, column]),
            "timestamp": times(shown.time[row], knobs),
            "position": (column + 1).astype(np.int16),
            "propensity": shown.propensity[row, column],
            "taken": shown.taken[row, column],
        }))  # fmt: skip
    return pl.concat([_EXPOSURES.to_frame(), *parts]).sort("timestamp", "user_id", "position")


def _plain(knobs: Knobs) -> dict[str, Any]:
    """Knobs as YAML can say them."""
    tree = dataclasses.asdict(knobs)
    return {name: [list(v) if isinstance(v, tuple) else v for v in value] if isinstance(value, tuple) else value
            for name, value in tree.items()}  # fmt: skip


def _frame(arrays: Items | Users | Careers, first: pl.Series) -> pl.DataFrame:
    columns = [pl.Series(field.name, getattr(arrays, field.name)) for field in dataclasses.fields(arrays)]
    return pl.DataFrame([first, *columns])


def _arrays(kind: type[Any], frame: pl.DataFrame) -> Any:
    return kind(**{field.name: frame[field.name].to_numpy() for field in dataclasses.fields(kind)})


def _visits(frame: pl.DataFrame) -> Impressions:
    """Visits without their lists."""
    nothing = np.zeros((frame.height, 0))
    user, time, taste = (frame[name].to_numpy() for name in ("user", "time", "taste"))
    return Impressions(user, time, nothing.astype(np.int64), nothing, nothing.astype(bool), taste)


def _graph(users: pl.DataFrame, n: int) -> sp.csr_matrix:
    row = pl.Series("row", np.arange(n))
    edges = users.select(row, "follows").explode("follows").drop_nulls()
    followed = edges["follows"].str.slice(1).cast(pl.Int64).to_numpy()
    return sp.csr_matrix((np.ones(len(followed), np.float32), (edges["row"].to_numpy(), followed)), shape=(n, n))
