"""What an analysis hands to the report: sentences, tables, charts. Rendered as terminal, Markdown and HTML alike."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

FILE = "findings.json"  # in the folder of a study: titles, sentences and values of its findings
NOT_ENOUGH = "Not enough evidence"  # in every sentence that cannot tell
not_enough = NOT_ENOUGH.lower()  # within one


@dataclass(frozen=True)
class Chart:
    """A Vega-Lite specification, and in words what it shows; its numbers stand in ``table``. finding: what follows from
    it, as a sentence above it; title: how to read it, below it."""

    name: str  # unique in the report; letters, digits and hyphens
    title: str
    spec: dict[str, Any]
    alt: str
    table: pl.DataFrame
    finding: str = ""


@dataclass(frozen=True)
class Grid:
    """A table as a reader sees it: first column names the row, all values are text already."""

    caption: str
    frame: pl.DataFrame


@dataclass
class Finding:
    """One part of a study's report."""

    title: str
    sentences: list[str] = field(default_factory=list)
    grids: list[Grid] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # how to read it, what to keep in mind
    values: dict[str, float] = field(default_factory=dict)  # numbers that other programs read in findings.json


def grid(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Grid:
    """A Grid of rows of text."""
    return Grid(caption, pl.DataFrame(list(map(list, rows)), schema=dict.fromkeys(heads, pl.String), orient="row"))


def slug(text: str) -> str:
    """Letters, digits and hyphens, for the id of an element."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
