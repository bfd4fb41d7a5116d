"""Compare: scenarios side by side, by a reduced variant of the studies; full ones are used where they are kept.

coldstart compare [--scenario jobs,ugc] [--data jobs:FOLDER,...] [--out DIR] [--quick] [--set KEY=YAML]...
"""

from __future__ import annotations

import argparse
import json
import shlex
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
from rich.console import Console

from pipelines import arguments
from pipelines.cli import Steps, run, show_log
from pipelines.study import NOTE, STUDIES, UI, raise_bugs, raise_first, show_links
from recommender import config
from recommender.compare import plan
from recommender.compare.page import compare_sites
from recommender.compare.page_model import Comparison
from recommender.compare.site import Site, finished_trains, named, read_sites
from recommender.compare.tables import tables
from recommender.config.files import raw_dir
from recommender.experiment.out_folder import ARTIFACTS, disk_faults, out_folder
from recommender.experiment.rungs import lacking
from recommender.files import write_table, write_text
from recommender.planning.facts import plan_facts
from recommender.planning.site_plan import SitePlan, Team, read_team, site_plan
from recommender.report.comparison import answers, answers_table, html, markdown, show
from recommender.report.document import write_report
from recommender.report.planning import write_plan
from recommender.studies import transfer
from recommender.studies.engine.measured import Measured, by_site
from recommender.studies.engine.plan import Cell, Study
from recommender.studies.engine.run import CHOSEN, Failure, with_chosen_settings
from recommender.studies.engine.run import run as run_cells
from recommender.studies.engine.workers import Crew, Source, measuring
from recommender.tracking.comparison import Trackers

QUICK = (
    "Quick variant, no intervals over samples of the data: simulated data of 20,000 interactions, three sizes, one "
    "seed. Intervals shown resample users only. A first look, no evidence to decide by."
)

PHASES = (
    [plan.TRANSFER],
    [plan.VOLUME, plan.VALUE, plan.PARTS],
)  # validation of the first chooses settings of the others


def main(argv: list[str]) -> None:
    args = arguments.parse("compare", argv)
    silent = args.quiet or args.json
    show_log(quiet=silent)
    scenarios = args.scenario.split(",") if args.scenario else config.scenarios()
    specs = plan.site_specs(scenarios, [one for one in (args.data or "").split(",") if one], args.set)
    studies = {name: plan.load(name, args.quick) for name in (plan.TRANSFER, plan.VOLUME, plan.VALUE, plan.PARTS)}
    team = read_team()
    runner = StudyRunner(args, studies)
    with out_folder(args.out or default_out(), "compare") as out:
        sites, by_site = runner.measure(specs)
        if not sites:
            raise_first(runner.failures)
        recipes = [run for runs in by_site.values() for run in runs]
        warnings = [QUICK] * args.quick + runner.notes + [f"Failed, and left out: {f}" for f in runner.failures]
        comparison = compare_sites(sites, recipes, runner.trackers.evidence(sites, by_site, UI), warnings, args.quick)
        plans, comparison = planned(sites, comparison, team)
        text = markdown(comparison, out, plans)
        with disk_faults(out):
            written = {**tables(sites, recipes, studies, comparison.facts), "answers": answers_table(comparison)}
            for name, table in written.items():
                write_table(out / f"{name}.parquet", table)
            write_text(out / "report.md", text)
            write_text(out / "report.html", html(comparison, out, plans))
            write_plan(out, plans)
            for ships in (s.ships for s in sites if s.ships and s.ships in s.trains):
                write_report(ships.path)  # with what this comparison adds
        tell(out, comparison, args)
        files = sorted(p for p in out.iterdir() if p.is_file())
        show_links(runner.trackers.finish(sites, recipes, files, text[:NOTE], UI), silent)
    raise_bugs(runner.failures)


