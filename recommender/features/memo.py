"""Remembering what was computed of a table: the same items are scored batch after batch of queries, and queries of the
same users come again."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import numpy as np

from recommender.data.dataset import Dataset, Table

MOST_ROWS = 50_000  # of a table that is computed whole although only some of its rows were asked for
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


def per_row(method: Callable[[Any, Table], Result]) -> Callable[[Any, Table], Result]:
    """``per_table`` for a method that gives an array or sparse matrix, or a tuple of them, with a row for each of the
    table's that depends on nothing but that row.

    Where rows of one table are asked for again and again, such as a served user's, they come from that whole table.
    """
    slot = f"_last_{method.__name__}"

    @wraps(method)
    def remembered(self: Any, table: Table) -> Result:
        whole, rows = table.taken_from
        if rows is not None and len(whole) > MOST_ROWS:
            whole, rows = table, None
        last = vars(self).get(slot) or (None, None)
        if last[0] is not whole and rows is not None:  # perhaps they are never asked for again
            vars(self)[slot] = whole, None
            return method(self, table)
        if last[0] is not whole or last[1] is None:
            last = vars(self)[slot] = whole, method(self, whole)
        result: Result = rows_of(last[1], rows)
        return result

    return remembered


def of_whole(table: Table, key: str, compute: Callable[[Table], Result]) -> Result:
    """What ``compute`` gives for the rows of ``table``, made once for the whole table that they were taken from.

    key: names what is computed, with everything that it depends on but the table. For results as ``per_row`` has them.
    """
    whole, rows = table.taken_from
    if rows is not None and len(whole) > MOST_ROWS:
        return compute(table)
    if key not in whole._memo:
        whole._memo[key] = compute(whole)
    result: Result = rows_of(whole._memo[key], rows)
    return result


def share_fits(train: Dataset) -> None:
    """From now on ``of_fits`` keeps what fits on this data share: for a search, that is, for many settings."""
    vars(train).setdefault("_fits", {})


def drop_fits(train: Dataset) -> None:
    """Forgets what ``of_fits`` keeps on this data; fits go on to share."""
    vars(train).get("_fits", {}).clear()


def of_fits(train: Dataset, name: str, key: str, compute: Callable[[], Result]) -> Result:
    """What ``compute`` gives, once for fits in a row with the same key where ``share_fits`` was called, else each time.

    name: of what is computed; the last of each name is kept. key: all that it depends on beside the data.
    """
    shared = vars(train).get("_fits")
    if shared is None:
        return compute()
    if name not in shared or shared[name][0] != key:
        shared.pop(name, None)  # two of them need not fit into memory
        shared[name] = key, compute()
    result: Result = shared[name][1]
    return result


def rows_of(result: Any, rows: np.ndarray | None) -> Any:
    """These rows of an array or sparse matrix, or of each of a tuple; all of them for None."""
    if rows is None:
        return result
    return tuple(part[rows] for part in result) if isinstance(result, tuple) else result[rows]


def forget(model: Any) -> None:
    """Drops what ``per_table`` and ``per_row`` keep; for a ``fit`` that changes the state its methods read."""
    for slot in [name for name in vars(model) if name.startswith("_last_")]:
        del vars(model)[slot]
