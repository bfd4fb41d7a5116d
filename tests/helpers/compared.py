"""A quick comparison of a small world, measured for real: sites, recipes, the page with its plans."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl

from recommender.compare import plan
from recommender.compare.page import compare_sites
from recommender.compare.page_model import Comparison, Evidence
from recommender.compare.site import Site, named, read_sites
from recommender.config import Scenario
from recommender.data.dataset import Dataset
from recommender.planning.facts import plan_facts
from recommender.planning.site_plan import SitePlan, Team, site_plan
from recommender.report.comparison import html
from recommender.studies.engine.measured import Measured
from recommender.studies.engine.run import run, with_chosen_settings
from tests.helpers.studies import source

SMALL = ["split.min_train=20", "bootstrap=100", "split.validation=[0.6]", "decision.thin=10"]
STUDIES = {name: plan.load(name, quick=True) for name in (plan.VOLUME, plan.VALUE, plan.TRANSFER, plan.PARTS)}
Load = Callable[[str, Scenario], Dataset]


def measured_sites(
    folder: Path, scenarios: Sequence[str] = ("catalog", "jobs"), data: Load | None = None, settings: Sequence[str] = ()
) -> dict[str, list[Measured]]:
    """Site -> its cells. data: in place of the world; settings: KEY=VALUE beside ``SMALL``."""
    cells_by_site = {}
    for site in plan.site_specs(scenarios, []):
        mine: list[Measured] = []
        for names in ([plan.TRANSFER], [plan.VOLUME, plan.VALUE]):
            wanted = [c for n in names for c in plan.needed(STUDIES[n], site, True, [*SMALL, *settings])]
            wanted = [c for c in with_chosen_settings(wanted, mine) if not c.only_cached]
            more, failures = run(wanted, folder, data or source(), lambda _: None)
            assert not failures, [str(f) for f in failures]
            mine += more
        cells_by_site[site.name] = mine
    return cells_by_site


def measured_recipes(sites: Sequence[Site], folder: Path, data: Load | None = None) -> list[Measured]:
    """The cells of every recipe at every site."""
    more = plan.recipes(STUDIES[plan.TRANSFER], named(sites))
    cells_measured, failures = run(more, folder, data or source(), lambda _: None)
    assert not failures
    return cells_measured


def compared(sites: Sequence[Site], again: Sequence[Measured]) -> Comparison:
    """The comparison, with a warning that holds a tag."""
    evidence = [
        Evidence(f"{study}, {s.name}", runs, {r.folder: {r.rungs[0]: "http://ui/run"} for r in runs})
        for s in sites
        for study, runs in s.runs.items()
    ]
    return compare_sites(sites, again, evidence, ["<b>mind</b>"])


def planned(comparison: Comparison) -> tuple[list[SitePlan], pl.DataFrame]:
    """The plan of each site, and the facts of all of them with those of the comparison."""
    plans = [
        site_plan(s.name, comparison.facts.filter(site=s.name), s.scenario, s.ships, Team(), date(2026, 3, 2))
        for s in comparison.sites
    ]
    return plans, pl.concat([comparison.facts, *(plan_facts(p) for p in plans)])


def written_page(folder: Path, scenarios: Sequence[str] = ("catalog", "jobs")) -> Path:
    """report.html of a comparison of the scenarios on the world, in ``folder``."""
    sites = read_sites(measured_sites(folder / "studies", scenarios), STUDIES)
    comparison = compared(sites, measured_recipes(sites, folder / "studies"))
    page = folder / "report.html"
    plans, facts = planned(comparison)
    page.write_text(html(replace(comparison, facts=facts), folder, plans), encoding="utf-8")
    return page
