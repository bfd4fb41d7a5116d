"""The contract of a recommender, and the small steps that nearly every one needs."""

from __future__ import annotations

import math
from typing import Protocol, Self

import numpy as np

from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries


class Recommender(Protocol):
    """One step of the ladder.

    Parameters are keyword arguments of ``__init__``, kept under their own names. Fitted state ends
    in ``_`` and holds arrays, sparse matrices, frames, Tables, plain values and objects of this
    package only, so that ``serving/persistence.py`` can write it without pickle.

    Optional attributes state what it reads beside who took what. It is skipped where the data lack what it needs:
    ``needs_times`` (bool), ``needs_relation`` (bool: items that are users), ``needs_direction`` (bool: links that
    hold one way), ``needs_user_columns`` (names of columns that are no features). ``controls.py`` measures whether it
    pays that a rung reads ``uses_times`` (bool: times of training; by default as ``needs_times``), ``uses_features``
    (bool) and ``user_columns`` (names). A contract test checks these statements. ``per_user``: names of a fitted
    Table of users and of what has a row for each of them, from which ``serving/forget.py`` takes users out.
    ``fits_every``: where a fit costs much, for how many short horizons of validation (``split.retrain_days``) it stays
    in use.
    """

    def fit(self, train: Dataset) -> Self: ...

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        """float32 (n_queries, n_items): higher is better; NaN where the model cannot tell.

        ``items`` may hold items that training did not see; ``queries.history.item_idx`` are rows of it.
        """
        ...


def to_catalogue(scores: np.ndarray, model_item_idx: np.ndarray) -> np.ndarray:
    """Scores of a model's items, (n_queries, n_model_items), as scores of the catalogue, float32 (n_queries, n_items).

    model_item_idx: int64 (n_items,), the model's number of each item; -1 (unknown to it) becomes NaN.
    """
    # take, unlike indexing, leaves the rows contiguous, as top_k wants them
    out: np.ndarray = np.take(scores, np.maximum(model_item_idx, 0), axis=1).astype(np.float32, copy=False)
    out[:, model_item_idx < 0] = np.nan
    return out


MOST = 2**32  # no parameter is this large, but a seed may come near; beyond, libraries overflow


def at_least(least: float, **parameters: float | None) -> None:
    """Raises ValueError for the first parameter below ``least``, not below ``MOST``, or NaN; None (not set) passes."""
    for name, value in parameters.items():
        if value is not None and not least <= value < MOST:
            raise ValueError(f"{name} must be at least {least:g} and below {MOST}, got {value}")


def above(bound: float, **parameters: float | None) -> None:
    """Raises ValueError for the first parameter not above ``bound``, or not finite; None (not set) passes."""
    for name, value in parameters.items():
        if value is not None and not bound < value < math.inf:
            raise ValueError(f"{name} must be above {bound:g} and finite, got {value}")
