"""``report.html``: one self-contained file that says what to ship, for whom, why, and on what evidence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from recommender.evaluation.metric_table import glossary, metric_label
from recommender.experiment import run_tables
from recommender.experiment.facts import train_facts
from recommender.experiment.run_folder import EFFORT_CHART, RunFolder, read_run
from recommender.files import write_text
from recommender.planning import viability
from recommender.report import accuracy, audit, charts, costs, planning
from recommender.report.page import picture, render, what_it_does, words
from recommender.report.spam import spam
from recommender.report.tiles import compared, first_screen, topics
from recommender.studies.engine.finding import Finding

CHANGES = "What the re-rankers change"
SECTIONS: list[Callable[[RunFolder], Finding]] = [
    accuracy.ladder,
    accuracy.all_users,
    accuracy.history,
    accuracy.other_metrics,
    accuracy.new_items,
    accuracy.visits,
    accuracy.slices,
    audit.changes,
    spam,
    audit.audit,
    accuracy.controls,
    accuracy.regret,
    costs.effort,
    costs.data,
]


def write_report(out: Path) -> Path:
    """Writes ``out/report.html`` from the other files there and returns its path; its first chart also as SVG.

    What one train cannot tell is read from the latest comparison beside ``out`` that read this train. Raises DataError
    where ``out`` is not the folder of a finished train.
    """
    run = read_run(out)
    facts = train_facts(run)
    beyond, side_by_side = compared(run, facts)
    findings = [f for f in (section(run) for section in SECTIONS) if f.sentences or f.grids or f.charts]
    effort = charts.effort_chart(run, facts)
    drawn = [c for c in (effort, *(c for f in findings for c in f.charts)) if c]
    first = [*["Why these"] * bool(run.decision.choices), *["Real lists"] * bool(run.examples), planning.VIABILITY]
    text = render(
        "train.html",
        {c.name: c.spec for c in drawn},
        s=(screen := first_screen(run, facts)),
        f=topics(facts if beyond is None else beyond, run, facts, compare=_compare(run) if beyond is None else ""),
        filters=screen["filters"] if effort else None,
        site=site_name(run),
        effort=effort,
        findings=findings,
        sheet=planning.sheet_html(viability.answers(run, facts)),
        viability=planning.VIABILITY,
        compare=_compare(run) if beyond is None else "",
        side_by_side=side_by_side,
        contents=[*first, *(f.title for f in findings), "How to read this", "The whole configuration"],
        warnings=run_tables.warnings(run),
        sentences=run.decision.sentences,
        slot_grid=accuracy.slots(run),
        examples=run.examples,
        glossary=_rungs(run) | words("train") | glossary(run.metrics["metric"]),
        config=(out / "config.yaml").read_text(),
    )
    path = out / "report.html"
    write_text(path, text)
    if effort:
        write_text(out / EFFORT_CHART, picture(effort.spec, f"{site_name(run)}: {metric_label(run.metric)}, all users"))
    return path


def site_name(run: RunFolder) -> str:
    """``<scenario> on <data>``."""
    return f"{run.scenario.name} on {run.data.get('name', run.scenario.data.source)}"


def _compare(run: RunFolder) -> str:
    """The command that measures what one train cannot tell."""
    name, source = run.scenario.name, run.data.get("source", run.scenario.data.source)
    return f"make compare SCENARIO={name}" + (f" DATA={source}" if source != run.scenario.data.source else "")


def _rungs(run: RunFolder) -> dict[str, str]:
    used = {r.name: r.recommender for r in run.scenario.ladder if r.name in run.rungs}
    return {rung: text for rung, name in used.items() if (text := what_it_does(rung, name))}
