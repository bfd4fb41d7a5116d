"""A team's estimates, ``estimates/*.csv``: a line per person and option, checked; where people disagree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl

from recommender.data.read.table import read_table
from recommender.errors import DataError, Problem

ESTIMATES = Path("estimates")
DONE = "done.csv"  # beside them: what was built, and what it took
DAYS = ("days_low", "days_likely", "days_high")
WORDS = ("who", "option", "scenario")
NEEDED = ("who", "option", *DAYS)


@dataclass(frozen=True)
class TeamEstimate:
    """What one person thinks of one option. days: working days of ``headcount`` people; impact: points (.01 of the
    metric) that it would gain, None where not estimated; scenario: empty for all."""

    who: str
    option: str
    days: tuple[float, float, float]
    headcount: float = 1.0
    impact: float | None = None
    scenario: str = ""

    @property
    def likely(self) -> float:
        """Person-days."""
        return self.days[1] * self.headcount


def read_estimates(folder: Path = ESTIMATES) -> list[TeamEstimate]:
    """The estimates of all CSV files of a folder but ``done.csv``; none where there is no folder.

    Raises DataError, all problems of all files in one message.
    """
    estimates: list[TeamEstimate] = []
    problems: list[Problem] = []
    for path in sorted(folder.glob("*.csv")) if folder.is_dir() else ():
        if path.name == DONE:
            continue
        table = read_table(path, exact=frozenset(WORDS))
        wrong = list(_problems(path, table))
        problems += wrong
        if not wrong:
            estimates += _estimates(table)
    names = [(e.who, e.option, e.scenario) for e in estimates]
    if twice := sorted({f"{e[0]}: {e[1]}" for e in names if names.count(e) > 1}):
        advice = "Keep one line per person, option and scenario."
        problems.append(Problem(str(folder), None, "estimated twice", len(twice), tuple(twice), advice))
    if problems:
        raise DataError(problems)
    return estimates


def for_scenario(estimates: Sequence[TeamEstimate], scenario: str) -> dict[str, list[TeamEstimate]]:
    """Option -> its estimates for a scenario; those for it alone replace the same person's for all scenarios."""
    chosen: dict[tuple[str, str], TeamEstimate] = {}
    for e in sorted((e for e in estimates if e.scenario in ("", scenario)), key=lambda e: e.scenario):
        chosen[e.option, e.who] = e
    options: dict[str, list[TeamEstimate]] = {}
    for e in chosen.values():
        options.setdefault(e.option, []).append(e)
    return options


def disagreement(options: Mapping[str, Sequence[TeamEstimate]]) -> tuple[str, TeamEstimate, TeamEstimate] | None:
    """The option of which two people's likely person-days differ by the largest factor, with the lowest and the highest
    estimate; None where nobody differs."""
    pairs = [
        (option, min(es, key=lambda e: e.likely), max(es, key=lambda e: e.likely)) for option, es in options.items()
    ]
    option, low, high = max(pairs, key=lambda p: p[2].likely / p[1].likely, default=("", None, None))
    return (option, low, high) if low and high and high.likely > low.likely else None


def middle(estimates: Sequence[TeamEstimate]) -> float:
    """Median of the likely person-days."""
    return float(median(e.likely for e in estimates))


def drawn_days(estimates: Sequence[TeamEstimate], rng: np.random.Generator, n: int) -> np.ndarray:
    """Person-days, float64 (n,): of a person drawn at random, triangular between low, likely and high; so that the
    team's disagreement counts like everyone's own doubt."""
    people = rng.integers(len(estimates), size=n)
    share = rng.random(n)
    low, likely, high = (np.array([e.days[k] * e.headcount for e in estimates])[people] for k in range(3))
    width = np.maximum(high - low, 1e-12)
    turn = (likely - low) / width
    up = low + np.sqrt(share * width * (likely - low))
    return np.asarray(np.where(share < turn, up, high - np.sqrt((1 - share) * width * (high - likely))))


def _problems(path: Path, table: pl.DataFrame) -> Iterator[Problem]:
    name = str(path)
    if missing := [c for c in NEEDED if c not in table.columns]:
        advice = f"Columns: {', '.join(NEEDED)}, and optionally headcount, impact, scenario."
        yield Problem(name, None, f"columns are missing ({', '.join(missing)})", 0, (), advice)
        return
    if table.is_empty():
        yield Problem(name, None, "no rows", 0, (), "Add a line per person and option, or remove the file.")
    lines = table.with_row_index("line", offset=2)
    for column in ("who", "option"):
        text = pl.col(column).cast(pl.String).str.strip_chars()
        yield from _rows(name, column, "is empty", lines.filter(text.is_null() | (text == "")), "Fill it in.")
    least = {**dict.fromkeys(DAYS, 0.0), "headcount": 0.0}
    numbers = [c for c in (*least, "impact") if c in table.columns]
    cast = lines.with_columns(
        pl.col(c).cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False) for c in numbers
    )
    for column in numbers:
        given = lines[column].is_not_null() if column not in DAYS else pl.repeat(True, lines.height, eager=True)
        bad = cast[column].is_null() | ~cast[column].is_finite().fill_null(False)
        bad |= (cast[column] <= least[column]).fill_null(False) if column in least else False
        what = "is no number" if column == "impact" else "is no number above 0"
        yield from _rows(name, column, what, lines.filter(given & bad), "Give days, people or points as a number.")
    order = (cast["days_low"] > cast["days_likely"]) | (cast["days_likely"] > cast["days_high"])
    advice = "Give days_low <= days_likely <= days_high."
    yield from _rows(name, "days_likely", "is not between low and high", lines.filter(order.fill_null(False)), advice)


def _rows(name: str, column: str, rule: str, rows: pl.DataFrame, advice: str) -> Iterator[Problem]:
    if rows.height:
        shown = tuple(f"line {n}: {value!r}" for n, value in rows.select("line", column).head(3).rows())
        yield Problem(name, column, rule, rows.height, shown, advice)


def _estimates(table: pl.DataFrame) -> Iterator[TeamEstimate]:
    for r in table.iter_rows(named=True):
        low, likely, high = (float(r[c]) for c in DAYS)
        scenario, people, impact = (r.get(c) for c in ("scenario", "headcount", "impact"))
        yield TeamEstimate(
            str(r["who"]).strip(), str(r["option"]).strip(), (low, likely, high),
            1.0 if people is None else float(people), None if impact is None else float(impact),
            str(scenario or "").strip(),
        )  # fmt: skip
