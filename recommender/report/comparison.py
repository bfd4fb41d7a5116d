"""A comparison as one HTML page, as Markdown and on the terminal; its sentences stand in compare_words.html."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.text import Text

from recommender.compare import page_model
from recommender.compare.page_model import Comparison
from recommender.compare.plan import PARTS, TRANSFER, VALUE, VOLUME
from recommender.compare.site import Site
from recommender.evaluation.metric_table import glossary, metric_label, named
from recommender.experiment import run_tables
from recommender.names import ALL, IN_SESSION, ORACLE, PLAIN, RETURNING, ROUTER, USER_BUCKETS
from recommender.planning.site_plan import SitePlan
from recommender.report import planning
from recommender.report.page import macros, plain_text, render, words
from recommender.report.study import grid_markdown, sections
from recommender.report.terminal import print_sentences, print_warnings
from recommender.report.tiles import first_screen, topics
from recommender.studies.engine.plan import DATA

# Question -> macros of compare_words.html, and the studies that their numbers come from.
ANSWERS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    page_model.DAY_ONE: (("day_one", "today"), (VOLUME, TRANSFER)),
    page_model.WHEN: (("when",), (VOLUME,)),
    page_model.MORE: (("more",), (VOLUME,)),
    page_model.PARTS: (("parts", "parts_more"), (TRANSFER, VALUE, PARTS)),
    page_model.COST: (("cost",), (TRANSFER,)),
    page_model.BUILD: (("build",), (TRANSFER, PARTS)),
}
_LEAD = (
    "For each scenario on its data: what to ship for whom, when to move, what more data bring, which parts pay, and "
    "what it cost. In [brackets]: 95% intervals."
)
_SIMULATED = "Data named “simulated” are made up: they show how the method works, not what your gain would be."
WORDS = "The words of this page, and what each rung does"


def html(comparison: Comparison, out: Path, plans: Sequence[SitePlan] = ()) -> str:
    """The whole report.html, for the folder ``out``: self-contained, every chart with its numbers. plans: by site."""
    planned = planning.sections(plans)
    drawn = [
        *planning.drawn(planned),
        *(c for charts in comparison.charts.values() for c in charts),
        *(c for f in comparison.findings for c in f.charts),
    ]
    return render(
        "compare.html",
        {c.name: c.spec for c in drawn},
        comparison=comparison,
        lead=_lead(comparison),
        scenarios=list(dict.fromkeys(s.scenario.name for s in comparison.sites)),
        filters=_filters(comparison),
        WHEN=page_model.WHEN,
        visits=not comparison.facts.filter(
            pl.col("topic") == "ships", pl.col("bucket").str.contains(f"{IN_SESSION}|{RETURNING}")
        ).is_empty(),
        explained=_shipped(comparison),
        sites=[_site(s, comparison) for s in comparison.sites],
        questions=_questions(comparison),
        plans=planned,
        contents=[
            *page_model.QUESTIONS,
            *(title for title in planned if title not in page_model.QUESTIONS),
            *(f.title for f in comparison.findings),
            "Evidence",
            WORDS,
        ],
        relative=lambda folder: _relative(folder, out),
        words=WORDS,
        glossary=_words(comparison),
    )


def answers(comparison: Comparison) -> dict[str, dict[str, list[str]]]:
    """Site -> question -> sentences, as plain text."""
    return {
        site.name: {q: [text] for q, on in _questions(comparison).items() for s in on if s["name"] == site.name
                    for text in [plain_text(s["html"])]}
        for site in comparison.sites
    }  # fmt: skip


def answers_table(comparison: Comparison) -> pl.DataFrame:
    """A sentence with its site, question and evidence."""
    table = [
        {"site": s["name"], "question": q, "sentence": plain_text(s["html"]), "evidence": "; ".join(s["evidence"])}
        for q, on in _questions(comparison).items()
        for s in on
    ]
    return pl.DataFrame(table, schema=dict.fromkeys(("site", "question", "sentence", "evidence"), pl.String))


def markdown(comparison: Comparison, out: Path, plans: Sequence[SitePlan] = ()) -> str:
    """The page as Markdown, charts as their numbers. plans: by site."""
    lines = [f"# {comparison.title}", "", *(f"> ⚠ {w}" for w in comparison.warnings), "", _lead(comparison), ""]
    for question, on in _questions(comparison).items():
        lines += ["", f"## {question}", "", *(f"- {s['name']}: {plain_text(s['html'])}" for s in on)]
        for one in (g for f in comparison.tables.get(question, []) for g in f.grids):
            lines += ["", *grid_markdown(one)]
    lines += [*planning.markdown(plans), *sections(comparison.findings), "", "## Evidence", ""]
    lines += [
        f"- {e.name}: " + ", ".join(f"`{_relative(c.folder, out)}`" for c in e.cells) for e in comparison.evidence
    ]
    lines += ["", f"## {WORDS}", "", *(f"- **{w}**: {t}" for w, t in _words(comparison).items())]
    return "\n".join(lines) + "\n"


def show(comparison: Comparison, console: Console) -> None:
    """The answers, site by site; the report has the tables and charts."""
    for site, by_question in answers(comparison).items():
        console.print(Text(f"\n{site}", style="bold"))
        for question, texts in by_question.items():
            console.print(Text(question, style="underline"))
            print_sentences(texts, console)
    print_warnings(comparison.warnings, console)


def _site(site: Site, comparison: Comparison) -> dict[str, Any]:
    """The tiles of one site: those of a train's page, from the same facts."""
    facts = comparison.facts.filter(site=site.name)
    run = site.ships
    return {
        "name": site.name,
        "short": site.scenario.name
        if sum(s.scenario.name == site.scenario.name for s in comparison.sites) == 1
        else site.name,
        "scenario": site.scenario.name,
        "screen": first_screen(run, facts, site.data) if run else None,
        "warnings": run_tables.warnings(run) if run else [],
        "left_out": facts.filter(topic="left out")["what"].to_list(),
        "f": _topics(site, facts),
    }


