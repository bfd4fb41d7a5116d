"""Every recommender's lists can be explained: what weighed, by leaving it out, and what kept an item out."""

from __future__ import annotations

import inspect
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from recommender.config import Eligibility, Scoring
from recommender.models import RECOMMENDERS
from recommender.names import USER_BUCKETS
from recommender.ranking.candidates import Candidates
from recommender.ranking.router import Router
from recommender.serving.explain import explain
from recommender.serving.related import depends_on_history, measured, related
from tests.helpers import worlds
from tests.helpers.model_queries import FAST, HISTORIES, ITEMS
from tests.helpers.small import dataset

BY_HISTORY = ("item_knn", "als", "ease", "content")  # fold a stranger in from what they took


def router(name: str, **more: Any) -> Router:
    known = inspect.signature(RECOMMENDERS[name]).parameters
    model = RECOMMENDERS[name](**{key: value for key, value in FAST.items() if key in known})
    return Router(dict.fromkeys(USER_BUCKETS, "it"), {"it": model}, **more).fit(worlds.two_tastes())


def candidates(rules: Eligibility | None = None, **columns: Any) -> Candidates:
    items = worlds.items_table(ITEMS)
    if columns:
        frame = items.frame.drop(*columns, strict=False).with_columns(**columns)
        items = replace(items, frame=frame)
    return Candidates.after(worlds.two_tastes(), items, rules or Eligibility())


def query_of(user: str, choose: Candidates) -> Any:
    return worlds.ask({user: HISTORIES[user]}, choose.items)


@pytest.mark.parametrize("name", RECOMMENDERS)
@pytest.mark.parametrize("user", ["a1", "someone", "nobody"])
def test_every_rung_is_explained_by_signals_that_it_has(name: str, user: str) -> None:
    choose, model = candidates(), router(name)
    queries = query_of(user, choose)
    for item in ("r4", "f3", "new1"):
        row = int(choose.items.lookup(pl.Series([item]))[0])
        explanation = explain(model, queries, choose, row, 3)
        assert explanation.rung == "it"
        names = {"history": set(HISTORIES[user]), "user": set(queries.users.roles), "item": set(choose.items.roles)}
        for signal in explanation.signals:
            assert signal.name in names[signal.kind]
            assert np.isfinite(signal.weight)
            assert signal.weight
        assert explanation.place is not None or explanation.kept_out
        assert item in explanation.sentence


@pytest.mark.parametrize("name", BY_HISTORY)
def test_what_was_taken_weighs_as_much_as_the_score_falls_without_it(name: str) -> None:
    choose, routed = candidates(), router(name)
    row = int(choose.items.lookup(pl.Series(["f3"]))[0])
    queries = query_of("someone", choose)
    weights = {s.name: s.weight for s in explain(routed, queries, choose, row, 3).signals if s.kind == "history"}
    assert weights
    for taken, weight in weights.items():
        without = worlds.ask({"someone": [i for i in HISTORIES["someone"] if i != taken]}, choose.items)
        model = routed.rungs["it"]
        fall = model.score(queries, choose.items)[0, row] - model.score(without, choose.items)[0, row]
        assert weight == pytest.approx(fall, abs=1e-4)


@pytest.mark.parametrize("name", ["popularity", "random"])
def test_a_rung_that_knows_no_user_says_so(name: str) -> None:
    choose = candidates()
    explanation = explain(router(name), query_of("someone", choose), choose, 0, 3)
    assert not [s for s in explanation.signals if s.kind == "history"]
    assert name == "random" or "does not depend on this user" in explanation.sentence


