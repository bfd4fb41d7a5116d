"""Writes a simulated data set as a dataset folder.

coldstart simulate --scenario jobs --to DIR [--like DATA] [--set knob=value] [--seed N] [--no-truth]

Starts from the scenario's own options of the simulator; docs/simulator.md lists the knobs. ``--like`` turns them
until the simulated set is like DATA in its measures: a twin. The folder's ``truth/`` holds what made the data;
training on the folder reads it for its controls only.
"""

from __future__ import annotations

import polars as pl
from rich.table import Table

from pipelines import arguments, cli  # before the library: sets the threads before NumPy is imported
from recommender import config
from recommender.config.files import key_value, raw_dir
from recommender.data.folder import write_folder
from recommender.data.gate import build
from recommender.errors import ConfigError
from recommender.simulate import observed, play, truth_files
from recommender.simulate.likeness import knobs_like, table
from recommender.simulate.network import network_names
from recommender.sources.load import load


def main(argv: list[str]) -> None:
    args = arguments.parse("simulate", argv)
    scenario = config.load(args.scenario)
    options = dict(scenario.data.options.get("simulated", {}))
    if args.like and options.get("preset") in network_names():
        raise ConfigError(
            "LIKE: there are no twins of networks. Set the knobs yourself: SET='n_users=2000 closure=0.6'."
        )
    if args.like:
        real = load(args.like, raw_dir=raw_dir(), **config.loading(scenario))
        options.update(knobs_like(real, options.get("preset", "catalog")))
    options.update(key_value(given, "knob=value, for example --set n_users=2000") for given in args.set)
    if args.seed is not None:
        options["seed"] = args.seed
    truth = play(**options, record=not args.no_truth)
    tables = observed(truth)
    if args.like:
        _tell(table(real, build(tables)))
    write_folder(tables, args.to, None if args.no_truth else lambda to: truth_files.write(truth, to / "truth"))
    cli.console.print(
        f"{tables.name}: {tables.interactions.height:,} rows of interactions, {tables.items.height:,} items",
        soft_wrap=True,
    )
    print(args.to)


def _tell(measures: pl.DataFrame) -> None:
    shown = Table("measure", "real", "twin", title="the set and its twin")
    for name, real, twin in measures.iter_rows():
        shown.add_row(name, *("-" if value is None else f"{value:.4g}" for value in (real, twin)))
    cli.console.print(shown)


if __name__ == "__main__":
    cli.run(main)
