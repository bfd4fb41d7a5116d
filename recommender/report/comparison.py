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
from recommender.report.page import cell, chart, details, page, paragraph, section, table
from recommender.report.study import grid_html, grid_markdown
from recommender.studies.engine.finding import Grid
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
_HOW = {
    # how to read the page
    "validation, test": "Choices are made on validation periods; the test period comes after them, and models saw "
    "nothing of it. All accuracy on this page is of the test period, unless a sentence says validation or periods. "
    "Each rung has one setting: the one that the validation periods chose with all of today's data.",
    "interval": "In [brackets]: 95%. Users are drawn again with replacement, and so are the samples of a size.",
    "resamples": "Those redrawn sets of users and samples. “ahead in 87% of the resamples”: in so many of them.",
    "not enough evidence": "The interval holds both gain and loss, or would if it allowed for all that was compared "
    "with it, or too few users were asked: no claim either way.",
    "adjusted p": "The chance to see such a difference where there is none, raised by how many were compared (Holm).",
    "another seed, seed noise": "What changes when only the random numbers of a rung do: the largest result less the "
    "smallest. A gain no larger than that is no finding.",
    "earlier interactions": "What the user had taken before the list was asked for. “all users” asks each user once; "
    "the groups ask each time somebody took something, so a user can be in several.",
    "in the midst of a visit": "Last seen less than the stated time ago; all others with a history come back.",
    "[1]": "Where a sentence's numbers come from: the cells listed under Evidence, as folders and as runs in MLflow "
    "(start it by make ui).",
    # what ships, and when
    "rung": "One step of the ladder: a recommender with its parameters, from little effort to much.",
    "day one": "With the fewest interactions measured: the simplest rung, or one that is ahead of all simpler ones at "
    "every size.",
    "no interactions at all": "Before the first one nothing can be measured: lists then follow what users state, else "
    "the editors' order, else the newest first (make train ... SET='day_zero=true').",
    "ships today": "Chosen on validation among the rungs of this page. make train decides among the scenario's whole "
    "ladder and makes the model.",
    "wins, overtakes": "Its gain over the best simpler rung is above zero with its whole 95% interval.",
    "router": "What ships as one model: it gives each group of users the lists of the rung that serves the group.",
    "blended by rank": "Two rungs' lists as one: an item stands the higher the higher either list has it; that of the "
    "rung that serves counts double.",
    "places for new items (slots)": "Places among the first 20 that are kept for items that nobody has taken yet; "
    "validation chooses how many.",
    "re-ranker": "Puts a finished list into another order, for an end beside accuracy: reach, variety, fairness.",
    "recipe": "Which rung serves which users, with its parameters, as one scenario's validation periods chose them.",
    # costs
    "CPU seconds": "Processor time of one fit and all lists of the test period, all threads added, one run.",
    "column": "As a cost: a column of the data that has to be collected and kept right.",
    "configuration key": "As a cost: a setting that a part needs in the scenario's file, beside those that it has "
    "without it.",
    # data and parts
    "all metadata, stated features": "The same columns: all that items and users state of themselves. “all metadata” "
    "takes them from each rung alone and compares the best; “stated features” from everything that ships.",
    "half of ...": "Of all metadata: half of the values of each column are missing. Of the interactions: half of them.",
    "exact times": "When something was taken to the second, against the day alone.",
    "signals": "Events that are no take: likes, shares, follows, applications, hates.",
    "hard and soft rules": "A hard rule never shows an item; a soft one moves it down.",
    "MMR": "Maximal marginal relevance: a re-ranker that picks, place by place, what is relevant and unlike the items "
    "above it.",
    "Thompson draws": "Of items that few know yet, each list takes those with the highest random draw of what their "
    "rate of takes could be: the less is known, the wider the draws.",
    "upper confidence bound": "The same with the 90% bound of what the rate could be, alike for all lists.",
}


