"""What tuning searches of each recommender, in upstream's own parameter names.

A new recommender gets a line here; the contract tests ask for it.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from recommender.config import Rung
from recommender.models import RECOMMENDERS

if TYPE_CHECKING:
    from optuna.trial import Trial


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


Space = Mapping[str, Float | OneOf]

# What is searched of each recommender. Every other parameter stays as the ladder's entry gives it; one on which the
# entry's candidates differ (segment, window_days, columns ...) is searched among the values that they name.
SPACES: dict[str, dict[str, Float | OneOf]] = {
    "random": {},
    "popularity": {"half_life_share": Float(0.005, 1, log=True, also=(None,))},
    "trending": {"gravity": Float(0.05, 2, log=True)},
    "social": {"half_life_share": Float(0.005, 1, log=True, also=(None,))},
    "content": {
        "half_life_positions": Float(1, 100, log=True, also=(None,)),
        "match_weight": Float(0.05, 5, log=True, also=(0.0,)),
    },
    "item_knn": {
        "weighting": OneOf(("cosine", "tfidf", "bm25")),
        "K": Int(10, 500, log=True),
        "half_life_positions": Float(1, 100, log=True, also=(None,)),
    },
    "als": {
        "factors": Int(16, 128, log=True),
        "regularization": Float(0.001, 10, log=True),
        "alpha": Float(0.1, 100, log=True),
        "iterations": Int(5, 30),
    },
    "bpr": {
        "factors": Int(16, 128, log=True),
        "learning_rate": Float(0.001, 0.3, log=True),
        "regularization": Float(0.0001, 0.1, log=True),
        "iterations": Int(30, 300, log=True),
    },
    "ease": {"regularization": Float(10, 5000, log=True)},
    "user_ease": {
        "regularization": Float(10, 5000, log=True),
        "feature_weight": Float(0.05, 5, log=True, also=(0.0,)),
        "half_life_share": Float(0.01, 2, log=True, also=(None,)),
    },
    "lightfm": {
        "no_components": Int(16, 128, log=True),
        "epochs": Int(5, 50, log=True),
        "learning_rate": Float(0.01, 0.2, log=True),
        "item_alpha": Float(1e-7, 1e-3, log=True, also=(0.0,)),
        "user_alpha": Float(1e-7, 1e-3, log=True, also=(0.0,)),
    },
    "ranker": {"C": Float(1e-5, 1, log=True)},
}


def space(rung: Rung, starts: Sequence[Mapping[str, Any]]) -> Space:
    """What is searched: the recommender's space, made wide enough for the settings to start with."""
    searched = SPACES.get(rung.recommender, {})
    wide = {name: _widened(p, [_value(rung, s, name) for s in starts]) for name, p in searched.items()}
    named = dict.fromkeys(name for s in starts for name in s if name not in wide)
    choices = {name: _distinct([_value(rung, s, name) for s in starts]) for name in named}
    return wide | {name: OneOf(values) for name, values in choices.items() if len(values) > 1}


def suggest(trial: Trial, space: Space) -> dict[str, Any]:
    """A value for every parameter of the space. JSON, because Optuna's categories are plain values only."""
    setting: dict[str, Any] = {}
    for name, p in space.items():
        if isinstance(p, OneOf):
            setting[name] = json.loads(trial.suggest_categorical(name, [*map(json.dumps, p.values)]))
            continue
        kind = trial.suggest_categorical(f"{name} is", ["in range", *map(json.dumps, p.also)]) if p.also else "in range"
        if kind != "in range":
            setting[name] = json.loads(kind)
        elif isinstance(p, Int):
            setting[name] = trial.suggest_int(name, int(p.low), int(p.high), log=p.log)
        else:
            setting[name] = float(f"{trial.suggest_float(name, p.low, p.high, log=p.log):.3g}")  # for who reads it
    return setting


def answers(rung: Rung, setting: Mapping[str, Any], space: Space) -> dict[str, Any]:
    """The inverse of ``suggest``: what a trial must be told in order to suggest this setting."""
    told: dict[str, Any] = {}
    for name, p in space.items():
        value = _value(rung, setting, name)
        if isinstance(p, OneOf):
            told[name] = json.dumps(value)
        elif value in p.also:
            told[f"{name} is"] = json.dumps(p.also[p.also.index(value)])
        else:
            told |= {f"{name} is": "in range", name: value} if p.also else {name: value}
    return told


def _value(rung: Rung, setting: Mapping[str, Any], name: str) -> Any:
    """A parameter's value in a setting, else its default."""
    if name in setting:
        return setting[name]
    return inspect.signature(RECOMMENDERS[rung.recommender]).parameters[name].default


def _widened(p: Float | OneOf, values: Sequence[Any]) -> Float | OneOf:
    if isinstance(p, OneOf):
        return OneOf(_distinct([*p.values, *values]))
    inside = [v for v in values if v is not None and v not in p.also and (v > 0 or not p.log)]
    apart = [v for v in values if v not in inside and v not in p.also]
    return replace(p, low=min([p.low, *inside]), high=max([p.high, *inside]), also=_distinct([*p.also, *apart]))


def _distinct(values: Sequence[Any]) -> tuple[Any, ...]:
    """Each once, in order; a list and a tuple that hold the same are one value."""
    return tuple({json.dumps(v): v for v in values}.values())
