"""Questions over all results, in SQL: DuckDB over the files that train, study, compare and serve left here.

coldstart sql [--query 'select ...'] [--log FOLDER]
"""

from __future__ import annotations

import json
import logging
import math
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from rich import box
from rich.console import Console
from rich.table import Table

from pipelines import arguments
from pipelines.cli import run, show_log
from pipelines.study import STUDIES
from recommender.errors import UserError
from recommender.experiment.decision import Decision
from recommender.experiment.out_folder import ARTIFACTS, MARKER
from recommender.experiment.run_folder import RunFolder
from recommender.names import RETURNING
from recommender.serving.log import TABLES, log_files, pending

log = logging.getLogger("recommender.sql")

# View -> the files of trains behind it: artifacts/<run>/<name>.parquet, with the run in front.
OF_TRAINS = ("metrics", "effort", "comparisons", "data_effort", "audit", "controls", "per_query")
# View -> the files of comparisons: artifacts/<comparison>/<file>.parquet, with the comparison in front.
OF_COMPARISONS = {
    "ladder": "ladder", "moves": "moves", "build": "build", "transfer": "transfer", "answers": "answers",
    "data_value": "data_value", "parts": "parts",
}  # fmt: skip
VISITS = ("buckets", "returning")  # keys of decision.json: in a visit, and back after a while
MOST_ROWS = 200  # shown of an answer
UNBOUNDED = 10_000  # columns of text: a file or pipe gets rows whole
ASK = "Ask one question: make sql QUERY='show tables'"


def main(argv: list[str]) -> None:
    args = arguments.parse("sql", argv)
    show_log(quiet=False)
    with tempfile.TemporaryDirectory() as scratch:
        statements = views(ARTIFACTS, STUDIES, Path(scratch), Path(args.log))
        if args.query:
            show(answers(statements, args.query))
        else:
            shell(statements, Path(scratch))