def html(found: Comparison, out: Path) -> str:
    """The whole report.html, for the folder ``out``: self-contained, every chart with its numbers."""
    parts = [*found.sites, *found.side_by_side]
    specs = {c.name: c.spec for p in parts for c in p.charts}
    marks = {e.name: n for n, e in enumerate(found.evidence, 1)}
    links = [f'<a href="#{_id(p.title)}">{escape(p.title)}</a>' for p in parts]
    body = [
        f'<p class="dim">Comparison</p>\n<h1>{escape(found.title)}</h1>',
        "".join(paragraph(f"⚠ {w}", "warning") for w in found.warnings),
        paragraph(_lead(found)),
        section("At a glance", grid_html(found.glance, STACK), details(WORDS, _list(_words(found)))),
        f"<nav><p>On this page: {' · '.join(links)}</p></nav>",
        *(_part(p, marks) for p in parts),
        f'<div id="evidence">{section("Evidence", *(_evidence(e, marks[e.name], out) for e in found.evidence))}</div>',
    ]
    return page(found.title, "\n".join(body), specs)


def markdown(found: Comparison, out: Path) -> str:
    """The same as Markdown, charts as their numbers."""
    lines = [f"# {found.title}", "", *(f"> ⚠ {w}" for w in found.warnings), "", _lead(found), ""]
    lines += grid_markdown(found.glance)
    for part in (*found.sites, *found.side_by_side):
        lines += ["", f"## {part.title}", "", *part.intro]
        for question, told in part.answers.items():
            lines += ["", f"### {question}", "", *(_line(s) for s in told)]
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
        for question, told in part.answers.items():
            console.print(Text(question, style="underline"))
            for sentence in told:
                console.print(Text(f"→ {sentence.text}"))
    for part in (p for p in found.side_by_side if p.sentences):
        console.print(Text(f"\n{part.title}", style="bold"))
        for sentence in part.sentences:
            console.print(Text(f"→ {sentence.text}"))
    for warning in found.warnings:
        console.print(Text(f"⚠ {warning}", style="yellow"))


def _lead(found: Comparison) -> str:
    made_up = any(c.labels.get(DATA) == "simulated" for e in found.evidence for c in e.cells)
    return _LEAD.format(rungs=", ".join(found.glossary)) + f" {_SIMULATED}" * made_up


def _words(found: Comparison) -> dict[str, str]:
    """How to read the page, its metrics, and what each rung does."""
    return {**_HOW, **glossary(), **found.glossary}


def _part(part: Section, marks: Mapping[str, int]) -> str:
    answers = "".join(f"<h3>{escape(q)}</h3>\n{_bullets(told, marks)}" for q, told in part.answers.items())
    charts = "".join(chart(c.name, c.alt, c.title, grid_html(Grid(c.title, c.table), STACK)) for c in part.charts)
    intro = "".join(paragraph(text) for text in part.intro)
    grids = "".join(grid_html(g, STACK) for g in part.grids if g.frame.height)
    grids += "".join(details(g.caption, grid_html(g, STACK)) for g in part.more)
    notes = "".join(paragraph(n, "dim") for n in part.notes)
    inside = section(part.title, intro, answers, _bullets(part.sentences, marks), charts, grids, notes)
    return f'<div id="{_id(part.title)}">{inside}</div>'


def _bullets(told: Sequence[Sentence], marks: Mapping[str, int]) -> str:
    rows = "".join(f"<li>{escape(s.text)}{_marks(s, marks)}</li>" for s in told)
    return f"<ul>{rows}</ul>" if rows else ""


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
    told = " ".join(f'<a href="{escape(url)}">{escape(rung)}</a>' for rung, url in links.items())
    return f'<td class="text">{told}</td>' if told else cell("–")


def _list(entries: Mapping[str, str]) -> str:
    return "<dl>" + "".join(f"<dt>{escape(w)}</dt><dd>{escape(t)}</dd>" for w, t in entries.items()) + "</dl>"


def _line(sentence: Sentence) -> str:
    return f"- {sentence.text}" + (f" [{'; '.join(sentence.evidence)}]" if sentence.evidence else "")


def _id(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _relative(folder: Path, out: Path) -> str:
    return Path(os.path.relpath(folder, out)).as_posix()
