"""Real lists of the test origin: four users chosen by rule, what every rung shows them, and who sees which item."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import polars as pl

from recommender.data.split import Fold
from recommender.hashing import sha256
from recommender.names import ALL, USER_BUCKETS
from recommender.ranking.lists import FALLBACK, NEW, NO_ITEM, PINNED, Lists

PLACES, HISTORY, ITEMS = 10, 8, 1000  # shown of a list, of a history, and items that can be looked up
RULE = "Each is the middle one of its group by time; none was picked for its lists."
KINDS: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "new": lambda bucket, back: bucket == 0,
    "few interactions": lambda bucket, back: (bucket == 1) & ~back,
    "many interactions": lambda bucket, back: (bucket == 3) & ~back,
    "returning": lambda bucket, back: (bucket > 0) & back,
}
_SOURCES = {NO_ITEM: "", FALLBACK: "fallback", NEW: "new", PINNED: "pinned"}


def example_rows(fold: Fold, away_days: float) -> dict[str, int]:
    """Kind of user -> the row of its query: the middle one in time of those that took something. Known before any list
    is made, so that no list can choose it."""
    took = np.diff(fold.truth.indptr) > 0
    back = fold.queries.away_days >= away_days
    groups = {kind: np.flatnonzero(asks(fold.queries.buckets, back) & took) for kind, asks in KINDS.items()}
    return {
        kind: int(rows[np.argsort(fold.queries.as_of[rows], kind="stable")[len(rows) // 2]])
        for kind, rows in groups.items()
        if len(rows)
    }


def describe(
    fold: Fold, rows: Mapping[str, int], shown: Mapping[str, Lists], source: np.ndarray, routed: Lists
) -> dict[str, Any]:
    """The content of examples.json. shown: rung -> its lists of ``rows``, in their order, the router's last; source:
    str (len(rows), k), of the router's (``Routed.source``); routed: the router's lists of all queries."""
    titles = titles_of(fold)
    users = []
    for n, (kind, row) in enumerate(rows.items()):
        history = fold.queries.history
        past = history.item_idx[history.indptr[row] : history.indptr[row + 1]][::-1]
        taken = set(fold.truth.indices[fold.truth.indptr[row] : fold.truth.indptr[row + 1]].tolist())
        common = _in_common(fold, row, past)
        lists = {}
        for rung, top in shown.items():
            last = rung == list(shown)[-1]
            lists[rung] = [
                {
                    "title": titles(item), "taken": item in taken, "new": bool(fold.item_counts[item] == 0),
                    "source": str(source[n, place]) if last else _SOURCES.get(int(top.source_code[n, place]), rung),
                    "common": common(item),
                }
                for place, item in enumerate(top.item_idx[n, :PLACES].tolist())
                if item >= 0
            ]  # fmt: skip
        users.append({
            "kind": kind, "bucket": USER_BUCKETS[int(fold.queries.buckets[row])], "n_history": len(past),
            "history": [titles(i) for i in past[:HISTORY].tolist()], "n_taken": len(taken),
            "taken": [titles(i) for i in sorted(taken)[:PLACES]], "lists": lists,
        })  # fmt: skip
    return {"rule": RULE, "users": users, **_who_sees(fold, routed, titles)}


def _who_sees(fold: Fold, routed: Lists, titles: Callable[[int], str]) -> dict[str, Any]:
    """The items that stand in most lists: in how many first tens, for whom."""
    top, bucket = routed.item_idx[:, :PLACES], fold.queries.buckets
    masks = {ALL: fold.first, **{name: bucket == b for b, name in enumerate(USER_BUCKETS)}}
    seen = {name: np.bincount(top[mask][top[mask] >= 0], minlength=len(fold.items)) for name, mask in masks.items()}
    n_queries = {name: int(mask.sum()) for name, mask in masks.items()}
    most = np.argsort(-sum(seen.values()), kind="stable")[:ITEMS]
    items = [
        {"title": titles(i), "n": int(fold.item_counts[i]), "seen": [int(seen[name][i]) for name in masks]}
        for i in most.tolist()
        if sum(int(seen[name][i]) for name in masks)
    ]
    return {"asked": n_queries, "items": items, "n_items": len(fold.items)}


def titles_of(fold: Fold) -> Callable[[int], str]:
    """Row of an item -> its title, or without one its id; where the items are people, a pseudonym."""
    items = fold.items
    if fold.train.relation is not None:
        return lambda row: f"person {sha256([str(items.ids[row]).encode()])[:6]}"
    texts = items.columns("text")
    named = next((c for c in texts if c.lower() in ("title", "name", "caption")), texts[0] if texts else None)
    if named is None:
        return lambda row: f"item {items.ids[row]}"

    def title(row: int) -> str:
        value = items.frame[named][row]
        text = " ".join(value.to_list()) if isinstance(value, pl.Series) else value
        return str(text)[:90] if text else f"item {items.ids[row]}"

    return title


def _in_common(fold: Fold, row: int, past: np.ndarray) -> Callable[[int], str]:
    """Item row -> what it shares with the user's history, or with what the user states; empty where nothing."""
    items, user = fold.items, fold.queries.users.frame.row(row, named=True)
    # A flag that two items share says little.
    columns = [c for c in items.columns("category", "multi") if items.frame[c].dtype != pl.Boolean]
    liked = {c: {v for i in past.tolist() for v in _values(items.frame[c][i])} for c in columns}
    stated = {m.item: set(_values(user.get(m.user))) for m in fold.train.match if m.item in columns}

    def common(item: int) -> str:
        parts = []
        for column in columns:
            values = _values(items.frame[column][item])
            if both := [v for v in values if v in liked[column] or v in stated.get(column, ())]:
                parts.append(f"{column}: {', '.join(both[:2])}")
        return "; ".join(parts[:3])

    return common


def _values(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(v) for v in value] if isinstance(value, list | pl.Series) else [str(value)]
