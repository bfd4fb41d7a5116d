"""``demo.html``: the loop of a model in use as one story, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recommender.files import write_text
from recommender.report.page import render

OUTCOMES = {0: "done", 4: "alarm, or the gate does not hold"}


@dataclass(frozen=True)
class Step:
    """One command: its line, exit code, what it printed, and the sentences of a look of the monitor."""

    title: str
    command: str
    code: int
    output: str
    sentences: Sequence[str]


def write_demo(out: Path, steps: Sequence[Step], audit: Sequence[Mapping[str, Any]]) -> Path:
    """Writes ``out/demo.html`` and returns its path. audit: rows of the promotions of the loop."""
    path = out / "demo.html"
    write_text(path, render("demo.html", {}, steps=steps, audit=audit, outcomes=OUTCOMES))
    return path
