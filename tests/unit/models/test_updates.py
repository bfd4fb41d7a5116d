"""Models that are brought up to date: counts give what a fit on all rows gives; ALS knows new items."""

from __future__ import annotations

from copy import copy

import numpy as np
import pytest

from recommender.data.dataset import Dataset
from recommender.data.queries import History, Queries
from recommender.models.als import ALS
from recommender.models.base import Recommender
from recommender.models.ease import EASE
from recommender.models.item_knn import ItemKNN
from recommender.models.popularity import Popularity
from recommender.models.random import Random
from recommender.models.updates import update_of
from tests.helpers.small import at, dataset


@pytest.fixture(scope="module")
def now() -> Dataset:
    rng = np.random.default_rng(0)
    known = [(f"u{u}", f"i{i}", float(n)) for n, (u, i) in enumerate(rng.integers(0, [30, 12], (300, 2)).tolist())]
    new = [(f"u{u}", f"i{i}", 300.0 + n) for n, (u, i) in enumerate(rng.integers(0, [40, 15], (60, 2)).tolist())]
    return dataset([*known, *new]).first_interactions()


def scores(model: Recommender, data: Dataset) -> np.ndarray:
    n = len(data.users)
    taken = data.matrix()
    history = History(taken.indptr.astype(np.int64), taken.indices.astype(np.int64), np.zeros(taken.nnz, np.int64))
    return model.score(Queries(data.users, np.zeros(n, np.int64), history), data.items)


@pytest.mark.parametrize("model", [Popularity(), ItemKNN(), ItemKNN(trend=0.5), EASE(regularization=5, trend=0.5)])
def test_an_update_of_counts_gives_what_a_fit_on_all_rows_gives(model: Recommender, now: Dataset) -> None:
    then, again = now.before(at(300)), copy(model)
    update = update_of(model.fit(then), then)
    assert update is not None
    before = scores(model, now)
    updated = scores(update(now), now)
    np.testing.assert_array_equal(scores(model, now), before)  # which serves on
    np.testing.assert_allclose(updated, scores(again.fit(now), now), rtol=2e-4, atol=1e-6)


def test_a_fading_popularity_fades_on_by_the_half_life_of_its_fit(now: Dataset) -> None:
    then = now.before(at(300))
    update = update_of(Popularity(half_life_share=0.5).fit(then), then)
    assert update is not None
    hours = float(then.age_days.max()) * 12  # half of what the fit knew
    ages = 24 * now.age_days
    expected = np.bincount(now.item_idx, 0.5 ** (ages / hours), len(now.items))
    got = scores(update(now), now)[0]
    np.testing.assert_allclose(got, expected / expected.sum(), rtol=1e-5)


def test_als_folds_in_items_that_are_new(now: Dataset) -> None:
    then = now.before(at(300))
    new = now.items.lookup(now.items.ids)[then.items.lookup(now.items.ids) < 0]
    model = ALS(factors=4, iterations=3).fit(then)
    update = update_of(model, then)
    assert update is not None
    assert len(new)
    assert np.isnan(scores(model, now)[:, new]).all()
    assert np.isfinite(scores(update(now), now)).all()


def test_an_algorithm_without_an_update_says_so(now: Dataset) -> None:
    assert update_of(Random().fit(now), now) is None
    assert update_of(Popularity(window_days=1).fit(now), now) is None
