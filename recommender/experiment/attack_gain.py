"""What a scenario's own popularity would cost to buy: ``attack.rank_gain`` on what its models learn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from inspect import signature
from typing import Any

import polars as pl

from recommender.config import Scenario
from recommender.data.dataset import Dataset, at_hand
from recommender.experiment.attack import rank_gain
from recommender.experiment.rungs import make
from recommender.models import RECOMMENDERS
from recommender.models.base import Recommender

ACCOUNTS = 100
TARGETS = 4  # items pushed, one after the other; a tenth of a second of processor time each
PLAIN = "-untrusted"  # after a rung's name: the same without its guards


def attacked(train: Dataset, scenario: Scenario, chosen: Mapping[str, Mapping[str, Any]]) -> pl.DataFrame | None:
    """Rows of ``rank_gain`` for every rung that can trust accounts unlike, where it does also ``<rung>-untrusted``.

    Each of ``ACCOUNTS`` fake accounts takes the pushed item and nothing else. chosen: rung -> parameters. None where
    there is no such rung. Raises DataError where the data have no room for an attack.
    """
    models: dict[str, Callable[[], Recommender]] = {}
    for rung in scenario.ladder:
        if rung.name not in chosen or "trusted" not in signature(RECOMMENDERS[rung.recommender]).parameters:
            continue
        params = chosen[rung.name]
        models[rung.name] = partial(make, rung, params, scenario)
        if params.get("trusted"):
            models[rung.name + PLAIN] = partial(make, rung, {**params, "trusted": False}, scenario)
    return rank_gain(at_hand(train), models, ACCOUNTS, 0, TARGETS) if models else None


def gains(attack: pl.DataFrame) -> pl.DataFrame:
    """Medians over the pushed items by model: model, rank_before, rank_after, rank_gain."""
    gain = (pl.col("rank_before") - pl.col("rank_after")).alias("rank_gain")
    return (
        attack.with_columns(gain)
        .group_by("model", maintain_order=True)
        .agg(pl.col("rank_before", "rank_after", "rank_gain").median())
    )
