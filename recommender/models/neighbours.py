"""Neighbours: members at two steps in the network, weighed by who stands between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
import scipy.sparse as sp

from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.errors import ConfigError, nearest
from recommender.features.feedback import decay
from recommender.models.base import above
from recommender.models.space import Float, OneOf, Space
from recommender.models.vocabulary import ids_only, model_history

WEIGHTS = ("count", "adamic_adar", "resource_allocation")


@dataclass(eq=False)
class Neighbours:
    """Score of a member = sum over the common neighbours with the asking member of a weight of each.

    weight: 1 each (count; Liben-Nowell & Kleinberg 2007), 1 / log of the neighbour's links (adamic_adar; Adamic & Adar
        2003), or 1 / its links (resource_allocation; Zhou, Lue & Zhang 2009): a common acquaintance who knows everyone
        says little.
    half_life_share: the link from the neighbour to the candidate counts half as much every so large a share of the
        training period; None: all count alike.

    The neighbours are the history of the query, so a link of this minute counts, and members unseen in training are
    served as soon as they have one. A directed relation is followed along the links.

    NaN: members without a common neighbour, the asking member, and whom they have already; everything where the items
    are not users.
    """

    colour = "#88CCEE"
    person_days = (1, 3)
    needs_interactions = True
    needs_relation = True
    space: ClassVar[Space] = {
        "weight": OneOf(WEIGHTS),
        "half_life_share": Float(0.02, 2, log=True, also=(None,), needs_times=True),
    }
    draws = 6

    weight: Literal["count", "adamic_adar", "resource_allocation"] = "adamic_adar"
    half_life_share: float | None = None

    def __post_init__(self) -> None:
        if self.weight not in WEIGHTS:
            raise ConfigError(f"neighbours: unknown weight '{self.weight}'{nearest(self.weight, WEIGHTS)}")
        above(0, half_life_share=self.half_life_share)

    @property
    def uses_times(self) -> bool:
        return self.half_life_share is not None

    def fit(self, train: Dataset) -> Self:
        self.items_ = ids_only(train.items)
        ages = train.age_days
        fresh = np.ones(len(ages)) if self.half_life_share is None else decay(ages, self.half_life_share)
        self.links_ = latest_links(train, fresh)
        degree = np.maximum(np.diff(self.links_.indptr), 1)
        between = {
            "count": np.ones(len(degree)),
            "adamic_adar": 1 / np.log(degree + 1),
            "resource_allocation": 1 / degree,
        }
        self.links_ = sp.csr_matrix(sp.diags(between[self.weight].astype(np.float32)) @ self.links_)
        return self

    def score(self, queries: Queries, items: Table) -> np.ndarray:
        history = model_history(queries, self.items_.lookup(items.ids), len(self.items_))
        return of_candidates(history @ self.links_, queries, items, self.items_)


def latest_links(train: Dataset, value: np.ndarray) -> sp.csr_matrix:
    """Who has linked to whom, float32 csr (n_items, n_items), rows of ``train.items`` on both sides.

    value: float64, one for each interaction; of a repeated link (messages) the largest counts, once. Members that are
    no item have no links.
    """
    member = train.items.lookup(train.users.ids)[train.user_idx]  # each link's first end, as a row of items
    known, n = member >= 0, len(train.items)
    order = np.argsort(value[known], kind="stable")[::-1]
    ends = member[known][order] * n + train.item_idx[known][order]
    _, once = np.unique(ends, return_index=True)
    pairs, of_pair = ends[once], value[known][order][once].astype(np.float32)
    return sp.csr_matrix((of_pair, (pairs // n, pairs % n)), shape=(n, n))


def of_candidates(scores: sp.csr_matrix, queries: Queries, items: Table, known: Table) -> np.ndarray:
    """Scores of few members as those of the candidates, float32 (n_queries, n_items); NaN: no score, the asking member,
    and whom it has.

    scores: csr (n_queries, n_known), its columns the rows of ``known``. It is never made dense: there may be a million.
    """
    entries, row = sp.coo_matrix(scores), known.lookup(items.ids)
    column = np.full(len(known), -1)
    column[row[row >= 0]] = np.flatnonzero(row >= 0)
    is_candidate = column[entries.col] >= 0
    out = np.full((len(queries), len(items)), np.nan, np.float32)
    out[entries.row[is_candidate], column[entries.col[is_candidate]]] = entries.data[is_candidate]
    out[queries.history.row, queries.history.item_idx] = np.nan
    themselves = items.lookup(queries.ids)
    out[np.flatnonzero(themselves >= 0), themselves[themselves >= 0]] = np.nan
    return out
