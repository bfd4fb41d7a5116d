"""What is counted of all users on the engine is what one machine counts that holds them all, to the last bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import numpy as np
import polars as pl
import pytest

from recommender.config import Eligibility, Scoring, Split
from recommender.data.dataset import NO_TIME, Dataset
from recommender.data.queries import History, Queries
from recommender.data.split import folds
from recommender.engine import counting, reading
from recommender.engine.asking import EngineAsker
from recommender.engine.reading import EngineReader
from recommender.engine.session import Engine
from recommender.errors import UserError
from recommender.evaluation.evaluate import Group, Outcome, metrics_table
from recommender.evaluation.judge import AccuracyJudge
from recommender.experiment.ladder import about_queries
from recommender.models.content import Content
from recommender.models.content_popularity import ContentPopularity
from recommender.models.ease import EASE
from recommender.models.item_knn import ItemKNN
from recommender.models.item_pairs import dense
from recommender.models.popularity import Popularity
from recommender.models.trending import Trending
from recommender.ranking.asker import HERE
from recommender.ranking.candidates import Candidates, recent_popularity
from recommender.serving.known import Known
from recommender.sources.load import load
from tests.helpers.folders import DAYS, START, Folder, shop
from tests.helpers.small import scenario

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("few_blocks")]
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


@pytest.fixture(params=[1, 2, 7, "alone"], scope="module")
def pair(sail: Engine, folder: Path, request: pytest.FixtureRequest) -> tuple[Dataset, Dataset]:
    """All interactions on one machine; a sample of them with all counted on the engine, in partitions, or part by part
    in this process where no folder is shared."""
    alone = request.param == "alone"
    engine = replace(sail, shared=None) if alone else replace(sail, partitions=request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "ROWS", 100)
        sampled = EngineReader(engine, FEW)(str(folder), raw_dir=None)
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


def ends(pair: tuple[Dataset, Dataset]) -> Iterator[tuple[Dataset, Dataset]]:
    """The first and the last of the stages, where each answer takes several jobs of the engine."""
    one, other = (stages(data) for data in pair)
    yield from ((one[0], other[0]), (one[-1], other[-1]))


def test_popularity_within_segments_is_that_of_all_users(pair: tuple[Dataset, Dataset]) -> None:
    segment = ["wants", "city"]
    model = Popularity(half_life_share=0.2, segment=segment, returning_share=0.02)
    for one, other in ends(pair):
        a, b = (replace(model).fit(data) for data in (one, other))
        assert len(b.tables_) == len(segment)
        users = pair[0].users
        nothing = History(np.zeros(len(users) + 1, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64))
        queries = Queries(users, np.full(len(users), NO_TIME), nothing)
        assert a.score(queries, one.items).tobytes() == b.score(queries, one.items).tobytes()


@pytest.mark.parametrize("weighting", ["cosine", "tfidf", "bm25"])
def test_item_knn_fitted_on_a_sample_is_that_fitted_on_all(
    pair: tuple[Dataset, Dataset], weighting: Literal["cosine", "tfidf", "bm25"]
) -> None:
    for one, other in ends(pair):
        a, b = (ItemKNN(weighting=weighting, K=5).fit(data) for data in (one, other))
        assert a.items_.ids.equals(b.items_.ids)
        assert a.similarity_.nnz > len(a.items_)
        for name in ("data", "indices", "indptr"):
            assert getattr(a.similarity_, name).tolist() == getattr(b.similarity_, name).tolist()


@pytest.mark.parametrize("model", [Content(), ContentPopularity()], ids=str)
def test_content_fitted_on_a_sample_is_that_fitted_on_all(
    pair: tuple[Dataset, Dataset], model: Content | ContentPopularity
) -> None:
    """Nothing of content depends on interactions but which items there are."""
    for one, other in ends(pair):
        users = other.users
        history = History(np.arange(len(users) + 1), np.arange(len(users)) % len(one.items), np.zeros(len(users), int))
        queries = Queries(users, np.full(len(users), NO_TIME), history)
        a, b = (replace(model).fit(data).score(queries, one.items) for data in (one, other))
        assert a.tobytes() == b.tobytes()


def test_origins_are_quantiles_of_all_rows(pair: tuple[Dataset, Dataset]) -> None:
    shares = [0.0, 0.1, 0.5, 0.77, 0.999, 1.0]
    for one, other in ends(pair):
        assert one.time_quantiles(shares) == other.time_quantiles(shares)


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
    parts = sample.everyone.pairs(whole.items)
    assert dense(parts, len(whole.items)).tolist() == (taken.T @ taken).toarray().tolist()
    assert {counts.dtype for _, counts in parts} == {np.dtype(np.int32)}
    assert sample.everyone.takers(whole.items).tolist() == taken.getnnz(axis=0).tolist()


def test_pairs_of_long_histories_are_those_of_the_latest_items(
    sail: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cap = 12
    monkeypatch.setattr(reading, "ROWS", 100)
    sample = EngineReader(sail, FEW, cap)(str(folder), raw_dir=None)
    whole = load(str(folder), raw_dir=None).first_interactions()
    rows = whole.interactions.with_columns(left=pl.col("item_id").cum_count(reverse=True).over("user_id"))
    latest = replace(whole, interactions=rows.filter(pl.col("left") <= cap).drop("left"), users=whole.users)
    taken = latest.matrix()
    assert sample.everyone is not None
    assert dense(sample.everyone.pairs(whole.items), len(whole.items)).tolist() == (taken.T @ taken).toarray().tolist()
    lengths = rows["user_id"].value_counts()["count"]
    n_long, n_left = int((lengths > cap).sum()), (rows["left"] > cap).sum()
    assert 0 < n_long < 60
    assert f"Of {n_long} users who took more, pairs are those of the latest {cap} items" in sample.sample
    assert f"; {n_left:,} older ones make no pair." in sample.sample


def test_pairs_that_the_shared_folder_cannot_hold_are_refused(
    pair: tuple[Dataset, Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    everyone = pair[1].everyone
    assert everyone is not None
    with pytest.raises(UserError, match=r"Pairs of 40 items need .* item_cap, or name a larger folder"):
        everyone.before(10**18).pairs(pair[0].items)


def test_a_user_of_a_million_rows_is_no_other_case(sail: Engine, tmp_path: Path) -> None:
    """Half of whose interactions are with things that most others took too."""
    data = shop()
    rng = np.random.default_rng(0)
    n = 1_000_000
    at = data.interactions["timestamp"].min()
    much = pl.DataFrame({
        "user_id": ["u0"] * n,
        "item_id": data.items["item_id"].gather(rng.integers(0, 30, n)),
        "timestamp": pl.Series([at]).gather([0] * n) + pl.Series(np.arange(n) * 1_000_000).cast(pl.Duration("us")),
    }).cast(dict(data.interactions.schema))  # fmt: skip
    data.interactions = pl.concat([data.interactions.filter(pl.col("user_id") != "u0"), much])
    folder = str(data.write(tmp_path / "shop"))
    whole, sample = load(folder, raw_dir=None), EngineReader(sail, FEW)(folder, raw_dir=None)
    assert whole.item_counts.tolist() == sample.item_totals.tolist()
    for model in (Popularity(half_life_share=0.1), ItemKNN(K=5)):
        a, b = (vars(replace(model).fit(d.first_interactions())) for d in (whole, sample))
        for name, value in a.items():
            if isinstance(value, np.ndarray):
                assert value.tobytes() == b[name].tobytes()
        assert "similarity_" not in a or (a["similarity_"] != b["similarity_"]).nnz == 0


def test_rows_after_the_origin_change_nothing_before_it(sail: Engine, tmp_path: Path) -> None:
    """Not even of other users, who are only counted."""
    data, origin = shop(), START + timedelta(days=DAYS * 0.6)
    after = pl.col("timestamp") >= origin
    changed = data.interactions.with_columns(item_id=pl.when(after).then(pl.lit("i3")).otherwise("item_id")).unique(
        ["user_id", "item_id"], maintain_order=True
    )
    changed = pl.concat([changed.filter(~after), changed.filter(after).reverse()])
    fitted = []
    for name, rows in (("plain", data.interactions), ("changed", changed)):
        folder = Folder(rows, data.items, data.users, data.spec).write(tmp_path / name)
        past = EngineReader(sail, 1_000_000)(str(folder), raw_dir=None).before(origin)
        models = (Popularity(half_life_share=0.1).fit(past), EASE(regularization=20.0).fit(past), ItemKNN().fit(past))
        fitted.append((past.interactions.rows(), [models[0].counts_.tobytes(), models[1].weights_.tobytes(),
                                                  models[2].similarity_.toarray().tobytes()]))  # fmt: skip
    assert fitted[0] == fitted[1]


def test_candidates_and_new_items_of_a_sample_are_those_of_all(pair: tuple[Dataset, Dataset]) -> None:
    split = Split(min_train=10, validation=[0.6, 0.8], test=0.9)
    for one, other in zip(*(folds(data, split, Eligibility()) for data in pair), strict=True):
        assert one.items.ids.equals(other.items.ids)
        assert one.item_counts.tolist() == other.item_counts.tolist()
        assert set(other.queries.ids) < set(one.queries.ids)


def test_what_is_served_holds_no_engine(pair: tuple[Dataset, Dataset]) -> None:
    assert Known.of(pair[1]).data.everyone is None


def test_accuracy_over_all_users_is_that_of_one_machine(pair: tuple[Dataset, Dataset]) -> None:
    """Sums of blocks of users, whose draws follow from their ids: means, intervals and counts of every group."""
    split = Split(min_train=10, validation=[0.6], test=0.8)
    (*_, whole), (*_, few) = (folds(data, split, Eligibility()) for data in pair)
    candidates = Candidates.after(whole.train, whole.items, Eligibility())
    fitted = ItemKNN(K=5).fit(whole.train)
    lists = HERE.recommend(fitted, whole.queries, candidates, 20, Scoring())
    one = Outcome(AccuracyJudge.of(whole).values(lists))
    expected = metrics_table(Group("test", "", [about_queries(whole, scenario())], [{"it": one}]), 50, 3)
    asker = EngineAsker(few.train.everyone.engine)  # type: ignore[union-attr]
    among = Candidates.after(few.train, few.items, Eligibility())
    valid = np.ones(len(few.items), bool)
    over_all = asker.over_all(ItemKNN(K=5).fit(few.train), few, among, 20, Scoring(), valid, 50, 3)
    assert over_all is not None
    key = ["user_bucket", "item_bucket", "metric"]
    both = over_all.join(expected.filter(slice="all"), on=key, suffix="_one", nulls_equal=True)
    assert len(both) == len(over_all) > 60
    assert both["n_queries"].equals(both["n_queries_one"])
    assert both.filter(user_bucket="all")["n_queries"].max() == int(whole.first.sum()) > int(few.first.sum())
    for name in ("value", "ci_low", "ci_high"):
        np.testing.assert_allclose(both[name].to_numpy(), both[f"{name}_one"].to_numpy(), rtol=1e-6, atol=1e-7)
    SUMS.append(over_all)
    assert over_all.equals(SUMS[0])  # however many partitions there are


SUMS: list[pl.DataFrame] = []
