"""What tuning searches of a rung: its recommender's space, made wide enough for the settings to start with."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from recommender.config import Rung
from recommender.models import RECOMMENDERS
from recommender.models.space import Float, Int, OneOf, Space

if TYPE_CHECKING:
    from optuna.trial import Trial

_APART = 0.2


def space(rung: Rung, starts: Sequence[Mapping[str, Any]], timed: bool = True) -> Space:
    """What is searched: the recommender's space, made wide enough for the settings to start with.

    timed: whether the split has times; without them, no parameter is searched that needs them.
    """
    searched = {
        name: p
        for name, p in RECOMMENDERS[rung.recommender].space.items()
        if timed or isinstance(p, OneOf) or not p.needs_times
    }
    wide = {name: _widened(p, [value_of(rung, s, name) for s in starts]) for name, p in searched.items()}
    named = dict.fromkeys(name for s in starts for name in s if name not in wide)
    choices = {name: _distinct([value_of(rung, s, name) for s in starts]) for name in named}
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


def draw(space: Space, point: Sequence[float]) -> dict[str, Any]:
    """The setting at a point of [0, 1)^len(space). Values apart from a range share a fifth of its side."""
    setting: dict[str, Any] = {}
    for (name, p), at in zip(space.items(), point, strict=True):
        if isinstance(p, OneOf):
            setting[name] = p.values[int(at * len(p.values))]
            continue
        apart = _APART if p.also else 0.0
        if at < apart:
            setting[name] = p.also[int(at / apart * len(p.also))]
            continue
        setting[name] = _within(p, (at - apart) / (1 - apart))
    return setting


def _within(p: Float, at: float) -> float:
    """A value of the range, three digits for who reads it."""
    value = p.low * (p.high / p.low) ** at if p.log else p.low + at * (p.high - p.low)
    return round(value) if isinstance(p, Int) else float(f"{value:.3g}")


def answers(rung: Rung, setting: Mapping[str, Any], space: Space) -> dict[str, Any]:
    """The inverse of ``suggest``: the values with which a trial suggests this setting."""
    answers: dict[str, Any] = {}
    for name, p in space.items():
        value = value_of(rung, setting, name)
        if isinstance(p, OneOf):
            answers[name] = json.dumps(value)
        elif value in p.also:
            answers[f"{name} is"] = json.dumps(p.also[p.also.index(value)])
        else:
            answers |= {f"{name} is": "in range", name: value} if p.also else {name: value}
    return answers


def value_of(rung: Rung, setting: Mapping[str, Any], name: str) -> Any:
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
