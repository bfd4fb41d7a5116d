"""A study's findings as one HTML page, as Markdown and on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from recommender.report.page import render
from recommender.report.terminal import fits, print_sentences, print_warnings
from recommender.studies.engine.finding import Finding, Grid


def html(title: str, question: str, findings: Sequence[Finding], warnings: Sequence[str]) -> str:
    """The whole report.html: self-contained, every chart with its numbers."""
    specs = {c.name: c.spec for f in findings for c in f.charts}
    return render("study.html", specs, title=title, question=question, findings=findings, warnings=warnings)


def markdown(title: str, question: str, findings: Sequence[Finding], warnings: Sequence[str]) -> str:
    """The page as Markdown, charts as their numbers."""
    return "\n".join([f"# {title}", "", question, "", *(f"> ⚠ {w}" for w in warnings), *sections(findings)]) + "\n"


def sections(findings: Iterable[Finding]) -> list[str]:
    """Lines of Markdown, a section per finding."""
    lines: list[str] = []
    for finding in findings:
        lines += ["", f"## {finding.title}", "", *(f"- {s}" for s in finding.sentences)]
        for one in finding.grids:
            lines += ["", *grid_markdown(one)]
        lines += ["", *finding.notes]
    return lines


def show(findings: Sequence[Finding], warnings: Sequence[str], console: Console) -> None:
    """Sentences, and the first table of each finding where it fits, on the terminal; the report has all."""
    for finding in findings:
        console.print(Text(f"\n{finding.title}", style="bold"))
        for one in finding.grids[:1]:
            drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
            for place, head in enumerate(one.frame.columns):
                drawn.add_column(Text(head), justify="left" if place == 0 else "right")
            for row in one.frame.iter_rows():
                drawn.add_row(*(Text(str(v)) for v in row))
            if fits(drawn, console):
                console.print(Text(one.caption, style="dim"))
                console.print(drawn)
        print_sentences(finding.sentences, console)
    print_warnings(warnings, console)


def grid_markdown(one: Grid) -> list[str]:
    """Lines: the caption, then the table."""
    frame = one.frame
    lines = [one.caption, "", "| " + " | ".join(frame.columns) + " |", "|" + " --- |" * frame.width]
    return lines + ["| " + " | ".join(map(_text, row)) + " |" for row in frame.iter_rows()]


def _text(value: object) -> str:
    shown = "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
    return shown.replace("|", "\\|").replace("\n", " ")
