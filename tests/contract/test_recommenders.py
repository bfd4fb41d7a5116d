"""What every recommender promises. A new line in RECOMMENDERS is tested here without another one."""

from __future__ import annotations

import copy
import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recommender import config
from recommender.data.dataset import Dataset, Table
from recommender.data.queries import Queries
from recommender.errors import DataError
from recommender.models import RECOMMENDERS, with_person_days
from recommender.models.vocabulary import interacted
from recommender.names import USER_BUCKETS
from recommender.ranking.router import Router
from recommender.serving import persistence
from recommender.serving.bundle import Bundle
from recommender.serving.forget import forget
from tests.helpers import worlds
from tests.helpers.model_queries import FAST, HISTORIES, ITEMS

LEARNS = ("item_knn", "als", "bpr", "ease", "user_ease", "lightfm")  # from pairs of users and items
NEEDS_WINDOWS = ("ranker",)  # learns from past windows, and says so where there are none


@pytest.fixture(params=RECOMMENDERS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make(name: str) -> Callable[[], Any]:
    known = inspect.signature(RECOMMENDERS[name]).parameters
    return lambda: RECOMMENDERS[name](**{key: value for key, value in FAST.items() if key in known})


@pytest.fixture
def items() -> Table:
    return worlds.items_table(ITEMS)


@pytest.fixture
def queries(items: Table) -> Queries:
    return worlds.ask(HISTORIES, items)


def test_a_negative_number_is_no_parameter(name: str) -> None:
    numbers = {int, float, int | None, float | None}
    signature = inspect.signature(RECOMMENDERS[name], eval_str=True)
    for parameter in (p.name for p in signature.parameters.values() if p.annotation in numbers and p.name != "seed"):
        with pytest.raises(ValueError, match=parameter):
            RECOMMENDERS[name](**{parameter: -1})


def check(scores: np.ndarray, queries: Queries, items: Table) -> None:
    assert scores.shape == (len(queries), len(items))
    assert scores.dtype == np.float32
    assert not np.isinf(scores).any()


def test_scores_are_float32_by_query_and_item_and_never_infinite(make, queries, items) -> None:
    check(make().fit(worlds.two_tastes()).score(queries, items), queries, items)


def test_equal_seeds_give_equal_scores(make, queries, items) -> None:
    train = worlds.two_tastes()
    np.testing.assert_array_equal(make().fit(train).score(queries, items), make().fit(train).score(queries, items))


def test_refit_forgets_the_first_fit(make, queries, items) -> None:
    train = worlds.two_tastes()
    model = make().fit(worlds.one_taste())
    model.score(queries, items)
    np.testing.assert_array_equal(model.fit(train).score(queries, items), make().fit(train).score(queries, items))


def test_the_matrix_that_all_models_share_is_not_written_to(make) -> None:
    train = worlds.two_tastes()
    first, *_ = interacted(train)
    before = first.copy()
    make().fit(train)
    again, *_ = interacted(train)
    assert again is first
    for part in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(again, part), getattr(before, part))


def test_loaded_model_scores_like_the_saved_one(make, queries, items, tmp_path: Path) -> None:
    model = make().fit(worlds.two_tastes())
    scores = model.score(queries, items)
    persistence.save(model, tmp_path / "model")
    np.testing.assert_array_equal(persistence.load(tmp_path / "model").score(queries, items), scores)


def test_who_is_forgotten_is_in_no_saved_file_of_a_model(make, tmp_path: Path) -> None:
    train = worlds.two_tastes()
    gone = train.users.ids[0]
    router = Router(dict.fromkeys(USER_BUCKETS, "it"), {"it": make().fit(train)}).fit_rerankers(train)
    bundle = forget(Bundle.of(router, train, config.Eligibility()), pl.Series([gone]))
    persistence.save(bundle, tmp_path / "model")
    frames = [pl.read_parquet(file) for file in (tmp_path / "model").glob("*.parquet")]
    assert frames
    assert not [f for f in frames for c in f.get_columns() if gone in c.explode().cast(pl.String).to_list()]


