"""Looks at a data set before anything is trained on it.

coldstart data-check --data DATA [--against OUT] [--scenario S] [--json]

Prints what the data is like, the roles of its columns, what was repaired, what to know (notes), and every problem
(exit 2).
--against compares with the data that the model of a train's OUT folder learned from, the worst first; where a measure
is an alarm (recommender/data/drift_levels.yaml) the exit code is 4.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from pipelines import arguments, cli  # before the library: sets the threads before NumPy is imported
from recommender import config
from recommender.config.files import raw_dir
from recommender.data import memory
from recommender.data.drift import FOLDER as REFERENCE
from recommender.data.drift_levels import ALARM, levels, verdict
from recommender.data.gate import build
from recommender.data.summary import drift, load_reference, summarise
from recommender.errors import DataError
from recommender.experiment.out_folder import finished
from recommender.sources.load import read_tables


def main(argv: list[str]) -> None:
    args = arguments.parse("data-check", argv)
    scenario = config.load(args.scenario) if args.scenario else None
    reading = scenario.data if scenario else config.Data()
    trained = load_reference(finished(args.against) / REFERENCE) if args.against else None
    raw = [read_tables(args.data or reading.source, raw_dir=raw_dir(), options=reading.options)]
    spec = raw[0].spec
    try:
        data = build(
            raw.pop(),  # so that the rows as read can go while they are checked
            extra_repairs=reading.repairs,
            positive=reading.positive_events,
            require_interactions=not (scenario and scenario.day_zero),
        )
    except DataError as error:
        if args.json:
            print(json.dumps({"error": str(error), "problems": [vars(p) for p in error.problems]}, indent=2))
        raise
    summary = summarise(data) | {"memory_needed_mb": memory.needed_mb(data), "memory_free_mb": memory.free_mb()}
    stated = {"items": spec.features.items, "users": spec.features.users}
    for column in summary["columns"]:
        column["guessed"] = column["column"] not in stated[column["table"]]
    moved = None if trained is None else levels(drift(trained, data))
    if args.json:
        judgement = None if moved is None else verdict(moved)
        print(json.dumps({"problems": [], "summary": summary, "drift": moved, "verdict": judgement}, indent=2))
    else:
        _show(Console(highlight=False), summary, moved)
    if any(m["level"] == ALARM for m in moved or ()):
        sys.exit(cli.ALARM)


def _show(out: Console, summary: dict[str, Any], moved: list[dict[str, Any]] | None) -> None:
    out.print(_table(f"Data: {summary['name']}", ["measure", "value"], _measures(summary)))
    if summary["weeks"]:
        out.print(_table("Weeks: how much is new", _WEEK_HEAD, [_week(w) for w in summary["weeks"][-20:]]))
    columns = [
        [c["table"], c["column"], c["role"] + (" (guessed)" if c["guessed"] else ""), _percent(c["coverage"])]
        for c in summary["columns"]
    ]
    out.print(_table("Columns", ["table", "column", "role", "filled"], columns))
    repairs = [[r["table"], r["rule"], r["action"], f"{r['count']:,}", r["reason"]] for r in summary["repairs"]]
    if repairs:
        out.print(_table("Repairs", ["table", "rule", "action", "rows", "reason"], repairs))
    if moved is not None:
        rows = [
            [m["level"], m["measure"], _number(m["trained"]), _number(m["now"]), m["sentence"], m["do"]] for m in moved
        ]
        heads = ["level", "measure", "trained", "now", "what it means", "what to do"]
        out.print(_table("Against the data of training, the worst first", heads, rows))
    for note in summary["notes"]:
        where = note["table"] if note["column"] is None else f"{note['table']}.{note['column']}"
        out.print(f"Note: {where}: {note['text']} {note['examples']}".rstrip(), soft_wrap=True, markup=False)
    n = len(summary["notes"])
    out.print(f"No problems; {n} note{'s' * (n != 1)} to read above." if n else "No problems.")
    if moved is not None:
        out.print(verdict(moved), soft_wrap=True, markup=False)


_WEEK_HEAD = ["week of", "interactions", "users", "new users", "items", "new items"]


def _week(week: dict[str, Any]) -> list[str]:
    sizes = [f"{week[k]:,}" for k in ("n_interactions", "n_users", "n_items")]
    return [
        week["week"],
        sizes[0],
        sizes[1],
        _percent(week["new_users_share"]),
        sizes[2],
        _percent(week["new_items_share"]),
    ]


def _measures(summary: dict[str, Any]) -> list[list[str]]:
    rows = [[k, _value(k, v)] for k, v in summary.items() if k != "name" and not isinstance(v, list | dict)]
    return [*rows, ["events", ", ".join(f"{event} {n:,}" for event, n in summary["events"].items())]]


def _value(name: str, value: object) -> str:
    if value is None:
        return "cannot be told"
    if isinstance(value, float):
        return _percent(value) if name.endswith("_share") or name == "density" else _number(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _percent(share: float) -> str:
    return f"{share:.2%}" if 0 < share < 0.01 else f"{share:.0%}"


def _table(title: str, head: list[str], rows: list[list[str]]) -> Table:
    table = Table(*head, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    return table


if __name__ == "__main__":
    cli.run(main)
