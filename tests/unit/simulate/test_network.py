"""Simulated networks: same seed, same network; nothing happens before it can; what each knob brings."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest

from recommender.config import Eligibility, Scoring
from recommender.data.dataset import Dataset
from recommender.data.gate import build, from_frames
from recommender.data.split import time_fold, to_datetime
from recommender.data.times import to_microseconds
from recommender.errors import ConfigError, DataError
from recommender.evaluation.metrics import ndcg
from recommender.evaluation.shown import Judged
from recommender.models import RECOMMENDERS
from recommender.ranking.candidates import Candidates
from recommender.ranking.recommend import recommend
from recommender.simulate import load
from recommender.simulate.measures import measures
from recommender.simulate.network_likeness import twin_knobs
from tests.helpers.small import at

SMALL = {"n_users": 500, "n_interactions": 3000, "n_companies": 20, "n_schools": 8}


@cache
def network(**knobs: Any) -> Dataset:
    return build(load(preset="people", **{**SMALL, **knobs}))


def test_same_seed_gives_equal_tables_and_another_seed_does_not() -> None:
    first, again, other = (load(preset="people", seed=seed, **SMALL) for seed in (7, 7, 8))
    for name in ("interactions", "users", "contacts", "blocks"):
        assert getattr(first, name).equals(getattr(again, name))
        assert not getattr(first, name).equals(getattr(other, name))


def test_nobody_links_before_both_have_joined() -> None:
    data = network()
    joined = data.items.times("available_from")
    assert (joined[data.item_idx] <= data.timestamps).all()
    assert (joined[data.items.lookup(data.interactions["user_id"])] <= data.timestamps).all()


def test_books_hold_keys_and_entries_of_nobody() -> None:
    tables = load(preset="people", **SMALL)
    assert tables.contacts is not None
    assert tables.users is not None
    assert tables.contacts["contact_key"].str.contains("^[0-9a-f]{32}$").all()
    of_members = tables.contacts["contact_key"].is_in(tables.users["contact_key"].implode()).mean()
    assert 0.5 < float(of_members) < 0.95  # type: ignore[arg-type]
    clean = load(preset="people", **SMALL, book_errors=0.0)
    assert clean.contacts is not None
    assert clean.contacts["contact_key"].is_in(tables.users["contact_key"].implode()).all()


def test_an_unknown_knob_names_the_nearest_and_a_share_is_one() -> None:
    with pytest.raises(ConfigError, match="closure"):
        load(preset="people", closur=0.1)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        load(preset="people", books=2.0)
    with pytest.raises(ConfigError, match="together at most 1"):
        load(preset="people", closure=0.9, acquaintance=0.9)


def gains(data: Dataset, **models: dict[str, Any]) -> dict[str, np.ndarray]:
    """NDCG@10 of each recommender over the queries with history of the last fifth."""
    origin = to_datetime(int(np.quantile(data.timestamps, 0.8)))
    fold = time_fold(data, "test", origin, None, 1)
    known = np.flatnonzero(fold.queries.history.lengths > 0)
    candidates = Candidates.after(fold.train, fold.items, Eligibility())
    values = {}
    for name, params in models.items():
        model = RECOMMENDERS[name](**params).fit(fold.train)
        lists = recommend(model, fold.queries.take(known), candidates, 10, Scoring())
        values[name] = ndcg(Judged(lists, fold.truth[known]))
    return values


def test_without_closure_and_circles_common_neighbours_find_no_more_than_degree_within_the_company() -> None:
    """The negative control: where nothing closes triangles, standing between two members says nothing."""
    plain: dict[str, Any] = {
        "closure": 0.0,
        "acquaintance": 0.0,
        "invited": 0.0,
        "homophily": 0.9,
        "metadata_missing": 0.0,
    }
    data = network(**plain, n_interactions=6000)
    rungs = {"neighbours": {}, "popularity": {"segment": ["company"], "prior": 1.0}}
    values = gains(data, **rungs)
    difference = values["neighbours"] - values["popularity"]
    assert difference.mean() < 2 * difference.std() / np.sqrt(len(difference))
    closing = gains(network(closure=0.9, acquaintance=0.05, homophily=0.0, invited=0.0, n_interactions=6000), **rungs)
    assert closing["neighbours"].mean() > closing["popularity"].mean()


def test_the_oracle_knows_more_than_any_rung_and_stays_within_what_is_known() -> None:
    data = network()
    truth = data.truth
    assert truth is not None
    origin = to_datetime(int(np.quantile(data.timestamps, 0.8)))
    fold = time_fold(data, "test", origin, None, 1)
    scores = truth().scores(fold.queries.ids, fold.items.ids, fold.queries.as_of)
    assert scores.shape == fold.truth.shape
    late = fold.items.times("available_from")[None, :] > fold.queries.as_of[:, None] + 3 * 86_400_000_000
    assert np.isneginf(scores[late]).all()
    queries, rows = fold.queries, fold.truth.toarray()
    candidates = Candidates.after(fold.train, fold.items, Eligibility())
    scores[~candidates.eligible(queries)] = -np.inf
    best = np.argsort(-scores, axis=1)[:, :10]
    hits = np.take_along_axis(rows, best, axis=1).mean()
    lists = recommend(RECOMMENDERS["contacts"]().fit(fold.train), queries, candidates, 10, Scoring())
    assert hits > np.take_along_axis(rows, lists.item_idx, axis=1).mean()
    assert np.isnan(truth().scores(pl.Series(["nobody"]), fold.items.ids, np.array([to_microseconds(origin)]))).all()


@pytest.mark.slow
def test_a_twin_of_a_network_has_its_size_and_nearly_its_triangles_and_newcomers() -> None:
    small = {"n_users": 300, "n_interactions": 2500, "n_companies": 12, "n_schools": 6}
    real = network(**small, closure=0.75, acquaintance=0.1, hub_sigma=0.5, columns=("company",))
    twin = build(load(preset="people", **twin_knobs(real, "people")))
    aim, of_twin = measures(real), measures(twin)
    for name in ("n_interactions", "n_users"):
        assert abs(of_twin[name] / aim[name] - 1) < 0.15, name  # type: ignore[operator]
    for name in ("closing_links", "late_cold_links", "user_sigma"):
        assert abs(of_twin[name] - aim[name]) < 0.15, name  # type: ignore[operator]
    assert twin.items.columns("category") == real.items.columns("category") == ["company"]


def test_a_network_has_no_twin_without_times_or_members() -> None:
    rows = pl.DataFrame({"user_id": ["a", "b"], "item_id": ["b", "c"]})
    members = pl.DataFrame({"item_id": ["a", "b", "c"]})
    with pytest.raises(DataError, match="states no times"):
        twin_knobs(from_frames(rows, members, spec={"relation": {"symmetric": True}}), "people")
    with pytest.raises(DataError, match="no network of members"):
        twin_knobs(build(load(n_interactions=500, n_users=50, n_items=40)), "people")


def test_measures_of_links_by_hand() -> None:
    """In the last fifth a-c closes a triangle over b, a-d closes none; the newcomer e is an end of the third."""
    ends = ["ab", "bc", "cd", "bc", "ab", "cd", "bc", "ab", "cd", "bc", "ab", "cd", "ac", "ad", "ae"]
    rows = pl.DataFrame(
        {"user_id": [e[0] for e in ends], "item_id": [e[1] for e in ends], "timestamp": [at(h) for h in range(15)]}
    )
    members = pl.DataFrame({"item_id": list("abcde")})
    measured = measures(from_frames(rows, members, spec={"relation": {"symmetric": False}}))
    assert (measured["late_cold_links"], measured["closing_links"]) == (pytest.approx(1 / 3), 0.5)
