"""A study: change one thing over a grid, measure every cell, say what it did.

coldstart study --study parts [--scenario jobs[,ugc]] [--data NAME|FOLDER] [--quick] [--set KEY=YAML]...
"""

from __future__ import annotations

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
from recommender.studies.engine.finding import FILE, Finding
from recommender.studies.engine.measured import Measured
from recommender.studies.engine.run import CHOOSER, CHOSEN, Failure, results_table, with_chosen_settings
from recommender.studies.engine.run import run as run_cells
from recommender.studies.engine.workers import measuring
from recommender.tracking.studies import StudyTracker

STUDIES = Path("studies")
UI = "http://127.0.0.1:5000"  # where make ui serves by default
NOTE = 4900  # characters that a run's note may have


def main(argv: list[str]) -> None:
    args = arguments.parse("study", argv)
    silent = args.quiet or args.json
    show_log(quiet=silent)
    study = plan.load(args.study, args.quick)
    analysis = analysis_of(study)
    scenarios = args.scenario.split(",") if args.scenario else study.scenarios or config.scenarios()
    cells = planned(study, scenarios, args.data, args.set)
    folder, tracker = STUDIES / study.name, StudyTracker(study.name)
    measured: list[Measured] = []
    failures: list[Failure] = []
    with disk_faults(folder), measuring(raw_dir(), args.workers) as source:
        folder.mkdir(parents=True, exist_ok=True)
        if study.settings == CHOSEN:
            choosing = planned(plan.load(CHOOSER, args.quick), scenarios, args.data, args.set)
            with Steps(len(choosing), quiet=silent) as progress:
                chosen, failures = run_cells(plan.of_study(choosing, CHOOSER), STUDIES, source, progress.done)
            cells = with_chosen_settings(cells, chosen)
        while cells:  # an analysis may ask for more cells when it has seen the first ones
            with Steps(len(cells), quiet=silent) as progress:
                here = plan.of_study(cells, study.name)
                more, failed = run_cells(here, STUDIES, source, progress.done, tracker.cell, tracker.failed)
            measured, failures = [*measured, *more], [*failures, *failed]
            cells = analysis.more(study, measured) if more else []
        if not measured:
            raise_first(failures)
        findings = analysis.findings(study, measured)
        warnings = ["Quick variant: fewer sizes and seeds on less data; a first look, no evidence."] * args.quick
        warnings += [f"Failed, and left out: {failure}" for failure in failures]
        text = markdown(study.name, study.question, findings, warnings)
        write_table(folder / "results.parquet", results_table(study, measured))
        write_text(folder / "report.md", text)
        write_text(folder / "report.html", html(study.name, study.question, findings, warnings))
        write_json(folder / FILE, sentences(findings, final=not args.quick))
    if args.json:
        print(json.dumps({"out": str(folder), "findings": sentences(findings), "warnings": warnings}))
    elif not args.quiet:
        console = Console()
        show(findings, warnings, console)
        console.print(f"Report, open in a browser: {(folder / 'report.html').resolve().as_uri()}", soft_wrap=True)
    files = sorted(p for p in folder.iterdir() if p.is_file())
    show_links(tracker.finish(files, text[:NOTE], analysis.summaries(study, measured), UI), silent)
    raise_bugs(failures)


def planned(study: plan.Study, scenarios: list[str], data: str | None, changes: list[str]) -> list[plan.Cell]:
    """The cells. data: one set for all scenarios, or with commas one for each in their order."""
    sets: list[str | None] = [*data.split(",")] if data else [None]
    if len(sets) == 1:
        return plan.cells(study, scenarios, sets[0], changes)
    if len(sets) != len(scenarios):
        raise ConfigError(
            f"DATA names {len(sets)} data sets for {len(scenarios)} scenarios ({', '.join(scenarios)}). "
            "Give one for all, or one for each in this order."
        )
    return [cell for n, one in zip(scenarios, sets, strict=True) for cell in plan.cells(study, [n], one, changes)]


def sentences(findings: list[Finding], final: bool = False) -> list[dict[str, object]]:
    """The content of findings.json. final: with the values, which other programs act on; a first look has none."""
    return [
        {"title": f.title, "sentences": f.sentences} | ({"values": f.values} if final and f.values else {})
        for f in findings
    ]


def raise_first(failures: list[Failure]) -> None:
    """Every cell failed: the first error is the study's."""
    if failures[0].is_bug:
        raise failures[0].error
    raise UserError(f"No cell of the study could be measured. The first: {failures[0]}")


def raise_bugs(failures: list[Failure]) -> None:
    """A fault of the program is raised after all else is written."""
    for failure in failures:
        if failure.is_bug:
            raise failure.error


def show_links(links: Mapping[str, str], silent: bool) -> None:
    """title -> address of the views in MLflow."""
    if not silent:
        print("In MLflow, after make ui:", *(f"  {title}: {link}" for title, link in links.items()), sep="\n")


if __name__ == "__main__":
    run(main)
