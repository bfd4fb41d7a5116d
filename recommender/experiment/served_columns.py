"""What a served model holds of the data: nothing that protects a group, nothing that no shipped part reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from recommender.config import Scenario
from recommender.data.dataset import FEATURE_ROLES, Dataset, Table
from recommender.data.relation import SINCE
from recommender.models.base import Recommender
from recommender.names import SUSPICION

TIMES = ("available_from", "expires_at")
NOT_SERVED = {
    "problem",
    "audit",
    "slices",
    "person_days",
    "plan",
}  # parts of a scenario that only evaluation and pages read


def served_columns(data: Dataset, rungs: Sequence[Recommender], scenario: Scenario) -> Dataset:
    """``data`` with the columns that the served ``rungs``, the rules and the re-rankers can read.

    Kept are ids, times of availability, the items' features, the users' features where a served rung uses features,
    and every column that the scenario names outside its audit and slices. All else goes, protected columns first.
    """
    named = set(_words(scenario.model_dump(mode="json", exclude=NOT_SERVED))) | {SUSPICION, *TIMES}
    for rung in rungs:
        named |= {*getattr(rung, "user_columns", ()), *getattr(rung, "needs_user_columns", ())}
    named |= {f"{column}{SINCE}" for column in named}
    user_features = any(getattr(rung, "uses_features", False) for rung in rungs)
    return replace(
        data,
        items=_only(data.items, named, features=True),
        users=_only(data.users, named, features=user_features),
        match=data.match if user_features else (),
    )


def _only(table: Table, named: set[str], features: bool) -> Table:
    read = set(table.columns(*FEATURE_ROLES)) if features else set()
    open_ = {c for c in named if table.roles.get(c) != "protected"}
    columns = [c for c in table.frame.columns if c == table.key or c in read or c in open_]
    return Table(table.frame.select(columns), {c: r for c, r in table.roles.items() if c in columns}, table.key)


def _words(tree: Any) -> Iterator[str]:
    """Every string of a tree of plain values, keys of mappings included."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, dict):
        for key, value in tree.items():
            yield str(key)
            yield from _words(value)
    elif isinstance(tree, (list, tuple)):
        for value in tree:
            yield from _words(value)
