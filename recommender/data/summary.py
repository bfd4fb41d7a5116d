"""What a data set is like, in the measures that decide which rung can pay. Drift is in ``drift.py``."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl

from recommender.data.dataset import NO_TIME, Dataset, Table
from recommender.data.drift import drift, load_reference, reference, save_reference
from recommender.data.kernels import first_of_pairs, newcomers
from recommender.data.profile import coverage
from recommender.data.times import US_PER_DAY

__all__ = ["drift", "load_reference", "reference", "save_reference", "summarise"]
_MONDAY = 3  # 1970 began on a Thursday
_AT_ONCE = 2**20  # rows whose events are counted: of all at once it would be the peak of the memory
_QUANTILES = (0.1, 0.5, 0.9, 0.99)


def summarise(data: Dataset) -> dict[str, Any]:
    """Plain JSON values: flat numbers (None where the data cannot tell), and the lists
    ``weeks``, ``columns``, ``repairs`` and ``notes`` and the dict ``events``.

    density: share of user-item pairs taken. gini_items: of interactions over all items, 0 = even,
    1 = all on one. top_10_percent_share: of interactions, on the most popular tenth of the items.
    item_lifetime_days: median time from first to last use, items used at least twice.
    events_per_user_p50: quantiles over the users (items) with at least one interaction.
    """
    n_pairs = len(data.users) * len(data.items)
    taken = first_of_pairs(data.user_idx, data.item_idx, len(data.users), len(data.items)).sum() if n_pairs else 0
    undated = int((data.timestamps == NO_TIME).sum())
    known = data.timestamps[undated:]  # they ascend
    popularity = np.sort(data.item_counts)[::-1]
    return {
        "name": data.name,
        "n_interactions": data.interactions.height,
        "n_users": len(data.users),
        "n_active_users": int((data.user_counts > 0).sum()),
        "n_items": len(data.items),
        "n_used_items": int((data.item_counts > 0).sum()),
        "n_signals": data.signals.height,
        "density": int(taken) / n_pairs if n_pairs else None,
        "first_time": _iso(known.min()) if len(known) else None,
        "last_time": _iso(known.max()) if len(known) else None,
        "span_days": float((known.max() - known.min()) / US_PER_DAY) if len(known) else None,
        "without_time_share": 1 - len(known) / max(1, data.interactions.height),
        "gini_items": gini(popularity),
        "top_10_percent_share": float(popularity[: -(-len(popularity) // 10)].sum() / max(1, popularity.sum())),
        "item_lifetime_days": _lifetime(data),
        "stated_availability_share": _stated_availability(data.items),
        **_quantiles("events_per_user", data.user_counts),
        **_quantiles("events_per_item", data.item_counts),
        "events": _events(data.interactions) | (_events(data.signals) if data.signals.width else {}),
        "weeks": weeks(data),
        "columns": _columns("items", data.items) + _columns("users", data.users),
        "repairs": [
            {"table": r.table, "rule": r.rule, "action": r.action, "count": r.count, "reason": r.reason}
            for r in data.repairs
        ],
        "notes": [asdict(n) for n in data.notes],
    }


def gini(counts: np.ndarray) -> float | None:
    """Gini coefficient of non-negative counts (n,); None where there is nothing to share."""
    if not len(counts) or not counts.sum():
        return None
    ascending = np.sort(counts).astype(np.float64)
    n = len(ascending)
    return float((2 * np.arange(1, n + 1) - n - 1) @ ascending / (n * ascending.sum()))


def weeks(data: Dataset) -> list[dict[str, Any]]:
    """Per week (Mondays): interactions, and the share of its users and items that were never seen before.

    A user known from undated history is not new, whenever the first dated event is.
    """
    undated = int((data.timestamps == NO_TIME).sum())
    time = data.timestamps[undated:]  # they ascend
    if not len(time):
        return []
    numbers, starts = _weeks_of(time)
    lengths = np.diff(np.append(starts, len(time)))
    week = np.repeat(np.arange(len(numbers), dtype=np.int32), lengths)
    columns = {"n_interactions": lengths}
    for name, idx, n in (("users", data.user_idx, len(data.users)), ("items", data.item_idx, len(data.items))):
        met, new = newcomers(week, idx[undated:], idx[:undated], n)
        columns |= {f"n_{name}": met, f"new_{name}_share": new / met}
    first_days = [str(np.datetime64(int(7 * w - _MONDAY), "D")) for w in numbers]
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [{"week": day, **dict(zip(columns, row, strict=True))} for day, row in zip(first_days, rows, strict=True)]


def _weeks_of(time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers since 1970 of the weeks (Mondays) with a time, and where each begins: int64 each. time: ascending."""
    first, last = ((int(t) // US_PER_DAY + _MONDAY) // 7 for t in time[[0, -1]])
    number = np.arange(first, last + 1)
    starts = np.searchsorted(time, (7 * number - _MONDAY) * US_PER_DAY)
    has = np.diff(np.append(starts, len(time))) > 0
    return number[has], starts[has]


def _columns(name: str, table: Table) -> list[dict[str, Any]]:
    return [
        {"table": name, "column": c, "role": role, "coverage": coverage(table.frame[c])}
        for c, role in table.roles.items()
    ]


def _events(rows: pl.DataFrame) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for start in range(0, rows.height, _AT_ONCE):
        counts.update(dict(rows.slice(start, _AT_ONCE)["event"].value_counts().iter_rows()))
    return dict(sorted(counts.items(), key=lambda kind: (-kind[1], kind[0])))


def _iso(microseconds: int) -> str:
    return str(np.datetime64(int(microseconds), "us").astype("datetime64[s]")) + "Z"


def _lifetime(data: Dataset) -> float | None:
    """Median days from the first to the last dated use of the items that have two."""
    undated = int((data.timestamps == NO_TIME).sum())
    item, time = data.item_idx[undated:], data.timestamps[undated:]  # they ascend
    first, last = np.zeros((2, len(data.items)), np.int64)
    first[item[::-1]], last[item] = time[::-1], time  # ascending: of several, NumPy writes the last one
    again = np.bincount(item, minlength=len(data.items)) > 1
    return float(np.median((last - first)[again])) / US_PER_DAY if again.any() else None


def _stated_availability(items: Table) -> float:
    stated = (items.times("available_from") != NO_TIME) | (items.times("expires_at") != NO_TIME)
    return float(stated.mean()) if len(items) else 0.0


def _quantiles(name: str, counts: np.ndarray) -> dict[str, float | None]:
    active = counts[counts > 0]
    return {f"{name}_p{q * 100:.0f}": float(np.quantile(active, q)) if len(active) else None for q in _QUANTILES}
