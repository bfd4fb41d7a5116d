"""Questions over all results, in SQL: DuckDB over the files that train, study and compare left here.

python -m pipelines.sql [--query 'select ...']
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import yaml
from rich import box
from rich.console import Console
from rich.table import Table

from pipelines.cli import run
from pipelines.study import STUDIES
from recommender.errors import UserError
from recommender.experiment.out_folder import ARTIFACTS, MARKER

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# View -> the files of trains behind it: artifacts/<run>/<name>.parquet, with the run in front.
OF_TRAINS = ("metrics", "effort", "comparisons", "data_effort", "audit", "controls", "per_query")
# View -> the files of comparisons: artifacts/<comparison>/<file>.parquet, with the comparison in front.
OF_COMPARISONS = {
    "ladder": "ladder", "moves": "moves", "build": "build", "transfer": "transfer", "answers": "answers",
    "data_value": "data_value", "parts": "parts",
}  # fmt: skip
MOST_ROWS = 200  # shown of an answer
WELCOME = "End a question with a semicolon. 'show tables;' and 'describe metrics;' tell what there is. Ctrl-D ends."
UNBOUNDED = 10_000  # columns of text: a file or pipe gets rows whole


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser("pipelines.sql", description=__doc__)
    parser.add_argument("--query", help="one question (default: a prompt)")
    args = parser.parse_args(argv)
    connection = connect(ARTIFACTS, STUDIES)
    if args.query:
        show(answers(connection, args.query))
    else:
        ask(connection)


def connect(artifacts: Path, studies: Path) -> DuckDBPyConnection:
    """A database in memory with a view per table. Raises UserError where DuckDB or all results are missing."""
    try:
        import duckdb
    except ImportError:
        raise UserError("DuckDB is not installed here. This command installs it: make setup-sql") from None
    connection = duckdb.connect()
    made = [*_files(artifacts, studies)]
    for name, key, files in made:
        columns = "regexp_extract(filename, '([^/]+)/[^/]+$', 1)"
        listed = ", ".join("'" + str(f).replace("'", "''") + "'" for f in files)
        connection.execute(
            f"CREATE VIEW {name} AS SELECT {columns} AS {key}, * EXCLUDE (filename) "
            f"FROM read_parquet([{listed}], filename = true, union_by_name = true)"
        )
    for name, frame in tables(artifacts).items():
        connection.register(name, frame.to_arrow())
        made.append((name, "", []))
    if not made:
        raise UserError(
            f"No results under {artifacts}/ or {studies}/ yet. Make some: make train SCENARIO=jobs, or make compare."
        )
    return connection


def _files(artifacts: Path, studies: Path) -> Iterator[tuple[str, str, list[Path]]]:
    """(view, column that names the folder, files) of what there is."""
    for name in OF_TRAINS:
        files = [f for out in trains(artifacts) if (f := out / f"{name}.parquet").exists()]
        if files:
            yield name, "run", files
    for name, file in OF_COMPARISONS.items():
        files = [f for f in sorted(artifacts.glob(f"*/{file}.parquet")) if (f.parent / "ladder.parquet").exists()]
        if files:
            yield name, "comparison", files
    if files := sorted(studies.glob("*/results.parquet")):
        yield "cells", "folder", files


def trains(artifacts: Path) -> list[Path]:
    """OUT folders of finished trains."""
    found = sorted(p.parent for p in artifacts.glob("*/decision.json"))
    return [out for out in found if not out.is_symlink() and not (out / MARKER).exists()]


def tables(artifacts: Path) -> dict[str, pl.DataFrame]:
    """What lies in JSON and YAML: runs (one row per train), data (its measures), decisions (who gets what, and why)."""
    runs: list[dict[str, Any]] = []
    data: list[dict[str, Any]] = []
    decisions: list[dict[str, Any]] = []
    for out in trains(artifacts):
        config = yaml.safe_load((out / "config.yaml").read_text())
        found, decision = (json.loads((out / f"{name}.json").read_text()) for name in ("data", "decision"))
        summary = found.get("summary", {})
        counts = {n: summary.get(n) for n in ("n_interactions", "n_users", "n_items", "span_days")}
        about = {"run": out.name, "scenario": config["name"], "data": found["name"], "digest": found["digest"]}
        goal = {"metric": config["decision"]["metric"], "goal": config["problem"]["target"]}
        runs.append({**about, **goal, **counts})
        data += [{"run": out.name, "measure": m, "value": float(v)} for m, v in summary.items() if _is_number(v)]
        for visit in ("buckets", "returning"):
            rows = decision.get(visit, {}).items()
            decisions += [{"run": out.name, "users": bucket, "visit": visit, **choice} for bucket, choice in rows]
    made = {"runs": runs, "data": data, "decisions": decisions}
    return {name: pl.DataFrame(rows, infer_schema_length=None) for name, rows in made.items() if rows}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def answers(connection: DuckDBPyConnection, query: str) -> Iterator[pl.DataFrame]:
    """One frame per statement, empty without an answer. Raises UserError where the database does not understand."""
    import duckdb

    try:
        for statement in connection.extract_statements(query):
            asked = connection.sql(statement)
            yield asked.pl() if asked is not None else pl.DataFrame()
    except duckdb.Error as error:
        raise UserError(str(error)) from None


def ask(connection: DuckDBPyConnection) -> None:
    """A prompt, until the input ends; a question that is not understood does not end it."""
    prompt = sys.stdin.isatty()
    print(WELCOME) if prompt else None
    told = ""
    while True:
        try:
            told += input(("sql> " if not told else "...> ") if prompt else "") + "\n"
        except EOFError:
            break
        if told.rstrip().endswith(";"):
            try:
                show(answers(connection, told))
            except UserError as error:
                print(error)
            told = ""
    if told.strip():
        show(answers(connection, told))


def show(found: Iterator[pl.DataFrame]) -> None:
    console = Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else UNBOUNDED)
    for frame in found:
        drawn = Table(box=box.SIMPLE_HEAD)
        for name, kind in frame.schema.items():
            drawn.add_column(name, justify="right" if kind.is_numeric() else "left", overflow="fold")
        for row in frame.head(MOST_ROWS).iter_rows():
            drawn.add_row(*(_told(v) for v in row))
        console.print(drawn if frame.width else "Done.")
        if frame.height > MOST_ROWS:
            console.print(f"{MOST_ROWS} of {frame.height:,} rows. Add a limit, or COPY (...) TO 'answer.csv'.")


def _told(value: object) -> str:
    if isinstance(value, Mapping | list):
        return json.dumps(value, default=str)
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    run(main)
