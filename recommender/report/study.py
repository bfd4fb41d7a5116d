"""A study's findings as one HTML page, as Markdown and on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from recommender.report.page import cell, chart, page, paragraph, section, table
from recommender.report.terminal import UNBOUNDED
from recommender.studies.engine.finding import Finding, Grid

LONG = 30  # characters from which on a cell is text that wraps; a number with its interval has fewer


def html(title: str, question: str, findings: Sequence[Finding], warnings: Sequence[str]) -> str:
    """The whole report.html: self-contained, every chart with its numbers."""
    specs = {c.name: c.spec for f in findings for c in f.charts}
    body = [f'<p class="dim">Study</p>\n<h1>{escape(title)}</h1>', paragraph(question)]
    body += [paragraph(f"⚠ {w}", "warning") for w in warnings]
    for finding in findings:
        told = "".join(f"<li>{escape(s)}</li>" for s in finding.sentences)
        charts = "".join(chart(c.name, c.alt, c.title, grid_html(Grid(c.title, c.table))) for c in finding.charts)
        grids = "".join(grid_html(g) for g in finding.grids)
        notes = "".join(paragraph(n, "dim") for n in finding.notes)
        body.append(section(finding.title, f"<ul>{told}</ul>" if told else "", charts, grids, notes))
    return page(title, "\n".join(body), specs)


def markdown(title: str, question: str, findings: Sequence[Finding], warnings: Sequence[str]) -> str:
    """The same as Markdown, charts as their numbers."""
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
            if console.measure(drawn, options=console.options.update(width=UNBOUNDED)).maximum <= console.width:
                console.print(Text(one.caption, style="dim"))
                console.print(drawn)
        for sentence in finding.sentences:
            console.print(Text(f"→ {sentence}"))
    for warning in warnings:
        console.print(Text(f"⚠ {warning}", style="yellow"))


def grid_html(one: Grid, css: str = "") -> str:
    """css: ``stack`` for a table that shows each row as a block on a phone."""
    rows = [
        (str(first), [_cell(_told(v), h) for h, v in zip(one.frame.columns[1:], rest, strict=True)])
        for first, *rest in one.frame.iter_rows()
    ]
    return table(one.caption, one.frame.columns, rows, css)


def grid_markdown(one: Grid) -> list[str]:
    """Lines: the caption, then the table."""
    frame = one.frame
    lines = [one.caption, "", "| " + " | ".join(frame.columns) + " |", "|" + " --- |" * frame.width]
    return lines + ["| " + " | ".join(_told(v).replace("|", "\\|") for v in row) + " |" for row in frame.iter_rows()]


def _cell(told: str, head: str) -> str:
    return cell(told, css="text" if len(told) > LONG else "", head=head)


def _told(value: object) -> str:
    return "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
