"""How the gate reports: what breaks a rule becomes a named repair or a problem, never a silent drop."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from recommender.data.dataset import Repair
from recommender.data.spec import RULES
from recommender.errors import Problem

ROW = "__row__"  # row number in the table as given, counted from 1, for messages
log = logging.getLogger(__name__)


@dataclass
class Findings:
    """Problems and repairs of one passage through the gate.

    asked: rule -> action, the repairs that the data set or the scenario names.
    """

    asked: Mapping[str, str]
    problems: list[Problem] = field(default_factory=list)
    made: list[Repair] = field(default_factory=list)

    def problem(self, table: str, column: str | None, rule: str, count: int, advice: str, *examples: object) -> None:
        shown = tuple(str(e) for e in examples[:3])
        self.problems.append(Problem(table, column, rule, count, shown, f"{advice}{_repair_hint(rule)}"))

    def apply(
        self,
        frame: pl.DataFrame,
        table: str,
        column: str,
        rule: str,
        broken: pl.Series,
        why: str,
        otherwise: str = "drop",
    ) -> pl.DataFrame:
        """``frame`` after the named repair of the rows where ``broken`` (Boolean, null = sound) is true.

        Without a repair the rows are reported as a problem, and ``otherwise`` is done to them so that
        the checks that follow do not report them again (the frame is then never returned to a user).
        """
        broken = broken.fill_null(False)
        count = int(broken.sum())
        if not count:
            return frame
        examples = [_example(row, column) for row in frame.filter(broken).head(3).iter_rows(named=True)]
        action = self.asked.get(rule)
        if action is None:
            self.problem(table, column, rule, count, why, *examples)
            return _act(frame, column, broken, otherwise)
        self.made.append(Repair(table, rule, action, count, why, tuple(examples)))
        log.info("%s.%s: repaired %s by %s, %d rows (e.g. %s)", table, column, rule, action, count, ", ".join(examples))
        return _act(frame, column, broken, action)


def _act(frame: pl.DataFrame, column: str, broken: pl.Series, action: str) -> pl.DataFrame:
    match action:
        case "drop" | "keep_first" | "keep_last":
            return frame.filter(~broken)
        case "set_null":
            return frame.with_columns(pl.when(~broken).then(pl.col(column)).alias(column))
        case "set_one":
            return frame.with_columns(pl.when(~broken).then(pl.col(column)).otherwise(1).alias(column))
        case _:  # keep, keep_all, history, convert: the rows stay as they are
            return frame


def _example(row: Mapping[str, object], column: str) -> str:
    value = row[column]
    if column == "timestamp" and "item_id" in row and value is not None:
        return f"{_short(value)} in row {row[ROW]} (user {row['user_id']}, item {row['item_id']})"
    return f"{_short(value)} in row {row[ROW]}"


def _short(value: object) -> str:
    text = "null" if value is None else repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _repair_hint(rule: str) -> str:
    if rule not in RULES:
        return ""
    first, *others = RULES[rule]
    or_others = f" (or {', '.join(others)})" if others else ""
    named = f"'repairs: {{{rule}: {first}}}'{or_others}"
    return f" Mend the data, or name a repair: {named} in dataset.yaml or under 'data' of the scenario."
