"""A study's findings as one HTML page, as Markdown and on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from recommender.report.page import bullets, cell, chart, page, paragraph, section, table, warned
from recommender.report.terminal import fits, print_sentences, print_warnings
from recommender.studies.engine.finding import Chart, Finding, Grid

LONG = 30  # characters from which on a cell is text that wraps; a number with its interval has fewer


def html(title: str, question: str, findings: Sequence[Finding], warnings: Sequence[str]) -> str:
    """The whole report.html: self-contained, every chart with its numbers."""
    specs = {c.name: c.spec for f in findings for c in f.charts}
    body = [f'<p class="dim">Study</p>\n<h1>{escape(title)}</h1>', paragraph(question)]
    body.append(warned(warnings))
    for finding in findings:
        sentences = bullets(map(escape, finding.sentences))
        body.append(section(finding.title, sentences, evidence(finding.charts, finding.grids, finding.notes)))
    return page(title, "\n".join(body), specs)


def markdown(title: str, question: str, findings: Sequence[Finding], warnings: Sequence[str]) -> str:
    """The page as Markdown, charts as their numbers."""
    lines = [f"# {title}", "", question, ""]
    lines += [f"> ⚠ {w}" for w in warnings]
    for finding in findings:
        lines += ["", f"## {finding.title}", "", *(f"- {s}" for s in finding.sentences)]
        for one in finding.grids:
            lines += ["", *grid_markdown(one)]
        lines += ["", *finding.notes]
    return "\n".join(lines) + "\n"


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


def evidence(charts: Iterable[Chart], grids: Iterable[Grid], notes: Iterable[str], css: str = "") -> str:
    """Charts with their numbers, tables and notes as HTML; css as of ``grid_html``."""
    drawn = "".join(chart(c.name, c.alt, c.title, grid_html(Grid(c.title, c.table), css)) for c in charts)
    return drawn + "".join(grid_html(g, css) for g in grids) + "".join(paragraph(n, "dim") for n in notes)


def grid_html(one: Grid, css: str = "") -> str:
    """css: ``stack`` for a table that shows each row as a block on a phone."""
    rows = [
        (str(first), [_cell(_text(v), h) for h, v in zip(one.frame.columns[1:], rest, strict=True)])
        for first, *rest in one.frame.iter_rows()
    ]
    return table(one.caption, one.frame.columns, rows, css)


def grid_markdown(one: Grid) -> list[str]:
    """Lines: the caption, then the table."""
    frame = one.frame
    lines = [one.caption, "", "| " + " | ".join(frame.columns) + " |", "|" + " --- |" * frame.width]
    return lines + ["| " + " | ".join(_text(v).replace("|", "\\|") for v in row) + " |" for row in frame.iter_rows()]


def _cell(text: str, head: str) -> str:
    return cell(text, css="text" if len(text) > LONG else "", head=head)


def _text(value: object) -> str:
    return "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
