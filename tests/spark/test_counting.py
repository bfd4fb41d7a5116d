"""What is counted of all users on the engine is what one machine counts that holds them all, to the last bit."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recommender.config import Eligibility, Split
from recommender.data.dataset import Dataset
from recommender.data.split import folds
from recommender.engine import reading
from recommender.engine.reading import EngineReader
from recommender.engine.session import Engine
from recommender.models.ease import EASE
from recommender.models.popularity import Popularity
from recommender.models.trending import Trending
from recommender.ranking.candidates import recent_popularity
from recommender.serving.known import Known
from recommender.sources.load import load
from tests.helpers.folders import DAYS, START, shop

pytestmark = pytest.mark.spark
FEW = 20
MODELS = (
    Popularity(), Popularity(half_life_share=0.1), Popularity(window_days=30.0, half_life_days=7.0),
    Popularity(half_life_share=0.3, fade="hyperbolic", returning_share=0.01), Trending(gravity=0.8),
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With repeats of pairs, times that tie, and events of which some are not taken."""
    data = shop()
    again = data.interactions.sample(300, seed=1).with_columns(pl.col("timestamp") + timedelta(hours=5))
    rows = pl.concat([data.interactions, again]).with_columns(pl.col("timestamp").dt.truncate("1d"))
    data.interactions = rows.unique(maintain_order=True).with_columns(
        event=pl.when(pl.int_range(pl.len()) % 7 == 0).then(pl.lit("skip")).otherwise(pl.lit("buy"))
    )
    data.spec |= {"positive": ["buy"], "repairs": {"duplicates": "keep_first"}}
    return data.write(tmp_path_factory.mktemp("counts") / "shop")


@pytest.fixture(params=[1, 2, 7], scope="module")
def pair(sail: Engine, folder: Path, request: pytest.FixtureRequest) -> tuple[Dataset, Dataset]:
    """All interactions on one machine; a sample of them with all counted on the engine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "ROWS", 100)
        sampled = EngineReader(replace(sail, partitions=request.param), FEW)(str(folder), raw_dir=None)
    return load(str(folder), raw_dir=None), sampled


def stages(data: Dataset) -> list[Dataset]:
    """All of it, each user's first of each item, and both as of two origins."""
    views = [data, data.first_interactions()]
    return [*views, *(d.before(START + timedelta(days=n)) for d in views for n in (DAYS // 2, DAYS * 0.8))]


def test_counts_and_sums_are_those_of_one_machine_to_the_bit(pair: tuple[Dataset, Dataset]) -> None:
    whole, sample = pair
    assert sample.interactions.height < whole.interactions.height / 2
    for one, other in zip(stages(whole), stages(sample), strict=True):
        assert one.items.ids.equals(other.items.ids)
        assert one.item_counts.tolist() == other.item_totals.tolist()
        assert recent_popularity(one).tobytes() == recent_popularity(other).tobytes()


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_count_based_rungs_fitted_on_a_sample_are_those_fitted_on_all(
    pair: tuple[Dataset, Dataset], model: Popularity | Trending
) -> None:
    for one, other in zip(stages(pair[0]), stages(pair[1]), strict=True):
        a, b = (vars(replace(model).fit(data)) for data in (one, other))
        arrays = [name for name, value in a.items() if isinstance(value, np.ndarray)]
        assert arrays
        for name in arrays:
            assert a[name].tobytes() == b[name].tobytes()


@pytest.mark.parametrize("item_cap", [None, 7])
def test_ease_fitted_on_a_sample_is_that_fitted_on_all(pair: tuple[Dataset, Dataset], item_cap: int | None) -> None:
    for one, other in zip(stages(pair[0]), stages(pair[1]), strict=True):
        a, b = (EASE(regularization=20.0, item_cap=item_cap, trend=0.3).fit(data) for data in (one, other))
        assert a.items_.ids.equals(b.items_.ids)
        assert a.weights_.tobytes() == b.weights_.tobytes()


def test_pairs_are_whole_numbers_of_users(pair: tuple[Dataset, Dataset]) -> None:
    whole, sample = pair
    assert sample.everyone is not None
    taken = whole.matrix()
    assert sample.everyone.pairs(whole.items).tolist() == (taken.T @ taken).toarray().tolist()
    assert sample.everyone.takers(whole.items).tolist() == taken.getnnz(axis=0).tolist()


def test_candidates_and_new_items_of_a_sample_are_those_of_all(pair: tuple[Dataset, Dataset]) -> None:
    split = Split(min_train=10, validation=[60.0, 40.0], test=20.0, unit="days")
    for one, other in zip(*(folds(data, split, Eligibility()) for data in pair), strict=True):
        assert one.items.ids.equals(other.items.ids)
        assert one.item_counts.tolist() == other.item_counts.tolist()
        assert set(other.queries.ids) < set(one.queries.ids)


def test_what_is_served_holds_no_engine(pair: tuple[Dataset, Dataset]) -> None:
    assert Known.of(pair[1]).data.everyone is None