def test_batches_give_the_scores_of_one_call(make, queries, items) -> None:
    model = make().fit(worlds.two_tastes())
    whole = model.score(queries, items)
    parts = [model.score(queries.take(np.array([row])), items) for row in range(len(queries))]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-4, atol=1e-6)


def test_scores_do_not_depend_on_the_other_candidates(make, queries, items) -> None:
    """The row order of the items turned round, and one new candidate more."""
    model = make().fit(worlds.two_tastes())
    turned = worlds.items_table((*reversed(ITEMS), "new2"))
    other = model.score(worlds.ask(HISTORIES, turned), turned)[:, len(ITEMS) - 1 :: -1]
    np.testing.assert_allclose(other, model.score(queries, items), rtol=1e-4, atol=1e-6)


def test_inputs_are_left_as_they_were(make, queries, items) -> None:
    train = worlds.two_tastes()
    before = copy.deepcopy((train.interactions, train.items.frame, train.users.frame, queries.history, queries.as_of))
    make().fit(train).score(queries, items)
    after = (train.interactions, train.items.frame, train.users.frame, queries.history, queries.as_of)
    for old, new in zip(before[:3], after[:3], strict=True):
        assert old.equals(new)
    for part in ("indptr", "item_idx", "timestamp"):
        np.testing.assert_array_equal(getattr(before[3], part), getattr(after[3], part))
    np.testing.assert_array_equal(before[4], after[4])


def test_the_returned_scores_belong_to_the_caller(make, queries, items) -> None:
    """Whoever writes into a batch of scores must not change the next one."""
    model = make().fit(worlds.two_tastes())
    first = model.score(queries, items)
    copied = first.copy()
    first[:] = 99
    np.testing.assert_array_equal(model.score(queries, items), copied)


@pytest.mark.parametrize(
    "world",
    [worlds.without_features, worlds.without_times, worlds.one_item, worlds.repeated_and_shuffled],
    ids=lambda world: world.__name__,
)
def test_meagre_data_are_fitted_and_scored(name: str, make, world: Callable[[], Dataset]) -> None:
    train = world()
    if name in NEEDS_WINDOWS and world is not worlds.without_features:
        with pytest.raises(DataError, match="no past window"):
            make().fit(train)
        return
    timed = train.has_times
    model = make().fit(train)
    taken = train.interactions["item_id"][0]
    users = worlds.users_table(("a1", "nobody")) if train.users.roles else worlds.bare("user_id", ("a1", "nobody"))
    for candidates in (train.items, train.items.take(np.array([0]))):
        known = bool((candidates.ids == taken).any())
        queries = worlds.ask({"a1": [taken] if known else [], "nobody": []}, candidates, users, timed)
        check(model.score(queries, candidates), queries, candidates)


def test_tables_without_the_feature_columns_are_scored(make, items) -> None:
    """Items and users that come as bare ids to a model trained with features."""
    users = worlds.bare("user_id", tuple(HISTORIES))
    bare = Table(items.frame.select("item_id"), {}, "item_id")
    queries = worlds.ask(HISTORIES, bare, users)
    check(make().fit(worlds.two_tastes()).score(queries, bare), queries, bare)


def test_no_queries_give_no_rows(make, items) -> None:
    queries = worlds.ask({}, items, worlds.users_table(()))
    assert make().fit(worlds.two_tastes()).score(queries, items).shape == (0, len(items))


def test_integer_ids_work_like_strings(make, queries, items) -> None:
    number = {i: n for n, i in enumerate(ITEMS)}
    person = {u: n for n, u in enumerate([*worlds.TAKEN, *HISTORIES])}

    def numbered(table: Table, numbers: dict[str, int]) -> Table:
        ids = pl.col(table.key).replace_strict(numbers, return_dtype=pl.Int64)
        return Table(table.frame.with_columns(ids), table.roles, table.key)

    world = worlds.two_tastes()
    rows = world.interactions.with_columns(
        user_id=pl.col("user_id").replace_strict(person, return_dtype=pl.Int64),
        item_id=pl.col("item_id").replace_strict(number, return_dtype=pl.Int64),
    )
    train = Dataset("numbers", rows, numbered(world.items, number), numbered(world.users, person), world.match)
    renumbered = Queries(numbered(queries.users, person), queries.as_of, queries.history)
    candidates = numbered(items, number)
    check(make().fit(train).score(renumbered, candidates), renumbered, candidates)