def _shipped(comparison: Comparison) -> list[str]:
    """Every rung that ships anywhere, and the simplest ones."""
    ships = comparison.facts.filter(topic="ships")
    ends = [ships["what"], ships["reason"], comparison.facts.filter(topic="gain")["over"]]
    return [rung for rung in pl.concat(ends).unique(maintain_order=True) if rung]


def _topics(site: Site, facts: pl.DataFrame) -> dict[str, Any]:
    measuring = sum(c.whole_seconds for c in site.cells)
    return topics(facts, site.ships, facts, measure=site.measure_parts, measuring=measuring)


def _filters(comparison: Comparison) -> dict[str, Any]:
    """What readers can choose: groups of users, accuracy metrics, rungs that any chart draws."""
    shown = comparison.facts.filter(pl.col("topic").is_in(["accuracy", "curve"]), pl.col("what") != ORACLE)
    rungs = [r for r in shown["what"].unique(maintain_order=True) if r not in (ROUTER, PLAIN)]
    labels = list(dict.fromkeys(metric_label(s.metric) for s in comparison.sites))
    groups = [{"id": b, "name": run_tables.USERS[b]} for b in (ALL, *USER_BUCKETS)]
    return {"users": groups, "metrics": named("accuracy"), "rungs": rungs, "headline": " or ".join(labels)}


def _questions(comparison: Comparison) -> dict[str, list[dict[str, Any]]]:
    """Question -> an answer per site: name, html, numbers of its evidence."""
    listed = {e.name: n for n, e in enumerate(comparison.evidence, 1)}
    words_of = macros("compare_words.html")
    out: dict[str, list[dict[str, Any]]] = {q: [] for q in ANSWERS}
    for site in comparison.sites:
        facts = comparison.facts.filter(site=site.name)
        f = _topics(site, facts)
        for question, (names, studies) in ANSWERS.items():
            text = " ".join(str(getattr(words_of, name)(f)).strip() for name in names)
            evidence = [f"{study}, {site.name}" for study in studies if study in site.runs]
            marks = [listed[name] for name in evidence if name in listed]
            out[question].append({"name": site.name, "html": text, "marks": marks, "evidence": evidence})
    return out


def _lead(comparison: Comparison) -> str:
    any_simulated = any(c.labels.get(DATA) == "simulated" for e in comparison.evidence for c in e.cells)
    return _LEAD + f" {_SIMULATED}" * any_simulated


def _words(comparison: Comparison) -> dict[str, str]:
    """How to read the page, its metrics, and what each rung does."""
    return {**words("comparison"), **glossary(), **comparison.glossary}


def _relative(folder: Path, out: Path) -> str:
    return Path(os.path.relpath(folder, out)).as_posix()
