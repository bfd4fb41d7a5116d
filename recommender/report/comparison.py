"""A comparison as one HTML page, as Markdown and on the terminal."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console
from rich.text import Text

from recommender.compare.page_model import Comparison, Sentence
from recommender.evaluation.metric_table import glossary
from recommender.report.page import render, words
from recommender.report.study import grid_markdown
from recommender.report.terminal import print_sentences, print_warnings
from recommender.studies.engine.plan import DATA

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
    return render(
        "compare.html",
        {c.name: c.spec for p in parts for c in p.charts},
        found=found,
        parts=parts,
        lead=_lead(found),
        marks={e.name: n for n, e in enumerate(found.evidence, 1)},
        contents=[*(p.title for p in parts), "Evidence", WORDS],
        relative=lambda folder: _relative(folder, out),
        words=WORDS,
        glossary=_words(found),
    )


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


def _line(sentence: Sentence) -> str:
    return f"- {sentence.text}" + (f" [{'; '.join(sentence.evidence)}]" if sentence.evidence else "")


def _relative(folder: Path, out: Path) -> str:
    return Path(os.path.relpath(folder, out)).as_posix()
