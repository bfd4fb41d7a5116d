"""What did it cost? Computing, as measured, and people, as the configuration states."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from recommender.compare.page_model import Sentence
from recommender.compare.plan import TRANSFER
from recommender.compare.site import Site
from recommender.compare.wording import cited
from recommender.names import ROUTER
from recommender.studies.engine.finding import NOT_ENOUGH, interval


def cost(site: Site) -> list[Sentence]:
    """CPU seconds of what ships, stated person-days, the cheapest rung that reaches the goal, the whole measurement."""
    seconds = sum(r.whole_seconds for r in site.cells)
    whole = (
        f"To measure everything on this page about {site.name} took {seconds:,.0f} CPU seconds, {len(site.cells)} fits "
        "of the ladder or of a part of it."
    )
    texts = [*_computing(site), *_people(site), *_cheapest(site)]
    return cited(texts, site, TRANSFER) + cited([whole], site, *site.runs)


def _computing(site: Site) -> Iterator[str]:
    if cell := site.decided:
        peak = float(pl.read_parquet(cell.folder / "effort.parquet")["peak_mb"].max())  # type: ignore[arg-type]
        yield (
            f"One fit and all lists of the test period take {cell.seconds[ROUTER]:.2f} CPU seconds for what ships, "
            f"{cell.seconds[cell.rungs[0]]:.2f} for {cell.rungs[0]}, the simplest rung. Choosing on the validation "
            f"periods, all included, took {cell.whole_seconds:.0f} CPU seconds and at most {peak:,.0f} MB. The data "
            f"have {cell.columns:.0f} feature columns."
        )


def _people(site: Site) -> Iterator[str]:
    """Person-days to build all that ships, as stated."""
    rungs, days = site.shipped_rungs, site.scenario.person_days
    if lacking := [rung for rung in rungs if rung not in days]:
        where = f"configs/{site.scenario.name}.yaml states no person_days for {', '.join(lacking)}"
        yield f"{NOT_ENOUGH} on people's time: {where}."
    elif rungs and (total := site.days(rungs)):
        each = ", ".join(f"{rung} {days[rung][0]:g} to {days[rung][1]:g}" for rung in rungs)
        together = f", together {total[0]:g} to {total[1]:g}" if len(rungs) > 1 else ""
        yield f"Stated in the configuration, not measured: person-days to build what ships today: {each}{together}."


def _cheapest(site: Site) -> Iterator[str]:
    """The single rung of least stated person-days, then CPU, among those that are shown to reach the goal."""
    cell, target, days = site.today, site.scenario.problem.target, site.scenario.person_days
    if cell is None:
        return
    if reached := site.reaching_goal():
        first = min(reached, key=lambda r: (sum(days.get(r, (np.inf,))), cell.seconds[r]))
        stated = f"{days[first][0]:g} to {days[first][1]:g} stated person-days, " if first in days else ""
        yield (
            f"The cheapest single rung that is shown to reach the goal is {first}: {stated}{cell.seconds[first]:.2f} "
            f"CPU seconds, {site.label} {interval(*reached[first])}, without re-rankers."
        )
        return
    by_luck = [r for r in cell.rungs if r in site.doubted and (value := site.value(r)) and value[1] >= target]
    mind = f" {', '.join(by_luck)} does in the test period, but did not win before (see day one)." if by_luck else ""
    yield f"No single rung for everyone is shown to reach the goal, {site.label} {target:g}.{mind}"
