"""The suspicion of items where an experiment or a shipped model needs it: as a column of the items."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import polars as pl

from recommender.config import Spam
from recommender.data.dataset import NO_TIME, Dataset, Table
from recommender.data.split import Fold
from recommender.data.times import to_microseconds
from recommender.errors import DataError
from recommender.names import SUSPICION
from recommender.spam.detector import Detector, Judgement, judge


def suspected_fold(fold: Fold, columns: Spam) -> tuple[Fold, Judgement | str]:
    """The fold with each item's suspicion as of the origin, and a comparison with what moderators confirmed later.

    Where the detector has too little to learn from, or the split is not in time, every suspicion is 0 and the second
    value is the reason.
    """
    try:
        origin = to_microseconds(datetime.fromisoformat(fold.origin))
    except ValueError:
        return _innocent(fold), "the split is not in time"
    try:
        suspicion = Detector(columns).fit(fold.train, origin).suspicion(fold.train, fold.items, origin)
    except DataError as error:
        return _innocent(fold), " ".join(str(error).split()).rstrip(".")
    items = with_suspicion(fold.items, suspicion)
    judged = judge(items, suspicion, origin, columns, fold.split, fold.origin)
    return replace(fold, items=items, train=_of(fold.train, items)), judged


def suspected(data: Dataset, columns: Spam) -> Dataset:
    """The data with the suspicion of each item as of their end; 0 where there is too little to learn from.
    As it is where ``columns`` name no labels."""
    if columns.label_column is None:
        return data
    now = int(data.timestamps.max(initial=NO_TIME)) + 1
    try:
        suspicion = Detector(columns).fit(data, now).suspicion(data, data.items, now)
    except DataError:
        suspicion = np.zeros(len(data.items), np.float32)
    return replace(data, items=with_suspicion(data.items, suspicion))


def with_suspicion(items: Table, suspicion: np.ndarray) -> Table:
    """The table with the column ``suspicion``. float32 (n_items,), 0..1."""
    column = pl.Series(SUSPICION, suspicion, dtype=pl.Float32)
    table = replace(items, frame=items.frame.with_columns(column), roles={**items.roles, SUSPICION: "ignore"})
    table._memo["source"] = items.source  # what was hashed of its other columns is still true
    return table


def _innocent(fold: Fold) -> Fold:
    items = with_suspicion(fold.items, np.zeros(len(fold.items), np.float32))
    return replace(fold, items=items, train=_of(fold.train, items))


def _of(train: Dataset, items: Table) -> Dataset:
    """``train`` with the suspicion that its items have in ``items``, which holds them all."""
    rows = items.lookup(train.items.ids)
    return replace(train, items=with_suspicion(train.items, items.frame[SUSPICION].to_numpy()[rows]))
