"""The collaborative and hybrid rungs give what the libraries and papers they stand on give."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import implicit.nearest_neighbours as nearest
import lightfm
import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from implicit.cpu.als import AlternatingLeastSquares
from implicit.cpu.bpr import BayesianPersonalizedRanking

from recommender.data.dataset import NO_TIME, Dataset, Table
from recommender.data.queries import History, Queries
from recommender.errors import ConfigError, UserError
from recommender.features.memo import per_table
from recommender.models.als import ALS
from recommender.models.bpr import BPR
from recommender.models.ease import BLOCK, EASE, closed_form, gram
from recommender.models.item_knn import ItemKNN
from recommender.models.lightfm import LightFM
from recommender.models.side_features import SideFeatures, heaviest
from tests.helpers.small import ask, dataset

N_USERS, N_ITEMS = 40, 15


def random_world(seed: int = 0) -> Dataset:
    """Every user and item interacts; users live in one of 4 towns, items are of one of 3 kinds."""
    rng = np.random.default_rng(seed)
    taken = sp.csr_matrix(rng.random((N_USERS, N_ITEMS)) < 0.3)
    taken = taken.tolil()
    taken[np.arange(N_USERS), np.arange(N_USERS) % N_ITEMS] = True
    user, item = taken.tocoo().coords
    interactions = pl.DataFrame({"user_id": user.astype(np.int64), "item_id": item.astype(np.int64)}).with_columns(
        timestamp=pl.lit(None, pl.Datetime("us", "UTC")), event=pl.lit("take"), weight=pl.lit(1.0, pl.Float32)
    )
    users = pl.DataFrame({"user_id": np.arange(N_USERS), "town": [f"town {u % 4}" for u in range(N_USERS)]})
    items = pl.DataFrame({"item_id": np.arange(N_ITEMS), "kind": [f"kind {i % 3}" for i in range(N_ITEMS)]})
    return Dataset(
        "random",
        interactions,
        Table(items, {"kind": "category"}, "item_id"),
        Table(users, {"town": "category"}, "user_id"),
    )


def histories_of(train: Dataset, users: Table | None = None) -> Queries:
    """One query per user of training, whose history is what training has of that user."""
    taken = train.matrix()
    history = History(taken.indptr.astype(np.int64), taken.indices.astype(np.int64), np.full(taken.nnz, NO_TIME))
    return Queries(train.users if users is None else users, np.full(N_USERS, NO_TIME), history)


def strangers(n: int = N_USERS) -> Table:
    return Table(pl.DataFrame({"user_id": np.arange(1000, 1000 + n)}), {}, "user_id")


def one_query(item_idx: list[int], user: int = 1000) -> Queries:
    users = Table(pl.DataFrame({"user_id": [user]}), {}, "user_id")
    history = History(np.array([0, len(item_idx)]), np.array(item_idx, dtype=np.int64), np.full(len(item_idx), NO_TIME))
    return Queries(users, np.array([NO_TIME]), history)


UPSTREAM = {
    "cosine": nearest.CosineRecommender,
    "tfidf": nearest.TFIDFRecommender,
    "bm25": partial(nearest.BM25Recommender, K1=1.2, B=0.75),
}


def fitted_upstream(weighting: str, train: Dataset, k: int) -> nearest.ItemItemRecommender:
    model = UPSTREAM[weighting](K=k, num_threads=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(train.matrix(), show_progress=False)
    return model


@pytest.mark.parametrize("weighting", UPSTREAM)
def test_item_knn_scores_are_those_of_implicit(weighting: Any) -> None:
    train = random_world()
    taken, upstream = train.matrix(), fitted_upstream(weighting, train, N_ITEMS)
    scores = ItemKNN(weighting=weighting, K=N_ITEMS).fit(train).score(histories_of(train), train.items)
    for user in range(N_USERS):
        ids, expected = upstream.recommend(user, taken[user], N=N_ITEMS, filter_already_liked_items=False)
        scored = ids[expected != 0]
        np.testing.assert_allclose(scores[user, scored], expected[expected != 0], rtol=1e-5)
        assert np.isnan(np.delete(scores[user], scored)).all()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("weighting", UPSTREAM)
def test_item_knn_keeps_as_good_neighbours_as_implicit(weighting: Any, threads: int) -> None:
    """Which of equal ones is kept differs: here the one that more users share with the item."""
    train = random_world()
    upstream = np.sort(fitted_upstream(weighting, train, 6).similarity.toarray(), axis=1)
    similar = ItemKNN(weighting=weighting, K=6, threads=threads).fit(train).similarity_
    assert np.diff(similar.indptr).max() == 6
    np.testing.assert_allclose(np.sort(similar.toarray(), axis=1), upstream, rtol=1e-5, atol=1e-9)


def test_of_equal_neighbours_the_one_with_more_users_is_kept_then_the_first() -> None:
    """Item 0 is as near to 1 and 2 (one user each) as to 3 (two of four)."""
    taken = [(u, 0) for u in range(4)] + [(0, 1), (1, 2), (2, 3), (3, 3), (4, 3), (5, 3)]
    train = dataset([(f"u{u}", f"i{i}", 0) for u, i in taken])
    for k, neighbours in ((2, [0, 3]), (3, [0, 1, 3])):
        assert ItemKNN(K=k).fit(train).similarity_[0].indices.tolist() == neighbours


def test_item_knn_forgets_old_history_by_position() -> None:
    train = random_world()
    model = ItemKNN(half_life_positions=1.0).fit(train)
    both = np.nan_to_num(model.score(one_query([3, 5]), train.items))
    old, new = (np.nan_to_num(model.score(one_query([i]), train.items)) for i in (3, 5))
    np.testing.assert_allclose(both, 0.5 * old + new, rtol=1e-5)


def test_item_knn_refuses_an_unknown_weighting_and_offers_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'cosine'"):
        ItemKNN(weighting="cosin")  # type: ignore[arg-type]


def test_als_scores_are_those_of_implicit_with_recalculated_users() -> None:
    train = random_world()
    taken = train.matrix()
    upstream = AlternatingLeastSquares(factors=8, alpha=3.0, random_state=4, num_threads=1)
    upstream.fit(taken, show_progress=False)
    expected = upstream.recalculate_user(np.arange(N_USERS), taken) @ upstream.item_factors.T
    model = ALS(factors=8, alpha=3.0, seed=4).fit(train)
    np.testing.assert_allclose(model.score(histories_of(train), train.items), expected, rtol=1e-4, atol=1e-6)
    # folded in: who the user is does not matter, only the history
    np.testing.assert_allclose(
        model.score(histories_of(train, strangers()), train.items), expected, rtol=1e-4, atol=1e-6
    )


def test_a_repeated_item_in_the_history_counts_once() -> None:
    train = random_world()
    for model in (ALS(factors=8), BPR(factors=8, iterations=5), EASE(regularization=5.0), ItemKNN()):
        scores = model.fit(train).score(one_query([2, 7, 2, 2]), train.items)
        np.testing.assert_array_equal(scores, model.score(one_query([2, 7]), train.items))


def test_bpr_scores_of_known_users_are_those_of_implicit() -> None:
    train = random_world()
    upstream = BayesianPersonalizedRanking(factors=8, iterations=20, random_state=4, num_threads=1)
    upstream.fit(train.matrix(), show_progress=False)
    scores = BPR(factors=8, iterations=20, seed=4).fit(train).score(histories_of(train), train.items)
    np.testing.assert_allclose(scores, upstream.user_factors @ upstream.item_factors.T, rtol=1e-5)


def test_bpr_scores_an_unknown_user_by_the_mean_item_of_the_history_and_the_bias() -> None:
    train = random_world()
    model = BPR(factors=8, iterations=20).fit(train)
    vectors, bias = model.item_factors_[:, :-1], model.item_factors_[:, -1]
    expected = vectors[[3, 5]].mean(axis=0) @ vectors.T + bias
    np.testing.assert_allclose(model.score(one_query([3, 5]), train.items)[0], expected, rtol=1e-4)


@settings(max_examples=15, deadline=None)
@given(arrays(bool, st.tuples(st.integers(2, 40), st.integers(1, 12))), st.sampled_from([1.0, 10.0, 250.0]))
def test_ease_is_the_closed_form_of_the_paper(taken: np.ndarray, regularization: float) -> None:
    dense = taken.astype(np.float64)
    inverse = np.linalg.inv(dense.T @ dense + regularization * np.eye(dense.shape[1]))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)
    weights = closed_form(sp.csr_matrix(taken, dtype=np.float32), regularization)
    # float32, and equal items are as hard to tell apart as regularization is small
    np.testing.assert_allclose(weights, expected, atol=1e-4 * max(np.abs(expected).max(), 1e-3))


@given(arrays(np.float32, (20, 9), elements=st.sampled_from([0.0, 0.0, 1.0, 0.3, 2.7])))
@settings(max_examples=30, deadline=None)
def test_the_gram_matrix_is_the_sparse_product_to_the_bit(taken: np.ndarray) -> None:
    sparse = sp.csr_matrix(taken)
    np.testing.assert_array_equal(gram(sparse), (sparse.T @ sparse).toarray())


def test_ease_is_the_closed_form_where_items_take_several_blocks() -> None:
    taken = sp.random(3000, BLOCK + 200, 0.02, format="csr", random_state=0, dtype=np.float32)
    taken.data[:] = 1
    gram = (taken.T @ taken).toarray().astype(np.float64) + 50 * np.eye(BLOCK + 200)
    inverse = np.linalg.inv(gram)
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(closed_form(taken, 50.0), expected, atol=1e-5 * np.abs(expected).max())


def test_ease_refuses_more_items_than_fit_in_memory_and_offers_a_cap_that_fits() -> None:
    train = random_world()
    with pytest.raises(UserError, match=r"15 items .* memory_mb=0\.001.*item_cap=10\b"):
        EASE(memory_mb=0.001).fit(train)  # type: ignore[arg-type]
    EASE(memory_mb=0.001, item_cap=10).fit(train)  # type: ignore[arg-type]


def test_ease_with_a_cap_learns_the_most_taken_items_and_is_silent_on_others() -> None:
    train = random_world()
    scores = EASE(item_cap=6).fit(train).score(histories_of(train), train.items)
    learned = np.isfinite(scores).any(axis=0)
    assert learned.sum() == 6
    assert train.item_counts[learned].min() >= train.item_counts[~learned].max()


@pytest.mark.parametrize("min_df", [1, 1000])  # with features, and without
def test_lightfm_scores_of_known_users_and_items_are_those_of_lightfm(min_df: int) -> None:
    train = random_world()
    model = LightFM(no_components=8, epochs=5, min_df=min_df, seed=4).fit(train)
    user_rows, item_rows = model.users_.rows(train.users), model.items_.rows(train.items)
    upstream = lightfm.LightFM(no_components=8, loss="warp", random_state=4)
    upstream.fit(train.matrix().tocoo(), user_rows, item_rows, epochs=5)
    users, items = np.divmod(np.arange(N_USERS * N_ITEMS, dtype=np.int32), np.int32(N_ITEMS))
    expected = upstream.predict(users, items, item_features=item_rows, user_features=user_rows)
    scores = model.score(histories_of(train), train.items)
    np.testing.assert_allclose(scores, expected.reshape(N_USERS, N_ITEMS), rtol=1e-4, atol=1e-5)


def test_lightfm_feature_rows_sum_to_one_beside_an_identity_of_one() -> None:
    train = random_world()
    rows = LightFM(epochs=1, min_df=1).fit(train).items_.rows(train.items)
    np.testing.assert_array_equal(rows[:, :N_ITEMS].toarray(), np.eye(N_ITEMS))
    np.testing.assert_allclose(rows[:, N_ITEMS:].sum(axis=1), 1, rtol=1e-6)


def test_lightfm_scores_a_new_item_by_its_features_alone() -> None:
    """Two new items of one kind are alike, whatever their ids."""
    train = random_world()
    frame = pl.DataFrame({"item_id": [500, 501, 502], "kind": ["kind 0", "kind 0", None]})
    items = Table(frame, {"kind": "category"}, "item_id")
    queries = Queries(train.users, np.full(N_USERS, NO_TIME), one_query([]).history.take(np.zeros(N_USERS, np.int64)))
    scores = LightFM(epochs=3, min_df=1).fit(train).score(queries, items)
    np.testing.assert_array_equal(scores[:, 0], scores[:, 1])
    assert np.isfinite(scores[:, 0]).all()
    assert np.isnan(scores[:, 2]).all()


def test_lightfm_without_fold_in_leaves_unknown_users_without_features_unanswered() -> None:
    train = random_world()
    assert np.isnan(LightFM(epochs=1, fold_in=False).fit(train).score(one_query([3]), train.items)).all()
    assert np.isfinite(LightFM(epochs=1, fold_in=True).fit(train).score(one_query([3]), train.items)).all()


def test_a_diverging_fit_is_an_error_that_says_what_to_lower() -> None:
    with pytest.raises(UserError, match="Lower learning_rate"), np.errstate(all="ignore"):
        LightFM(epochs=20, learning_rate=1e30).fit(random_world())
    with pytest.raises(UserError, match="Lower learning_rate"), np.errstate(all="ignore"):
        BPR(iterations=20, learning_rate=1e30).fit(random_world())


def test_side_features_keep_only_columns_that_enough_learned_rows_have() -> None:
    items = random_world().items
    rare = items.frame.with_columns(kind=pl.when(pl.col("item_id") == 0).then(pl.lit("unique")).otherwise("kind"))
    table = Table(rare, items.roles, items.key)
    features = SideFeatures(min_df=2).fit(table, np.arange(N_ITEMS))
    assert features.width == 3
    assert features.transform(table)[0].nnz == 0
    # rows that the model does not learn from do not count
    assert SideFeatures(min_df=2).fit(table, np.array([0, 1, 2])).width == 0


@settings(max_examples=30, deadline=None)
@given(arrays(np.float32, st.tuples(st.integers(0, 6), st.integers(1, 8)), elements=st.floats(-9, 9, width=16)))
def test_heaviest_keeps_the_largest_entries_of_each_row(dense: np.ndarray) -> None:
    features = sp.csr_matrix(dense)
    row = np.repeat(np.arange(len(dense)), np.diff(features.indptr))
    order = np.lexsort((features.indices, -np.abs(features.data), row))
    first = order[np.arange(len(row)) - features.indptr[row] < 3]
    heavy = heaviest(features, 3).toarray()
    np.testing.assert_array_equal(
        heavy, sp.csr_matrix((features.data[first], (row[first], features.indices[first])), dense.shape).toarray()
    )
    assert ((heavy == dense) | (heavy == 0)).all()
    for row, full in zip(np.abs(heavy), np.abs(dense), strict=True):
        np.testing.assert_array_equal(np.sort(row)[::-1][:3], np.sort(full)[::-1][:3])


def test_per_table_remembers_the_same_table_object_only() -> None:
    class Counter:
        calls = 0

        @per_table
        def rows(self, table: Table) -> int:
            self.calls += 1
            return len(table)

    counter, table = Counter(), strangers(3)
    assert [counter.rows(table), counter.rows(table), counter.calls] == [3, 3, 1]
    assert [counter.rows(strangers(4)), counter.calls] == [4, 2]


def test_a_trend_multiplies_the_scores_of_als_and_nothing_that_it_learns() -> None:
    train = dataset([("u", "a", 30), ("v", "a", 15), ("u", "b", 0), ("v", "b", 0), ("w", "c", 0)])
    plain, trend = (ALS(factors=4, trend=power, trend_share=0.5).fit(train) for power in (0.0, 0.5))
    np.testing.assert_array_equal(plain.item_factors_, trend.item_factors_)
    queries = ask([["a"], ["b"], ["a", "c"]], train.items)
    shares = np.array([1, 0.5 / 1.5, 0.25 / 1.5]) + 0.01  # half every half of the time: a 1 + .5, b .25 + .25, c .25
    expected = plain.score(queries, train.items) * shares**0.5
    np.testing.assert_allclose(trend.score(queries, train.items), expected, rtol=1e-4)
