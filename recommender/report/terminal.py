"""The result of a train on the terminal: one table, the decision, warnings, where to look further."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import polars as pl
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from recommender.evaluation.metric_table import metric_label
from recommender.experiment import run_tables
from recommender.experiment.run_folder import RunFolder, read_run
from recommender.experiment.run_tables import LABELS, number
from recommender.names import ROUTER


def print_result(out: Path, console: Console) -> None:
    """Prints rungs x user buckets of the test origin, decision sentences, warnings and where OUT is.

    Raises DataError where ``out`` is not the folder of a finished train.
    """
    read = read_run(out)
    cells = run_tables.ladder(read)
    if cells.height:
        _print_table(read, cells, console)
    if bound := _bound(read):
        console.print(Text(bound))
    print_sentences(read.decision.sentences, console, style="bold")
    print_warnings(run_tables.warnings(read), console)
    console.print(Text(f"Results: {out}"), soft_wrap=True)
    if (out / "report.html").exists():
        console.print(Text(f"Report, open in a browser: {(out / 'report.html').resolve().as_uri()}"), soft_wrap=True)


def print_sentences(sentences: Iterable[str], console: Console, style: str = "") -> None:
    """Prints each sentence behind an arrow."""
    for sentence in sentences:
        console.print(Text(f"→ {sentence}", style=style))


def print_warnings(warnings: Iterable[str], console: Console) -> None:
    """Prints each warning behind its sign, in yellow."""
    for warning in warnings:
        console.print(Text(f"⚠ {warning}", style="yellow"))


def fits(table: Table, console: Console) -> bool:
    """Whether no cell of the table has to be wrapped or cut."""
    return console.measure(table, options=console.options.update(width=1000)).maximum <= console.width


def _print_table(out: RunFolder, cells: pl.DataFrame, console: Console) -> None:
    """Prints a table with as many intervals as fit: in every column, in that of all users, in none."""
    columns = cells["column"].unique(maintain_order=True).to_list()
    for with_interval in (columns, ["all"], []):
        table = _table(out, cells, columns, with_interval)
        if fits(table, console):
            break
    console.print(_title(out))
    console.print(table)
    tied = ", ~ not significantly different from it" if cells["ties_best"].any() else ""
    intervals = "; [95% interval]" if with_interval else ""
    console.print(f"* best of its column{tied}{intervals}; n = queries. Higher is better.", style="dim", markup=False)


def _table(out: RunFolder, cells: pl.DataFrame, columns: list[str], with_interval: list[str]) -> Table:
    n = dict(cells.group_by("column").agg(pl.max("n_queries")).iter_rows())
    spent = dict(run_tables.seconds(out).select("rung", "cpu_s").iter_rows())
    by_cell = {(r["rung"], r["column"]): r for r in cells.iter_rows(named=True)}
    places = run_tables.digits(cells["value"])
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("rung", overflow="fold")
    for column in columns:
        table.add_column(f"{LABELS.get(column, column)}\nn={n[column]:,}", justify="right", no_wrap=True)
    table.add_column("CPU s\nfit+rec", justify="right", no_wrap=True)
    for rung in cells["rung"].unique(maintain_order=True):
        values = [_cell(by_cell.get((rung, c)), places, c in with_interval) for c in columns]
        table.add_row(Text(rung), *values, number(spent.get(rung), 2))
    return table


def _bound(out: RunFolder) -> str:
    """How far the router is from the best that simulated data allow; empty without a truth."""
    distances = run_tables.regret(out).filter(pl.col("rung") == ROUTER, pl.col("column") == "all").drop_nulls("value")
    if distances.is_empty():
        return ""
    row = distances.row(0, named=True)
    low, value, high = (number(row[key]) for key in ("ci_low", "value", "ci_high"))
    return (
        f"Regret of the router: {value} [{low} {high}] below the oracle, which knows what made the data "
        f"(all users, n={row['n_queries']:,}; of every rung in the report)."
    )


def _title(out: RunFolder) -> Text:
    name = out.data.get("name", out.scenario.data.source)
    return Text(f"{out.scenario.name} on {name}: test {metric_label(out.metric)} by earlier interactions of the user")


def _cell(row: dict[str, object] | None, places: int, interval: bool) -> Text:
    """``.123* [.101 .145]``: leading zeros left out, to fit; ``*`` best, ``~`` not significantly different."""
    if row is None or row["value"] is None:
        return Text("– ")
    low, value, high = (_short(row[key], places) for key in ("ci_low", "value", "ci_high"))
    sign = "*" if row["is_best"] else "~" if row["ties_best"] else " "
    shown = f"{value}{sign}" + (f" [{low} {high}]" if interval else "")
    return Text(shown, style="bold green" if row["is_best"] else "")


def _short(value: object, places: int) -> str:
    return number(value if isinstance(value, float) else None, places).replace("0.", ".", 1)
