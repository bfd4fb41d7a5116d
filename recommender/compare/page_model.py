"""A comparison's page as data, for the report to render: sentences with what they rest on, tables, charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from recommender.studies.engine.finding import Chart, Grid
from recommender.studies.engine.measured import Measured

DAY_ONE = "What do we ship on day one?"
WHEN = "When do we move, for whom?"
MORE = "What would more or better data bring?"
PARTS = "Which of this scenario's parts earn their keep?"
COST = "What did it cost?"
QUESTIONS = (DAY_ONE, WHEN, MORE, PARTS, COST)


@dataclass(frozen=True)
class Sentence:
    """A sentence, and the names of the ``Evidence`` that its numbers come from."""

    text: str
    evidence: tuple[str, ...] = ()


@dataclass
class Section:
    """A headed section of the page. ``answers``: question -> sentences; ``more``: tables that are folded away."""

    title: str
    intro: list[str] = field(default_factory=list)
    answers: dict[str, list[Sentence]] = field(default_factory=dict)
    sentences: list[Sentence] = field(default_factory=list)
    grids: list[Grid] = field(default_factory=list)
    more: list[Grid] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Evidence:
    """Cells of one study at one site. runs: cell folder -> rung -> link to its MLflow run."""

    name: str
    cells: Sequence[Measured]
    runs: dict[Path, dict[str, str]]


@dataclass(frozen=True)
class Comparison:
    """The whole page: ``glance``, a section per site, then those that set sites side by side. glossary: rung -> what
    it does."""

    title: str
    warnings: Sequence[str]
    glance: Grid
    sites: Sequence[Section]
    side_by_side: Sequence[Section]
    evidence: Sequence[Evidence]
    glossary: Mapping[str, str]
