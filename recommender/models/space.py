"""What tuning may search of a parameter: a range, whole numbers, or some values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Float:
    """A number between two bounds. also: values apart from the range, such as None for "not at all"."""

    low: float
    high: float
    log: bool = False
    also: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Int(Float):
    """A whole number between two bounds."""


@dataclass(frozen=True)
class OneOf:
    """One of some values of any kind."""

    values: tuple[Any, ...]


Space = Mapping[str, Float | OneOf]  # by the names of parameters
