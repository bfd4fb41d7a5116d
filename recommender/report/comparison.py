"""A comparison as one HTML page, as Markdown and on the terminal."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from rich.console import Console
from rich.text import Text

from recommender.compare.page_model import Comparison, Evidence, Section, Sentence
from recommender.evaluation.metric_table import glossary
from recommender.report.page import bullets, cell, definitions, details, page, paragraph, section, table, warned, words
from recommender.report.study import evidence, grid_html, grid_markdown
from recommender.report.terminal import print_sentences, print_warnings
from recommender.studies.engine.plan import DATA

STACK = "stack left"  # on a phone each row is a block: names of rows are long here
_LEAD = (
    "From measurements, for each scenario on its data: which recommender to ship for whom, when to move to another, "
    "what more or better data would bring, which parts earn their keep, and what it cost. Recommenders are the rungs "
    "of a ladder: {rungs}. NDCG@10 is the quality of the first ten places of a list, 0 to "
    "1. In [brackets]: 95% interval. [1]: where a sentence's numbers come from."
)
_SIMULATED = "Data named “simulated” are made up: they show how the method works, not what your gain would be."
WORDS = "The words of this page, and what each rung does"


def html(found: Comparison, out: Path) -> str:
    """The whole report.html, for the folder ``out``: self-contained, every chart with its numbers."""
    parts = [*found.sites, *found.side_by_side]
    specs = {c.name: c.spec for p in parts for c in p.charts}
    marks = {e.name: n for n, e in enumerate(found.evidence, 1)}
    links = [f'<a href="#{_id(p.title)}">{escape(p.title)}</a>' for p in parts]
    body = [
        f'<p class="dim">Comparison</p>\n<h1>{escape(found.title)}</h1>',
        warned(found.warnings),
        paragraph(_lead(found)),
        section("At a glance", grid_html(found.glance, STACK), details(WORDS, definitions(_words(found)))),
        f"<nav><p>On this page: {' · '.join(links)}</p></nav>",
        *(_part(p, marks) for p in parts),
        f'<div id="evidence">{section("Evidence", *(_evidence(e, marks[e.name], out) for e in found.evidence))}</div>',
    ]
    return page(found.title, "\n".join(body), specs)


def markdown(found: Comparison, out: Path) -> str:
    """The page as Markdown, charts as their numbers."""
    lines = [f"# {found.title}", "", *(f"> ⚠ {w}" for w in found.warnings), "", _lead(found), ""]
    lines += grid_markdown(found.glance)
    for part in (*found.sites, *found.side_by_side):
        lines += ["", f"## {part.title}", "", *part.intro]
        for question, answer in part.answers.items():
            lines += ["", f"### {question}", "", *(_line(s) for s in answer)]
        lines += ["", *(_line(s) for s in part.sentences)]
        for grid in (*part.grids, *part.more):
            lines += ["", *grid_markdown(grid)]
        lines += ["", *part.notes]
    lines += ["", "## Evidence", ""]
    lines += [f"- {e.name}: " + ", ".join(f"`{_relative(c.folder, out)}`" for c in e.cells) for e in found.evidence]
    lines += ["", f"## {WORDS}", "", *(f"- **{w}**: {t}" for w, t in _words(found).items())]
    return "\n".join(lines) + "\n"


def show(found: Comparison, console: Console) -> None:
    """The answers, place by place; the report has the tables and charts."""
    for part in found.sites:
        console.print(Text(f"\n{part.title}", style="bold"))
        for question, answer in part.answers.items():
            console.print(Text(question, style="underline"))
            print_sentences((s.text for s in answer), console)
    for part in (p for p in found.side_by_side if p.sentences):
        console.print(Text(f"\n{part.title}", style="bold"))
        print_sentences((s.text for s in part.sentences), console)
    print_warnings(found.warnings, console)


def _lead(found: Comparison) -> str:
    made_up = any(c.labels.get(DATA) == "simulated" for e in found.evidence for c in e.cells)
    return _LEAD.format(rungs=", ".join(found.glossary)) + f" {_SIMULATED}" * made_up


def _words(found: Comparison) -> dict[str, str]:
    """How to read the page, its metrics, and what each rung does."""
    return {**words("comparison"), **glossary(), **found.glossary}


def _part(part: Section, marks: Mapping[str, int]) -> str:
    answers = "".join(f"<h3>{escape(q)}</h3>\n{_bullets(answer, marks)}" for q, answer in part.answers.items())
    intro = "".join(paragraph(text) for text in part.intro)
    shown = evidence(part.charts, (g for g in part.grids if g.frame.height), (), STACK)
    shown += "".join(details(g.caption, grid_html(g, STACK)) for g in part.more) + evidence((), (), part.notes)
    inside = section(part.title, intro, answers, _bullets(part.sentences, marks), shown)
    return f'<div id="{_id(part.title)}">{inside}</div>'


def _bullets(sentences: Sequence[Sentence], marks: Mapping[str, int]) -> str:
    return bullets(escape(s.text) + _marks(s, marks) for s in sentences)


def _marks(sentence: Sentence, marks: Mapping[str, int]) -> str:
    links = [
        f'<a href="#evidence-{marks[name]}" title="{escape(name)}">[{marks[name]}]</a>'
        for name in sentence.evidence
        if name in marks
    ]
    return f" <small>{' '.join(links)}</small>" if links else ""


def _evidence(found: Evidence, number: int, out: Path) -> str:
    rows = [
        (
            " ".join(f"{axis}={level}" for axis, level in c.labels.items() if level),
            [_folder(_relative(c.folder, out)), _runs(found.runs.get(c.folder, {}))],
        )
        for c in found.cells
    ]
    cells = table("Each cell was measured once.", ["Cell", "Folder", "Runs in MLflow, by rung"], rows)
    head = f"[{number}] {found.name}: {len(found.cells)} cell{'s' * (len(found.cells) != 1)}"
    return f'<div id="evidence-{number}">{details(head, cells)}</div>'


def _folder(path: str) -> str:
    return f'<td class="text"><a href="{escape(path)}">{escape(Path(path).name)}</a></td>'


def _runs(links: Mapping[str, str]) -> str:
    anchors = " ".join(f'<a href="{escape(url)}">{escape(rung)}</a>' for rung, url in links.items())
    return f'<td class="text">{anchors}</td>' if anchors else cell("–")


def _line(sentence: Sentence) -> str:
    return f"- {sentence.text}" + (f" [{'; '.join(sentence.evidence)}]" if sentence.evidence else "")


def _id(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _relative(folder: Path, out: Path) -> str:
    return Path(os.path.relpath(folder, out)).as_posix()
