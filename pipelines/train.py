"""Train the ladder of one scenario: fit, measure, decide, ship, report, track.

coldstart train --scenario jobs [--data NAME|FOLDER] [--out OUT] [--set KEY=YAML]... [--engine local-spark|sc://...]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console

from pipelines import arguments
from pipelines.cli import Steps, run, show_log
from recommender import config
from recommender.api import flow
from recommender.config.files import raw_dir
from recommender.engine.backend import backend_at
from recommender.evaluation.effort import EffortLog
from recommender.experiment import requirements, tuning
from recommender.experiment.out_folder import disk_faults, out_folder
from recommender.report.terminal import print_result
from recommender.tracking import promotion
from recommender.tracking.runs import Tracker


def main(argv: list[str]) -> None:
    args = arguments.parse("train", argv)
    show_log(quiet=args.quiet or args.json)
    scenario = config.load(args.scenario, args.set)
    flow.check(scenario)
    source, effort = args.data or scenario.data.source, EffortLog()
    with backend_at(args.engine, args.shared, scenario.engine) as backend:
        data = flow.read(source, scenario, raw_dir(), effort, backend.load)
        scenario, skipped = requirements.supported(scenario, data)

        name = f"{scenario.name}-{data.name}"
        with out_folder(args.out, name) as out, Tracker(scenario.name, data.name) as tracker, disk_faults(out):
            with Steps(tuning.n_steps(scenario), quiet=args.quiet or args.json) as progress:
                flow.run(data, scenario, skipped, source, out, effort, progress, backend.asker)
            from recommender.report.document import write_report  # with the library of charts: a second, only now

            write_report(out)
            tell(out, args)
            tracker.log(out)
        if tracker.registered is not None and not (args.quiet or args.json):
            Console().print(next_step(tracker.registered, out), markup=False, highlight=False, soft_wrap=True)


def tell(out: Path, args: argparse.Namespace) -> None:
    """The result on stdout: a table and the decision in words, or one JSON object for scripts."""
    if args.json:
        decision = json.loads((out / "decision.json").read_text())
        print(json.dumps({"out": str(out), "report": str(out / "report.html"), **decision}))
    elif not args.quiet:
        print_result(out, Console())


def next_step(registered: str, out: Path) -> str:
    """What a train has not done: nothing is served from it yet. registered: models:/<name>/<version>."""
    name, _, version = registered.removeprefix("models:/").rpartition("/")
    champion = promotion.champion(name)
    ships = f"Version {version} of {name} is registered as candidate; make promote MODEL={out}"
    if champion is None:
        return (
            f"{ships} makes it the first champion. Until then make serve MODEL=models:/{name}@champion finds none; "
            f"MODEL={out} serves it at once."
        )
    return f"{ships} ships it where it is no worse than the champion, version {champion.version}."


if __name__ == "__main__":
    run(main)
