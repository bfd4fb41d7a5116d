"""Tables of an ablation: what each part brings, to whom, by which rung, and what all lists together reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from recommender.evaluation.metric_table import LEGEND, METRICS, heading, metric_label
from recommender.evaluation.rounding import with_interval
from recommender.experiment.run_tables import USERS
from recommender.names import ALL, ROUTER
from recommender.studies.ablation_sentences import (
    OWN,
    Effect,
    Row,
    decimals,
    ends,
    ordered,
    price,
    status,
)
from recommender.studies.engine.contrast import significant
from recommender.studies.engine.finding import Grid, grid
from recommender.studies.engine.measured import Measured

Cells = Mapping[str, tuple[Measured, Measured]]  # pair -> its cells (without, with)


def parts(effects: Sequence[Effect]) -> Grid:
    """One row per part of a study of mode ladder, by status and verdict: its effect and its cost."""
    rows = []
    for e in ordered(effects):
        place = status(e.pair) + f": {e.pair.what}" * (status(e.pair) == OWN)
        change = f"{ends(e.main)}, {_difference(e.main)}" if e.main else "–"
        rows.append([e.name, place, e.in_brief(), change, e.aims_text() or "–", price(e.cost)])
    metric = effects[0].metric
    caption = (
        "What each part brings and costs. In what ships: yes; off (by default); own set-up (measured as said there, "
        "whether the part ships or not). a → b: a without it, b with it. Its aim: what it is there for beside "
        f"{metric_label(metric)}, as far as measured. * significant. {LEGEND}"
    )
    heads = ["part", "in what ships", "verdict", f"{heading(metric)}, difference", "its aim", "costs"]
    return grid(caption, heads, rows)


def other_aims(effects: Sequence[Effect]) -> list[Grid]:
    """What each part does to the aims of all parts, where those are measured."""
    measured = {m for e in effects for m in e.rows} - {effects[0].metric}
    aims = [m for m in dict.fromkeys(m for e in effects for m in e.pair.metrics) if m in measured]
    rows = [[e.name, *(_difference(e.rows.get(m)) for m in aims)] for e in ordered(effects)]
    caption = f"What each does to the aims of all (with - without); * significant. {LEGEND}"
    return [grid(caption, ["part", *map(heading, aims)], rows)] if aims else []


def assets(effects: Sequence[Effect]) -> Grid:
    """One row per data asset: accuracy of the best rung, which one that is without and with it, and costs."""
    rows = []
    for e in effects:
        rungs = " → ".join(dict.fromkeys([e.main["base_rung"], e.main["other_rung"]])) if e.main else "–"
        cost = [f"{e.cost['cpu_s']:+.1f}", f"{e.cost['columns']:+.0f}", f"{e.cost['keys']:.0f}"]
        rows.append([e.name, _difference(e.main), rungs, *cost])
    caption = f"What each brings (with - without) and costs; * significant. {LEGEND}"
    heads = ["part", heading(effects[0].metric), "best rung, without → with", "CPU s", "columns", "config keys"]
    return grid(caption, heads, rows)


def by_bucket(table: pl.DataFrame, metric: str) -> Grid:
    """The decision's metric by user bucket. table: rows of ``ablation.effects`` for the router or the best rung."""
    heads = {b: name.replace("earlier ", "") for b, name in USERS.items()}
    caption = f"{metric_label(metric)}, with - without, by how much is known of the user."
    return _pivot(caption, table.filter(pl.col("metric") == metric), "user_bucket", heads)


def by_rung(table: pl.DataFrame, metric: str) -> Grid:
    """The decision's metric of all users by rung. table: rows of ``ablation.effects`` for each rung."""
    rows = table.filter(pl.col("metric") == metric, pl.col("user_bucket") == ALL)
    heads = {rung: rung for rung in rows["shown"].unique(maintain_order=True)}
    return _pivot(f"{metric_label(metric)}, with - without, by rung, all users.", rows, "shown", heads)


def _pivot(caption: str, table: pl.DataFrame, column: str, heads: Mapping[str, str]) -> Grid:
    """A row per pair, a column per value of ``column``, where there are any."""
    cells = {(r["pair"], r[column]): r for r in table.iter_rows(named=True)}
    values = [v for v in heads if v in table[column]]
    pairs = table["pair"].unique(maintain_order=True)
    rows = [[pair, *(_difference(cells.get((pair, v))) for v in values)] for pair in pairs]
    return grid(caption, ["part", *(heads[v] for v in values)], rows)


def whole_lists(cells: Cells) -> list[Grid]:
    """What all lists of a run together reach, without and with each part that changes it."""
    reached = {name: [_reached(m) for m in pair] for name, pair in cells.items()}
    shown = [metric for metric in METRICS if any(metric in run for pair in reached.values() for run in pair)]
    rows = [
        [name, *(" → ".join(f"{run[m]:.1%}" if m in run else "–" for run in pair) for m in shown)]
        for name, pair in reached.items()
        if pair[0] != pair[1]
    ]
    caption = f"Of all lists together, without → with; one value per run, so no interval. {LEGEND}"
    return [grid(caption, ["part", *map(heading, shown)], rows)] if rows else []


def impact(cells: Cells) -> list[Grid]:
    """The lowest impact ratio of selection by protected column, without and with each part that changes the lists."""
    rows = []
    for name, (without, with_) in cells.items():
        for grouping in [] if with_.audit is None else with_.audit["grouping"].unique(maintain_order=True):
            lowest = [_lowest_ratio(m, grouping) for m in (without, with_)]
            if all(lowest) and lowest[0] != lowest[1]:
                rows.append([name, grouping, *map(str, lowest)])
    heads = ["part", "protected", "without", "with"]
    return [grid("Lowest impact ratio of selection (group rate / best group's), 95%.", heads, rows)] if rows else []


def _difference(row: Row | None) -> str:
    if row is None:
        return "–"
    change = with_interval(row["difference"], row["ci_low"], row["ci_high"], decimals(row), sign=True)
    return change + " *" * significant(row)


def _reached(run: Measured) -> dict[str, float]:
    over_lists = [m.name for m in METRICS.values() if m.over_lists]
    rows = run.metrics.filter(pl.col("metric").is_in(over_lists), rung=ROUTER).drop_nulls("value")
    return dict(rows.select("metric", "value").iter_rows())


def _lowest_ratio(run: Measured, grouping: str) -> str | None:
    if run.audit is None:
        return None
    selection = {"rung": ROUTER, "outcome": "selection", "grouping": grouping}
    rows = run.audit.filter("counted", **selection).with_columns(pl.col("ratio").fill_nan(None)).drop_nulls("ratio")
    if rows.is_empty():
        return None
    row = rows.sort("ratio").row(0, named=True)
    return f"{with_interval(row['ratio'], row['ratio_low'], row['ratio_high'], 2)} {row['group']}"
