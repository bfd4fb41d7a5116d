"""Pairs of rows of the table of facts that cannot both hold, and rows that cannot hold by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from recommender.evaluation.metric_table import metric_label
from recommender.experiment.facts import GAIN, KEY, LOSS, MISSED, NOT_TESTABLE, OPEN, REACHED, UNKNOWN, Row, verdict
from recommender.experiment.run_tables import FALLBACK_SHARE
from recommender.names import ALL

# Topics whose interval decides the verdict.
TESTED = ("gain", "dearer", "price", "blend", "value", "asset", "part", "enough")


def label(row: Mapping[str, Any]) -> str:
    """``NDCG@10, jobs on simulated, all: lightfm``, for messages."""
    return f"{metric_label(row['metric'])}, {row['site']}, {row['bucket']}: {row['what']} ({row['verdict']})"


def contradictions(facts: pl.DataFrame) -> list[str]:
    """Pairs of rows that cannot both hold, and rows that cannot hold by themselves; empty where all is well."""
    faults: list[str] = []
    rows = facts.to_dicts()
    seen: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        shared = row["topic"] in ("goal", "cheaper")  # they read a number that others show too
        topic = "accuracy" if shared else row["topic"]
        key = (topic, *(row[k] for k in KEY if k != "topic"))
        first = seen.setdefault(key, row)
        if any(row[c] != first[c] for c in ("value", "low", "high", "n")):
            faults.append(f"two numbers for one thing: {label(first)} and {label(row)}")
        faults += [f"{fault}: {label(row)}" for fault, holds in _faults(row).items() if holds]
    ships = {(r["site"], r["what"]) for r in rows if r["topic"] == "ships"}
    ships |= {(r["site"], r["reason"]) for r in rows if r["topic"] == "ships" and r["reason"]}
    paths: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        if row["topic"] == "build" and row["verdict"] == "next" and (row["site"], row["what"]) in ships:
            faults.append(f"to be built next, and ships: {label(row)}")
        if row["topic"] == "serves":
            paths.setdefault((row["site"], row["bucket"]), set()).add(row["verdict"])
    worth = {(r["site"], r["over"], r["metric"]): r for r in rows if r["topic"] == "value" and r["value"] is not None}
    gains = {(r["site"], r["over"], r["metric"]): r for r in rows if r["topic"] == "gain" and r["bucket"] == ALL}
    faults += [
        f"worth something else than its gain: {label(row)}"
        for at, row in worth.items()
        if at not in gains or gains[at]["verdict"] != row["verdict"]
    ]
    faults += [f"stays and moves: {at}" for at, verdicts in paths.items() if {"stays", "moves"} <= verdicts]
    best = [(r["site"], r["bucket"], r["metric"]) for r in rows if r["verdict"] == "best"]
    return faults + [f"two are best: {key}" for key in dict.fromkeys(best) if best.count(key) > 1]


def _faults(row: Row) -> dict[str, bool]:
    """Fault -> whether the row has it."""
    low, high, target, outcome = row["low"], row["high"], row["target"], row["verdict"]
    tested = outcome in (GAIN, LOSS, OPEN) and row["topic"] in TESTED
    tested &= outcome != OPEN or not row["reason"]  # open for a reason beyond its interval
    return {
        "the interval says something else": tested and low is not None and outcome != verdict(low, high, row["metric"]),
        "to be built next, without a gain": row["topic"] == "build" and outcome == "next" and (low is None or low <= 0),
        "no evidence of what was not measured": outcome in (GAIN, LOSS) and row["value"] is None,
        "measured, but called not measured": outcome == UNKNOWN and row["value"] is not None,
        "a goal reached below it": outcome == REACHED and (low is None or target is None or low < target),
        "a goal missed above it": outcome == MISSED and (high is None or target is None or high >= target),
        "a goal that cannot be tested, without a reason": outcome == NOT_TESTABLE and not row["reason"],
        "a star for the fallback's lists": outcome == "best"
        and row["extra"] is not None and row["extra"] < FALLBACK_SHARE,
        "cheaper, but not in person-days": row["topic"] == "cheaper" and not 0 < (row["extra"] or 1) < 1,
        "an error costs nothing a list, but something a week": row["topic"] == "error cost"
        and bool(row["value"]) != bool(row["extra"]),
        "outside of its interval": None not in (low, high, row["value"]) and not low <= row["value"] <= high,
    }  # fmt: skip