def views(artifacts: Path, studies: Path, scratch: Path, served: Path) -> list[str]:
    """A statement for each view. What lies in JSON, YAML and journals is first written as Parquet to ``scratch``.

    served: the log of a service, which may be absent.

    A damaged file is left out with a warning. Raises UserError where there are no results.
    """
    statements = []
    for name, frame in tables(artifacts).items():
        frame.write_parquet(scratch / f"{name}.parquet")
        statements.append(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({_text(scratch / f'{name}.parquet')})")
    for name, key, files in _files(artifacts, studies):
        if whole := [file for file in files if not _damage(file)]:
            listed = ", ".join(_text(file) for file in whole)
            statements.append(
                f"CREATE VIEW {name} AS SELECT regexp_extract(filename, '([^/]+)/[^/]+$', 1) AS {key}, "
                f"* EXCLUDE (filename) FROM read_parquet([{listed}], filename = true, union_by_name = true)"
            )
    statements += _of_log(served, scratch)
    if not statements:
        raise UserError(
            f"No results under {artifacts}/ or {studies}/ yet. Make some: make train SCENARIO=jobs, or make compare."
        )
    return statements


def _of_log(folder: Path, scratch: Path) -> Iterator[str]:
    """A view for each table of a service's log that has rows; those of its journal are first written to ``scratch``."""
    for table in TABLES:
        live = pending(folder, table)
        files = [file for file in log_files(folder, table) if file.stem not in live and not _damage(file)]
        if rows := [frame for frame in live.values() if frame.height]:
            files.append(scratch / f"journal-{table}.parquet")
            pl.concat(rows).write_parquet(files[-1])
        if files:
            listed = ", ".join(_text(file) for file in files)
            yield f"CREATE VIEW {table} AS SELECT * FROM read_parquet([{listed}], hive_partitioning = false)"


def _text(file: Path) -> str:
    """The file's name as DuckDB reads it: neither a pattern nor the end of a text."""
    return "'" + re.sub(r"([\[\]*?])", r"[\1]", str(file)).replace("'", "''") + "'"


def _damage(file: Path) -> bool:
    """Whether the file is no Parquet; it is warned of."""
    try:
        pl.read_parquet_schema(file)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        log.warning(
            "%s is damaged (%s) and left out. Remove it; the program that wrote it makes it again.", file, reason
        )
        return True
    return False


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
    folders = sorted(p.parent for p in artifacts.glob("*/decision.json"))
    return [out for out in folders if not out.is_symlink() and not (out / MARKER).exists()]


def tables(artifacts: Path) -> dict[str, pl.DataFrame]:
    """What lies in JSON and YAML: runs (one row per train), data (its measures), decisions (who gets what, and why)."""
    rows: dict[str, list[dict[str, Any]]] = {"runs": [], "data": [], "decisions": []}
    for out in trains(artifacts):
        try:
            of_train = _rows(out)
        except (ValueError, LookupError, AttributeError, TypeError, OSError, yaml.YAMLError) as error:
            log.warning(
                "%s: config.yaml, data.json or decision.json is damaged (%s): left out, train again.", out, error
            )
            continue
        for name, more in of_train.items():
            rows[name] += more
    return {name: pl.DataFrame(some, infer_schema_length=None) for name, some in rows.items() if some}


def _rows(out: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of one train, by table."""
    config = yaml.safe_load((out / "config.yaml").read_text())
    data, decision = RunFolder(out).data, Decision.read(out)
    summary = data.get("summary", {})
    counts = {n: summary.get(n) for n in ("n_interactions", "n_users", "n_items", "span_days")}
    about = {"run": out.name, "scenario": config["name"], "data": data["name"], "digest": data["digest"]}
    goal = {"metric": config["decision"]["metric"], "goal": config["problem"]["target"]}
    return {
        "runs": [{**about, **goal, **counts}],
        "data": [{"run": out.name, "measure": m, "value": float(v)} for m, v in summary.items() if _is_number(v)],
        "decisions": [
            {"run": out.name, "users": segment.removesuffix(RETURNING), "visit": VISITS[segment.endswith(RETURNING)]}
            | asdict(choice)
            for segment, choice in decision.choices.items()
        ],
    }


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def answers(statements: Sequence[str], query: str) -> Iterator[pl.DataFrame]:
    """One frame per statement of ``query``, empty without an answer. Raises UserError where DuckDB is not installed or
    does not understand."""
    try:
        import duckdb
    except ImportError:
        raise UserError("DuckDB is not installed here. This command installs it: make setup-sql") from None
    try:
        connection = duckdb.connect()
        for view in statements:
            connection.execute(view)
        for statement in connection.extract_statements(query):
            answer = connection.sql(statement)
            yield answer.pl() if answer is not None else pl.DataFrame()
    except duckdb.Error as error:
        raise UserError(str(error)) from None


def shell(statements: Sequence[str], scratch: Path) -> None:
    """DuckDB's own shell over the views, until the user leaves it. Raises UserError where it is not installed."""
    if shutil.which("duckdb") is None:
        raise UserError(f"DuckDB's own shell is not installed here; https://duckdb.org/install tells how. {ASK}")
    start = scratch / "start.sql"
    start.write_text(";\n".join([*statements, "SHOW TABLES;\n"]))
    subprocess.run(["duckdb", "-init", str(start)], check=False)


def show(answers: Iterator[pl.DataFrame]) -> None:
    console = Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else UNBOUNDED)
    for frame in answers:
        drawn = Table(box=box.SIMPLE_HEAD)
        for name, kind in frame.schema.items():
            drawn.add_column(name, justify="right" if kind.is_numeric() else "left", overflow="fold")
        for row in frame.head(MOST_ROWS).iter_rows():
            drawn.add_row(*(_shown(v) for v in row))
        console.print(drawn if frame.width else "Done.")
        if frame.height > MOST_ROWS:
            console.print(f"{MOST_ROWS} of {frame.height:,} rows. Add a limit, or COPY (...) TO 'answer.csv'.")


def _shown(value: object) -> str:
    if isinstance(value, Mapping | list):
        return json.dumps(value, default=str)
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    run(main)
