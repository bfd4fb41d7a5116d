"""Differences in the data as operators: ``Dataset -> Dataset``, pure and seeded, so that they compose.

A difference is one entry of ``data.differences`` or ``data.train_differences``: ``{volume: {share: 0.5, by: users}}``.
Point-in-time: cutting the data at a time and then applying one gives what applying it and then cutting gives, so
what it does to the past never depends on the future. Exceptions, which look at whole tables: shuffles,
``metadata.coarsen``, and those that count from the end of the data (``volume`` by time, ``drift``, ``spam``); as
``train_differences`` they too see only what the model may see.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from recommender.data.dataset import Dataset, at_hand
from recommender.data.operators.columns import metadata
from recommender.data.operators.inject import noise, spam
from recommender.data.operators.rows import cold, drift, signals, volume
from recommender.data.operators.shuffles import shuffled_features, shuffled_times
from recommender.data.operators.times import lifetime, timestamps
from recommender.data.relation import whole_links
from recommender.errors import ConfigError, check_parameters, chosen

__all__ = ["OPERATORS", "apply", "check", "described", "shuffled_features", "shuffled_times"]

OPERATORS: Mapping[str, Callable[..., Dataset]] = {
    "volume": volume,
    "metadata": metadata,
    "lifetime": lifetime,
    "signals": signals,
    "noise": noise,
    "spam": spam,
    "timestamps": timestamps,
    "drift": drift,
    "cold": cold,
    "shuffled_features": shuffled_features,
    "shuffled_times": shuffled_times,
}

Difference = Mapping[str, Mapping[str, Any] | None]  # one operator's name -> its parameters


def apply(data: Dataset, differences: Sequence[Difference], seed: int) -> Dataset:
    """The data after each difference in turn; ``seed`` stands where a difference states none of its own.

    Raises ConfigError as ``check`` and for parameters out of range, DataError where the data cannot be so changed.
    """
    check(differences)
    for name, params in map(_one, differences):
        try:
            data = whole_links(OPERATORS[name](at_hand(data), **{"seed": seed, **params}))
        except ValueError as error:
            raise ConfigError(f"{name}: {error}") from None
    return data


def check(differences: Sequence[Difference]) -> None:
    """Raises ConfigError for an unknown operator or parameter, or a value of the wrong type, naming the nearest."""
    for difference in differences:
        name, params = _one(difference)
        operator = chosen("data difference", "operator", OPERATORS, name)
        check_parameters(f"data difference '{name}'", operator, name, params, given=["data"])


def described(differences: Sequence[Difference], train_differences: Sequence[Difference] = ()) -> str:
    """``volume(share=0.5 by=users); train: drift(days=30)``, as runs are tagged; empty without any."""
    sentences = [_sentence(d) for d in differences] + [f"train: {_sentence(d)}" for d in train_differences]
    return "; ".join(sentences)


def _one(difference: Difference) -> tuple[str, Mapping[str, Any]]:
    if len(difference) != 1:
        raise ConfigError(
            f"A data difference names one operator, got {dict(difference)!r}. Write [{{volume: {{share: 0.5}}}}]"
        )
    ((name, params),) = difference.items()
    return name, params or {}


def _sentence(difference: Difference) -> str:
    name, params = _one(difference)
    return f"{name}({' '.join(f'{key}={value}' for key, value in params.items())})"
