"""Recommended lists: one row per query, best first, and the few operations that everything else is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

# Where an entry comes from: nowhere (no item is left), completion, the rung, a slot for new items, an editor's pin.
NO_ITEM, FALLBACK, RUNG, NEW, PINNED = range(5)


@dataclass(frozen=True)
class Lists:
    """One list per query; shorter ones are padded at the end. Operations return new lists."""

    item_idx: np.ndarray  # int64 (n_queries, k), rows of the items; -1 = no item
    score: np.ndarray  # float32 (n_queries, k); NaN where the rung cannot tell
    source_code: np.ndarray  # int8 (n_queries, k): NO_ITEM, FALLBACK, RUNG, NEW or PINNED

    @classmethod
    def concat(cls, parts: Sequence[Lists], axis: int = 0) -> Self:
        """The lists of further queries below (axis 0), or further entries of the same queries behind (axis 1)."""
        names = ("item_idx", "score", "source_code")
        return cls(*(np.concatenate([getattr(p, name) for p in parts], axis=axis) for name in names))

    @property
    def width(self) -> int:
        """Entries per list, padding included."""
        return int(self.item_idx.shape[1])

    def map(self, change: Callable[[np.ndarray], np.ndarray]) -> Self:
        """``change`` applied to each of the three arrays."""
        return type(self)(change(self.item_idx), change(self.score), change(self.source_code))

    def take(self, rows: np.ndarray) -> Self:
        """The lists of some queries. rows: int64 row numbers, or a bool mask."""
        return self.map(lambda entries: entries[rows])

    def head(self, k: int) -> Self:
        """The first ``k`` entries of each list."""
        return self.map(lambda entries: entries[:, :k])

    def put(self, rows: np.ndarray, lists: Lists) -> Self:
        """The lists of ``rows`` (int64 row numbers) replaced by ``lists``, of the same width."""
        out = self.map(np.copy)
        out.item_idx[rows], out.score[rows], out.source_code[rows] = lists.item_idx, lists.score, lists.source_code
        return out

    def permute(self, order: np.ndarray) -> Self:
        """Entries in another order. order: int64 (n_queries, m), positions; entries after the first m stay."""
        m = order.shape[1]
        return self.map(lambda e: np.concatenate([np.take_along_axis(e, order, axis=1), e[:, m:]], axis=1))

    def only(self, mask: np.ndarray, source_code: int | None = None) -> Self:
        """Entries outside ``mask``, bool (n_queries, width), become empty; the others get ``source_code`` if given."""
        code = self.source_code if source_code is None else np.int8(source_code)
        return type(self)(
            np.where(mask, self.item_idx, -1),
            np.where(mask, self.score, np.float32(np.nan)),
            np.where(mask, code, np.int8(NO_ITEM)),
        )

    def close_gaps(self) -> Self:
        """Entries without an item moved to the end."""
        return self.permute(np.argsort(self.item_idx < 0, axis=1, kind="stable"))

    def without_scores(self) -> Self:
        """A third of the memory, to keep the lists of many rungs."""
        item = self.item_idx.astype(np.int32)
        return type(self)(item, np.broadcast_to(np.float32(np.nan), item.shape), self.source_code)


def with_slots(lists: Lists, new: Lists, of: int, source_code: int = NEW) -> Lists:
    """``lists`` with the entries of ``new`` as the last of their first ``of`` entries; displaced entries move down.

    From ``new``, only items that a rung scored are inserted, marked with ``source_code``. No list has an item twice:
    one that is shown before the slots is not inserted, and one that is inserted leaves its later place.
    """
    at = max(min(of, lists.width) - new.width, 0)
    top, rest = lists.head(at), lists.map(lambda entries: entries[:, at:])
    shown = (new.item_idx[:, :, None] == top.item_idx[:, None, :]).any(axis=2)
    slots = new.only((new.source_code == RUNG) & ~shown, source_code)
    moved = (rest.item_idx[:, :, None] == slots.item_idx[:, None, :]).any(axis=2)
    return Lists.concat([top, slots, rest.only(~moved)], axis=1).close_gaps().head(lists.width)
