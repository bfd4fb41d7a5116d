"""What each part brings, for the documentation: ``python -m experiments.parts_tables [studies/parts/report.md]``.

Writes two of the tables of a finished ``make study STUDY=parts`` into ``docs/data/``, all scenarios in one file, where
rows of scenarios that were not measured stay:
``parts.csv`` (what is shown of each part, and its costs) and ``parts-by-history.csv`` (NDCG@10 by how much is known of
the user). ``docs/parts.md`` shows them; the other tables stay in the report.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from experiments.realism import save
from pipelines.cli import run
from recommender.errors import ConfigError

REPORT = Path("studies/parts/report.md")
METRIC = "metric of the scenario, difference"  # the head of a column in which scenarios have metrics of their own
TABLES: Mapping[str, str] = {"costs": "parts", "all users": "parts-by-history"}  # last column -> name of the file


def main(argv: list[str]) -> None:
    report = Path(argv[0]) if argv else REPORT
    if not report.exists():
        raise ConfigError(f"There is no {report}. Run: make study STUDY=parts")
    for name, rows in tables(report.read_text(encoding="utf-8")).items():
        save(name, rows, others=True)


def tables(report: str) -> dict[str, list[list[str]]]:
    """The tables of ``TABLES`` by the name of their file, with the scenario of their section as first column."""
    by_name: dict[str, list[list[str]]] = {}
    for section in report.split("\n## ")[1:]:
        scenario = section.split(" on ")[0]
        for block in section.split("\n\n"):
            if block.startswith("| part |"):
                head, _, *rows = [_cells(line) for line in block.strip().splitlines()]
                head = [re.sub(r".* ↑, difference$", METRIC, cell) for cell in head]
                if name := TABLES.get(head[-1]):
                    by_name.setdefault(name, [["scenario", *head]]).extend([scenario, *row] for row in rows)
    return by_name


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


if __name__ == "__main__":
    run(main)
