"""The plan on pages and as files: its sections as HTML by ``planning.html``, as Markdown, and the roadmap as CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from recommender.compare.page_model import BUILD
from recommender.experiment.value import worth
from recommender.files import write_text
from recommender.planning import charts
from recommender.planning.roadmap import GOAL
from recommender.planning.site_plan import SitePlan
from recommender.report.page import macros, plain_text
from recommender.report.study import grid_markdown
from recommender.studies.engine.finding import Chart, grid

ROADMAP, VIABILITY = "Roadmap", "Is it worth starting?"


def sheet_html(plan_sheet: Sequence[Any]) -> str:
    """The viability sheet of one site."""
    return str(macros("planning.html").sheet(plan_sheet))


def sections(plans: Sequence[SitePlan]) -> dict[str, list[dict[str, Any]]]:
    """What compare.html shows of the plans: title -> a piece per site, with its chart."""
    words = macros("planning.html")
    if not plans:
        return {}
    return {
        BUILD: [
            {"name": p.site, "before": str(words.head(p)), "chart": charts.chances(p),
             "after": str(words.options(p, _worth(p)))} for p in plans],
        ROADMAP: [
            {"name": p.site, "before": "", "chart": charts.roadmap(p), "after": str(words.moves(p))} for p in plans],
        VIABILITY: [
            {"name": p.site, "before": "", "chart": None, "after": str(words.sheet(p.sheet))} for p in plans],
    }  # fmt: skip


def drawn(plan_sections: Mapping[str, Sequence[dict[str, Any]]]) -> list[Chart]:
    """Every chart of the sections."""
    return [piece["chart"] for pieces in plan_sections.values() for piece in pieces if piece["chart"]]


def markdown(plans: Sequence[SitePlan]) -> list[str]:
    """The plans as lines of Markdown."""
    words, lines = macros("planning.html"), []
    for p in plans:
        lines += ["", f"## Plan: {p.site}", "", plain_text(str(words.head(p))), "", *grid_markdown(_options(p))]
        lines += ["", *grid_markdown(_moves(p)), "", *[f"Not in sight: {'; '.join(p.far)}.", ""] * bool(p.far)]
        lines += [f"- {a.question} {a.verdict.capitalize()}. {plain_text(str(words.sheet_words(a)))}" for a in p.sheet]
    return lines


def write_plan(out: Path, plans: Sequence[SitePlan]) -> None:
    """roadmap.csv and roadmap.md."""
    if not plans:
        return
    write_text(out / "roadmap.csv", pl.concat([p.dated for p in plans]).write_csv())
    write_text(out / "roadmap.md", "\n".join(["# Plan", *markdown(plans)]) + "\n")


def _worth(plan: SitePlan) -> dict[str, dict[str, float] | None]:
    """Option -> what its gain is worth a week, None where that is not stated."""
    offline = {p.what: worth(plan.problem, p.gain) if p.gain else None for p, _ in plan.options}
    spans = {what: plan.realized.times(span) if span else None for what, span in offline.items()}
    return {
        what: dict(zip(("value", "low", "high"), span, strict=True)) if span else None for what, span in spans.items()
    }


def _options(plan: SitePlan) -> Any:
    rows = [
        [
            p.what, f"{c.best:.0%}" if not p.reason else "not ranked", f"{c.first:.0%}" if not p.reason else "–",
            f"{p.gain[0]:+.3f} [{p.gain[1]:+.3f}, {p.gain[2]:+.3f}], {p.source}" if p.gain else "not known",
            f"{c.days[0]:.0f} [{c.days[1]:.0f}, {c.days[2]:.0f}]" if c.days else "not stated",
            ", ".join(p.needs) or "–", p.reason or "–",
        ]
        for p, c in plan.options
    ]  # fmt: skip
    heads = ["option", "among the best three", "best", "gain, 95%", "person-days", "needs", "note"]
    return grid("What could be done next, by the chance to be among the best three.", heads, rows)


def _moves(plan: SitePlan) -> Any:
    heads = ["move", "users", "verdict", "due", "between", "start by", "prepare", "stop", "note"]
    rows = [
        [
            f"{r['move']} after {r['from']}" if r["from"] != GOAL else f"{r['move']} reaches the goal",
            *(r[c] for c in ("users", "verdict")), str(r["due"] or "–"),
            f"{r['due_from'] or '–'} to {r['due_by'] or '–'}", str(r["start_by"] or "–"),
            *(r[c] or "–" for c in ("prepare", "stop", "note")),
        ]
        for r in plan.near.iter_rows(named=True)
    ]  # fmt: skip
    return grid("When each move is due, at today's rate.", heads, rows)
