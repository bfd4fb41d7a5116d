"""Compare: scenarios side by side, by a reduced variant of the studies; full ones are used where they are kept.

coldstart compare [--scenario jobs,ugc] [--data jobs:FOLDER,...] [--out DIR] [--quick] [--set KEY=YAML]...
"""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from rich.console import Console

from pipelines import arguments
from pipelines.cli import Steps, run, show_log
from pipelines.study import NOTE, STUDIES, UI, raise_first, show_links
from recommender import config
from recommender.compare import plan, side_by_side
from recommender.compare.page import compare_sites
from recommender.compare.page_model import Comparison
from recommender.compare.site import Site, read_sites
from recommender.compare.tables import tables
from recommender.config.files import raw_dir
from recommender.experiment import ladder, run_folder
from recommender.experiment.out_folder import ARTIFACTS, disk_faults, out_folder
from recommender.files import write_table, write_text
from recommender.report.comparison import html, markdown, show
from recommender.studies import transfer
from recommender.studies.engine.cell import Measured
from recommender.studies.engine.plan import Cell, Study
from recommender.studies.engine.run import Failure, Source
from recommender.studies.engine.run import run as run_cells
from recommender.tracking.comparison import Trackers


def main(argv: list[str]) -> None:
    args = arguments.parse("compare", argv)
    show_log(quiet=args.quiet or args.json)
    places = plan.site_specs(
        args.scenario.split(",") if args.scenario else config.scenarios(), given(args.data), args.set
    )
    studies = {name: plan.load(name, args.quick) for name in (plan.TRANSFER, plan.VOLUME, plan.VALUE, plan.PARTS)}
    work = Work(args, studies)
    with out_folder(args.out or default_out(), "compare") as out:
        found = {place.name: work.place(place) for place in places}
        if not any(found.values()):
            raise_first(work.failures)
        read = read_sites(found, studies, repeated(args))
        again = work.again(read)
        evidence = work.trackers.evidence(read, again, UI)
        others = [r for runs in again.values() for r in runs]
        comparison = compare_sites(read, others, evidence, warnings(work, args.quick))
        with disk_faults(out):
            write(out, comparison, tables(read, others, studies, [*comparison.sites, *comparison.side_by_side]))
        tell(out, comparison, args)
        files = sorted(p for p in out.iterdir() if p.is_file())
        links = work.trackers.finish(read, others, files, markdown(comparison, out)[:NOTE], UI)
        if not (args.quiet or args.json):
            show_links(links)
    for failure in work.failures:
        if failure.is_bug:
            raise failure.error


class Work:
    """Measures cells, place by place, and keeps what failed."""

    def __init__(self, args: argparse.Namespace, studies: dict[str, Study]) -> None:
        self.args, self.studies = args, studies
        self.source = Source(raw_dir())
        self.trackers = Trackers(list(studies))
        self.failures: list[Failure] = []
        self.notes: list[str] = []

    def cells(self, place: plan.SiteSpec, studies: Sequence[str], chosen: Sequence[Measured] = ()) -> list[Cell]:
        """Those that the page needs and those that full studies have measured."""
        changes = self.args.set
        wanted = (c for n in studies for c in plan.needed(self.studies[n], place, self.args.quick, changes, chosen))
        return plan.affordable(wanted, STUDIES, self.source)

    def place(self, place: plan.SiteSpec) -> list[Measured]:
        """Its cells, and what a reader of their numbers must know of the data."""
        found = self.measure(self.cells(place, [plan.TRANSFER]))  # validation chooses the settings of all the others
        found += self.measure(self.cells(place, [plan.VOLUME, plan.VALUE, plan.PARTS], found))
        if found:
            one = found[0]
            told = run_folder.warnings(self.source(place.data, one.scenario), one.scenario, ladder.Results())
            if aside := one.done["stepped_aside"]:
                told.append(f"The data lack what these need, so they stepped aside: {', '.join(aside)}.")
            self.notes += [f"{place.name}: {note}" for note in told]
        return found

    def measure(self, cells: list[Cell]) -> list[Measured]:
        with disk_faults(STUDIES), Steps(len(cells), quiet=self.args.quiet or self.args.json) as progress:
            STUDIES.mkdir(parents=True, exist_ok=True)
            found, failed = run_cells(cells, STUDIES, self.source, progress, self.trackers.cell, self.trackers.failed)
        self.failures += failed
        return found

    def again(self, read: list[Site]) -> dict[str, list[Measured]]:
        """SiteSpec -> the cells of every recipe there."""
        decided = side_by_side.named(read)
        more = transfer.more(self.studies[plan.TRANSFER], decided) if len(decided) > 1 else []
        found = {}
        for site, one in zip((s for s in read if s.decided), decided, strict=True):
            mine = [plan.of_study(c, plan.TRANSFER) for c in more if c.labels.items() >= one.labels.items()]
            found[site.name] = self.measure(mine)
        return found


def repeated(args: argparse.Namespace) -> list[str]:
    """The variables with which a study measures the same scenarios."""
    return ["QUICK=1"] * args.quick + [f"SET={shlex.quote(' '.join(args.set))}"] * bool(args.set)


def given(data: str | None) -> list[str]:
    return [part for part in (data or "").split(",") if part]


def default_out() -> str:
    """Named here, so that artifacts/latest goes on pointing to the latest train."""
    return str(ARTIFACTS / f"compare-{datetime.now(UTC).strftime('%Y%m%d-%H%M%S')}")


def warnings(work: Work, quick: bool) -> list[str]:
    told = [*work.notes, *(f"Failed, and left out: {failure}" for failure in work.failures)]
    if quick:
        told.insert(
            0,
            "Quick variant, no intervals over samples of the data: simulated data of 20,000 interactions, three sizes, "
            "one seed. Intervals shown resample users only. A first look, no evidence to decide by.",
        )
    return told


def write(out: Path, comparison: Comparison, found: dict[str, pl.DataFrame]) -> None:
    for name, table in found.items():
        write_table(out / f"{name}.parquet", table)
    write_text(out / "report.md", markdown(comparison, out))
    write_text(out / "report.html", html(comparison, out))


def tell(out: Path, comparison: Comparison, args: argparse.Namespace) -> None:
    if args.json:
        answers = {p.title: {q: [s.text for s in told] for q, told in p.answers.items()} for p in comparison.sites}
        print(json.dumps({"out": str(out), "answers": answers, "warnings": list(comparison.warnings)}))
    elif not args.quiet:
        console = Console()
        show(comparison, console)
        console.print(f"Report, open in a browser: {(out / 'report.html').resolve().as_uri()}", soft_wrap=True)


if __name__ == "__main__":
    run(main)
