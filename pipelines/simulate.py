"""Writes a simulated data set as a dataset folder.

python -m pipelines.simulate --scenario jobs --to DIR [--set knob=value] [--seed N] [--no-truth]

Starts from the scenario's own options of the simulator; docs/simulator.md lists the knobs. The folder's
``truth/`` holds what made the data; training on the folder reads it for its controls only.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import yaml

from pipelines import cli  # before the library: sets the threads before NumPy is imported
from recommender import config
from recommender.data.folder import write_folder
from recommender.data.simulate import observed, play, truth_files
from recommender.errors import ConfigError


def main(argv: list[str]) -> None:
    args = _parser().parse_args(argv)
    options = dict(config.load(args.scenario).data.options.get("simulated", {}))
    options.update(_knob(given) for given in cli.overrides(args.set))
    if args.seed is not None:
        options["seed"] = args.seed
    truth = play(**options, record=not args.no_truth)
    tables = observed(truth)
    write_folder(tables, args.to, None if args.no_truth else lambda to: truth_files.write(truth, to / "truth"))
    cli.console.print(
        f"{tables.name}: {tables.interactions.height:,} rows of interactions, {tables.items.height:,} items",
        soft_wrap=True,
    )
    print(args.to)


def _knob(given: str) -> tuple[str, Any]:
    name, separator, value = given.partition("=")
    if not separator:
        raise ConfigError(f"--set {given}: expected knob=value, for example --set n_users=2000")
    try:
        return name, yaml.safe_load(value)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: 2024-13-45 looks like a date and is none
        why = " ".join(str(error).split())
        raise ConfigError(f"--set {given}: the value is no YAML ({why}). Close brackets and quotes.") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipelines.simulate", description=__doc__.splitlines()[0])
    parser.add_argument("--scenario", required=True, help="a name in configs/")
    parser.add_argument("--to", required=True, type=Path, help="the folder to write; must not exist")
    parser.add_argument("--set", action="append", default=[], metavar="KNOB=VALUE", help="repeatable")
    parser.add_argument("--no-truth", action="store_true", help="without the folder truth/ (large sets)")
    parser.add_argument("--seed", type=int, help="default: the scenario's, else 0")
    return parser


if __name__ == "__main__":
    cli.run(main)
