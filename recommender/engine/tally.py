"""What the gate found in parts of a table, put together as if it had seen the table whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from recommender.data.findings import ROW, Findings
from recommender.data.notes import Note, Repair
from recommender.errors import Problem


class OneMachine(Exception):
    """The engine cannot tell what the gate would say of the whole table; the message says what stands against it."""


@dataclass
class Tally(Findings):
    """The findings in one part, with the numbers of the rows that are shown, as plain values."""

    quiet: bool = True
    row_of: dict[str, int] = field(default_factory=dict)  # example -> its row in the whole table
    entries: list[dict[str, Any]] = field(default_factory=list)

    def examples(self, frame: pl.DataFrame, table: str, column: str) -> list[str]:
        shown = super().examples(frame, table, column)
        self.row_of |= dict(zip(shown, frame.head(3)[ROW].to_list(), strict=True))
        return shown

    def problem(self, table: str, column: str | None, rule: str, count: int, advice: str, *examples: object) -> None:
        super().problem(table, column, rule, count, advice, *examples)
        problem = self.problems[-1]
        self._add(table, column, rule, None, count, problem.advice, problem.examples)

    def repaired(self, repair: Repair, column: str) -> None:
        self._add(repair.table, column, repair.rule, repair.action, repair.count, repair.reason, repair.examples)

    def _add(
        self, table: str, column: str | None, rule: str, action: str | None, count: int, reason: str,
        examples: Sequence[str],
    ) -> None:  # fmt: skip
        if any(example not in self.row_of for example in examples):
            raise OneMachine(f"{table}.{column}: {rule} concerns more than single rows")
        shown = [[self.row_of[example], example] for example in examples]
        self.entries.append(
            {"key": [table, column, rule, action], "count": count, "reason": reason, "examples": shown}
        )  # fmt: skip

    def plain(self) -> dict[str, Any]:
        """The tally as plain values, which JSON can hold."""
        notes = [[n.table, n.column, n.text, n.examples] for n in self.notes]
        return {"entries": self.entries, "notes": notes}


def merge(findings: Findings, parts: Sequence[Mapping[str, Any]]) -> None:
    """Adds what ``Tally.plain`` says of each part of one table: counts summed, the first three examples by their rows.

    parts: in the order of the rows, none empty. Raises OneMachine where words depend on a part.
    """
    if any(part["notes"] != parts[0]["notes"] for part in parts):
        raise OneMachine("a note holds for some parts of the table only")
    for table, column, text, examples in parts[0]["notes"] if parts else ():
        if Note(table, column, text, examples) not in findings.notes:
            findings.note(table, column, text, examples)
    entries_of: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for part in parts:
        for entry in part["entries"]:
            entries_of.setdefault(tuple(entry["key"]), []).append(entry)
    for key in _in_order([[tuple(e["key"]) for e in part["entries"]] for part in parts]):
        _add(findings, key, entries_of[key])


def _add(findings: Findings, key: tuple[Any, ...], entries: Sequence[Mapping[str, Any]]) -> None:
    table, column, rule, action = key
    reasons = {entry["reason"] for entry in entries}
    if len(reasons) > 1:
        raise OneMachine(f"{table}.{column}: {rule} reads differently in parts of the table")
    count, reason = sum(entry["count"] for entry in entries), reasons.pop()
    shown = tuple(text for _, text in sorted(e for entry in entries for e in entry["examples"])[:3])
    if action is None:
        findings.problems.append(Problem(table, column, rule, count, shown, reason))
    else:
        findings.repaired(Repair(table, rule, action, count, reason, shown), column)


def _in_order(lists: Sequence[Sequence[tuple[Any, ...]]]) -> list[tuple[Any, ...]]:
    """Every key once; the checks come in one order, of which each part shows some."""
    order: list[tuple[Any, ...]] = []
    for keys in lists:
        at = 0
        for key in keys:
            if key in order:
                at = order.index(key) + 1
            else:
                order.insert(at, key)
                at += 1
    return order