class StudyRunner:
    """Measures the cells of all sites, and keeps what failed and what readers must know of the data."""

    def __init__(self, args: argparse.Namespace, studies: dict[str, Study]) -> None:
        self.args, self.studies = args, studies
        self.trackers = Trackers(list(studies))
        self.failures: list[Failure] = []
        self.notes: list[str] = []

    def measure(self, specs: list[plan.SiteSpec]) -> tuple[list[Site], dict[str, list[Measured]]]:
        """The sites, and by their names the cells of every recipe there.

        First what decides at each site: its validation chooses the settings of all other cells, and the recipes.
        """
        deciding, others = ([c for s in specs for n in names for c in self.planned(n, s)] for names in PHASES)
        n_cells = len(deciding) + len(others) + len(specs) ** 2 * (len(specs) > 1)
        silent = self.args.quiet or self.args.json
        with (
            disk_faults(STUDIES),
            measuring(raw_dir(), self.args.workers) as source,
            Steps(n_cells, quiet=silent) as progress,
        ):
            chosen = self.run(deciding, source, progress)
            decided = named(self.sites(specs, chosen))
            recipes = plan.recipes(self.studies[plan.TRANSFER], decided)
            measured = self.run([*self.settled(others, chosen), *recipes], source, progress)
        again = [m for m in measured if transfer.RECIPE in m.labels]
        sites = self.sites(specs, [*chosen, *(m for m in measured if transfer.RECIPE not in m.labels)])
        names = [s.name for s in sites if s.decided]
        here = ([m for m in again if m.labels.items() >= cell.labels.items()] for cell in decided)
        return sites, dict(zip(names, here, strict=True))

    def planned(self, study: str, spec: plan.SiteSpec) -> list[Cell]:
        """Cells of a study at a site; those that are only read where the study has measured anything."""
        cells = plan.needed(self.studies[study], spec, self.args.quick, self.args.set)
        return [c for c in cells if not c.only_cached or (STUDIES / study).is_dir()]

    def settled(self, cells: list[Cell], chosen: list[Measured]) -> list[Cell]:
        """The cells with the settings that validation chose, where their study takes these."""
        takes = {name for name, study in self.studies.items() if study.settings == CHOSEN}
        return [with_chosen_settings([c], chosen)[0] if c.study in takes else c for c in cells]

    def run(self, cells: list[Cell], source: Source | Crew, progress: Steps) -> list[Measured]:
        STUDIES.mkdir(parents=True, exist_ok=True)
        cell, failed = self.trackers.cell, self.trackers.failed
        measured, failures = run_cells(cells, STUDIES, source, progress.done, cell, failed)
        self.failures += failures
        return measured

    def sites(self, specs: list[plan.SiteSpec], measured: list[Measured]) -> list[Site]:
        cells_of = by_site(measured)
        cells = {s.name: cells_of.get(s.name, []) for s in specs}
        sites = read_sites(cells, self.studies, make_variables(self.args), finished_trains(ARTIFACTS))
        self.notes = [f"{s.name}: {note}" for s in sites for note in notes(s.cells[0])]
        return sites


def notes(cell: Measured) -> list[str]:
    """What a reader of a site's numbers must know, from its first cell."""
    skipped = ", ".join(lacking(cell.done["skipped"]))
    off = [f"Off, because the data lack what they need: {skipped}."] if skipped else []
    return [*cell.done["warnings"], *off]


def planned(sites: list[Site], comparison: Comparison, team: Team) -> tuple[list[SitePlan], Comparison]:
    """The plan of each site, and the page with the facts of the plans too."""
    by_site = [(s, comparison.facts.filter(site=s.name)) for s in sites]
    plans = [site_plan(s.name, facts, s.scenario, s.ships, team, date.today()) for s, facts in by_site]
    return plans, replace(comparison, facts=pl.concat([comparison.facts, *(plan_facts(p) for p in plans)]))


def make_variables(args: argparse.Namespace) -> list[str]:
    """The variables with which a study measures the same scenarios."""
    return ["QUICK=1"] * args.quick + [f"SET={shlex.quote(' '.join(args.set))}"] * bool(args.set)


def default_out() -> str:
    """Named here, so that artifacts/latest goes on pointing to the latest train."""
    return str(ARTIFACTS / f"compare-{datetime.now(UTC).strftime('%Y%m%d-%H%M%S')}")


def tell(out: Path, comparison: Comparison, args: argparse.Namespace) -> None:
    if args.json:
        print(json.dumps({"out": str(out), "answers": answers(comparison), "warnings": list(comparison.warnings)}))
    elif not args.quiet:
        console = Console()
        show(comparison, console)
        console.print(f"Report, open in a browser: {(out / 'report.html').resolve().as_uri()}", soft_wrap=True)


if __name__ == "__main__":
    run(main)
