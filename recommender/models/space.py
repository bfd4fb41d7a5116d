"""What tuning may search of a parameter: a range, whole numbers, or some values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Float:
    """A number between two bounds. also: values apart from the range, such as None for "not at all".

    needs_times: not searched where the split has no times, and so histories no order.
    """

    low: float
    high: float
    log: bool = False
    also: tuple[float | None, ...] = ()
    needs_times: bool = False


@dataclass(frozen=True)
class Int(Float):
    """A whole number between two bounds."""


@dataclass(frozen=True)
class OneOf:
    """One of some values of any kind."""

    values: tuple[Any, ...]


Space = Mapping[str, Float | OneOf]  # by the names of parameters


@dataclass(frozen=True)
class Share:
    """A parameter that costs in proportion, such as passes over the data: a cheaper look takes a share of its value."""

    parameter: str
    shares: tuple[float, ...]  # ascending

    def values(self, value: int, n_items: int) -> list[int]:
        return [max(1, round(share * value)) for share in self.shares]


@dataclass(frozen=True)
class MostTaken:
    """A parameter that bounds the items learned, None for all: a cheaper look learns of the most taken ones only."""

    parameter: str
    most: int

    def values(self, value: int | None, n_items: int) -> list[int]:
        """None where the items, or those of the setting, are no more."""
        return [self.most] if min(n_items, value or n_items) > self.most else []


Cheaper = Share | MostTaken
