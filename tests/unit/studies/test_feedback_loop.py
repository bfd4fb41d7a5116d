"""The closed loop: who serves decides what can be learned; nothing is learned from what comes later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import study as program
from recommender import config
from recommender.config import Scenario
from recommender.data.dataset import Dataset
from recommender.data.times import to_microseconds
from recommender.errors import ConfigError, DataError
from recommender.evaluation.effort import EffortLog
from recommender.evaluation.metrics import ndcg
from recommender.evaluation.shown import Judged
from recommender.ranking.lists import Lists
from recommender.simulate import World, make_world, resolve, simulate
from recommender.simulate.log import Visits
from recommender.sources.load import load
from recommender.studies.analyses import analysis_of
from recommender.studies.closed_loop import player
from recommender.studies.closed_loop.measures import (
    ROUND,
    Meter,
    Thresholds,
    best,
    exposed_at_random,
    list_utility,
    overlap,
)
from recommender.studies.closed_loop.player import Played, Player, play
from recommender.studies.engine import plan
from recommender.studies.engine.finding import NOT_ENOUGH
from recommender.studies.engine.measured import DONE
from recommender.studies.engine.plan import Cell, Study, cells
from recommender.studies.engine.run import run
from recommender.studies.feedback_loop import over_seeds
from tests.helpers.folders import run as call

EXPLORE = {"rung": "content", "n": 4, "of": 20, "explore": "thompson", "below": 5, "floor": 0.5}
NO_RUNG = {n: {"rung": "als"} for n in ("popularity", "x")}  # not among the study's rungs
LOOP: dict[str, Any] = {
    "name": "loop",
    "question": "What if?",
    "analysis": "feedback_loop",
    "mode": "loop",
    "rungs": ["random", "popularity", "content", "item_knn"],
    "set": {
        "slots.n": 0,
        "data.options.simulated.n_interactions": 2500,
        "data.options.simulated.n_users": 200,
        "data.options.simulated.n_items": 150,
        "data.options.simulated.n_creators": 30,
        "data.options.simulated.block_hours": 24,
    },
    "options": {
        "rounds": 3,
        "measured": 0.5,
        "against": "popularity",
        "policies": {
            "random": {"rung": "random"},
            "popularity": {"rung": "popularity"},
            "exploring": {"rung": "popularity", "slots": EXPLORE},
        },
    },
    "grid": {"seed": {s: {"seed": int(s), "data.options.simulated.seed": int(s)} for s in "01"}},
}


def study(**more: Any) -> Study:
    return plan.parse(LOOP | more)


def source(name: str, scenario: Scenario) -> Dataset:
    return load(name, raw_dir=None, **config.loading(scenario))


def cell(seed: int = 0, **more: Any) -> Cell:
    return cells(study(**more), ["ugc"], None)[seed]


def played(of: Cell) -> Played:
    assert of.loop is not None
    return play(source("simulated", of.scenario), of.scenario, of.loop, EffortLog())


@pytest.fixture(scope="module")
def once() -> Played:
    return played(cell())


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(resolve("ugc", {"n_interactions": 600, "n_users": 80, "n_items": 60, "n_creators": 12}), 0)


def test_random_lists_spread_exposure_evenly_and_popular_ones_do_not(once: Played) -> None:
    assert all(row["gini_shown"] < 0.3 for row in once.rounds["random"])
    for even, popular in zip(once.rounds["random"], once.rounds["popularity"], strict=True):
        assert even["gini_shown"] + 0.1 < popular["gini_shown"]
        assert even["overlap_at_10"] < popular["overlap_at_10"]


def test_popularity_alone_never_gives_a_new_item_its_chance_and_exploring_does(once: Played) -> None:
    assert once.rounds["popularity"][2]["new_items_shown"] == 0
    assert once.rounds["exploring"][2]["new_items_shown"] > 0


def test_the_same_seed_gives_the_same_loop_and_another_one_another(once: Played) -> None:
    again = played(cell())
    assert (again.rounds, again.n_train) == (once.rounds, once.n_train)
    assert played(cell(1)).rounds != once.rounds


def test_no_list_is_better_than_the_best_one(once: Played) -> None:
    assert all(row["regret"] >= 0 for rounds in once.rounds.values() for row in rounds)


def test_a_model_learns_only_from_rounds_before_its_own_and_serves_only_later_visits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trained: list[tuple[int, int]] = []  # origin, latest row that the model saw
    make = player.make

    class Spy:
        def __init__(self, model: Any) -> None:
            self.model = model

        def fit(self, train: Dataset) -> Spy:
            rows = pl.concat([train.interactions, train.signals])
            trained.append((origins[-1], int(rows["timestamp"].dt.epoch("us").max())))  # type: ignore[arg-type]
            self.model.fit(train)
            return self

        def score(self, queries: Any, items: Any) -> np.ndarray:
            calls.append((origins[-1], int(queries.as_of.min())))
            return np.asarray(self.model.score(queries, items))

    origins: list[int] = []
    calls: list[tuple[int, int]] = []

    def train(self: Player, begin: float) -> None:
        origins.append(to_microseconds(self._time(begin)))
        real_train(self, begin)

    real_train = Player._train
    monkeypatch.setattr(Player, "_train", train)
    monkeypatch.setattr(player, "make", lambda *a: Spy(make(*a)))
    played(
        cell(options=LOOP["options"] | {"policies": {"popularity": {"rung": "popularity"}, "x": {"rung": "content"}}})
    )
    assert len(trained) == 6  # two policies, three rounds
    assert all(latest < origin for origin, latest in trained)
    assert len({latest for _, latest in trained[:3]}) == 3  # each round brought new rows
    assert all(origin <= as_of for origin, as_of in calls)


def test_nothing_is_taken_that_the_server_did_not_show(world: World) -> None:
    class Fixed:
        took_: list[np.ndarray] = []

        def show(self, begin: float, visits: Visits, taste: Any, friends: Any) -> np.ndarray:
            lists = np.full((len(visits.user), world.knobs.list_length), -1)
            lists[:, :2] = (3, 5)
            return lists

        def took(self, user: np.ndarray, item: np.ndarray, time: np.ndarray, utility: np.ndarray) -> None:
            self.took_.append(item[np.isfinite(utility)])

    server = Fixed()
    log = simulate(world, 0, server=server)
    organic = log.item[np.isfinite(log.utility)]
    assert set(organic) == {3, 5}
    assert set(np.concatenate(server.took_)) == {3, 5}


def test_a_server_that_leaves_it_to_the_service_changes_nothing(world: World) -> None:
    class Silent:
        def show(self, *_: Any) -> None:
            return None

        def took(self, *_: Any) -> None:
            return None

    one, other = simulate(world, 0), simulate(world, 0, server=Silent())
    assert all(np.array_equal(getattr(one, c), getattr(other, c), equal_nan=c == "utility") for c in
               ("user", "item", "time", "utility"))  # fmt: skip


# --- measures by hand


def test_worth_weighs_places_by_how_often_they_are_looked_at(world: World) -> None:
    value = np.array([[1.0, 2, 4], [1, 2, 4], [0, 0, 0]], np.float32)
    utility = list_utility(world, value, np.array([[2, 0], [1, -1], [-1, -1]]))
    second = 2.0**-world.knobs.position_decay
    assert utility[:2] == pytest.approx([(4 + second) / (1 + second), 2])
    assert np.isnan(utility[2])


@given(st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_the_best_list_is_worth_the_most_and_holds_only_what_is_allowed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    value, allowed = rng.normal(size=(4, 12)).astype(np.float32), rng.random((4, 12)) < 0.6
    result_lists = best(value, allowed, 5)
    there = result_lists >= 0
    assert (there.sum(axis=1) == np.minimum(allowed.sum(axis=1), 5)).all()
    assert np.take_along_axis(allowed, result_lists.clip(0), 1)[there].all()
    left = allowed.copy()
    np.put_along_axis(left, result_lists.clip(0), False, 1)
    for row in range(4):
        if left[row].any() and there[row].any():
            assert value[row][left[row]].max() <= value[row][result_lists[row][there[row]]].min()


@given(st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_what_is_taken_at_random_was_exposed_and_what_is_exposed_was_allowed(seed: int) -> None:
    small = make_world(resolve("ugc", {"n_interactions": 50, "n_users": 20, "n_items": 40, "list_length": 6}), 0)
    rng = np.random.default_rng(seed)
    allowed, takes = rng.random((5, 40)) < 0.2, rng.integers(1, 9, 5)
    exposed, truth = exposed_at_random(small, rng.normal(size=(5, 40)).astype(np.float32), allowed, takes, rng)
    taken = truth.toarray()
    assert not (exposed & ~allowed).any()
    assert not (taken & ~exposed).any()
    assert (exposed.sum(axis=1) == np.minimum(allowed.sum(axis=1), 6)).all()
    assert (taken.sum(axis=1) == np.minimum(exposed.sum(axis=1), takes)).all()


def test_overlap_is_of_pairs_and_of_those_that_share_no_topic() -> None:
    lists, topics = np.array([[0, 1], [0, 1], [2, 1]]), np.array([[0, 1], [1, 2], [3, 3]])
    pairs, apart = overlap(lists, topics, 5)
    assert pairs == pytest.approx((1 + 1 / 3 + 1 / 3) / 3)
    assert apart == pytest.approx(1 / 3)
    assert np.isnan(overlap(lists[:1], topics[:1], 5)[0])


def test_ndcg_is_of_visits_that_take_something() -> None:
    item = np.array([[0, 1], [1, 0], [0, 1]])
    lists = Lists(item, item.astype(np.float32), np.zeros(item.shape, np.int8))
    truth = sp.csr_matrix(np.array([[1, 0], [1, 0], [0, 0]], bool))
    assert ndcg(Judged(lists, truth))[:2] == pytest.approx([1, 1 / np.log2(3)])
    assert np.isnan(ndcg(Judged(lists, truth))[2])


def test_newcomers_and_creators_count_what_they_get_after_they_come(world: World) -> None:
    items, edges = world.items, np.linspace(0, world.knobs.span_days, 3)
    meter = Meter(world, edges, Thresholds(least_shown=2, least_taken=1, small_creator=2))
    new = np.flatnonzero((items.published >= 0) & (items.published < edges[1]) & ~items.violating)
    meter.count(1, np.array([[new[0], new[1]], [new[0], -1]]))
    meter.took(-1, np.repeat(np.arange(world.knobs.n_items), 2))  # nobody is small
    meter.took(1, new[:1])
    first, second = meter.table()
    assert "new_items_shown" not in first
    assert second["new_items_shown"] == second["new_items_taken"] == pytest.approx(1 / len(new))
    assert "small_creators_grown" not in second


# --- the study


def test_a_study_that_is_interrupted_goes_on_where_it_was_and_says_what_it_found(tmp_path: Path) -> None:
    given = study()
    planned = cells(given, ["ugc"], None)

    def interrupted(name: str, scenario: Scenario) -> Dataset:
        if scenario.seed:
            raise KeyboardInterrupt
        return source(name, scenario)

    with pytest.raises(KeyboardInterrupt):
        run(planned, tmp_path, interrupted, lambda _: None)
    (folder,) = [p for p in tmp_path.iterdir() if (p / DONE).exists()]
    written = (folder / DONE).stat().st_mtime_ns
    cells_measured, failures = run(planned, tmp_path, source, lambda _: None)
    assert not failures
    assert cells_measured[0].folder == folder
    assert (folder / DONE).stat().st_mtime_ns == written

    (one,) = analysis_of(given).findings(given, cells_measured)
    assert "popularity" in one.sentences[0]
    assert any("What exploring changes for popularity" in s for s in one.sentences)
    assert {"Gini of exposure, by round", "New items that live, by round"} <= {c.title for c in one.charts}
    rounds = cells_measured[0].metrics.filter(pl.col("slice") == ROUND, pl.col("metric") == "utility")
    assert rounds.height == 9
    (alone,) = analysis_of(given).findings(given, cells_measured[:1])
    assert NOT_ENOUGH in alone.sentences[0]


def test_a_policy_that_the_data_do_not_allow_steps_aside(once: Played) -> None:
    given = cell(set=LOOP["set"] | {"ladder.content.params": {}, "ladder.popularity.params": {"segment": ["nowhere"]}})
    sites = played(given)
    assert list(sites.rounds) == ["random"]
    assert "no column nowhere" in sites.skipped["popularity"]
    assert sites.rounds["random"] == once.rounds["random"]  # and the others do not notice
    none = LOOP["options"] | {"policies": {n: {"rung": "popularity"} for n in ("popularity", "other")}}
    with pytest.raises(DataError, match="No policy could be played"):
        played(cell(options=none, set=LOOP["set"] | {"ladder.popularity.params": {"segment": ["nowhere"]}}))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"options": LOOP["options"] | {"round": 3}}, "options.round"),
        ({"options": LOOP["options"] | {"against": "populrity"}}, "did you mean 'popularity'"),
        ({"options": LOOP["options"] | {"policies": NO_RUNG}}, "unknown rung 'als'"),
        ({"set": LOOP["set"] | {"data.train_differences": [{"drift": {"days": 3}}]}}, "records its own"),
    ],
)  # fmt: skip
def test_a_loop_that_cannot_be_played_is_told_before_it_is(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        cells(study(**more), ["ugc"], None)


def test_data_that_are_not_simulated_are_refused_with_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = call(program.main, "--study", "feedback_loop", "--data", "ml-100k")
    assert done.code == 2
    assert done.err.count("Only the simulator can") == 1
    assert not (tmp_path / "studies").exists()


# --- intervals over seeds


def test_a_mean_over_seeds_has_students_interval() -> None:
    mean = over_seeds(np.array([1.0, 2, 3]))
    assert mean.value == 2
    assert (mean.low, mean.high) == pytest.approx((2 - 4.303 / 3**0.5, 2 + 4.303 / 3**0.5), abs=1e-3)
    assert mean.p == pytest.approx(0.0742, abs=1e-4)
    assert not mean.sure
    assert over_seeds(np.array([1.0])).low is None
    assert not over_seeds(np.array([0.0, 0.0])).sure
