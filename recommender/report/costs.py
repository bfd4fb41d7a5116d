"""Sections of a train's report on what it took: effort, and what was done to the data."""

from __future__ import annotations

from recommender.experiment import run_tables
from recommender.experiment.run_folder import RunFolder
from recommender.experiment.run_tables import number
from recommender.studies.engine.finding import Finding, grid


def effort(out: RunFolder) -> Finding:
    """Seconds, memory and threads of every stage and rung."""
    spent = run_tables.stages(out.spent, out.rungs)
    units = {"wall_s": "total, wall s", "peak_mb": "peak memory, MB", "threads": "threads"}
    heads = ["Rung", *(units.get(c, c.removesuffix("_cpu_s") + ", CPU s") for c in spent.columns[1:])]
    rows = [
        [
            "shared by all" if r["rung"] == "all" else r["rung"],
            *(number(r[c], 2 if c.endswith("_s") else 0) for c in spent.columns[1:]),
        ]
        for r in spent.iter_rows(named=True)
    ]
    measured = [[r[0].replace("_", " "), _amount(r[1], r[2])] for r in out.data_effort.iter_rows()]
    stated = [[name, f"{low:g} to {high:g}"] for name, (low, high) in out.scenario.person_days.items()]
    first = run_tables.seconds(out).drop_nulls("cpu_s")
    test = [[r["rung"], *(number(r[c], 2) for c in first.columns[1:])] for r in first.iter_rows(named=True)]
    charged = "The router is charged with the fits of the rungs that it serves from, which their own rows count too."
    shown = [
        grid(f"Test period. {charged}", ["Rung", "fit, CPU s", "lists, CPU s", "both, CPU s", "both, wall s"], test),
        grid("All periods together, tuning and evaluation too.", heads, rows),
        grid("Of the data and the configuration, measured.", ["Measure", "Value"], measured),
        grid("Stated in the configuration, not measured.", ["What", "Person-days"], stated),
    ]
    return Finding("Effort", grids=[g for g in shown if g.frame.height])


def _amount(value: float | None, unit: str | None) -> str:
    shown = "–" if value is None else f"{value:,.4g}" if value != int(value) else f"{int(value):,}"
    return f"{shown} {unit or ''}".strip()


def data(out: RunFolder) -> Finding:
    """What the data are, and what was repaired in them."""
    summary = [
        [str(key).replace("_", " "), _scalar(value)]
        for key, value in out.data.get("summary", {}).items()
        if isinstance(value, int | float | str)
    ]
    repairs = [
        [f"{r['table']}: {r['rule']}", _amount(r["count"], "rows"), r["action"], str(r["reason"])]
        for r in out.data.get("repairs", [])
    ]
    roles = [
        [f"{kind}: {column}", str(role)]
        for kind, columns in out.data.get("roles", {}).items()
        for column, role in columns.items()
    ]
    shown = [
        grid("What was dropped or changed, and why.", ["What", "How many", "Done", "Why"], repairs),
        grid("Summary of the whole data set.", ["Measure", "Value"], summary),
        grid("Roles of columns, guessed where the data set does not say.", ["Column", "Role"], roles),
    ]
    nothing = [] if repairs else ["Nothing was dropped or changed."]
    return Finding("The data", nothing, grids=[g for g in shown if g.frame.height])


def _scalar(value: float | str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
