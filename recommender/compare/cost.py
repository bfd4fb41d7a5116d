"""What did it cost? Computing, as measured, and people, as the configuration states."""

from __future__ import annotations

import numpy as np
import polars as pl

from recommender.compare.page_model import Sentence
from recommender.compare.plan import TRANSFER
from recommender.compare.site import Site
from recommender.compare.wording import evidence
from recommender.names import ROUTER
from recommender.studies.engine.finding import NOT_ENOUGH, interval


def cost(site: Site) -> list[Sentence]:
    told = []
    if site.decided is not None:
        told.append(Sentence(_computing(site), evidence(site, TRANSFER)))
    told += [Sentence(sentence, evidence(site, TRANSFER)) for sentence in (*_people(site), *_cheapest(site))]
    spent = sum(r.whole_seconds for r in site.cells)
    told.append(
        Sentence(
            f"To measure all that is told here of {site.name} took {spent:,.0f} CPU seconds, {len(site.cells)} fits "
            "of the ladder or of a part of it.",
            evidence(site, *site.runs),
        )
    )
    return told


def _people(site: Site) -> list[str]:
    """What building all that ships takes of people, as stated."""
    rungs, days = site.serving, site.scenario.person_days
    if lacking := [rung for rung in rungs if rung not in days]:
        where = f"configs/{site.scenario.name}.yaml states no person_days for {', '.join(lacking)}"
        return [f"{NOT_ENOUGH} on people's time: {where}."]
    total = site.days(rungs)
    if not rungs or total is None:
        return []
    each = ", ".join(f"{rung} {days[rung][0]:g} to {days[rung][1]:g}" for rung in rungs)
    together = f", together {total[0]:g} to {total[1]:g}" if len(rungs) > 1 else ""
    return [f"Stated in the configuration, not measured: person-days to build what ships today: {each}{together}."]


def _cheapest(site: Site) -> list[str]:
    """Of single rungs for everyone that are shown to reach the goal, the one of least stated person-days, then CPU."""
    cell, target, days = site.today, site.scenario.problem.target, site.scenario.person_days
    if cell is None:
        return []
    reached = site.reaching()
    if not reached:
        there = [r for r in cell.rungs if r in site.doubted and (found := site.tested(r)) and found[1] >= target]
        mind = f" {', '.join(there)} does in the test period, but did not win before (see day one)." if there else ""
        return [f"No single rung for everyone is shown to reach the goal, {site.label} {target:g}.{mind}"]
    first = min(reached, key=lambda r: (sum(days.get(r, (np.inf,))), cell.seconds[r]))
    stated = f"{days[first][0]:g} to {days[first][1]:g} stated person-days, " if first in days else ""
    return [
        f"The cheapest single rung that is shown to reach the goal is {first}: {stated}{cell.seconds[first]:.2f} CPU "
        f"seconds, {site.label} {interval(*reached[first])}, without re-rankers."
    ]


def _computing(site: Site) -> str:
    assert site.decided is not None
    seconds = site.decided.seconds
    simplest = site.decided.rungs[0]
    effort = pl.read_parquet(site.decided.folder / "effort.parquet")
    peak = float(effort["peak_mb"].max())  # type: ignore[arg-type]
    return (
        f"One fit and all lists of the test period take {seconds[ROUTER]:.2f} CPU seconds for what is shipped, "
        f"{seconds[simplest]:.2f} for {simplest}, the simplest rung. Choosing on the validation periods, all included, "
        f"took {site.decided.whole_seconds:.0f} CPU seconds and at most {peak:,.0f} MB. The data have "
        f"{site.decided.columns:.0f} feature columns."
    )
