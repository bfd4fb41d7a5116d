"""Sections of a train's report on what it took: effort, and what was done to the data."""

from __future__ import annotations

from recommender.experiment import run_tables
from recommender.experiment.run_folder import RunFolder
from recommender.report.page import cell, details, paragraph, plain, section, table


def effort(out: RunFolder) -> str:
    spent = run_tables.stages(out.spent, out.rungs)
    units = {"wall_s": "total, wall s", "peak_mb": "peak memory, MB", "threads": "threads"}
    heads = ["Rung", *(units.get(c, c.removesuffix("_cpu_s") + ", CPU s") for c in spent.columns[1:])]
    rows = [
        (
            "shared by all" if r["rung"] == "all" else r["rung"],
            [plain(r[c], 2 if c.endswith("_s") else 0) for c in spent.columns[1:]],
        )
        for r in spent.iter_rows(named=True)
    ]
    measured = [(r[0].replace("_", " "), [_amount(r[1], r[2])]) for r in out.data_effort.iter_rows()]
    stated = [(name, [cell(f"{low:g} to {high:g}")]) for name, (low, high) in out.scenario.person_days.items()]
    return section(
        "Effort",
        table(
            "Measured, all periods together. The router is charged with the test period's fits of the rungs that it "
            "serves from, which their own rows count too.",
            heads,
            rows,
        ),
        table("Of the data and the configuration, measured.", ["Measure", "Value"], measured),
        table("Stated in the configuration, not measured.", ["What", "Person-days"], stated),
    )


def _amount(value: float | None, unit: str | None) -> str:
    shown = "–" if value is None else f"{value:,.4g}" if value != int(value) else f"{int(value):,}"
    return cell(f"{shown} {unit or ''}".strip())


def data(out: RunFolder) -> str:
    summary = [
        (str(key).replace("_", " "), [cell(_scalar(value))])
        for key, value in out.data.get("summary", {}).items()
        if isinstance(value, int | float | str)
    ]
    repairs = [
        (
            f"{r['table']}: {r['rule']}",
            [_amount(r["count"], "rows"), cell(r["action"], css="text"), cell(str(r["reason"]), css="text")],
        )
        for r in out.data.get("repairs", [])
    ]
    roles = [
        (f"{kind}: {column}", [cell(str(role), css="text")])
        for kind, columns in out.data.get("roles", {}).items()
        for column, role in columns.items()
    ]
    return section(
        "The data",
        table("What was dropped or changed, and why.", ["What", "How many", "Done", "Why"], repairs)
        or paragraph("Nothing was dropped or changed."),
        details("Summary of the data", table("As of the whole data set.", ["Measure", "Value"], summary)),
        details(
            "Columns and what they were used as",
            table("Guessed from type and values where the data set does not say.", ["Column", "Role"], roles),
        ),
    )


def _scalar(value: float | str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
