"""Metrics and models against independent implementations, where they mean the same by the same name.

Metrics: NIST's trec_eval (C), scikit-learn, implicit (Cython). Models: further ones in unit/test_cf_models.py;
here as a user of the library would call it on data of some size, top-k lists included.
"""

from __future__ import annotations

import warnings

import implicit.evaluation
import numpy as np
import polars as pl
import pytest
import pytrec_eval
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from implicit.cpu.als import AlternatingLeastSquares
from implicit.cpu.bpr import BayesianPersonalizedRanking
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender, TFIDFRecommender
from sklearn.metrics import (
    average_precision_score,
    label_ranking_average_precision_score,
    ndcg_score,
    recall_score,
    top_k_accuracy_score,
)

from recommender.config import Eligibility, Scoring
from recommender.data.dataset import NO_TIME, Dataset, Table
from recommender.data.queries import History, Queries
from recommender.evaluation.metric_table import accuracy, of_every_query
from recommender.evaluation.metrics import graded_ndcg
from recommender.evaluation.shown import Judged
from recommender.models.als import ALS
from recommender.models.base import Recommender
from recommender.models.bpr import BPR
from recommender.models.ease import EASE
from recommender.models.item_knn import ItemKNN
from recommender.ranking.candidates import Candidates
from recommender.ranking.lists import RUNG, Lists
from recommender.ranking.recommend import recommend

EXACT = 1e-9
Case = tuple[np.ndarray, np.ndarray]  # rankings int64 (n, n_items), wanted bool (n, n_items)


@st.composite
def cases(draw: st.DrawFn, n_items: int, most_wanted: int | None = None) -> Case:
    """Whole rankings of a catalogue, and what was wanted of it: one item at least."""
    n, rng = draw(st.integers(1, 6)), np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    ranking = np.array([rng.permutation(n_items) for _ in range(n)])
    wanted = np.zeros((n, n_items), bool)
    for row in wanted:
        row[rng.permutation(n_items)[: draw(st.integers(1, most_wanted or n_items))]] = True
    return ranking, wanted


def ours(ranking: np.ndarray, wanted: np.ndarray) -> dict[str, np.ndarray]:
    return {name: accuracy(name, shown(ranking), sp.csr_matrix(wanted)) for name in of_every_query()}


def shown(ranking: np.ndarray) -> Lists:
    return Lists(ranking, np.zeros(ranking.shape, np.float32), np.full(ranking.shape, RUNG, np.int8))


def as_scores(ranking: np.ndarray) -> np.ndarray:
    """Scores of items that rank them so, float64 (n, n_items)."""
    scores = np.empty(ranking.shape)
    np.put_along_axis(scores, ranking, np.arange(ranking.shape[1], 0, -1.0)[None], axis=1)
    return scores


def by_trec_eval(ranking: np.ndarray, wanted: np.ndarray, measures: set[str]) -> dict[str, np.ndarray]:
    judged = {f"q{q}": {f"i{i}": 1 for i in np.flatnonzero(row)} for q, row in enumerate(wanted)}
    given_scores = {
        f"q{q}": {f"i{i}": float(len(row) - rank) for rank, i in enumerate(row)} for q, row in enumerate(ranking)
    }
    reference = pytrec_eval.RelevanceEvaluator(judged, measures).evaluate(given_scores)
    return {m: np.array([reference[f"q{q}"][m] for q in range(len(wanted))]) for m in next(iter(reference.values()))}


@settings(max_examples=60)
@given(cases(40))
def test_ndcg_recall_hit_rate_and_mrr_are_those_of_trec_eval(case: Case) -> None:
    ranking, wanted = case
    gain_ours = ours(ranking, wanted)
    full = by_trec_eval(ranking, wanted, {"ndcg_cut.10", "recall.20", "success.10"})
    np.testing.assert_allclose(gain_ours["ndcg_at_10"], full["ndcg_cut_10"], atol=EXACT)
    np.testing.assert_allclose(gain_ours["recall_at_20"], full["recall_20"], atol=EXACT)
    np.testing.assert_allclose(gain_ours["hit_rate_at_10"], full["success_10"], atol=EXACT)
    cut = by_trec_eval(ranking[:, :10], wanted, {"recip_rank"})  # trec_eval does not cut it
    np.testing.assert_allclose(gain_ours["mrr_at_10"], cut["recip_rank"], atol=EXACT)


