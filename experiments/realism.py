"""How real is the simulator? ``python -m experiments.realism`` writes ``docs/data/realism.csv``.

Measures of the presets (mean of ``SEEDS`` seeds) beside what they aim at and beside public sets, where their
raw data lie (RECOMMENDER_RAW_DIR). ``docs/simulator.md`` shows the file.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipelines.cli import run  # isort: skip  (it sets BLAS threads before NumPy is imported)

import numpy as np

from recommender.config.files import raw_dir
from recommender.simulate.measures import measures
from recommender.sources.load import load

DATA = Path("docs/data")
PRESETS = ("catalog", "ugc", "jobs", "skills", "people")
SEEDS = 3
Numbers = Mapping[str, float | None]  # measure -> value
REAL = (
    *("ml-100k", "ml-latest-small", "kuairand-pure", "job-views", "quantum-se"),
    *("collegemsg", "bitcoinotc", "enron-staff"),
)
MEASURES: Mapping[str, str] = {  # of measures.measures -> how the table calls it
    "density": "interactions per user and item",
    "events_per_user_p50": "events per user, median",
    "events_per_user_p90": "... 90%",
    "events_per_user_p99": "... 99%",
    "events_per_item_p50": "events per used item, median",
    "events_per_item_p90": "... 90%",
    "events_per_item_p99": "... 99%",
    "gini_items": "Gini of items",
    "top_10_percent_share": "share of events on the top 10% of items",
    "life_days": "median life of an item, days",
    "first_week_share": "share of events in an item's first 7 days",
    "unused_live_share": "share of live items without any event",
    "late_new_users": "new among the users of the last 20%",
    "late_new_items": "new among the items of the last 20%",
    "late_cold_links": "late links with an end that had none before",
    "closing_links": "of the other late links, those that close a triangle",
    "coverage_items": "metadata coverage, items",
    "coverage_users": "metadata coverage, users",
}
TARGETS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "catalog": {"gini_items": (0.6, 0.8), "top_10_percent_share": (0.4, 0.5), "late_new_users": (0.6, 0.75)},
    "ugc": {"gini_items": (0.87, 0.93), "first_week_share": (0.5, 1), "life_days": (1, 14)},
    "jobs": {
        "unused_live_share": (0.35, 0.45),
        "life_days": (25, 35),
        "late_new_users": (0.5, 1),
        "late_new_items": (0.5, 1),
    },
    "people": {"late_cold_links": (0.4, 0.6), "closing_links": (0.4, 0.65), "gini_items": (0.5, 0.75)},
    "skills": {"top_10_percent_share": (0.35, 0.65), "gini_items": (0.55, 0.8), "late_new_users": (0.2, 0.7)},
}


def main(argv: list[str]) -> None:
    save("realism", realism_rows(achieved(), _real()), Path(argv[0]) if argv else DATA)


def achieved() -> dict[str, dict[str, float | None]]:
    """Preset -> measure -> mean over seeds."""
    drawn = {}
    for preset in PRESETS:
        runs = [
            measures(load("simulated", raw_dir=None, options={"simulated": {"preset": preset, "seed": seed}}))
            for seed in range(SEEDS)
        ]
        drawn[preset] = {name: _mean([one.get(name) for one in runs]) for name in MEASURES}
    return drawn


def realism_rows(
    simulated: Mapping[str, Mapping[str, float | None]], real: Mapping[str, Mapping[str, float | None]]
) -> list[list[str]]:
    """A row per measure: what each preset aims at and achieves (in bold where it misses), and the public sets."""
    rows = [["measure", *simulated, *real]]
    for name, label in MEASURES.items():
        cells = [_against(values.get(name), TARGETS[preset].get(name)) for preset, values in simulated.items()]
        rows.append([label, *cells, *(_number(values.get(name)) for values in real.values())])
    return rows


def _real() -> dict[str, dict[str, float | None]]:
    return {name: measures(load(name, raw_dir=raw_dir())) for name in REAL}


def _mean(values: list[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return float(np.mean(known)) if known else None


def _against(value: float | None, target: tuple[float, float] | None) -> str:
    if target is None or value is None:
        return _number(value)
    low, high = target
    aim = f"{low:g} or more" if high == 1 else f"{low:g} to {high:g}"
    shown = _number(value) if low <= value <= high else f"**{_number(value)}**"
    return f"{shown} (aim {aim})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def save(name: str, rows: Sequence[Sequence[str]], folder: Path = DATA, others: bool = False) -> None:
    """Writes a table that a page of the documentation shows; the first row is the head.

    others: rows of the file stay whose first cell, such as the name of a data set, none of the new ones has.
    """
    path = folder / f"{name}.csv"
    if others and path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            before = list(csv.reader(file))[1:]
        new = {row[0] for row in rows[1:]}
        rows = [rows[0], *(row for row in before if row[0] not in new), *rows[1:]]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    sys.stdout.write(f"{path}\n")


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """The rows as a Markdown table; the first is the head."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    run(main)
