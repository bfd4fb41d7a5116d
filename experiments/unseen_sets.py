"""Sets without times and earlier periods of a public one: ``python -m experiments.unseen_sets FOLDER OUT VARIANT ...``.

FOLDER holds, as Parquet, ``interactions`` (user_id, item_id, timestamp; a row for each pair), ``items`` and ``users``.
VARIANT ``early`` is the first 60% of the rows by time, whose last fifth is asked for. ``timeless`` has no times, and a
random fifth of its rows is asked for; before that ``members=4000`` draws users, ``least=5`` leaves out those with fewer
rows, and ``rows=.25`` or ``rows=20000`` draws a share or a number of rows. Every draw has a fixed seed.

Writes OUT/public: the tables without the answers, ``queries`` (user_id, as_of), ``candidates`` (item_id) and, where
FOLDER has one, ``dataset.yaml``; and OUT/private/truth (user_id, item_id). That is what ``experiments/judged.py``,
``judged_peers.py`` and ``accuracy_tables.py`` read.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import cast

from pipelines.cli import run  # isort: skip  (it sets BLAS threads before NumPy is imported)

import numpy as np
import polars as pl

from recommender.errors import ConfigError
from recommender.files import whole_folder

OPTIONS = {"early": (), "timeless": ("members", "least", "rows")}
COLUMNS = {"interactions": {"user_id", "item_id", "timestamp"}, "items": {"item_id"}, "users": {"user_id"}}
EARLY, TRAIN = 0.6, 0.8  # shares of the rows: of an early set, and of what everyone learns from
Tables = dict[str, pl.DataFrame]


def main(argv: list[str]) -> None:
    if len(argv) < 3 or argv[2] not in OPTIONS:
        raise ConfigError(f"Give a folder, the folder to write, and {' or '.join(OPTIONS)}; got '{' '.join(argv)}'.")
    source, to, variant = Path(argv[0]), Path(argv[1]), argv[2]
    options = numbers(argv[3:], OPTIONS[variant])
    if to.exists():
        raise ConfigError(f"{to} is there already: give another folder, or remove it.")
    tables = read(source)
    parts = parted(early(tables) if variant == "early" else timeless(tables, **options))
    if parts["truth"].is_empty():
        raise ConfigError(f"{source}: too few interactions are left, nothing is asked for.")
    with whole_folder(to) as scratch:
        for name, table in parts.items():
            file = scratch / ("private" if name == "truth" else "public") / f"{name}.parquet"
            file.parent.mkdir(exist_ok=True)
            table.write_parquet(file)
        if (source / "dataset.yaml").is_file():
            shutil.copy(source / "dataset.yaml", scratch / "public")
    sys.stdout.write(f"{to}: {', '.join(f'{table.height:,} {name}' for name, table in parts.items())}\n")


def numbers(pairs: Sequence[str], known: Sequence[str]) -> dict[str, float]:
    """``rows=.25`` -> {"rows": 0.25}. Raises ConfigError for other keys and for what is no number above 0."""
    values = {}
    for key, _, text in (pair.partition("=") for pair in pairs):
        values[key] = float(text) if text.replace(".", "", 1).isdecimal() else 0.0
        if key not in known or values[key] <= 0:
            raise ConfigError(f"'{key}={text}': expected a number above 0 for one of {', '.join(known) or 'no key'}.")
    return values


def read(folder: Path) -> Tables:
    """interactions, items and users of a folder. Raises ConfigError for missing files and columns."""
    if missing := [str(file) for file in (folder / f"{name}.parquet" for name in COLUMNS) if not file.is_file()]:
        raise ConfigError(f"No file {', '.join(missing)}: the docstring of experiments/unseen_sets.py says what is.")
    tables = {name: pl.read_parquet(folder / f"{name}.parquet") for name in COLUMNS}
    if lacking := [f"{n}: {c}" for n, table in tables.items() for c in sorted(COLUMNS[n] - set(table.columns))]:
        raise ConfigError(f"{folder} lacks columns: {', '.join(lacking)}.")
    return tables


def early(tables: Tables) -> Tables:
    """The first ``EARLY`` of the rows by time, and no item that becomes available later."""
    rows, items = tables["interactions"], tables["items"]
    if rows["timestamp"].is_null().all():
        raise ConfigError("These interactions have no times, so there is no early part of them: use timeless.")
    cut = quantile(rows["timestamp"], EARLY)
    if "available_from" in items.columns:
        items = items.filter(pl.col("available_from").is_null() | (pl.col("available_from") < cut))
    return {**tables, "interactions": rows.filter(pl.col("timestamp") < cut), "items": items}


def timeless(tables: Tables, members: float = 0, least: float = 1, rows: float = 0) -> Tables:
    """The tables without times; options as above, 0: all."""
    interactions, items, users = (tables[name] for name in COLUMNS)
    if members:
        drawn = np.random.default_rng(0).permutation(users["user_id"].to_numpy())[: int(members)]
        interactions, users = (t.filter(pl.col("user_id").is_in(drawn.tolist())) for t in (interactions, users))
    interactions = interactions.filter(pl.len().over("user_id") >= least)
    if rows:
        size = min(int(rows * interactions.height if rows < 1 else rows), interactions.height)
        interactions = interactions[np.random.RandomState(1).choice(interactions.height, size, replace=False)]
    no_time = pl.lit(None, pl.Datetime("us", "UTC")).alias("timestamp")
    items = items.drop("available_from", strict=False)
    return {"interactions": interactions.with_columns(no_time), "items": items, "users": users}


def parted(tables: Tables) -> Tables:
    """What everyone may see, and ``truth``: first pairs after the last quantile of time, or of a random fifth."""
    interactions, items, users = (tables[name] for name in COLUMNS)
    if interactions["timestamp"].is_null().all():
        late = pl.Series(np.random.default_rng(0).random(interactions.height) >= TRAIN)
    else:
        late = (interactions["timestamp"] >= quantile(interactions["timestamp"], TRAIN)).fill_null(False)
    train, pair = interactions.filter(~late), ["user_id", "item_id"]
    new = interactions.filter(late).join(train, on=pair, how="anti", maintain_order="left")
    queries = new.group_by("user_id").agg(as_of=pl.col("timestamp").min()).sort("user_id")
    candidates = interactions.select(pl.col("item_id").unique().sort())
    served = pl.concat([train["user_id"], queries["user_id"]])
    return {
        "interactions": train,
        "items": items.join(candidates, on="item_id", how="semi", maintain_order="left"),
        "users": users.filter(pl.col("user_id").is_in(served.unique().implode())),
        "queries": queries,
        "candidates": candidates,
        "truth": new.select(pair).unique(maintain_order=True),
    }


def quantile(times: pl.Series, share: float) -> datetime:
    """The time at this share of the rows, the earlier one between two."""
    ordered = times.drop_nulls().sort()
    return cast(datetime, ordered[int(share * (len(ordered) - 1))])


if __name__ == "__main__":
    run(main)
