"""Compares a candidate with the champion on the same newest queries, and moves the alias where the gate holds.

coldstart promote --model OUT|models:/NAME@candidate [--data DATA] [--reason TEXT] [--force REASON] [--json]

The gate is ``promote`` of the candidate's scenario. Exit code 4: it does not hold, and ``champion`` stays.
"""

from __future__ import annotations

import getpass
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from pipelines import arguments, cli  # before the library: sets the threads before NumPy is imported
from recommender.api import flow
from recommender.config.files import raw_dir
from recommender.errors import UserError
from recommender.evaluation.effort import EffortLog
from recommender.experiment.run_folder import read_run
from recommender.operate.answering import Contender
from recommender.operate.gate import Verdict, judge_pair
from recommender.operate.paired import pair
from recommender.serving import persistence
from recommender.tracking import promotion


def main(argv: list[str]) -> None:
    args = arguments.parse("promote", argv)
    cli.show_log(quiet=args.json)
    candidate = promotion.find(args.model)
    champion = promotion.champion(candidate.name)
    if champion == candidate:
        cli.console.print(f"{candidate.uri} is the champion already.", soft_wrap=True)
        return
    verdict = Verdict(()) if champion is None else compared(champion, candidate, args.data, forced=bool(args.force))
    moves = verdict.holds or bool(args.force)
    row = {
        "who": getpass.getuser(), "reason": args.force or args.reason, "forced": bool(args.force and not verdict.holds),
        "from": champion and champion.version, "gate": verdict.sentence, **verdict.tree(),
    }  # fmt: skip
    (promotion.promote if moves else promotion.refuse)(candidate, row)
    tell(verdict, candidate, moves, row, args.json)
    if not moves:
        sys.exit(cli.ALARM)


def compared(
    champion: promotion.Registered, candidate: promotion.Registered, data: str | None, forced: bool = False
) -> Verdict:
    """Both versions on the newest queries of ``data`` (None: where the candidate's train read them). A champion that
    cannot be loaded, of an older version of this package, can only be replaced by force."""
    with tempfile.TemporaryDirectory(prefix="promote-") as scratch:
        sides = []
        for side in (champion, candidate):
            model, run = promotion.model_and_run(side.uri, Path(scratch) / side.version)
            try:
                sides.append(Contender(persistence.load(model), read_run(run)))
            except UserError as error:
                if side is candidate or not forced:
                    way_out = "" if side is candidate else ' FORCE="a reason" replaces it without a comparison.'
                    raise UserError(f"{side.uri}: {error}{way_out}") from error
                return Verdict((), incomparable=str(error))
        scenario = sides[1].run.scenario
        known = flow.read(data or str(sides[1].run.data["source"]), scenario, raw_dir(), EffortLog())
        pairing = pair(known, sides[0], sides[1], scenario, scenario.promote.least)
        return judge_pair(pairing, scenario, sides[0].run, sides[1].run)


def tell(verdict: Verdict, candidate: promotion.Registered, moves: bool, row: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"model": candidate.name, "version": candidate.version, "promoted": moves, **row}))
        return
    for check in verdict.checks:
        cli.console.print(f"{'holds' if check.holds else 'FAILS':>6}  {check.sentence}", markup=False, soft_wrap=True)
    cli.console.print(verdict.sentence, markup=False, soft_wrap=True)
    ends = "is the champion now" if moves else "stays a candidate"
    print(f"models:/{candidate.name}/{candidate.version} {ends}{' (forced)' * row['forced']}.")


if __name__ == "__main__":
    cli.run(main)