@settings(max_examples=60)
@given(cases(40, most_wanted=10))
def test_map_of_up_to_ten_wanted_is_that_of_trec_eval(case: Case) -> None:
    """trec_eval divides by all wanted, we by min(10, wanted): alike up to ten."""
    ranking, wanted = case
    np.testing.assert_allclose(
        ours(ranking, wanted)["map_at_10"], by_trec_eval(ranking, wanted, {"map_cut.10"})["map_cut_10"], atol=EXACT
    )


@settings(max_examples=60)
@given(cases(40))
def test_ndcg_and_recall_are_those_of_scikit_learn(case: Case) -> None:
    ranking, wanted = case
    our_lists, scores = ours(ranking, wanted), as_scores(ranking)
    expected = [ndcg_score(w[None], s[None], k=10) for w, s in zip(wanted, scores, strict=True)]
    np.testing.assert_allclose(our_lists["ndcg_at_10"], expected, atol=EXACT)
    first = scores > 20  # the first 20 of 40
    assert our_lists["recall_at_20"].mean() == pytest.approx(recall_score(wanted, first, average="samples"), abs=EXACT)


@settings(max_examples=60)
@given(cases(40), st.integers(0, 2**32 - 1))
def test_graded_ndcg_is_that_of_scikit_learn(case: Case, seed: int) -> None:
    ranking, wanted = case
    grades = wanted * np.random.default_rng(seed).integers(1, 6, wanted.shape)
    of = sp.csr_matrix(grades.astype(np.float32))
    gain = graded_ndcg(Judged(shown(ranking), of, grades=of))
    expected = [ndcg_score(g[None], s[None], k=10) for g, s in zip(grades, as_scores(ranking), strict=True)]
    np.testing.assert_allclose(gain, expected, atol=EXACT)


@settings(max_examples=60)
@given(cases(10))
def test_map_is_the_average_precision_of_scikit_learn_where_ten_is_all(case: Case) -> None:
    ranking, wanted = case
    expected = [average_precision_score(w, s) for w, s in zip(wanted, as_scores(ranking), strict=True)]
    np.testing.assert_allclose(ours(ranking, wanted)["map_at_10"], expected, atol=EXACT)


@settings(max_examples=60)
@given(cases(10, most_wanted=1))
def test_mrr_of_one_wanted_is_the_label_ranking_precision_of_scikit_learn(case: Case) -> None:
    ranking, wanted = case
    expected = label_ranking_average_precision_score(wanted, as_scores(ranking))
    assert ours(ranking, wanted)["mrr_at_10"].mean() == pytest.approx(expected, abs=EXACT)


@settings(max_examples=60)
@given(cases(40, most_wanted=1))
def test_hit_rate_of_one_wanted_is_the_top_k_accuracy_of_scikit_learn(case: Case) -> None:
    ranking, wanted = case
    expected = top_k_accuracy_score(wanted.argmax(axis=1), as_scores(ranking), k=10, labels=np.arange(40))
    assert ours(ranking, wanted)["hit_rate_at_10"].mean() == pytest.approx(expected, abs=EXACT)


class Fixed:
    """What implicit's evaluation asks of a model, with rankings that are given."""

    def __init__(self, ranking: np.ndarray) -> None:
        self.ranking = ranking

    def recommend(self, users: np.ndarray, _: sp.csr_matrix, N: int) -> tuple[np.ndarray, np.ndarray]:
        return self.ranking[users, :N].astype(np.int32), np.zeros((len(users), N), np.float32)


@settings(max_examples=60)
@given(cases(40, most_wanted=39))  # of all wanted its AUC divides by zero
def test_ndcg_and_map_are_those_of_implicit(case: Case) -> None:
    ranking, wanted = case
    nothing = sp.csr_matrix(wanted.shape, dtype=np.float32)
    test = sp.csr_matrix(wanted.astype(np.float32))
    reference = implicit.evaluation.ranking_metrics_at_k(Fixed(ranking), nothing, test, K=10, show_progress=False)
    our_lists = ours(ranking, wanted)
    assert our_lists["ndcg_at_10"].mean() == pytest.approx(reference["ndcg"], abs=EXACT)
    assert our_lists["map_at_10"].mean() == pytest.approx(reference["map"], abs=EXACT)


# Models: the lists that a user of the library would get, from the same matrix.

N_USERS, N_ITEMS, K = 300, 120, 20


