"""What dataset.yaml states of a data set, beside the roles of its columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Match:
    """A user column and an item column that speak one language (past positions -> job title)."""

    user: str
    item: str


@dataclass(frozen=True)
class Reading:
    """What dataset.yaml said of the files that holds for new rows of them too."""

    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # table -> standard name -> name in the file
    times: Mapping[str, str] = field(default_factory=dict)  # time column -> stated format
    weight: str | None = None  # the bound of the weight from which a row counts as taken, such as ">= 4"
    events: tuple[str, ...] | None = None  # the kinds of event that count as taken; None: all


@dataclass(frozen=True)
class Relation:
    """The items are the users, and an interaction links two of them.

    symmetric: each link is two rows of one time, one per direction (connections); else it has a direction (follows,
    messages).
    """

    symmetric: bool
