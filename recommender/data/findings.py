"""How the gate reports: what breaks a rule becomes a named repair or a problem, never a silent drop."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import polars as pl

from recommender.data.notes import Note, Repair
from recommender.data.read.table_file import row_place
from recommender.data.repairs import RULES
from recommender.errors import Problem

ROW = "__row__"  # row number in the table as given, counted from 1, for messages
log = logging.getLogger(__name__)


@dataclass
class Findings:
    """Problems, repairs and notes of one passage through the gate.

    actions: rule -> action, the repairs that the data set or the scenario names. place: table -> words for where a row
    stands. repairable: whether whoever reads the problems can name a repair.
    """

    actions: Mapping[str, str]
    place: Mapping[str, Callable[[int], str]] = field(default_factory=dict)
    repairable: bool = True
    quiet: bool = False  # nothing is logged
    problems: list[Problem] = field(default_factory=list)
    repairs: list[Repair] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def problem(self, table: str, column: str | None, rule: str, count: int, advice: str, *examples: object) -> None:
        shown = tuple(short(e) for e in examples[:3])
        hint = _repair_hint(rule) if self.repairable else ""
        self.problems.append(Problem(table, column, rule, count, shown, f"{advice}{hint}"))

    def note(self, table: str, column: str | None, text: str, examples: str = "") -> None:
        """Something that is no fault, but that whoever brought the data should know."""
        self.notes.append(Note(table, column, text, examples))
        if not self.quiet:
            log.warning("%s", self.notes[-1])

    def examples(self, frame: pl.DataFrame, table: str, column: str) -> list[str]:
        """The values of ``column`` in the first three rows, and where they stand."""
        shown = frame.head(3)
        values = shown[column].to_list()
        rest = shown.select(c for c in (ROW, "user_id", "item_id") if c in shown.columns).to_dicts()
        return [self._example(v, row, table, column) for v, row in zip(values, rest, strict=True)]

    def _example(self, value: object, row: Mapping[str, object], table: str, column: str) -> str:
        where = self.place.get(table, row_place)(int(str(row[ROW])))
        text = f"{short(value)} in {where}"
        if column == "timestamp" and "item_id" in row and value is not None:
            return f"{text} (user {short(row['user_id'], quoted=False)}, item {short(row['item_id'], quoted=False)})"
        return text

    def offending(
        self, frame: pl.DataFrame, table: str, column: str, rule: str, broken: pl.Series, advice: str
    ) -> None:
        """A problem of the rows where ``broken`` is true, without a repair."""
        rows = frame.filter(broken.fill_null(False))
        self.problem(table, column, rule, rows.height, advice, *map(_Shown, self.examples(rows, table, column)))

    def apply(
        self,
        frame: pl.DataFrame,
        table: str,
        column: str,
        rule: str,
        broken: pl.Series,
        reason: str,
        otherwise: str = "drop",
        show: str | None = None,
    ) -> pl.DataFrame:
        """``frame`` after the named repair of the rows where ``broken`` (Boolean, null = sound) is true.

        Without a repair the rows are reported as a problem, and ``otherwise`` is done to them so that
        the checks that follow do not report them again (the frame is then never returned to a user).
        show: the column whose values are the examples (default: ``column``).
        """
        broken = broken.fill_null(False)
        count = int(broken.sum())
        if not count:
            return frame
        examples = self.examples(frame.filter(broken).head(3), table, show or column)
        action = self.actions.get(rule)
        if action is None:
            self.problem(table, column, rule, count, reason, *map(_Shown, examples))
            return _act(frame, column, broken, otherwise)
        self.repaired(Repair(table, rule, action, count, reason, tuple(examples)), column)
        return _act(frame, column, broken, action)

    def repaired(self, repair: Repair, column: str) -> None:
        """What was done to some rows, by a repair that is named."""
        self.repairs.append(repair)
        if not self.quiet:
            log.info(
                "%s.%s: repaired %s by %s, %d rows (e.g. %s)", repair.table, column, repair.rule, repair.action,
                repair.count, ", ".join(repair.examples),
            )  # fmt: skip


class _Shown(str):
    """An example that is words already."""


def short(value: object, quoted: bool = True) -> str:
    """A value as it is shown in a message: at most 60 characters; quoted where blanks or marks would not be seen."""
    if isinstance(value, _Shown):
        return str(value)
    if isinstance(value, str) and not quoted:
        quoted = value != value.strip() or not value.isprintable()
    text = "null" if value is None else repr(value) if isinstance(value, str) and quoted else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _act(frame: pl.DataFrame, column: str, broken: pl.Series, action: str) -> pl.DataFrame:
    value = pl.col(column)
    match action:
        case "drop" | "keep_first" | "keep_last":
            return frame.filter(~broken)
        case "set_null":
            return frame.with_columns(pl.when(~broken).then(value).alias(column))
        case "set_one":
            return frame.with_columns(pl.when(~broken).then(value).otherwise(1).alias(column))
        case "to_integer":  # an id such as "17.0"
            integer = value.str.replace(r"[.,]0*$", "")
            return frame.with_columns(pl.when(broken).then(integer).otherwise(value).alias(column))
        case _:  # keep, keep_all, history, convert, sum: the rows stay as they are
            return frame


def _repair_hint(rule: str) -> str:
    if rule not in RULES:
        return ""
    first, *others = RULES[rule]
    or_others = f" (or {', '.join(others)})" if others else ""
    named = f"'repairs: {{{rule}: {first}}}'{or_others}"
    return f" Mend the data, or name a repair: {named} in dataset.yaml or under 'data' of the scenario."
