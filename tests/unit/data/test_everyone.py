"""Interactions that are a sample: what counts all users, and what must not go on counting those that are elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from recommender.config import Slots
from recommender.data import operators
from recommender.data.dataset import Dataset, Table
from recommender.data.protocols import UserWeigher, Weigher
from recommender.models.item_knn import ItemKNN
from recommender.models.popularity import Popularity
from recommender.names import USER_BUCKETS
from recommender.ranking.router import Router
from recommender.serving.known import Known
from tests.helpers.small import at, dataset, table

ITEMS = table("item_id", ["a", "b", "c"])


@dataclass(frozen=True)
class Elsewhere:
    """Nine users more took b; no one took c before hour 50."""

    end: int | None = None

    def before(self, end: int) -> Elsewhere:
        return Elsewhere(end)

    def once(self) -> Elsewhere:
        return self

    def counts(self, items: Table) -> np.ndarray:
        of = {"a": 1, "b": 10, "c": 0 if self.end is not None else 4}
        return np.array([of[i] for i in items.ids])

    @property
    def users(self) -> Table:
        return table("user_id", ["u", "v"])

    def faded(
        self, items: Table, weigher: Weigher, segment: np.ndarray | None = None, n_segments: int = 1
    ) -> np.ndarray:
        of = self.counts(items) * weigher.faded(np.ones(1), 1.0)
        return of[None] / n_segments if segment is None else np.repeat(of[None], n_segments, axis=0)

    def takers(self, items: Table) -> np.ndarray:
        return self.counts(items)

    def pairs(self, items: Table, weigher: UserWeigher | None = None) -> Sequence[tuple[np.ndarray, np.ndarray]]:
        """a and b share a user, b and c two; weighed, each user is three."""
        shared = np.array([[1, 1, 0], [1, 10, 2], [0, 2, 4]]) * (1 if weigher is None else 3)
        rows = np.array(["abc".index(i) for i in items.ids])
        return [(np.arange(len(rows)), shared[np.ix_(rows, rows)])]

    def quantiles(self, shares: Sequence[float]) -> list[int]:
        return [int(share * 100) for share in shares]


def sample() -> Dataset:
    return replace(dataset([("u", "a", 1), ("u", "b", 60)], items=ITEMS), everyone=Elsewhere())


def test_popularity_counts_users_that_are_elsewhere() -> None:
    fitted = Popularity().fit(sample())
    assert dict(zip(fitted.items_.ids, fitted.counts_[0].tolist(), strict=True)) == {"a": 1, "b": 10, "c": 4}


def test_item_knn_is_made_of_pairs_of_users_that_are_elsewhere() -> None:
    similar = ItemKNN(K=2).fit(sample()).similarity_.toarray()
    assert similar[0].tolist() == [1, np.float32(1 / 10**0.5), 0]
    assert similar[2].tolist() == [0, np.float32(2 / 40**0.5), 1]


def test_times_of_the_origins_are_those_of_everyone() -> None:
    assert sample().time_quantiles([0.3, 1.0]) == [30, 100]


def test_an_item_that_only_others_took_is_known_and_not_new() -> None:
    past = sample().before(at(50))
    assert past.items.ids.to_list() == ["a", "b"]  # b was taken by others; c by no one until then
    router = Router(dict.fromkeys(USER_BUCKETS, "popularity"), {"popularity": Popularity()}, Slots()).fit(past)
    assert router.known_.ids.to_list() == ["a", "b"]


def test_data_whose_rows_are_changed_count_what_is_at_hand() -> None:
    changed = operators.apply(sample(), [{"volume": {"share": 1.0}}], 0)
    assert changed.everyone is None
    assert changed.item_totals.tolist() == changed.item_counts.tolist()
    assert operators.shuffled_times(sample(), 0).everyone is None


def test_what_is_served_keeps_no_hand_on_the_engine() -> None:
    known = Known.of(sample())
    assert known.data.everyone is None
    assert known.dataset().interactions["item_id"].equals(pl.Series("item_id", ["a", "b"]))
