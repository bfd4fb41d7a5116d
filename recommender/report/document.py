"""``report.html``: one self-contained file that says what to ship, for whom, why, and on what evidence."""

from __future__ import annotations

from html import escape
from pathlib import Path

from recommender.evaluation.metric_table import glossary, metric_label
from recommender.experiment import run_tables
from recommender.experiment.run_folder import RunFolder, read_run
from recommender.files import write_text
from recommender.report import accuracy, audit, charts, costs
from recommender.report.page import definitions, details, page, paragraph, section, warned, words
from recommender.report.spam import spam
from recommender.report.verdict import verdict


def write_report(out: Path) -> Path:
    """Writes ``out/report.html`` from the other files there and returns its path.

    Raises DataError where ``out`` is not the folder of a finished train.
    """
    run = read_run(out)
    drawn = {"effort-chart": charts.effort_chart(run), "history-chart": charts.history_chart(run)}
    drawn["audit-chart"] = audit.audit_chart(run)
    specs = {name: chart[0] for name, chart in drawn.items() if chart}
    texts = {name: chart[1] for name, chart in drawn.items() if chart}
    body = [
        _head(run),
        verdict(run),
        warned(run_tables.warnings(run)),
        accuracy.ladder(run),
        accuracy.regret(run),
        accuracy.effort_chart(run, texts),
        accuracy.history_chart(run, texts),
        accuracy.other_metrics(run),
        accuracy.new_items(run),
        accuracy.visits(run),
        accuracy.slices(run),
        audit.changes(run),
        spam(run),
        audit.audit(run, texts),
        accuracy.controls(run),
        costs.effort(run),
        costs.data(run),
        section("How to read this", definitions(words("train") | glossary(run.metrics["metric"]))),
        details("The whole configuration", f"<pre>{escape((out / 'config.yaml').read_text())}</pre>"),
    ]
    path = out / "report.html"
    write_text(path, page(f"{run.scenario.name} on {_data_name(run)}: what to ship", "\n".join(body), specs))
    return path


def _data_name(run: RunFolder) -> str:
    return str(run.data.get("name", run.scenario.data.source))


def _head(run: RunFolder) -> str:
    problem = run.scenario.problem
    return (
        f'<p class="dim">Scenario {escape(run.scenario.name)} · data {escape(_data_name(run))}</p>\n'
        f"<h1>{escape(problem.what)}</h1>\n"
        + paragraph(
            f"For {problem.for_whom}. Target: {metric_label(problem.metric)} of {problem.target:g}. "
            f"Cost of an error: {problem.cost_of_error}."
        )
    )
