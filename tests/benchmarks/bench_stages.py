"""The offline benchmark: what the main stages take on one data set of fixed size (the embedded job postings).

Run by `make bench`, which saves the result in .benchmarks/ and compares it with the last. It measures and asserts
no time. Files named bench_* are not collected by `make test`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from recommender import config
from recommender.data.dataset import Dataset
from recommender.data.gate import build
from recommender.data.split import Fold, folds
from recommender.evaluation import evaluate
from recommender.features.encoder import FeatureEncoder
from recommender.models import RECOMMENDERS
from recommender.models.base import Recommender
from recommender.ranking.candidates import Candidates
from recommender.ranking.lists import Lists
from recommender.ranking.recommend import recommend
from recommender.simulate import load

K = 50
ROUNDS = 3


@cache
def data() -> Dataset:
    return build(load(preset="jobs"))


@cache
def fold() -> Fold:
    """The test origin."""
    return list(folds(data(), config.Split(), config.Eligibility()))[-1]


@cache
def fitted(name: str) -> Recommender:
    return RECOMMENDERS[name]().fit(fold().train)


def lists(name: str) -> Lists:
    items = fold().items.take(np.arange(len(fold().items)))  # a new Table: nothing remembered from the round before
    candidates = Candidates.after(fold().train, items, config.Eligibility())
    return recommend(fitted(name), fold().queries, candidates, K, config.Scoring())


def measure(benchmark: BenchmarkFixture, group: str, stage: Callable[[], object]) -> None:
    benchmark.group = group
    benchmark.extra_info["interactions"] = data().interactions.height
    benchmark.extra_info["queries"] = len(fold().queries)
    benchmark.pedantic(stage, rounds=ROUNDS, iterations=1)


def test_simulate(benchmark: BenchmarkFixture) -> None:
    measure(benchmark, "prepare", lambda: load(preset="jobs"))


def test_gate(benchmark: BenchmarkFixture) -> None:
    tables = load(preset="jobs")
    measure(benchmark, "prepare", lambda: build(tables))


def test_split(benchmark: BenchmarkFixture) -> None:
    measure(benchmark, "prepare", lambda: list(folds(data(), config.Split(), config.Eligibility())))


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_fit(benchmark: BenchmarkFixture, name: str) -> None:
    train = fold().train
    measure(benchmark, "fit", lambda: RECOMMENDERS[name]().fit(train))


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_recommend(benchmark: BenchmarkFixture, name: str) -> None:
    fitted(name)
    measure(benchmark, "recommend", lambda: lists(name))


def test_metrics(benchmark: BenchmarkFixture) -> None:
    shown = lists("popularity")
    rows = FeatureEncoder().fit(fold().items).transform(fold().items)
    measure(benchmark, "evaluate", lambda: evaluate.outcome(shown, fold(), config.load("jobs"), rows))
