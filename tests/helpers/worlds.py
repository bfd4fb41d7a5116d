"""Small handmade data sets, as they look once past the validation gate, and queries about them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from recommender.data.dataset import NO_TIME, Dataset, Table, microseconds
from recommender.data.queries import History, Queries
from recommender.data.stated import Match

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = START + timedelta(days=60)  # when the queries are asked
CITIES = ("Bern", "Genf")

# Two tastes: users a* take items of genre rock, users b* of genre folk; item x* are taken by both.
TAKEN = {
    "a1": ["r1", "r2", "r3", "x1"],
    "a2": ["r1", "r3", "r4"],
    "a3": ["r2", "r4", "x1", "r1"],
    "a4": ["r3", "r2"],
    "a5": ["r4", "r1", "x2"],
    "b1": ["f1", "f2", "f3", "x2"],
    "b2": ["f1", "f3", "f4"],
    "b3": ["f2", "f4", "x2", "f1"],
    "b4": ["f3", "f2"],
    "b5": ["f4", "f1", "x1"],
}
ITEMS = ("r1", "r2", "r3", "r4", "f1", "f2", "f3", "f4", "x1", "x2")


def two_tastes() -> Dataset:
    """10 users, 10 items plus one published but never taken (``r5``), features on both sides."""
    return dataset(TAKEN, items_table((*ITEMS, "r5")), users_table(tuple(TAKEN)))


def one_taste() -> Dataset:
    """Half of ``two_tastes``: fewer users, items and words."""
    half = {user: row for user, row in TAKEN.items() if user[0] == "a"}
    return dataset(half, items_table([i for i in ITEMS if i[0] != "f"]), users_table(tuple(half)))


def without_features() -> Dataset:
    return dataset(TAKEN, bare("item_id", ITEMS), bare("user_id", tuple(TAKEN)))


def without_times() -> Dataset:
    return dataset(TAKEN, items_table(ITEMS), users_table(tuple(TAKEN)), timed=False)


def one_item() -> Dataset:
    return dataset({"a1": ["r1"], "b1": ["r1"]}, items_table(("r1",)), users_table(("a1", "b1")))


def repeated_and_shuffled() -> Dataset:
    """Every interaction twice, at equal times, in an order of no meaning."""
    world = two_tastes()
    rows = world.interactions.with_columns(timestamp=pl.lit(START).cast(pl.Datetime("us", "UTC")))
    twice = pl.concat([rows, rows]).sample(fraction=1, shuffle=True, seed=5)
    return Dataset("repeated", twice, world.items, world.users, world.match)


def dataset(taken: dict[str, list[str]], items: Table, users: Table, timed: bool = True) -> Dataset:
    pairs = [(u, i, START + timedelta(days=3 * p)) for u, row in taken.items() for p, i in enumerate(row)]
    rows = pl.DataFrame(pairs, schema=["user_id", "item_id", "timestamp"], orient="row").with_columns(
        timestamp=pl.col("timestamp").cast(pl.Datetime("us", "UTC"))
        if timed
        else pl.lit(None, pl.Datetime("us", "UTC")),
        event=pl.lit("take"),
        weight=pl.lit(1.0, pl.Float32),
    )
    match = (Match("city", "city"),) if "city" in users.frame.columns and "city" in items.frame.columns else ()
    return Dataset("world", rows.sort("timestamp", maintain_order=True), items, users, match)


def items_table(ids: Sequence[str]) -> Table:
    """The first letter tells the genre; published on the first day, or 50 days later for ``new*``."""
    genre = {"r": "rock", "f": "folk", "x": "both", "n": "rock"}
    late = [START + timedelta(days=50 if i.startswith("new") else 0) for i in ids]
    frame = pl.DataFrame(
        {
            "item_id": list(ids),
            "genre": [[genre[i[0]], "music"] for i in ids],
            "title": [f"{genre[i[0]]} song number {i}" for i in ids],
            "city": [CITIES[i[0] == "f"] for i in ids],
            "available_from": late,
        },
        schema_overrides={"available_from": pl.Datetime("us", "UTC")},
    )
    return Table(frame, {"genre": "multi", "title": "text", "city": "category"}, "item_id")


def users_table(ids: Sequence[str]) -> Table:
    """Users a* live in the first city and follow a2 and a3, b* in the second, and b2 and b3; others say nothing."""
    city = [CITIES["ab".index(u[0])] if u[0] in "ab" else None for u in ids]
    follows = [[f"{u[0]}2", f"{u[0]}3"] if u[0] in "ab" else None for u in ids]
    frame = pl.DataFrame(
        {"user_id": list(ids), "city": city, "follows": follows},
        schema={"user_id": pl.String, "city": pl.String, "follows": pl.List(pl.String)},
    )
    return Table(frame, {"city": "category", "follows": "ignore"}, "user_id")


def bare(key: str, ids: Sequence[str]) -> Table:
    return Table(pl.DataFrame({key: list(ids)}), {}, key)


def ask(histories: dict[str, list[str]], items: Table, users: Table | None = None, timed: bool = True) -> Queries:
    """One query per user with the given items taken before, oldest first, the last one day ago."""
    users = users_table(tuple(histories)) if users is None else users
    lengths = [len(history) for history in histories.values()]
    taken = [item for history in histories.values() for item in history]
    now = int(microseconds(pl.Series([NOW]).cast(pl.Datetime("us", "UTC")))[0])
    back = [days for n in lengths for days in range(n, 0, -1)]
    times = now - np.array(back, dtype=np.int64) * 86_400_000_000
    history = History(
        indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        item_idx=items.lookup(pl.Series(taken, dtype=pl.String)),
        timestamp=times if timed else np.full(len(taken), NO_TIME),
    )
    return Queries(users, np.full(len(lengths), now if timed else NO_TIME), history)
