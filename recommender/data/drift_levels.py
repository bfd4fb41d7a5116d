"""Drift in levels: which measures moved too far, the worst first, and what to do. Thresholds: ``drift_levels.yaml``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

OK, LOOK, ALARM = "ok", "look", "alarm"
_WORST_FIRST = (ALARM, LOOK, OK)


def levels(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of ``drift.drift`` with ``level`` (alarm, look, ok) and ``do`` (empty where all is well), the worst first:
    by level, then by how far beyond its threshold."""
    judged = [_judged(row) for row in rows]
    return sorted(judged, key=lambda r: (_WORST_FIRST.index(r["level"]), -r.pop("beyond")))


def verdict(judged: Sequence[dict[str, Any]]) -> str:
    """One line on all of them."""
    alarms, looks = ([r["measure"] for r in judged if r["level"] == level] for level in (ALARM, LOOK))
    if alarms:
        more = f" and {len(looks)} to look at" if looks else ""
        return f"Alarm: {len(alarms)} of {len(judged)} measures are far from training{more}: {', '.join(alarms[:5])}."
    if looks:
        return f"Look: {len(looks)} of {len(judged)} measures have moved: {', '.join(looks[:5])}."
    return f"As in training: none of {len(judged)} measures has moved far."


@cache
def _rules() -> dict[str, dict[str, Any]]:
    return dict(yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")))


def _judged(row: dict[str, Any]) -> dict[str, Any]:
    rule = _rules()[row["measure"].rpartition("/")[2]]
    far = _distance(rule["far"], row["trained"], row["now"])
    if rule.get("chance"):
        far = max(0.0, far - row.get("chance", 0.0))
    level = ALARM if far >= rule["alarm"] else LOOK if far >= rule["look"] else OK
    return {**row, "level": level, "do": rule["do"] if level != OK else "", "beyond": far / rule["alarm"]}


def _distance(far: str, trained: float, now: float) -> float:
    """fewer: share that is missing; more, less: how far above or below; either: how far."""
    if far == "fewer":
        return 1 - now / trained if trained else 0.0
    return abs(now - trained) if far == "either" else now - trained if far == "more" else trained - now
