"""What was built and what it took against what was stated, ``estimates/done.csv``; how far the team's estimates go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from recommender.data.read.table import read_table
from recommender.errors import DataError, Problem
from recommender.files import write_text
from recommender.planning.estimates import DONE, ESTIMATES

LEAST = 3  # finished options from which on the team's factor is used
SCHEMA = {
    "date": pl.String, "option": pl.String, "scenario": pl.String, "stated_days": pl.Float64, "actual_days": pl.Float64,
}  # fmt: skip


@dataclass(frozen=True)
class Done:
    """A finished option: person-days stated before and taken; scenario: empty for all."""

    date: str
    option: str
    scenario: str
    stated_days: float
    actual_days: float

    @property
    def factor(self) -> float:
        """How many times as long as stated it took."""
        return self.actual_days / self.stated_days


@dataclass(frozen=True)
class Bias:
    """factors: of all finished options. Below ``LEAST`` of them nothing is corrected."""

    factors: tuple[float, ...] = ()

    @property
    def used(self) -> bool:
        return len(self.factors) >= LEAST

    @property
    def middle(self) -> float:
        """The median factor; 1 without any."""
        return float(np.median(self.factors)) if self.factors else 1.0

    @property
    def spread(self) -> tuple[float, float]:
        """The middle half of the factors."""
        low, high = np.quantile(self.factors or (1.0,), [0.25, 0.75])
        return float(low), float(high)

    def drawn(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Factors for ``n`` draws, float64 (n,): one of the team's own at random (evidence-based scheduling, after
        Flyvbjerg's reference classes); 1 where there are too few."""
        return rng.choice(np.array(self.factors), n) if self.used else np.ones(n)


def read_done(folder: Path = ESTIMATES) -> list[Done]:
    """The finished options; none where the file is not there. Raises DataError."""
    path = folder / DONE
    if not path.exists():
        return []
    table = read_table(path, exact=frozenset(("date", "option", "scenario")))
    if missing := [c for c in ("option", "stated_days", "actual_days") if c not in table.columns]:
        raise DataError(f"{path}: columns are missing ({', '.join(missing)}). Columns: {', '.join(SCHEMA)}.")
    days = [pl.col(c).cast(pl.String).cast(pl.Float64, strict=False) for c in ("stated_days", "actual_days")]
    table = table.with_row_index("line", offset=2).with_columns(days)
    wrong = table.filter(
        pl.any_horizontal(
            ~(pl.col(c) > 0).fill_null(False) | ~pl.col(c).is_finite() for c in ("stated_days", "actual_days")
        )
        | pl.col("option").is_null()
    )
    if wrong.height:
        shown = tuple(f"line {n}" for n in wrong["line"].head(3))
        raise DataError([Problem(str(path), "days", "no option or no days above 0", wrong.height, shown, "Mend them.")])
    blank = [pl.lit("").alias(c) for c in ("date", "scenario") if c not in table.columns]
    plain = table.with_columns(blank).select(
        pl.col(c).cast(t).fill_null("" if t == pl.String else 0) for c, t in SCHEMA.items()
    )
    return [Done(**row) for row in plain.iter_rows(named=True)]


def add(option: str, stated: float, actual: float, scenario: str = "", folder: Path = ESTIMATES) -> list[Done]:
    """Adds a finished option to the file and returns all of them. Raises DataError where the file is damaged."""
    entries = [*read_done(folder), Done(date.today().isoformat(), option, scenario, stated, actual)]
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / DONE, pl.DataFrame([asdict(d) for d in entries], schema=SCHEMA).write_csv())
    return entries


def bias(entries: Sequence[Done]) -> Bias:
    """The team's factors; of an option that was finished twice, both."""
    return Bias(tuple(d.factor for d in entries))


def finished(entries: Sequence[Done], scenario: str) -> set[str]:
    """Options that are built for a scenario."""
    return {d.option for d in entries if d.scenario in ("", scenario)}
