"""The truth of a simulated service: what it says is what happened, and no rung ever sees it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recommender.data.dataset import Dataset
from recommender.data.folder import write_folder
from recommender.data.gate import build
from recommender.data.times import to_microseconds
from recommender.errors import DataError
from recommender.simulate import SimulatedTruth, load, observed, play, preset_names, truth_files
from recommender.simulate.column_values import times
from recommender.simulate.service import ShownItems
from recommender.simulate.truth import expected_utility
from recommender.sources.load import read_tables

SMALL = {"n_interactions": 4000, "n_users": 500, "n_items": 400}


@cache
def truth(preset: str) -> SimulatedTruth:
    return play(preset=preset, seed=2, record=True, **SMALL)


@cache
def spam() -> SimulatedTruth:
    """Much of it, so that every kind occurs."""
    return play(preset="ugc", n_users=2000, n_items=1000, fake_accounts=0.1, spam_items=0.2, adapt=1, ring_size=10)


@pytest.mark.parametrize("preset", preset_names())
def test_recording_what_was_shown_changes_nothing(preset: str) -> None:
    plain = load(preset=preset, seed=2, **SMALL)
    assert observed(truth(preset)).interactions.equals(plain.interactions)


@pytest.mark.parametrize("preset", preset_names())
def test_everything_that_honest_users_took_had_been_shown_to_them(preset: str) -> None:
    shown = truth_files.exposures(truth(preset))
    log, world = truth(preset).log, truth(preset).world
    assert shown["taken"].sum() >= (world.users.ring[log.user] < 0).sum()
    assert ((shown["propensity"] > 0) & (shown["propensity"] <= 1)).all()
    assert shown["position"].min() == 1
    assert shown["position"].max() == world.knobs.list_length


@pytest.mark.parametrize(("preset", "error"), [("catalog", 0.15), ("ugc", 0.15), ("jobs", 0.15), ("skills", 0.15)])
def test_propensities_of_all_items_add_up_to_one(preset: str, error: float) -> None:
    """Exactly without the estimate of taste, whose chance is a Monte Carlo mean."""

    def total(**knobs: object) -> np.ndarray:
        simulated = play(preset=preset, seed=3, record=True, **{**SMALL, **knobs})
        world, begin, user = simulated.world, 10.0, np.arange(20)
        live = world.live(begin)
        service = ShownItems(world, simulated._popularity(begin), live, begin, np.random.default_rng(0))
        now, lists = np.full(20, begin), np.broadcast_to(live, (20, len(live)))
        taste, friends = simulated.taste(user, now), simulated.friends(user, now)
        liked = world.affinity(taste, user, lists, begin)
        chance = service.propensity(user, taste, user, friends, lists, liked, np.random.default_rng(0))
        return np.asarray(chance.sum(1))

    assert np.allclose(total(personal=0.0), 1)
    assert np.abs(total() - 1).max() < error


def test_what_the_policy_shows_occurs_as_often_as_its_propensity_says() -> None:
    """Shown items are drawn by their chance, so the mean of 1 / propensity over all places is the number of items."""
    knobs = {"life_days": 0, "fade": 0, "back_catalogue": 1.0, "spam_items": 0.0, "violating": 0.0, "fresh": 0.0}
    simulated = play(preset="ugc", seed=4, record=True, n_items=60, n_users=800, n_interactions=6000, bias=0.0, **knobs)
    weight = 1 / truth_files.exposures(simulated)["propensity"]
    assert abs(weight.mean() / 60 - 1) < 0.05


@pytest.mark.parametrize("preset", preset_names())
def test_what_was_taken_has_a_higher_expected_utility_than_the_rest(preset: str) -> None:
    world_truth = truth(preset)
    rows = np.flatnonzero(np.isfinite(world_truth.log.utility))[:200]
    user, item, now = world_truth.log.user[rows], world_truth.log.item[rows], world_truth.log.time[rows]
    every = expected_utility(world_truth, user, np.arange(world_truth.world.knobs.n_items), now)
    taken = every[np.arange(len(rows)), item]
    items = world_truth.world.items
    live = (items.published <= now[:, None]) & (np.minimum(items.ends, items.moderated) > now[:, None])
    assert np.isfinite(every).all()
    assert (every < taken[:, None])[live].mean() > 0.7
    assert np.corrcoef(taken, world_truth.log.utility[rows])[0, 1] > 0.95


@pytest.mark.parametrize("preset", preset_names())
def test_written_truth_reads_back_the_same(preset: str, tmp_path: Path) -> None:
    world_truth = truth(preset)
    write_folder(observed(world_truth), tmp_path / "set", lambda to: truth_files.write(world_truth, to / "truth"))
    data = build(read_tables(str(tmp_path / "set"), raw_dir=None))
    assert data.truth is not None
    some = data.users.ids.head(5), data.items.ids, np.full(5, data.timestamps.max())
    np.testing.assert_array_equal(data.truth().scores(*some), world_truth.scores(*some))
    assert (tmp_path / "set/truth/exposures.parquet").is_file()


def test_a_folder_with_a_broken_truth_says_so_when_it_is_asked_for(tmp_path: Path) -> None:
    world_truth = truth("jobs")
    write_folder(observed(world_truth), tmp_path / "set", lambda to: truth_files.write(world_truth, to / "truth"))
    (tmp_path / "set/truth/users.parquet").unlink()
    data = build(read_tables(str(tmp_path / "set"), raw_dir=None))
    assert data.truth is not None
    with pytest.raises(DataError, match="Simulate it again"):
        data.truth()


def _half(data: Dataset) -> Dataset:
    times_ = data.interactions["timestamp"]
    return data.before(times_.min() + (times_.max() - times_.min()) / 2)  # type: ignore[operator]


@pytest.mark.parametrize("view", [_half, Dataset.first_interactions])
def test_what_models_are_given_has_no_truth(view: Callable[[Dataset], Dataset]) -> None:
    data = build(load(preset="jobs", **SMALL))
    assert data.truth is not None
    assert view(data).truth is None


def test_the_oracle_cannot_tell_unknown_users_and_items() -> None:
    world_truth = truth("jobs")
    now = np.full(2, times(np.array([90.0]), world_truth.world.knobs).dt.epoch("us").item())
    scores = world_truth.scores(pl.Series(["u001", "nobody"]), pl.Series(["i000", "nothing"]), now)
    assert not np.isnan(scores[0, 0])
    assert np.isnan(scores[0, 1])
    assert np.isnan(scores[1]).all()


def test_follows_are_of_accounts_that_were_there_at_sign_up() -> None:
    users = load(preset="ugc", **SMALL).users
    assert users is not None
    since = dict(users.select("user_id", "signed_up_at").iter_rows())
    pairs = users.select("user_id", "signed_up_at", pl.col("follows").alias("f")).explode("f").drop_nulls("f")
    assert pairs.height > 500
    assert all(since[f] <= at for at, f in pairs.select("signed_up_at", "f").iter_rows())


def test_with_full_homophily_users_follow_their_like() -> None:
    simulated = play(preset="ugc", homophily=1.0, n_users=2000, n_items=600, n_interactions=8000)
    follower, followed = simulated.world.follows[simulated.world.users.ring < 0].nonzero()
    follower = np.flatnonzero(simulated.world.users.ring < 0)[follower]
    topic = simulated.world.users.topics[:, 0, 0]
    assert (topic[follower] == topic[followed]).all()


def test_nothing_is_taken_after_moderators_blocked_it() -> None:
    tables = observed(spam())
    used = tables.interactions.filter(event="view").join(tables.items, on="item_id").drop_nulls("moderated_at")
    assert used.height > 100
    assert (used["timestamp"] < used["moderated_at"]).all()


def test_fake_accounts_take_the_uploads_of_their_ring_soon_after_publication_and_nothing_else() -> None:
    world, log = spam().world, spam().log
    fake = world.users.ring[log.user] >= 0
    user, item = log.user[fake], log.item[fake]
    assert len(user) > 300
    assert (world.users.ring[user] == world.items.ring[item]).all()
    assert (log.time[fake] - world.items.published[item] <= world.knobs.burst_hours / 24).all()
    assert (world.users.signed_up[user] <= log.time[fake]).all()


def test_clones_say_what_their_originals_say_until_their_ring_has_learned_to_reword() -> None:
    items, world = observed(spam()).items, spam().world.items
    clone = world.source != np.arange(len(world.source))
    caption = items["caption"].to_numpy()
    same = caption == caption[world.source]
    assert same[clone & (world.generation == 0)].all()
    assert not same[clone & (world.generation > 0) & (caption != None)].all()  # noqa: E711  an array
    assert (world.creator[clone] != world.creator[world.source[clone]]).all()


def test_rings_that_adapt_change_creator_and_accounts_after_a_strike() -> None:
    world, log = spam().world, spam().log
    items = world.items
    of_ring = items.ring == items.ring.max()
    assert len(np.unique(items.creator[of_ring])) == len(np.unique(items.generation[of_ring])) > 1
    first, later = items.generation == 0, items.generation == 1
    for ring in np.unique(items.ring[items.ring >= 0])[:5]:
        taken = [set(log.user[(items.ring == ring)[log.item] & kind[log.item]].tolist()) for kind in (first, later)]
        honest = set(np.flatnonzero(world.users.ring < 0).tolist())
        assert not (taken[0] - honest) & (taken[1] - honest)


def test_violating_clips_are_viewed_more_and_hated_more_than_their_quality_deserves() -> None:
    tables = observed(simulated := play(preset="ugc", violating=0.3, bait=2.0, n_items=800, n_users=4000))
    views = tables.interactions.filter(event="view").join(tables.items, on="item_id")
    violating = pl.DataFrame({"item_id": tables.items["item_id"], "bad": simulated.world.items.violating})
    hates = tables.interactions.filter(event="hate").join(violating, on="item_id")["bad"].mean()
    seen = views.join(violating, on="item_id")["bad"].mean()
    assert isinstance(hates, float)
    assert isinstance(seen, float)
    assert hates > 1.2 * seen


@pytest.mark.parametrize(("bias", "low", "high"), [(0.0, 0.85, 1.2), (0.5, 0.35, 0.65)])
def test_recruiters_answer_women_as_often_as_the_bias_says(bias: float, low: float, high: float) -> None:
    tables = load(preset="jobs", bias=bias, n_interactions=60_000)
    assert tables.users is not None
    events = tables.interactions.join(tables.users.select("user_id", "gender"), on="user_id")
    rate = {
        gender: events.filter(event="reply", gender=gender).height / events.filter(event="apply", gender=gender).height
        for gender in ("female", "male")
    }
    assert low < rate["female"] / rate["male"] < high


def test_biased_lists_show_women_fewer_well_paid_postings() -> None:
    simulated = play(preset="jobs", bias=0.6, record=True, n_interactions=10_000)
    shown = np.concatenate([s.item for s in simulated.log.shown])
    user = np.concatenate([s.user for s in simulated.log.shown])
    paid = (simulated.world.items.salary[shown] > 0.43) & (shown >= 0)
    gender = simulated.world.users.gender[user]
    share = [paid[gender == g].sum() / (shown[gender == g] >= 0).sum() for g in (0, 1)]
    assert share[0] < 0.7 * share[1]


def test_replies_are_scarcer_where_many_applied_for_few_places() -> None:
    simulated = play(preset="jobs", n_items=300, n_users=8000, n_interactions=60_000)
    events = observed(simulated).interactions
    per_item = events.group_by("item_id").agg(
        applied=(pl.col("event") == "apply").sum(), replied=(pl.col("event") == "reply").sum()
    )
    few, many = (per_item.filter(pl.col("applied").is_between(*r)) for r in ((1, 10), (60, 10_000)))
    assert many["replied"].sum() / many["applied"].sum() < 0.6 * few["replied"].sum() / few["applied"].sum()


def test_with_one_persona_utility_is_linear_in_taste() -> None:
    world = play(preset="catalog", personas=1, **SMALL).world
    user, item = np.arange(50), np.broadcast_to(np.arange(400), (50, 400))
    taste = world.users.taste[user]
    twice, zero = world.affinity(2 * taste, user, item, 0.0), world.affinity(0 * taste, user, item, 0.0)
    np.testing.assert_allclose(twice - zero, 2 * (world.affinity(taste, user, item, 0.0) - zero), rtol=1e-3, atol=1e-3)


def test_origins_see_no_truth_of_the_future(tmp_path: Path) -> None:
    data = build(load(preset="ugc", **SMALL))
    origin = data.interactions["timestamp"].max() - timedelta(days=10)  # type: ignore[operator]
    train = data.before(origin)
    assert train.truth is None
    assert (train.timestamps < to_microseconds(origin)).all()
