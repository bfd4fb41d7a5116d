"""A study: change one thing over a grid, measure every cell, say what it did.

coldstart study --study parts [--scenario jobs[,ugc]] [--data NAME|FOLDER] [--quick] [--set KEY=YAML]...
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from pipelines import arguments
from pipelines.cli import Steps, run, show_log
from recommender import config
from recommender.config.files import raw_dir
from recommender.errors import ConfigError, UserError
from recommender.experiment.out_folder import disk_faults
from recommender.files import write_json, write_table, write_text
from recommender.report.study import html, markdown, show
from recommender.studies.analyses import analysis_of
from recommender.studies.engine import plan
from recommender.studies.engine.cell import Measured
from recommender.studies.engine.finding import Finding
from recommender.studies.engine.run import CHOOSER, CHOSEN, Failure, Source, results_table, with_chosen_settings
from recommender.studies.engine.run import run as run_cells
from recommender.tracking.studies import StudyTracker

STUDIES = Path("studies")
UI = "http://127.0.0.1:5000"  # where make ui serves by default
NOTE = 4900  # characters that a run's note may have


def main(argv: list[str]) -> None:
    args = arguments.parse("study", argv)
    show_log(quiet=args.quiet or args.json)
    study = plan.load(args.study, args.quick)
    analysis = analysis_of(study)
    scenarios = named(args.scenario, study)
    cells = planned(study, scenarios, args.data, args.set)
    folder = STUDIES / study.name
    tracker = StudyTracker(study.name)
    source = Source(raw_dir())
    found: list[Measured] = []
    failures: list[Failure] = []
    with disk_faults(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if study.settings == CHOSEN:
            chooser = plan.load(CHOOSER, args.quick)
            choosing = planned(chooser, scenarios, args.data, args.set)
            with Steps(len(choosing), quiet=args.quiet or args.json) as progress:
                chosen, failures = run_cells(choosing, STUDIES / CHOOSER, source, progress)
            cells = with_chosen_settings(cells, chosen)
        while cells:  # an analysis may ask for more cells when it has seen the first ones
            with Steps(len(cells), quiet=args.quiet or args.json) as progress:
                more, failed = run_cells(cells, folder, source, progress, tracker.cell, tracker.failed)
            found, failures = [*found, *more], [*failures, *failed]
            cells = analysis.more(study, found) if more else []
        if not found:
            raise_first(failures)
        findings = analysis.findings(study, found)
        warnings = notes(study, failures, args.quick)
        write(folder, study, found, findings, warnings)
    tell(folder, findings, warnings, args)
    files, note = sorted(p for p in folder.iterdir() if p.is_file()), markdown_of(study, findings, warnings)[:NOTE]
    links = tracker.finish(files, note, analysis.summaries(study, found), UI)
    if not (args.quiet or args.json):
        show_links(links)
    for failure in failures:
        if failure.is_bug:
            raise failure.error


def named(scenario: str | None, study: plan.Study) -> list[str]:
    """The scenarios asked for, by default the study's own, else all."""
    return scenario.split(",") if scenario else study.scenarios or config.scenarios()


def planned(study: plan.Study, scenarios: list[str], data: str | None, changes: list[str]) -> list[plan.Cell]:
    """The cells, with the data given: one set for all scenarios, or one for each in their order."""
    given: list[str | None] = [*data.split(",")] if data else [None]
    if len(given) == 1:
        return plan.cells(study, scenarios, given[0], changes)
    if len(given) != len(scenarios):
        raise ConfigError(
            f"DATA names {len(given)} data sets for {len(scenarios)} scenarios ({', '.join(scenarios)}). "
            "Give one for all, or one for each in this order."
        )
    pairs = zip(scenarios, given, strict=True)
    return [cell for name, one in pairs for cell in plan.cells(study, [name], one, changes)]


def raise_first(failures: list[Failure]) -> None:
    """Every cell failed: the first error is the study's."""
    if failures[0].is_bug:
        raise failures[0].error
    raise UserError(f"No cell of the study could be measured. The first: {failures[0]}")


def notes(study: plan.Study, failures: list[Failure], quick: bool) -> list[str]:
    told = [f"Failed, and left out: {failure}" for failure in failures]
    return ["Quick variant: fewer sizes and seeds on less data; a first look, no evidence."] * quick + told


def write(folder: Path, study: plan.Study, found: list[Measured], findings: list[Finding], warnings: list[str]) -> None:
    write_table(folder / "results.parquet", results_table(study, found))
    write_text(folder / "report.md", markdown_of(study, findings, warnings))
    write_text(folder / "report.html", html(study.name, study.question, findings, warnings))
    sentences = [{"title": f.title, "sentences": f.sentences} for f in findings]
    write_json(folder / "findings.json", sentences)


def markdown_of(study: plan.Study, findings: list[Finding], warnings: list[str]) -> str:
    return markdown(study.name, study.question, findings, warnings)


def tell(folder: Path, findings: list[Finding], warnings: list[str], args: argparse.Namespace) -> None:
    if args.json:
        told = [{"title": f.title, "sentences": f.sentences} for f in findings]
        print(json.dumps({"out": str(folder), "findings": told, "warnings": warnings}))
    elif not args.quiet:
        console = Console()
        show(findings, warnings, console)
        console.print(f"Report, open in a browser: {(folder / 'report.html').resolve().as_uri()}", soft_wrap=True)


def show_links(links: Mapping[str, str]) -> None:
    """title -> address of the views in MLflow."""
    print("In MLflow, after make ui:")
    for title, link in links.items():
        print(f"  {title}: {link}")


if __name__ == "__main__":
    run(main)
