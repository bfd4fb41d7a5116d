"""Removes users from a model: their rows and histories, and what was fitted to each of them alone."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from recommender.data.dataset import Table
from recommender.data.ids import as_ids
from recommender.errors import UserError
from recommender.serving.bundle import Bundle
from recommender.serving.known import Known


def forget(bundle: Bundle, ids: pl.Series) -> Bundle:
    """``bundle`` without the users ``ids``; itself where it knows none of them.

    What was fitted to all users together (counts, factors of items) stays as it is: it holds no id, and only a new
    train takes these users out of it. Raises UserError where the items are users.
    """
    known = bundle.known
    ids = as_ids(ids, known.data.users.ids.dtype).drop_nulls()
    if bundle.data.relation is not None:
        there = bundle.data.items.ids.is_in(ids.implode()).any()
        if there or bundle.data.users.ids.is_in(ids.implode()).any():
            raise UserError("its items are users, who cannot be taken out of a fitted model")
        return bundle
    gone = known.data.users.ids.is_in(ids.implode())
    followed = sorted({c for rung in bundle.router.rungs.values() for c in getattr(rung, "needs_user_columns", ())})
    fewer = _known(known, ids, ~gone.to_numpy(), followed)
    router = _without(bundle.router, ids)
    if fewer.data.users.frame.equals(known.data.users.frame):
        return bundle
    return replace(bundle, known=fewer, router=router, forgotten=bundle.forgotten + int(gone.sum()))


def _known(known: Known, ids: pl.Series, staying: np.ndarray, followed: list[str]) -> Known:
    """followed: columns that may list users."""
    table = known.data.users
    lists = [c for c in followed if c in table.frame.columns and table.frame.schema[c] == pl.List(ids.dtype)]
    others = [pl.col(c).list.eval(pl.element().filter(~pl.element().is_in(ids.implode()))) for c in lists]
    frame = table.frame.filter(pl.Series(staying)).with_columns(others)
    data = replace(known.data, users=Table(frame, table.roles, table.key))
    return replace(known, data=data, histories=known.histories.take(np.flatnonzero(staying)))


def _without(value: Any, ids: pl.Series) -> Any:
    """A copy of fitted state in which no row of a ``per_user`` attribute is one of these users'."""
    if isinstance(value, Mapping):
        return {key: _without(v, ids) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_without(v, ids) for v in value)
    if not type(value).__module__.startswith("recommender.") or isinstance(value, Table):
        return value
    state = {name: _without(v, ids) for name, v in vars(value).items() if not name.startswith("_")}
    fitted = [name for name in getattr(value, "per_user", ()) if name in state]
    if fitted and state[fitted[0]].key == "user_id":
        table: Table = state[fitted[0]]
        rows = np.flatnonzero(table.ids.is_in(ids.implode()).to_numpy())
        state[fitted[0]] = Table(table.frame[np.setdiff1d(np.arange(len(table)), rows)], table.roles, table.key)
        for name in fitted[1:]:
            staying = np.setdiff1d(np.arange(state[name].shape[0]), rows)
            state[name] = state[name][staying]
    same = copy.copy(value)
    vars(same).clear()
    vars(same).update({**{name: None for name in vars(value) if name.startswith("_")}, **state})
    return same
