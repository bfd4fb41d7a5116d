"""How real is the simulator? ``python -m experiments.realism`` writes the tables of ``docs/simulator.md``.

Knobs: what each means, what it follows, and its value in every preset. Realism: measures of the presets (mean of
``SEEDS`` seeds) beside what they aim at and beside the four public sets, where their raw data lie
(RECOMMENDER_RAW_DIR).
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from pipelines.cli import raw_dir, run  # isort: skip  (it sets BLAS threads before NumPy is imported)

import numpy as np

from recommender.simulate import Knobs, Signal, resolve
from recommender.simulate.measures import measures
from recommender.sources.load import load

PAGE = Path("docs/simulator.md")
PRESETS = ("catalog", "ugc", "jobs")
SEEDS = 3
Numbers = Mapping[str, float | None]  # measure -> value
REAL = ("ml-100k", "ml-latest-small", "kuairand-pure", "job-views")
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
}


def main(argv: list[str]) -> None:
    page = Path(argv[0]) if argv else PAGE
    text = into(page.read_text(encoding="utf-8"), "knobs", knobs_table())
    text = into(text, "realism", realism_table(achieved(), _real()))
    page.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{page}\n")


def knobs_table() -> str:
    """One row per knob: its meaning, its real-world anchor, and its value in every preset."""
    rows = [["knob", "meaning", "real-world anchor", *PRESETS], ["---"] * (3 + len(PRESETS))]
    resolved = [resolve(preset, {}) for preset in PRESETS]
    for field in dataclasses.fields(Knobs):
        values = [_shown(getattr(knobs, field.name)) for knobs in resolved]
        rows.append([f"`{field.name}`", field.metadata["meaning"], field.metadata["anchor"], *values])
    return markdown(rows)


def achieved() -> dict[str, dict[str, float | None]]:
    """Preset -> measure -> mean over seeds."""
    found = {}
    for preset in PRESETS:
        runs = [
            measures(load("simulated", raw_dir=None, options={"simulated": {"preset": preset, "seed": seed}}))
            for seed in range(SEEDS)
        ]
        found[preset] = {name: _mean([one.get(name) for one in runs]) for name in MEASURES}
    return found


def realism_table(
    simulated: Mapping[str, Mapping[str, float | None]], real: Mapping[str, Mapping[str, float | None]]
) -> str:
    """A row per measure: what each preset aims at and achieves (in bold where it misses), and the public sets."""
    rows = [["measure", *simulated, *real], ["---"] * (1 + len(simulated) + len(real))]
    for name, label in MEASURES.items():
        cells = [_against(values.get(name), TARGETS[preset].get(name)) for preset, values in simulated.items()]
        rows.append([label, *cells, *(_number(values.get(name)) for values in real.values())])
    return markdown(rows)


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


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(_one(v) for v in value) or "-"
    return _one(value)


def _one(value: object) -> str:
    if isinstance(value, Signal):
        return f"{value.event} {value.share:g}"
    if isinstance(value, tuple):
        return "=".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else f"{value:,}" if type(value) is int else str(value)


def markdown(rows: list[list[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def into(text: str, name: str, table: str) -> str:
    """The page with the block between the marks of ``name`` replaced."""
    marks = re.compile(f"(<!-- {name}: .*?-->\n).*?(<!-- end {name} -->)", re.DOTALL)
    return marks.sub(lambda found: found[1] + "\n" + table + "\n" + found[2], text)


if __name__ == "__main__":
    run(main)
