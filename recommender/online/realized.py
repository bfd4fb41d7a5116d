"""What offline gains became online, ``experiments/online.csv``: a row per finished test, and the share realized."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recommender.data.read.table import read_table
from recommender.errors import DataError
from recommender.files import write_text

ONLINE_GAINS = Path("experiments/online.csv")
LEAST = 3  # finished tests from which on their part is used
DRAWS = 4000
_SD = 3.92  # standard deviations in a 95% interval
Span = tuple[float, float, float]  # value, low, high


@dataclass(frozen=True)
class OnlineGain:
    """A finished test. offline, online: as shares of the control's value, with 95% intervals; control, treated:
    versions."""

    date: str
    scenario: str
    control: str
    treated: str
    offline_metric: str
    offline: float
    offline_low: float
    offline_high: float
    online_metric: str
    online: float
    online_low: float
    online_high: float


@dataclass(frozen=True)
class RealizedShare:
    """The part of an offline gain that came true online, over ``tests`` finished tests. Below ``LEAST`` of them it is
    shown and not used."""

    tests: int = 0
    part: Span | None = None

    @property
    def used(self) -> bool:
        return self.part is not None and self.tests >= LEAST

    @property
    def sentence(self) -> str:
        """What is known of it."""
        if self.part is None:
            return "No finished test with an offline gain beside it."
        part = f"{self.part[0]:.0%} [{self.part[1]:.0%}, {self.part[2]:.0%}]"
        words = f"{part} of an offline gain was realized online, over {self.tests} test{'s' * (self.tests > 1)}"
        return f"{words}." if self.used else f"{words}; from {LEAST} tests on, make compare values gains by it."

    def times(self, span: Span) -> Span:
        """A stated worth of an offline gain, as it may come true: from the smallest to the largest corner."""
        if not self.used or self.part is None:
            return span
        corners = [end * part for end in span[1:] for part in self.part[1:]]
        return span[0] * self.part[0], min(corners), max(corners)


_TEXT = ("date", "scenario", "control", "treated", "offline_metric", "online_metric")
SCHEMA = {f.name: pl.String() if f.name in _TEXT else pl.Float64() for f in fields(OnlineGain)}


def read_gains(path: Path = ONLINE_GAINS) -> list[OnlineGain]:
    """The finished tests; none where the file is not there. Raises DataError, naming file and line."""
    if not path.exists():
        return []
    table = read_table(path, exact=frozenset(_TEXT))
    if missing := [c for c in SCHEMA if c not in table.columns]:
        raise DataError(f"{path}: columns are missing ({', '.join(missing)}). Columns: {', '.join(SCHEMA)}.")
    table = table.select(pl.col(c).cast(kind, strict=False) for c, kind in SCHEMA.items())
    numbers = [c for c, kind in SCHEMA.items() if kind == pl.Float64()]
    wrong = table.with_row_index("line", offset=2).filter(
        pl.any_horizontal(~pl.col(c).is_finite().fill_null(False) for c in numbers)
    )
    if wrong.height:
        lines = ", ".join(str(n) for n in wrong["line"].head(3))
        raise DataError(f"{path}: {wrong.height} lines have a number that is none (e.g. line {lines}). Mend them.")
    return [OnlineGain(**row) for row in table.iter_rows(named=True)]


def add_gain(gain: OnlineGain, path: Path = ONLINE_GAINS) -> list[OnlineGain]:
    """Adds a test, or replaces an earlier read-out of the same versions; returns all. Raises DataError."""
    same = (gain.scenario, gain.control, gain.treated)
    others = [g for g in read_gains(path) if (g.scenario, g.control, g.treated) != same]
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pl.DataFrame([asdict(g) for g in [*others, gain]], schema=SCHEMA)
    write_text(path, table.write_csv())
    return [*others, gain]


def realized_share(gains: Sequence[OnlineGain], seed: int = 0, draws: int = DRAWS) -> RealizedShare:
    """The slope of online over offline gains through zero, with its 95% interval: tests resampled, each drawn within
    its own intervals, so that few tests or unsure gains make it wide. None where no offline gain is a number."""
    if not gains or not any(g.offline for g in gains):
        return RealizedShare(len(gains))
    rng = np.random.default_rng(seed)
    offline, online = (np.array([[getattr(g, n + end) for end in ("", "_low", "_high")] for g in gains])
                       for n in ("offline", "online"))  # fmt: skip
    chosen = rng.integers(0, len(gains), (draws, len(gains)))

    def drawn(ends: np.ndarray) -> np.ndarray:
        sd = (ends[:, 2] - ends[:, 1]) / _SD
        return np.asarray(ends[chosen, 0] + sd[chosen] * rng.standard_normal(chosen.shape))

    x, y = drawn(offline), drawn(online)
    slope = (x * y).sum(axis=1) / np.maximum((x**2).sum(axis=1), 1e-12)
    value = float((offline[:, 0] * online[:, 0]).sum() / (offline[:, 0] ** 2).sum())
    low, high = np.percentile(slope, [2.5, 97.5])
    return RealizedShare(len(gains), (value, float(low), float(high)))


def offline_gain(audit: Sequence[Mapping[str, Any]], control: str, treated: str) -> tuple[str, Span] | None:
    """The latest comparison of two versions by ``make promote``: metric, and the gain as a share of the control's value
    with its interval; None where there is none."""
    for row in reversed(audit):
        checks = row.get("checks") or []
        if str(row.get("from")) == control and str(row.get("to")) == treated and checks:
            first = checks[0]
            if first["champion"] and first["difference"] is not None and first["low"] is not None:
                spans = tuple(float(first[end]) / float(first["champion"]) for end in ("difference", "low", "high"))
                return str(first["name"]), spans  # type: ignore[return-value]
    return None


def gain_of(
    scenario: str, versions: tuple[str, str], offline: tuple[str, Span], metric: str, online: Span
) -> OnlineGain:
    """A row of today."""
    return OnlineGain(date.today().isoformat(), scenario, *versions, offline[0], *offline[1], metric, *online)
