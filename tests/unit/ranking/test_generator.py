"""Per-query candidates: what is generated, that lists of them are those of the full ranking, and what is missed."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from recommender.config import Eligibility, Scoring
from recommender.data.gate import build
from recommender.data.queries import Queries
from recommender.data.spec import RelationSpec
from recommender.data.split import Fold, time_fold, to_datetime
from recommender.models import RECOMMENDERS
from recommender.ranking import generator
from recommender.ranking.candidates import Candidates
from recommender.ranking.recommend import recommend
from recommender.simulate import load

CATALOG = {"preset": "catalog", "n_interactions": 3000, "n_users": 300, "n_items": 400}
# Without hubs of more links than the generator follows
PEOPLE = {
    "preset": "people",
    "n_users": 400,
    "n_interactions": 3000,
    "n_companies": 20,
    "n_schools": 8,
    "hub_sigma": 1.0,
}


@cache
def fold(preset: str) -> Fold:
    data = build(load(**(PEOPLE if preset == "people" else CATALOG)))  # type: ignore[arg-type]
    return time_fold(data, "test", to_datetime(int(np.quantile(data.timestamps, 0.8))), None, 1)


def both(preset: str) -> tuple[Fold, Candidates, Candidates]:
    tested = fold(preset)
    full = Candidates.after(tested.train, tested.items, Eligibility())
    return tested, full, full.generated(tested.train)


def lists(model: Any, queries: Queries, candidates: Candidates) -> np.ndarray:
    return recommend(model, queries, candidates, 10, Scoring(memory_mb=16)).item_idx


@pytest.mark.parametrize(("preset", "rung"), [("people", "ranker"), ("people", "content"), ("catalog", "item_knn")])
def test_where_everything_is_generated_lists_are_those_of_the_full_ranking(
    preset: str, rung: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generator, "POPULAR", 10_000)
    tested, full, few = both(preset)
    model = RECOMMENDERS[rung]().fit(tested.train)
    np.testing.assert_array_equal(lists(model, tested.queries, few), lists(model, tested.queries, full))
    assert few.generator is not None
    assert few.generator.recall(tested.queries, tested.truth) == 1


@pytest.mark.parametrize("rung", ["neighbours", "contacts"])
def test_who_is_two_hops_away_or_in_a_book_is_never_missed(rung: str) -> None:
    tested, full, few = both("people")
    model = RECOMMENDERS[rung]().fit(tested.train)
    scored = np.isfinite(model.score(tested.queries, tested.items)) & full.eligible(tested.queries)
    assert scored.any()
    assert few.generator is not None
    assert (few.generator.rows(tested.queries).toarray() | ~scored).all()


def test_who_linked_to_a_member_one_way_is_never_missed() -> None:
    tables = load(**PEOPLE)  # type: ignore[arg-type]
    data = build(replace(tables, spec=tables.spec.model_copy(update={"relation": RelationSpec(symmetric=False)})))
    tested = time_fold(data, "test", to_datetime(int(np.quantile(data.timestamps, 0.8))), None, 1)
    few = Candidates.after(tested.train, tested.items, Eligibility()).generated(tested.train)
    model = RECOMMENDERS["follow_back"]().fit(tested.train)
    scored = np.isfinite(model.score(tested.queries, tested.items))
    assert scored.any(axis=1).mean() > 0.3
    assert few.generator is not None
    assert (few.generator.rows(tested.queries).toarray() | ~scored).all()
    shown = lists(model, tested.queries, few)
    taken = np.zeros(tested.truth.shape, bool)
    taken[tested.queries.history.row, tested.queries.history.item_idx] = True
    assert not np.take_along_axis(taken, shown, axis=1).any()
    assert not (shown == tested.items.lookup(tested.queries.ids)[:, None]).any()


def test_recall_is_the_share_of_the_answers_that_are_generated() -> None:
    tested, _, few = both("people")
    assert few.generator is not None
    chosen = few.generator.rows(tested.queries).toarray()
    by_hand = (chosen & tested.truth.toarray()).sum() / tested.truth.nnz
    assert few.generator.recall(tested.queries, tested.truth, batch=7) == pytest.approx(by_hand)
    assert 0.3 < by_hand < 1


def test_generated_lists_are_full_and_keep_every_rule() -> None:
    tested, full, few = both("people")
    neighbour_lists = lists(RECOMMENDERS["neighbours"]().fit(tested.train), tested.queries, few)
    assert (neighbour_lists >= 0).all()
    assert np.take_along_axis(full.eligible(tested.queries), neighbour_lists, axis=1).all()
