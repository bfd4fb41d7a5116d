"""Done: keep what an option took, beside what was stated, in estimates/done.csv.

coldstart done --option ranker --days 14 [--scenario jobs]
"""

from __future__ import annotations

import math

from rich.console import Console

from pipelines import arguments
from pipelines.cli import run, show_log
from recommender import config
from recommender.errors import ConfigError, nearest
from recommender.experiment.out_folder import disk_faults
from recommender.models import RECOMMENDERS, with_person_days
from recommender.planning import done
from recommender.planning.estimates import ESTIMATES, for_scenario, middle, read_estimates


def main(argv: list[str]) -> None:
    args = arguments.parse("done", argv)
    show_log(quiet=False)
    if not (0 < args.days < math.inf):
        raise ConfigError(f"DAYS={args.days:g}: give the person-days that it took, above 0.")
    scenario = config.load(args.scenario) if args.scenario else None
    stated = stated_days(args.option, scenario)
    with disk_faults(ESTIMATES):
        entries = done.add(args.option, stated, args.days, scenario.name if scenario else "")
    team, show = done.bias(entries), Console()
    show.print(f"{args.option}: {stated:g} person-days stated, {args.days:g} taken ({args.days / stated:.1f} times).")
    low, high = team.spread
    n = len(team.factors)
    show.print(f"{n} finished: {team.middle:.1f} times what was stated, the middle half {low:.1f} to {high:.1f}.")
    if not team.used:
        show.print(f"From {done.LEAST} on, a comparison corrects the days of all options by it.")


def stated_days(option: str, scenario: config.Scenario | None) -> float:
    """The median estimate of an option, else the middle of its person_days. Raises ConfigError without either."""
    estimates = for_scenario(read_estimates(), scenario.name if scenario else "")
    known = {name: days for name, r in RECOMMENDERS.items() if (days := r.person_days)}
    stated = with_person_days(scenario).person_days if scenario else known
    if option in estimates:
        return middle(estimates[option])
    if option in stated and sum(stated[option]) > 0:
        return sum(stated[option]) / 2
    raise ConfigError(
        f"OPTION={option}: nobody stated days for it{nearest(option, {*estimates, *stated})}. Add a line to "
        f"{ESTIMATES}/<name>.csv, or person_days to the scenario and SCENARIO=<name>."
    )


if __name__ == "__main__":
    run(main)