def test_each_reason_to_keep_an_item_out_is_named() -> None:
    past, future = worlds.NOW - timedelta(days=1), worlds.NOW + timedelta(days=1)
    first = pl.int_range(pl.len()) == 0
    for columns, rules, user, reason in (
        ({"expires_at": pl.when(first).then(pl.lit(past))}, Eligibility(), "someone", "it expired on 2026-03-01"),
        (
            {"available_from": pl.when(first).then(pl.lit(future))},
            Eligibility(),
            "someone",
            "published only on 2026-03-03",
        ),
        ({"shut": first}, Eligibility(blocked_column="shut"), "someone", "it is blocked (rule blocked_column)"),
        ({}, Eligibility(), "a1", "the user has taken it before"),
    ):
        choose = candidates(
            rules, **{c: v.cast(pl.Datetime("us", "UTC")) if c != "shut" else v for c, v in columns.items()}
        )
        explanation = explain(router("popularity"), query_of(user, choose), choose, 0, 3)
        assert explanation.place is None
        assert len(explanation.kept_out) == 1
        assert reason in explanation.kept_out[0]
        assert explanation.would_be is not None
        assert explanation.sentence.startswith("r1 is not shown: ")


def test_an_item_below_the_list_and_one_without_a_score_are_told_apart() -> None:
    choose = candidates()
    queries, model = query_of("nobody", choose), router("popularity")
    order = [int(i) for i in model.recommend(queries, choose, len(choose.items), Scoring()).lists.item_idx[0]]
    assert "below the 3 that are shown" in explain(model, queries, choose, order[3], 3).sentence
    assert [explain(model, queries, choose, row, 3).place for row in order[:4]] == [1, 2, 3, 4]
    silent = explain(router("item_knn"), queries, choose, order[0], 3)
    assert silent.source == "fallback"
    assert "has no score for it" in silent.sentence


@pytest.mark.parametrize("user", HISTORIES)
def test_a_blend_in_which_only_one_rung_has_a_score_says_which(user: str) -> None:
    choose, data = candidates(), worlds.two_tastes()
    rungs = {"neighbours": RECOMMENDERS["item_knn"](), "popular": RECOMMENDERS["popularity"]()}
    blends = dict.fromkeys(USER_BUCKETS, "popular")
    both = Router(dict.fromkeys(USER_BUCKETS, "neighbours"), rungs, blends=blends).fit(data)
    queries = query_of(user, choose)
    routed = both.recommend(queries, choose, 5, Scoring())
    for item, source in zip(routed.lists.item_idx[0].tolist(), routed.source[0].tolist(), strict=True):
        explanation = explain(both, queries, choose, item, 5)
        assert explanation.source == source
        assert ("fallback order" in explanation.sentence) == (source == "fallback")
        silent = source != "fallback" and np.isnan(rungs["neighbours"].score(queries, choose.items)[0, item])
        assert ("only popular has a score" in explanation.sentence) == silent


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_related_items_name_their_source_and_never_the_item_itself(name: str) -> None:
    choose, model = candidates(), router(name)
    users = worlds.two_tastes().users
    when = int(worlds.ask({"x": []}, choose.items).as_of[0])
    relations = related(model, choose, users, 0, 5, when)
    assert len(relations.item_idx) == 5
    assert 0 not in relations.item_idx
    assert set(relations.sources) <= {"it", "fallback"}
    if name in BY_HISTORY:
        best = choose.items.ids.gather(relations.item_idx[:2]).to_list()
        assert all(item[0] in "rx" for item in best)  # of the taste of r1


def test_related_items_are_asked_of_the_first_rung_that_reads_histories() -> None:
    train = worlds.two_tastes()
    knn, popular = (router(name).rungs["it"] for name in ("item_knn", "popularity"))
    routes = dict.fromkeys(USER_BUCKETS, "popular") | {"10_plus": "knn"}
    routed = Router(routes, {"knn": knn, "popular": popular}).fit_rerankers(train)
    choose = candidates()
    queries = query_of("someone", choose)
    assert depends_on_history(knn, queries, choose.items)
    assert not depends_on_history(popular, queries, choose.items)
    assert related(routed, choose, train.users, 0, 3, int(queries.as_of[0])).sources[0] == "knn"


def test_related_lists_are_measured_by_the_next_item_of_a_visit() -> None:
    choose = candidates()
    rows = [("u", "r1", 1500.0), ("u", "r3", 1500.2), ("u", "f1", 1510.0), ("v", "r2", 1500.0), ("v", "r2", 1500.1)]
    answer = measured(router("item_knn"), choose, dataset(rows, items=choose.items))
    assert answer["n"].to_list() == [1, 1]
    assert answer["hit_rate_at_10"].to_list() == [1, 1]
