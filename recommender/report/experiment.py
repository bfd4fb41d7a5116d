"""``experiment.html``: one page on a test of a change with users: verdict, picture, sentences, table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from recommender.files import write_text
from recommender.report.page import render
from recommender.studies.engine.finding import Chart, Grid


@dataclass(frozen=True)
class ExperimentPage:
    """status: good, bad or open."""

    title: str
    question: str
    verdict: str
    reason: str
    status: str
    sentences: Sequence[str]
    charts: Sequence[Chart] = field(default_factory=tuple)
    grids: Sequence[Grid] = field(default_factory=tuple)


def write_experiment(out: Path, page: ExperimentPage, place: str) -> Path:
    """Writes ``out/experiment.html`` and returns its path."""
    path = out / "experiment.html"
    write_text(path, render("experiment.html", {c.name: c.spec for c in page.charts}, place=place, **vars(page)))
    return path
