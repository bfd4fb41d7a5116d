"""Remembering what was computed of a table: the same items are scored batch after batch of queries."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from recommender.data.dataset import Table

Result = TypeVar("Result")


def per_table(method: Callable[[Any, Table], Result]) -> Callable[[Any, Table], Result]:
    """A method of one table that keeps its last result while the very same Table object comes again.

    For objects whose fitted state does not change once the method was called (else ``forget``), and results
    that nobody writes to. The slot is a private attribute, which ``serving/persistence.py`` does not store.
    """
    slot = f"_last_{method.__name__}"

    @wraps(method)
    def remembered(self: Any, table: Table) -> Result:
        last = vars(self).get(slot)
        if last is None or last[0] is not table:
            last = vars(self)[slot] = (table, method(self, table))
        result: Result = last[1]
        return result

    return remembered


def forget(model: Any) -> None:
    """Drops what ``per_table`` keeps; for a ``fit`` that changes the state its methods read."""
    for slot in [name for name in vars(model) if name.startswith("_last_")]:
        del vars(model)[slot]
