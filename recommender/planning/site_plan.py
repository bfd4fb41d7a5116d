"""The whole plan of one site: what it stands on, what to do next, when, and whether to start at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from recommender.config import ProblemStatement, Scenario
from recommender.experiment.run_folder import RunFolder
from recommender.online.realized import OnlineGain, RealizedShare, read_gains, realized_share
from recommender.planning import done, estimates, roadmap, viability
from recommender.planning.done import Bias, Done
from recommender.planning.estimates import TeamEstimate
from recommender.planning.options import Proposal, closed, proposals
from recommender.planning.ranking import Chance, ranked


@dataclass(frozen=True)
class Team:
    """What the team states: its estimates, what it took for what is finished, and what gains became online."""

    estimates: Sequence[TeamEstimate] = ()
    done: Sequence[Done] = ()
    online: Sequence[OnlineGain] = ()


@dataclass(frozen=True)
class SitePlan:
    """sheet: of viability, empty where nothing ships; options: by their chance to be among the best three; split: where
    people disagree most; dated: ``roadmap.table``; realized: how much of an offline gain comes true online."""

    site: str
    problem: ProblemStatement
    sheet: Sequence[viability.SheetAnswer]
    options: Sequence[tuple[Proposal, Chance]]
    team: Bias
    split: tuple[str, TeamEstimate, TeamEstimate] | None
    moves: Sequence[roadmap.DatedMove]
    dated: pl.DataFrame = field(repr=False)
    realized: RealizedShare = field(default_factory=RealizedShare)

    @property
    def enough(self) -> bool:
        """Whether a rule reaches the goal."""
        return viability.stop_here(self.sheet)

    @property
    def near(self) -> pl.DataFrame:
        """The dated moves without those that are not in sight."""
        return self.dated.filter(pl.col("verdict") != roadmap.NEVER)

    @property
    def far(self) -> list[str]:
        """Moves that are not in sight for any group."""
        near = {(m.what, m.over) for m in self.moves if m.verdict != roadmap.NEVER}
        far = [m for m in self.moves if m.verdict == roadmap.NEVER and (m.what, m.over) not in near]
        return list(dict.fromkeys(f"{m.what} after {m.over}" if m.over != roadmap.GOAL else "the goal" for m in far))


def read_team() -> Team:
    """What stands in ``estimates/`` and ``experiments/online.csv`` of the working directory. Raises DataError, naming
    file and line."""
    return Team(estimates.read_estimates(), done.read_done(), read_gains())


def site_plan(
    site: str, facts: pl.DataFrame, scenario: Scenario, run: RunFolder | None, team: Team, today: date
) -> SitePlan:
    """facts: of this site, of its train and of its comparison; run: what ships, None where nothing was decided."""
    mine = estimates.for_scenario(team.estimates, scenario.name)
    built = done.finished(team.done, scenario.name)
    bias = done.bias(team.done)
    options = ranked(proposals(facts, scenario, mine, built), scenario.problem, bias, scenario.seed)
    sheet = viability.answers(run, facts) if run else []
    ships = facts.filter(topic="ships")
    there = {*ships["what"], *ships["reason"], *built}
    needs = {r: closed(r, scenario.plan.needs, there) for r in facts.filter(topic="ahead")["what"].unique()}
    chances = {p.what: c for p, c in options}
    moves = roadmap.moves(facts, needs, chances, viability.stop_here(sheet))
    split = estimates.disagreement({option: es for option, es in mine.items() if option not in there})
    return SitePlan(site, scenario.problem, sheet, options, bias, split, moves, roadmap.table(moves, today),
                    realized_share([g for g in team.online if g.scenario == scenario.name]))  # fmt: skip