def test_what_training_cannot_tell_is_nan_for_collaborative_filtering(queries, items) -> None:
    """No feature, no interaction: neither 0 nor noise."""
    for name in ("item_knn", "als", "bpr", "ease", "user_ease"):
        scores = RECOMMENDERS[name]().fit(worlds.two_tastes()).score(queries, items)
        assert np.isnan(scores[:, [ITEMS.index("r5"), ITEMS.index("new1")]]).all(), name
        assert np.isnan(scores[list(HISTORIES).index("nobody")]).all(), name
        assert np.isnan(scores[list(HISTORIES).index("explorer")]).all(), name
        assert np.isfinite(scores[0]).sum() >= 4, name


def test_hybrids_score_new_items_and_users_by_their_features(queries, items) -> None:
    scores = RECOMMENDERS["lightfm"](min_df=1).fit(worlds.two_tastes()).score(queries, items)
    people_asking = list(HISTORIES)
    answered = [people_asking.index(user) for user in ("a1", "someone", "a_new", "explorer")]
    assert np.isfinite(scores[answered]).all()
    assert np.isnan(scores[people_asking.index("nobody")]).all()


@pytest.mark.parametrize("model", [*LEARNS, "content", "ranker"])
def test_histories_of_unknown_users_show_their_taste(model: str, items) -> None:
    queries = worlds.ask({"someone": ["f1", "f2"], "else": ["r1", "r2"]}, items)
    scores = RECOMMENDERS[model]().fit(worlds.two_tastes()).score(queries, items)
    folk, rock = ITEMS.index("f3"), ITEMS.index("r3")
    better = np.nan_to_num(scores[:, folk], nan=-np.inf) > np.nan_to_num(scores[:, rock], nan=-np.inf)
    assert better.tolist() == [True, False]


def test_before_any_feedback_only_those_that_need_none_tell_items_apart(name: str, make) -> None:
    """The others score all items of one age alike, or refuse to be fitted."""
    world = worlds.two_tastes()
    empty = Dataset("empty", world.interactions.clear(), world.items, world.users, world.match)
    if name in (*LEARNS, *NEEDS_WINDOWS):
        with pytest.raises(DataError, match=r"no rows before the origin|no past window"):
            make().fit(empty)
        assert RECOMMENDERS[name].needs_interactions
        return
    scores = make().fit(empty).score(worlds.ask({"someone": [], "a_new": []}, world.items), world.items)
    apart = [len(np.unique(row[np.isfinite(row)])) > 1 for row in scores]
    assert any(apart) != RECOMMENDERS[name].needs_interactions


def test_what_the_table_says_of_a_recommender_is_complete(name: str) -> None:
    described = RECOMMENDERS[name]
    assert re.fullmatch("#[0-9A-F]{6}", described.colour)
    assert [n for n, other in RECOMMENDERS.items() if other.colour == described.colour] == [name]
    if described.person_days is not None:
        low, high = described.person_days
        assert 0 < low <= high


def test_stated_effort_of_a_scenario_goes_before_that_of_the_recommender() -> None:
    rungs = [{"name": "bpr", "recommender": "bpr"}, {"name": "factors", "recommender": "als"}]
    given = config.load("jobs", [f"ladder={json.dumps(rungs)}", "person_days={bpr: [1, 1], text: [2, 5]}"])
    days = with_person_days(given).person_days
    assert days["bpr"] == (1, 1)
    assert days["factors"] == days["als"] == RECOMMENDERS["als"].person_days
    assert days["text"] == (2, 5)
    assert "random" not in days
