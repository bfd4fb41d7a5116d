"""Train the ladder of one scenario: fit, measure, decide, ship, report, track.

python -m pipelines.train --scenario jobs [--data NAME|FOLDER] [--out OUT] [--set KEY=YAML]...
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

from pipelines.cli import Steps, overrides, raw_dir, run, show_log
from pipelines.output import disk_faults, out_folder
from recommender import config
from recommender.data import operators
from recommender.data.summary import save_reference
from recommender.evaluation.effort import EffortLog
from recommender.experiment import ladder, requirements, run_folder, rungs, tuning
from recommender.report.html import write_report
from recommender.report.terminal import print_result
from recommender.serving import persistence
from recommender.serving.bundle import Bundle
from recommender.sources.load import load
from recommender.spam.suspicion import suspected
from recommender.tracking.store import Tracker


def main(argv: list[str]) -> None:
    args = parse(argv)
    show_log(quiet=args.quiet or args.json)
    scenario = config.load(args.scenario, overrides(args.set))
    rungs.check(scenario)
    requirements.check(scenario)
    effort = EffortLog()
    with effort.stage("all", "prepare", "all", ""):
        data = load(args.data or scenario.data.source, raw_dir=raw_dir(), **config.loading(scenario))
        data = operators.apply(data, scenario.data.differences, scenario.seed)

    scenario, aside = requirements.supported(scenario, data)

    name = f"{scenario.name}-{data.name}"
    with out_folder(args.out, name) as out, Tracker(scenario.name, data.name) as tracker, disk_faults(out):
        run_folder.write_config(out, scenario)
        with Steps(tuning.n_steps(scenario), quiet=args.quiet or args.json) as progress:
            scenario = tuning.tune(data, scenario, Path("tuning"), effort, progress)
            decided = partial(run_folder.write_decision, out, scenario)  # complete before the test is looked at
            found = ladder.run(data, scenario, effort, progress, decided, aside)
            known = replace(suspected(data, scenario.spam), truth=None)
            router = ladder.ship(known, found, scenario, effort, progress)
        persistence.save(Bundle(router, known, scenario.eligibility.model_dump()), out / "model")
        save_reference(data, out / "model")
        run_folder.write_tables(out, found, scenario)
        run_folder.write_effort(out, effort, data, scenario)
        run_folder.write_data(out, data, args.data or scenario.data.source, found, scenario)
        write_report(out)
        tell(out, args)
        tracker.log(out)


def tell(out: Path, args: argparse.Namespace) -> None:
    """The result on stdout: a table and the decision in words, or one JSON object for scripts."""
    if args.json:
        decision = json.loads((out / "decision.json").read_text())
        print(json.dumps({"out": str(out), "report": str(out / "report.html"), **decision}))
    elif not args.quiet:
        print_result(out, Console())


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("pipelines.train", description=__doc__)
    parser.add_argument("--scenario", required=True, help=", ".join(config.scenarios()))
    parser.add_argument("--data", help="a source's name or the path of a dataset folder (default: the scenario's own)")
    parser.add_argument("--out", help="a new folder for the results (default: artifacts/<scenario>-<data>-<time>)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=YAML", help="override one configuration key")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    return parser.parse_args(argv)


if __name__ == "__main__":
    run(main)
