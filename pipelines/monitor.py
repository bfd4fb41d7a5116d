"""Watches a model in use: one page, health.json, time series in MLflow, and exit code 4 on an alarm.

coldstart monitor --model OUT|models:/NAME@champion [--data DATA] [--interactions FILE] [--items FILE] [--users FILE]
    [--served LOG] [--feedback LOG] [--until DAY] [--out OUT] [--quick]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from datetime import date
from pathlib import Path

import polars as pl

from pipelines import arguments, cli  # before the library: sets the threads before NumPy is imported
from pipelines.recommend import exact_columns
from recommender.api import flow
from recommender.config.files import raw_dir
from recommender.data.dataset import Dataset
from recommender.data.read.table import read_table
from recommender.errors import ConfigError
from recommender.evaluation.effort import EffortLog
from recommender.experiment.out_folder import out_folder
from recommender.experiment.run_folder import read_run
from recommender.files import write_json
from recommender.operate.answering import Contender
from recommender.operate.health import Health, check
from recommender.serving import persistence
from recommender.serving.log import as_table, read_log
from recommender.serving.new_rows import extended
from recommender.tracking import promotion


def main(argv: list[str]) -> None:
    args = arguments.parse("monitor", argv)
    cli.show_log(quiet=args.quiet or args.json)
    with tempfile.TemporaryDirectory(prefix="monitor-") as scratch:
        model, run = promotion.model_and_run(args.model, Path(scratch) / "run")
        shipped = Contender(persistence.load(model), read_run(run))
        data = everything(args, shipped)
        served = None if args.served is None else logged(args.served, "served")
        feedback = None if args.served is None else logged(args.feedback or args.served, "feedback")
        health = check(data, shipped, served, feedback, last_day(args.until), args.quick)
        name = f"health-{shipped.run.data['name']}"
        with out_folder(args.out, name) as out:
            write_json(out / "health.json", {"model": args.model, **health.tree()})
            from recommender.report.health import write_health  # with the library of charts

            write_health(out, health, shipped.run, args.model)
            tell(health, out, args)
            from recommender.tracking.health import log_health

            log_health(health, shipped.run, args.model, out)
    if health.alarms:
        sys.exit(cli.ALARM)


def everything(args: argparse.Namespace, shipped: Contender) -> Dataset:
    """What the train read, with the rows that came since. Raises UserError where nothing came."""
    scenario = shipped.run.scenario
    data = flow.read(args.data or str(shipped.run.data["source"]), scenario, raw_dir(), EffortLog())
    tables = {name: getattr(args, name) for name in ("items", "users", "interactions")}
    exact = exact_columns(data)
    frames = {name: read_table(Path(file), exact=exact) if file else None for name, file in tables.items()}
    data = extended(data, frames["items"], frames["users"], frames["interactions"])
    if not (data.timestamps > shipped.last).any():
        raise ConfigError(
            f"No interaction is later than what {args.model} learned from. Give those that came since: "
            "INTERACTIONS=<file>, or DATA=<folder> where the data have grown."
        )
    return data


def logged(where: Path, table: str) -> pl.DataFrame:
    """A table of the service's log: the LOG folder, or a file of your own in its columns."""
    if where.is_file():
        return as_table(table, read_table(where), str(where))
    log = read_log(where)
    return log.served if table == "served" else log.feedback


def last_day(text: str | None) -> int | None:
    """Whole days since 1970 of a date."""
    if text is None:
        return None
    try:
        return (date.fromisoformat(text) - date(1970, 1, 1)).days
    except ValueError:
        raise ConfigError(f"UNTIL={text}: expected a day such as 2026-01-31.") from None


def tell(health: Health, out: Path, args: argparse.Namespace) -> None:
    if args.json:
        print(json.dumps({"out": str(out), **health.tree()}))
    elif not args.quiet:
        for finding in health.findings:
            for sentence in finding.sentences:
                cli.console.print(f"{finding.title}: {sentence}", markup=False, soft_wrap=True)
        print(f"Page, open in a browser: {(out / 'health.html').resolve().as_uri()}")


if __name__ == "__main__":
    cli.run(main)
