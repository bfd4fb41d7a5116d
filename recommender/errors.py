"""Errors that a user can cause. Programs turn each into one message and exit code 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class UserError(Exception):
    """Something a user can mend: the message says what, where, how many, examples, and what to do."""


class ConfigError(UserError):
    """Configuration: an unknown key, name or value."""


class TrackingError(Exception):
    """The tracking server failed; results on disk are kept (exit code 3)."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with one table."""

    table: str
    column: str | None
    rule: str  # short name; where a repair exists, its key in ``repairs``
    count: int  # rows; 0: it is not about rows
    examples: tuple[str, ...]
    advice: str

    def __str__(self) -> str:
        where = f"{self.table}.{self.column}" if self.column else self.table
        shown = f" (e.g. {', '.join(self.examples[:3])})" if self.examples else ""
        rows = f", {self.count:,} row{'s' * (self.count != 1)}" if self.count else ""
        return f"{where}: {self.rule}{rows}{shown}. {self.advice}"


class DataError(UserError):
    """Data that breaks the contract. Carries *all* problems found, not the first."""

    def __init__(self, problems: Sequence[Problem] | str) -> None:
        self.problems = () if isinstance(problems, str) else tuple(problems)
        super().__init__(problems if isinstance(problems, str) else "\n".join(map(str, self.problems)))


def nearest(name: str, valid: Iterable[str]) -> str:
    """``"; did you mean 'jobs'? Valid: catalog, jobs, ugc"`` for an error about an unknown name."""
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"; did you mean '{close[0]}'?" if close else "."
    return f"{hint} Valid: {', '.join(names)}"
