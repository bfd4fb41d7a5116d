"""What was done to the data, and what whoever brought them should know."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Repair:
    """Rows that a loader or the gate dropped or changed, and why. Nothing is dropped silently."""

    table: str
    rule: str  # duplicates, unknown_items, impossible_watch_time, ...
    action: str  # keep_first, drop, set_null, ...
    count: int
    reason: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Note:
    """Something about the data that is no fault, and that whoever brought them should know."""

    table: str
    column: str | None
    text: str
    examples: str = ""  # a sentence with values of the data, for the terminal: it is written to no file

    def __str__(self) -> str:
        text = f"{self.text} {self.examples}".strip()
        return f"{self.table}.{self.column}: {text}" if self.column else f"{self.table}: {text}"
