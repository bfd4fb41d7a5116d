"""Trains a model again on the data of now, with the same decision or deciding again, and registers a candidate.

coldstart retrain --model OUT|models:/NAME@champion [--data DATA] [--decide] [--out OUT] [--promote]

Without ``--decide`` the ladder is cut to the rungs that serve, each in its setting: nothing is searched. With
``--promote`` the candidate then has to pass the gate (exit code 4: it does not).
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from pipelines import arguments, cli, promote, train
from recommender.experiment.run_folder import RunFolder, read_run
from recommender.tracking import promotion


def main(argv: list[str]) -> None:
    args = arguments.parse("retrain", argv)
    with tempfile.TemporaryDirectory(prefix="retrain-") as scratch:
        _, folder = promotion.model_and_run(args.model, Path(scratch) / "run")
        run = read_run(folder)
        scenario = Path(scratch) / f"{run.scenario.name}.yaml"
        scenario.write_text(yaml.safe_dump(wanted_settings(run, args.decide), sort_keys=False))
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        out = args.out or f"artifacts/{run.scenario.name}-{run.data['name']}-again-{stamp}"
        data = args.data or str(run.data["source"])
        quiet = ["--quiet"] * args.quiet
        train.main(["--scenario", str(scenario), "--data", data, "--out", out, *quiet])
    if args.promote:
        promote.main(["--model", out, "--data", data, "--reason", "trained again"])


def wanted_settings(run: RunFolder, decide: bool) -> dict[str, Any]:
    """The scenario of the train, whole or with the rungs that serve as its ladder."""
    tree = run.scenario.model_dump(mode="json")
    if decide:
        return tree
    settings = run.decision.parameters
    serving = [rung for rung in tree["ladder"] if rung["name"] in run.decision.served]
    tree["ladder"] = [{**rung, "params": dict(settings[rung["name"]]), "candidates": []} for rung in serving]
    tree["tune"] = {"search": 0}
    return tree


if __name__ == "__main__":
    cli.run(main)
