"""Ids of every type and form that a file can hold, and small models of data that have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
from hypothesis import strategies as st

from recommender.data.ids import is_spoilt

WORDS = {"nan", "null", "none", "nil", "na", "n/a", "#n/a", "<na>", "nat", "undefined"}
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=12)
NUMBER_LIKE = st.sampled_from(["1e2", "100", "0", "-0", "01", "1", "+1", "1E5", "0x10", "1_000", "١", "12e4", "-1"])
BLANKS = st.sampled_from([" 1", "1 ", "a", "A", " a", "a ", "\u00a01", "\ufeff1", "é", "e\u0301", "a,b", 'a"b', "'a'"])
TEXTS = st.lists(
    TEXT | NUMBER_LIKE | BLANKS | st.integers(-(2**70), 2**70).map(str), min_size=2, max_size=9, unique=True
)
INTEGERS = {
    **{f"int{n}": (getattr(pl, f"Int{n}"), -(2 ** (n - 1)), 2 ** (n - 1) - 1) for n in (8, 16, 32, 64)},
    **{f"uint{n}": (getattr(pl, f"UInt{n}"), 0, 2**n - 1) for n in (8, 16, 32, 64)},
    "int128": (pl.Int128, -(2**100), 2**100),
}


def sound(ids: Sequence[str]) -> list[str]:
    """Without the ids that the gate refuses by a rule of their own."""
    column = pl.Series(list(ids), dtype=pl.String)
    plain = ~is_spoilt(column) & (column.str.strip_chars() != "")
    return [i for i in column.filter(plain).to_list() if i.strip().lower() not in WORDS]


@st.composite
def integers(draw: st.DrawFn, kind: str) -> list[int]:
    """Two to nine ids of the type, with its bounds, and neighbours that a float takes for one."""
    _, low, high = INTEGERS[kind]
    near = [n for n in (low, low + 1, high - 1, high, 0, 1, 2**53, 2**53 + 1, 2**63 - 1, 2**63) if low <= n <= high]
    return draw(st.lists(st.sampled_from(near) | st.integers(low, high), min_size=2, max_size=9, unique=True))


def interactions(users: pl.Series, items: pl.Series) -> pl.DataFrame:
    """User n took the items n and n + 1 of the list, round and round: no two have the same history."""
    n = len(users)
    rows = [(u, (u + step) % len(items)) for u in range(n) for step in (0, 1)]
    start = pl.datetime(2024, 1, 1, time_zone="UTC")
    return pl.DataFrame(
        {"user_id": users.gather([u for u, _ in rows]), "item_id": items.gather([i for _, i in rows])}
    ).with_columns(timestamp=start + pl.duration(hours=pl.int_range(pl.len())))


def not_taken(users: Sequence[Any], items: Sequence[Any]) -> dict[str, set[str]]:
    """user -> the items of which a list as long as the catalogue consists; both as they are written."""
    taken = {str(u): {str(items[(n + step) % len(items)]) for step in (0, 1)} for n, u in enumerate(users)}
    return {u: {*map(str, items)} - took for u, took in taken.items()}
