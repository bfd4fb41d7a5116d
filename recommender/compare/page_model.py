"""A comparison's page as data, for the report to render: facts, charts and tables, site by site and side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from recommender.compare.site import Site
from recommender.studies.engine.finding import Chart, Finding
from recommender.studies.engine.measured import Measured

DAY_ONE = "What do we ship on day one?"
WHEN = "When do we move, for whom?"
MORE = "What would more or better data bring?"
PARTS = "Which of this scenario's parts earn their keep?"
COST = "What did it cost?"
BUILD = "What do we build next?"
QUESTIONS = (DAY_ONE, WHEN, MORE, PARTS, COST, BUILD)


@dataclass(frozen=True)
class Evidence:
    """Cells of one study at one site. runs: cell folder -> rung -> link to its MLflow run."""

    name: str
    cells: Sequence[Measured]
    runs: dict[Path, dict[str, str]]


@dataclass(frozen=True)
class Comparison:
    """The whole page. facts: of all sites; charts: question -> charts, of every site or of all together; findings: what
    else sets sites side by side; glossary: rung -> what it does."""

    title: str
    warnings: Sequence[str]
    sites: Sequence[Site]
    facts: pl.DataFrame
    charts: Mapping[str, Sequence[Chart]]
    tables: Mapping[str, Sequence[Finding]]
    findings: Sequence[Finding]
    evidence: Sequence[Evidence]
    glossary: Mapping[str, str] = field(default_factory=dict)
