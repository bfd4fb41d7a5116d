"""Ladder tables of finished trains, as Markdown: ``python -m experiments.ladder_tables OUT [OUT ...]``.

One table per folder: NDCG@10 on the test origin by user bucket, with intervals and CPU seconds. For
``experiments/LOG.md`` and for notes; the same numbers stand in each report.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pipelines.cli import run
from recommender.errors import ConfigError
from recommender.experiment import run_tables
from recommender.experiment.run_folder import read_run


def main(argv: list[str]) -> None:
    if not argv:
        raise ConfigError("Name the OUT folders of finished trains, for example artifacts/latest.")
    sys.stdout.write("\n".join(table(Path(folder)) for folder in argv))


def table(folder: Path) -> str:
    train = read_run(folder)
    cells = run_tables.ladder(train)
    buckets = cells["column"].unique(maintain_order=True).to_list()
    n = dict(cells.select("column", "n_queries").iter_rows())
    cpu = dict(run_tables.seconds(train).select("rung", "cpu_s").iter_rows())
    by_cell = {(r["rung"], r["column"]): r for r in cells.iter_rows(named=True)}
    head = ["rung", *(f"{run_tables.LABELS.get(b, b)} (n={n[b]:,})" for b in buckets), "CPU s"]
    rows = [[rung, *(_cell(by_cell.get((rung, b))) for b in buckets), _seconds(cpu.get(rung))] for rung in train.rungs]
    sentences = "".join(f"- {s}\n" for s in train.decision.sentences)
    lines = [_line(head), _line(["---"] * len(head)), *map(_line, rows)]
    return f"### {train.scenario.name} on {train.data['name']}\n\n" + "\n".join(lines) + f"\n\n{sentences}"


def _cell(row: dict[str, object] | None) -> str:
    if row is None or row["value"] is None:
        return "-"
    if row["ci_low"] is None:
        return f"{row['value']:.4f}"
    return f"{row['value']:.4f} [{row['ci_low']:.4f}, {row['ci_high']:.4f}]"


def _seconds(cpu: float | None) -> str:
    return "-" if cpu is None else f"{cpu:.1f}"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    run(main)
