"""Compare: scenarios side by side, by a reduced variant of the studies; full ones are used where they are kept.

coldstart compare [--scenario jobs,ugc] [--data jobs:FOLDER,...] [--out DIR] [--quick] [--set KEY=YAML]...
"""

from __future__ import annotations

import argparse
import json
import shlex
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
from recommender.experiment import run_folder
from recommender.experiment.out_folder import ARTIFACTS, disk_faults, out_folder
from recommender.files import write_table, write_text
from recommender.planning.facts import plan_facts
from recommender.planning.site_plan import SitePlan, Team, read_team, site_plan
from recommender.report.comparison import answers, answers_table, html, markdown, show
from recommender.report.planning import write_plan
from recommender.studies import transfer
from recommender.studies.engine.measured import Measured
from recommender.studies.engine.plan import Cell, Study
from recommender.studies.engine.run import Failure, Source
from recommender.studies.engine.run import run as run_cells
from recommender.tracking.comparison import Trackers

QUICK = (
    "Quick variant, no intervals over samples of the data: simulated data of 20,000 interactions, three sizes, one "
    "seed. Intervals shown resample users only. A first look, no evidence to decide by."
)


def main(argv: list[str]) -> None:
    args = arguments.parse("compare", argv)
    silent = args.quiet or args.json
    show_log(quiet=silent)
    scenarios = args.scenario.split(",") if args.scenario else config.scenarios()
    specs = plan.site_specs(scenarios, [one for one in (args.data or "").split(",") if one], args.set)
    studies = {name: plan.load(name, args.quick) for name in (plan.TRANSFER, plan.VOLUME, plan.VALUE, plan.PARTS)}
    team = read_team()
    bench = Bench(args, studies)
    with out_folder(args.out or default_out(), "compare") as out:
        cells = {spec.name: bench.site(spec) for spec in specs}
        if not any(cells.values()):
            raise_first(bench.failures)
        sites = read_sites(cells, studies, make_variables(args), finished_trains(ARTIFACTS))
        by_site = bench.recipes(sites)
        recipes = [run for runs in by_site.values() for run in runs]
        warnings = [QUICK] * args.quick + bench.notes + [f"Failed, and left out: {f}" for f in bench.failures]
        comparison = compare_sites(sites, recipes, bench.trackers.evidence(sites, by_site, UI), warnings, args.quick)
        plans, facts = planned(sites, comparison, team)
        text = markdown(comparison, out, plans)
        with disk_faults(out):
            found = {**tables(sites, recipes, studies, facts), "answers": answers_table(comparison)}
            for name, table in found.items():
                write_table(out / f"{name}.parquet", table)
            write_text(out / "report.md", text)
            write_text(out / "report.html", html(comparison, out, plans))
            write_plan(out, plans)
        tell(out, comparison, args)
        files = sorted(p for p in out.iterdir() if p.is_file())
        show_links(bench.trackers.finish(sites, recipes, files, text[:NOTE], UI), silent)
    raise_bugs(bench.failures)


class Bench:
    """Measures cells, site by site, and keeps what failed and what readers must know of the data."""

    def __init__(self, args: argparse.Namespace, studies: dict[str, Study]) -> None:
        self.args, self.studies = args, studies
        self.source = Source(raw_dir())
        self.trackers = Trackers(list(studies))
        self.failures: list[Failure] = []
        self.notes: list[str] = []

    def site(self, spec: plan.SiteSpec) -> list[Measured]:
        """The cells of a site: those that the page needs and those that full studies have measured."""
        measured: list[Measured] = []
        # Validation, in the cells of the transfer, chooses the settings of all the others.
        for names in ([plan.TRANSFER], [plan.VOLUME, plan.VALUE, plan.PARTS]):
            args = (spec, self.args.quick, self.args.set, measured)
            wanted = (cell for name in names for cell in plan.needed(self.studies[name], *args))
            measured = measured + self.measure(plan.affordable(wanted, STUDIES, self.source))
        if measured:
            first = measured[0]
            notes = run_folder.warnings(self.source(spec.data, first.scenario), first.scenario, {})
            if skipped := first.done["skipped"]:
                notes.append(f"Off, because the data lack what they need: {', '.join(skipped)}.")
            self.notes += [f"{spec.name}: {note}" for note in notes]
        return measured

    def measure(self, cells: list[Cell]) -> list[Measured]:
        silent = self.args.quiet or self.args.json
        with disk_faults(STUDIES), Steps(len(cells), quiet=silent) as progress:
            STUDIES.mkdir(parents=True, exist_ok=True)
            measured, failed = run_cells(
                cells, STUDIES, self.source, progress, self.trackers.cell, self.trackers.failed
            )
        self.failures += failed
        return measured

    def recipes(self, sites: list[Site]) -> dict[str, list[Measured]]:
        """Site -> the cells of every recipe there."""
        decided = named(sites)
        more = transfer.more(self.studies[plan.TRANSFER], decided) if len(decided) > 1 else []
        cells = {}
        for site, cell in zip((s for s in sites if s.decided), decided, strict=True):
            here = [plan.of_study(c, plan.TRANSFER) for c in more if c.labels.items() >= cell.labels.items()]
            cells[site.name] = self.measure(here)
        return cells


def planned(sites: list[Site], comparison: Comparison, team: Team) -> tuple[list[SitePlan], pl.DataFrame]:
    """The plan of each site, and the facts of the page with those of the plans."""
    by_site = [(s, comparison.facts.filter(site=s.name)) for s in sites]
    plans = [site_plan(s.name, facts, s.scenario, s.ships, team, date.today()) for s, facts in by_site]
    return plans, pl.concat([comparison.facts, *(plan_facts(p) for p in plans)])


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