def world() -> Dataset:
    """Users of four tastes and unequal activity; every item is taken and every user takes."""
    rng = np.random.default_rng(5)
    taste = rng.dirichlet(np.full(N_ITEMS, 0.15), size=4)[rng.integers(4, size=N_USERS)]
    likes = taste * N_ITEMS * rng.gamma(2, 0.05, (N_USERS, 1))
    taken = rng.random((N_USERS, N_ITEMS)) < np.minimum(likes, 0.9)
    taken[np.arange(N_USERS), np.arange(N_USERS) % N_ITEMS] = True
    user, item = np.nonzero(taken)
    rows = pl.DataFrame({"user_id": user, "item_id": item}).with_columns(
        timestamp=pl.lit(None, pl.Datetime("us", "UTC")), event=pl.lit("take"), weight=pl.lit(1.0, pl.Float32)
    )
    users, items = pl.DataFrame({"user_id": np.arange(N_USERS)}), pl.DataFrame({"item_id": np.arange(N_ITEMS)})
    return Dataset("parity", rows, Table(items, {}, "item_id"), Table(users, {}, "user_id"))


@pytest.fixture(scope="module")
def train() -> Dataset:
    return world()


def lists_with_taken(model: Recommender, train: Dataset) -> Lists:
    """Each user's best unseen items by our own way from scores to lists."""
    taken = train.matrix()
    history = History(taken.indptr.astype(np.int64), taken.indices.astype(np.int64), np.full(taken.nnz, NO_TIME))
    queries = Queries(train.users, np.full(N_USERS, NO_TIME), history)
    candidates = Candidates.after(train, train.items, Eligibility())
    return recommend(model.fit(train), queries, candidates, K, Scoring())


def same_lists(lists: Lists, ids: np.ndarray, scores: np.ndarray) -> None:
    """Equal scores rank by rank; equal items wherever no other score is as near as float32 can tell."""
    rung_scores = np.where(lists.source_code == RUNG, lists.score, 0)
    np.testing.assert_allclose(rung_scores, scores, rtol=2e-4, atol=1e-5)
    apart = np.abs(np.diff(scores, axis=1)) > 1e-4 * np.abs(scores).max()
    alone = np.pad(apart, ((0, 0), (1, 0)), constant_values=True) & np.pad(apart, ((0, 0), (0, 1)))
    assert alone.mean() > 0.3
    np.testing.assert_array_equal(lists.item_idx[alone], ids[alone])


@pytest.mark.parametrize(
    ("model", "upstream", "recalculate"),
    [
        (ALS(factors=16, seed=3), AlternatingLeastSquares(factors=16, random_state=3, num_threads=1), True),
        (BPR(factors=16, seed=3), BayesianPersonalizedRanking(factors=16, random_state=3, num_threads=1), False),
        # Neighbours are not cut off: which of equal ones is kept differs (unit/models/test_cf_models.py).
        (ItemKNN(weighting="cosine", K=N_ITEMS), CosineRecommender(K=N_ITEMS, num_threads=1), False),
        (ItemKNN(weighting="tfidf", K=N_ITEMS), TFIDFRecommender(K=N_ITEMS, num_threads=1), False),
        (ItemKNN(weighting="bm25", K=N_ITEMS), BM25Recommender(K=N_ITEMS, K1=1.2, B=0.75, num_threads=1), False),
    ],
    ids=["als", "bpr", "knn cosine", "knn tfidf", "knn bm25"],
)
def test_lists_are_those_of_implicit(model, upstream, recalculate: bool, train: Dataset) -> None:
    taken = train.matrix()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on the format of the matrix
        upstream.fit(taken, show_progress=False)
    options = {"recalculate_user": True} if recalculate else {}
    ids, scores = upstream.recommend(np.arange(N_USERS), taken, N=K, filter_already_liked_items=True, **options)
    same_lists(lists_with_taken(model, train), ids, np.where(np.abs(scores) > 1e30, 0, scores))


def test_lists_of_ease_are_those_of_its_closed_form_in_float64(train: Dataset) -> None:
    """Steck 2019: B = I - P diag(1 / diag P), P = (X'X + lambda I)^-1."""
    dense = train.matrix().toarray().astype(np.float64)
    inverse = np.linalg.inv(dense.T @ dense + 50 * np.eye(N_ITEMS))
    scores = dense @ (np.eye(N_ITEMS) - inverse / np.diag(inverse))
    scores[dense > 0] = -np.inf
    ids = np.argsort(-scores, axis=1, kind="stable")[:, :K]
    our_lists = lists_with_taken(EASE(regularization=50.0), train)
    best = np.take_along_axis(scores, ids, axis=1)
    np.testing.assert_allclose(our_lists.score, best, atol=1e-5 * np.abs(best).max())
    same_lists(our_lists, ids, best)
