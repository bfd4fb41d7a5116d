"""Lists made on the engine are those made in this process, whatever the number of partitions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from recommender.config import Eligibility, Scoring
from recommender.data.queries import Queries
from recommender.engine import asking
from recommender.engine.asking import EngineAsker
from recommender.engine.session import Engine
from recommender.evaluation.judge import AccuracyJudge
from recommender.models import RECOMMENDERS
from recommender.models.base import Recommender
from recommender.names import USER_BUCKETS
from recommender.ranking.asker import HERE
from recommender.ranking.candidates import Candidates
from recommender.ranking.lists import Lists
from recommender.ranking.router import Router
from tests.helpers.small import ask
from tests.helpers.worlds import two_tastes

pytestmark = pytest.mark.spark

EXACT = ("popularity", "trending", "content", "item_knn", "ease")
ITERATING: dict[str, dict[str, Any]] = {"als": {"factors": 4, "iterations": 2}, "lightfm": {"epochs": 2}}
DATA = two_tastes()
TAKEN = [["r1"], ["f2", "x1"], [], ["r1", "r2", "r3", "r4"]]
QUERIES = ask(TAKEN * 100, DATA.items, as_of=24.0 * 60)
SCORING = Scoring()


@pytest.fixture(params=[1, 2, 7])
def asker(sail: Engine, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> EngineAsker:
    """Blocks of one batch each, so that there are several."""
    monkeypatch.setattr(asking, "AT_LEAST", 1)
    return EngineAsker(replace(sail, partitions=request.param))


def candidates() -> Candidates:
    return Candidates.after(DATA, DATA.items, Eligibility())


def fitted(name: str) -> Recommender:
    return RECOMMENDERS[name](**ITERATING.get(name, {})).fit(DATA)


def assert_same(one: Lists, other: Lists) -> None:
    for name in ("item_idx", "score", "source_code"):
        a, b = getattr(one, name), getattr(other, name)
        assert a.dtype == b.dtype
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("name", [*EXACT, *ITERATING])
def test_a_rung_ranks_alike_on_the_engine_to_the_byte(name: str, asker: EngineAsker) -> None:
    model = fitted(name)
    here, there = (a.recommend(model, QUERIES, candidates(), 5, SCORING) for a in (HERE, asker))
    assert len(here.item_idx) == len(QUERIES) > 2 * 128
    assert_same(here, there)


def test_a_router_answers_alike_with_its_sources(asker: EngineAsker) -> None:
    routes = dict.fromkeys(USER_BUCKETS, "item_knn") | {"0": "popularity"}
    router = Router(routes, {name: fitted(name) for name in ("popularity", "item_knn")}).fit_rerankers(DATA)
    here, there = (a.route(router, QUERIES, candidates(), 5, SCORING) for a in (HERE, asker))
    assert_same(here.lists, there.lists)
    assert_same(here.plain, there.plain)
    assert here.source.tolist() == there.source.tolist()


@pytest.mark.parametrize("graded", [False, True])
def test_metrics_measured_on_the_workers_are_those_measured_here_to_the_bit(asker: EngineAsker, graded: bool) -> None:
    rng = np.random.default_rng(0)
    taken = sp.csr_matrix(rng.random((len(QUERIES), len(DATA.items))) < 0.4)
    grades = sp.csr_matrix((rng.integers(1, 6, taken.nnz).astype(np.float32), taken.indices, taken.indptr), taken.shape)
    judge = AccuracyJudge(taken, grades if graded else None, DATA.item_counts)
    rows = np.array([0, 3, 130, 399])
    model = fitted("item_knn")
    here, there = (a.judged(model, QUERIES, candidates(), 5, SCORING, judge, rows) for a in (HERE, asker))
    assert_same(here.take(rows), there.take(rows))
    assert len(there.lists.item_idx) == len(rows)
    expected = judge.values(here.lists)
    assert there.values is not None
    assert list(there.values) == list(expected)
    assert ("graded_ndcg_at_10" in expected) == graded
    for name, values in expected.items():
        assert values.tobytes() == there.values[name].tobytes()


def test_no_query_is_an_answer_too(asker: EngineAsker) -> None:
    nobody: Queries = QUERIES.take(np.zeros(0, np.int64))
    assert asker.recommend(fitted("popularity"), nobody, candidates(), 5, SCORING).item_idx.shape == (0, 5)


def test_what_may_be_shown_and_generated_candidates_hold_on_the_engine(asker: EngineAsker) -> None:
    allowed = np.arange(len(DATA.items)) % 2 == 0
    for chosen in (candidates().only(allowed), candidates().generated(DATA)):
        here, there = (a.recommend(fitted("popularity"), QUERIES, chosen, 5, SCORING) for a in (HERE, asker))
        assert_same(here, there)
