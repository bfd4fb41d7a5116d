"""Writes a simulated data set as a dataset folder.

coldstart simulate --scenario jobs --to DIR [--like DATA] [--set knob=value] [--seed N] [--no-truth] [--until SHARE]
    [--serve MODEL [--beside MODEL]]

Starts from the scenario's own options of the simulator; docs/simulator.md lists the knobs. ``--like`` turns them
until the simulated set is like DATA in its measures: a twin. The folder's ``truth/`` holds what made the data;
training on the folder reads it for its controls only. With ``--until`` the folder ends at that share of the time, and
its ``since/`` holds the rows that come after, for what a model that was trained on the folder meets in use.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.table import Table

from pipelines import arguments, cli  # before the library: sets the threads before NumPy is imported
from pipelines.serve import source
from recommender import config
from recommender.config import Scenario
from recommender.config.files import key_value, raw_dir
from recommender.data.folder import write_folder
from recommender.data.gate import Tables, build
from recommender.errors import ConfigError
from recommender.files import whole_folder
from recommender.serving.variants import CANDIDATE, CHAMPION
from recommender.simulate import SimulatedTruth, observed, play, truth_files
from recommender.simulate.column_values import days, times
from recommender.simulate.likeness import table
from recommender.simulate.network_likeness import twin_knobs
from recommender.simulate.network_truth import NetworkTruth
from recommender.sources.load import load

TIME = pl.Datetime("us", "UTC")


def main(argv: list[str]) -> None:
    args = arguments.parse("simulate", argv)
    scenario = config.load(args.scenario)
    options = dict(scenario.data.options.get("simulated", {}))
    if args.like:
        real = load(args.like, raw_dir=raw_dir(), **config.loading(scenario))
        options.update(twin_knobs(real, options.get("preset", "catalog")))
    options.update(key_value(given, "knob=value, for example --set n_users=2000") for given in args.set)
    if args.seed is not None:
        options["seed"] = args.seed
    if args.serve:
        return serve(args, scenario, options)
    truth = play(**options, record=not args.no_truth)
    tables = observed(truth)
    if args.like:
        _tell(table(real, build(tables)))
    write(tables, truth, args.to, args.until, args.no_truth)
    cli.console.print(
        f"{tables.name}: {tables.interactions.height:,} rows of interactions, {tables.items.height:,} items",
        soft_wrap=True,
    )
    print(args.to)


def serve(args: argparse.Namespace, scenario: Scenario, options: dict[str, Any]) -> None:
    """``to/log`` and the rows that come after what the models learned from: users answer their lists by the truth."""
    from recommender.operate.answering import Answering
    from recommender.operate.traffic import serve_world
    from recommender.serving.log import write_log

    truth = play(**options)
    if isinstance(truth, NetworkTruth):
        raise ConfigError("SERVE: networks of people cannot be served yet. Choose a scenario with items.")
    tables, knobs = observed(truth), truth.world.knobs
    given = {CHAMPION: args.serve, CANDIDATE: args.beside} if args.beside else {CHAMPION: args.serve}
    sources = {name: source(model) for name, model in given.items()}
    bundles = {name: load()[0] for name, (_, load) in sources.items()}
    answering = {name: Answering(one.router, one.to_choose) for name, one in bundles.items()}
    begins = {name: float(days(np.array([one.known.last]), knobs)[0]) // 1 + 1 for name, one in bundles.items()}
    for name, begin in begins.items():
        if not 0 < begin < knobs.span_days - 7:
            raise ConfigError(f"SERVE: {given[name]} did not learn from the first part of this world (see UNTIL=).")
    played = serve_world(
        truth.world, truth.seed, build(tables), scenario, begins[CHAMPION], {CHAMPION: answering[CHAMPION]},
        {begins[CANDIDATE]: answering} if CANDIDATE in begins else None,
        {name: version() for name, (version, _) in sources.items()},
    )  # fmt: skip
    newest, end = bundles.get(CANDIDATE, bundles[CHAMPION]), pl.lit(_cut(tables, args.until or 1.0)).cast(TIME)
    first = pl.lit(times(np.array([max(begins.values())]), knobs)[0])
    served = played.served.filter(pl.col("as_of").is_between(first, end))
    feedback = played.feedback.join(served, on="list_id", how="semi").filter(pl.col("timestamp") <= end)
    last = pl.lit(newest.known.last).cast(TIME)
    rows = played.interactions.filter(pl.col("timestamp").is_between(last, end, closed="right"))
    with whole_folder(args.to) as folder:
        write_log(folder / "log", served=served, feedback=feedback, pseudonymous=False)
        rows.with_columns(event=pl.lit(knobs.event), weight=pl.lit(1.0)).write_parquet(folder / "interactions.parquet")
        for name, frame, known in (
            ("items", tables.items, newest.data.items), ("users", tables.users, newest.data.users),
        ):  # fmt: skip
            if frame is not None:
                new = known.lookup(frame[known.key]) < 0
                frame.filter(pl.Series(new)).write_parquet(folder / f"{name}.parquet")
    cli.console.print(f"{served['list_id'].n_unique():,} lists, {feedback.height:,} taken -> {args.to}")


def _cut(tables: Tables, until: float) -> int:
    """Microseconds since 1970 at that share of the time of the interactions."""
    stamps = tables.interactions["timestamp"].cast(TIME).dt.epoch("us")
    first, last = int(stamps.min()), int(stamps.max())  # type: ignore[arg-type]
    return int(first + until * (last - first)) if until < 1 else last


def write(tables: Tables, truth: SimulatedTruth | NetworkTruth, to: Path, until: float | None, no_truth: bool) -> None:
    """The dataset folder; what comes after the share ``until`` of the time goes into its ``since/``."""
    if until is not None and not 0 < until < 1:
        raise ConfigError(f"UNTIL={until:g}: expected a share of the time, between 0 and 1.")
    before, since = (tables, None) if until is None else parted(tables, until)

    def beside(folder: Path) -> None:
        if since is not None:
            write_folder(since, folder / "since")
        elif not no_truth:
            truth_files.write(truth, folder / "truth")

    write_folder(before, to, beside)


def parted(tables: Tables, until: float) -> tuple[Tables, Tables]:
    """What a service knows at that share of the time, and the rows that come after it."""
    stamps, cut = tables.interactions["timestamp"].cast(TIME), pl.lit(_cut(tables, until)).cast(TIME)
    old = tables.interactions.filter(stamps < pl.select(cut).item())
    new = tables.interactions.filter(stamps >= pl.select(cut).item())
    known = pl.col("item_id").is_in(old["item_id"].implode())
    if "available_from" in tables.items.columns:
        known |= pl.col("available_from").cast(pl.Datetime("us", "UTC")) < cut
    met = pl.col("user_id").is_in(old["user_id"].implode())
    users = tables.users
    before = replace(tables, interactions=old, items=tables.items.filter(known), truth=None,
                     users=None if users is None else users.filter(met))  # fmt: skip
    after = replace(tables, interactions=new, items=tables.items.filter(~known), truth=None,
                    users=None if users is None else users.filter(~met))  # fmt: skip
    return before, after


def _tell(measures: pl.DataFrame) -> None:
    shown = Table("measure", "real", "twin", title="the set and its twin")
    for name, real, twin in measures.iter_rows():
        shown.add_row(name, *("-" if value is None else f"{value:.4g}" for value in (real, twin)))
    cli.console.print(shown)


if __name__ == "__main__":
    cli.run(main)
