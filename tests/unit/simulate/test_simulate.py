"""The simulator: same seed, same world; nothing happens before it can; the shapes of real data."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipelines import simulate as program
from recommender.data.dataset import Dataset
from recommender.data.folder import read_folder
from recommender.data.gate import Tables, build
from recommender.errors import ConfigError
from recommender.simulate import Log, World, load, make_world, preset_names, resolve, simulate

SMALL = {"n_interactions": 2000, "n_users": 300, "n_items": 200}


@cache
def tables(preset: str) -> Tables:
    return load(preset=preset)


@cache
def data(preset: str) -> Dataset:
    return build(tables(preset))


@cache
def truth(preset: str) -> tuple[World, Log]:
    world = make_world(resolve(preset, {}), 0)
    return world, simulate(world, 0)


def gini(counts: np.ndarray) -> float:
    """0: all alike; 1: one has everything."""
    rank = np.arange(1, len(counts) + 1)
    return float((2 * rank - len(counts) - 1) @ np.sort(counts) / (len(counts) * counts.sum()))


def new_share_of_late(row: np.ndarray, time: np.ndarray) -> float:
    """Share of those active in the last 20% of interactions who were not seen before."""
    cut = np.quantile(time, 0.8)
    late = np.unique(row[time >= cut])
    return float(1 - np.isin(late, row[time < cut]).mean())


@pytest.mark.parametrize("preset", preset_names())
def test_same_seed_gives_equal_tables_and_another_seed_does_not(preset: str) -> None:
    first, again, other = (load(preset=preset, seed=seed, **SMALL) for seed in (7, 7, 8))
    for name in ("interactions", "items", "users"):
        assert_frame_equal(getattr(first, name), getattr(again, name))
        assert not getattr(first, name).equals(getattr(other, name))
    assert first.spec == again.spec


@pytest.mark.parametrize("preset", preset_names())
def test_the_gate_accepts_each_preset_without_repairs(preset: str) -> None:
    simulated = data(preset)
    assert simulated.repairs == ()
    knobs = resolve(preset, {})
    assert len(simulated.users) == knobs.n_users
    assert len(simulated.items) == knobs.n_items
    assert 0.9 * knobs.n_interactions < simulated.interactions.height <= 1.02 * knobs.n_interactions
    replies = {"reply"} if knobs.replies else set()
    assert set(simulated.signals["event"].unique()) == {signal.event for signal in knobs.signals} | replies


@pytest.mark.parametrize("preset", preset_names())
def test_nothing_happens_to_an_item_before_it_is_published_or_after_it_expires(preset: str) -> None:
    raw = tables(preset)
    used = raw.interactions.filter(pl.col("event") != "reply").join(raw.items, on="item_id")  # replies take days
    assert used.filter(pl.col("timestamp") < pl.col("available_from")).is_empty()
    if "expires_at" in used.columns:
        assert used.filter(pl.col("timestamp") >= pl.col("expires_at")).is_empty()
        assert raw.items["expires_at"].null_count() == 0


@pytest.mark.parametrize("preset", preset_names())
def test_nobody_acts_before_they_arrive_or_after_the_end(preset: str) -> None:
    world, log = truth(preset)
    assert (log.time >= world.users.arrived[log.user]).all()
    assert log.time.max() <= world.knobs.span_days


@pytest.mark.parametrize("preset", preset_names())
def test_nobody_takes_an_item_twice(preset: str) -> None:
    _, log = truth(preset)
    assert len(np.unique(np.stack([log.user, log.item]), axis=1).T) == len(log.user)


@pytest.mark.parametrize("preset", preset_names())
def test_order_of_ids_tells_nothing_of_time(preset: str) -> None:
    world, log = truth(preset)
    first_use = np.full(world.knobs.n_items, np.inf)
    np.minimum.at(first_use, log.item, log.time)
    for times in (first_use[np.isfinite(first_use)], world.items.published, world.users.arrived):
        by_chance = 3 / np.sqrt(len(times))  # three standard deviations
        assert abs(np.corrcoef(np.arange(len(times)), np.argsort(np.argsort(times)))[0, 1]) < by_chance


def test_protected_columns_are_protected_and_matched_columns_are_not() -> None:
    users = data("jobs").users
    assert users.columns("protected") == ["gender", "age_group"]
    assert {match.user for match in data("jobs").match} == {"past_positions", "city", "state", "skills"}


def test_protected_groups_are_treated_alike_by_default() -> None:
    world, log = truth("jobs")
    women = world.users.gender[log.user] == 0
    gap = np.nanmean(log.utility[women]) - np.nanmean(log.utility[~women])
    assert abs(gap) < 0.1 * np.nanstd(log.utility)


def test_catalog_is_as_unequal_and_as_new_to_its_users_as_movielens() -> None:
    simulated = data("catalog")
    counts = simulated.item_counts
    top = np.sort(counts)[::-1][: len(counts) // 10].sum() / counts.sum()
    assert 0.55 < gini(counts) < 0.85
    assert 0.35 < top < 0.6
    assert 0.5 < new_share_of_late(simulated.user_idx, simulated.timestamps) < 0.85
    assert simulated.weights.min() == 1
    assert simulated.weights.max() == 5


def test_clips_live_in_their_first_week_and_few_get_most_views() -> None:
    simulated = data("ugc")
    age = simulated.timestamps - simulated.items.times("available_from")[simulated.item_idx]
    assert (age < 7 * 86_400_000_000).mean() > 0.6
    assert gini(simulated.item_counts) > 0.8


def test_postings_live_a_month_and_many_have_no_event() -> None:
    simulated = data("jobs")
    published, expires = simulated.items.times("available_from"), simulated.items.times("expires_at")
    assert 25 < np.median(expires - published) / 86_400_000_000 < 35
    now = np.quantile(simulated.timestamps, 0.8)
    live = (published <= now) & (expires > now)
    used = np.bincount(simulated.item_idx[simulated.timestamps <= now], minlength=len(simulated.items))
    assert 0.25 < (used[live] == 0).mean() < 0.55
    assert new_share_of_late(simulated.user_idx, simulated.timestamps) > 0.7
    assert new_share_of_late(simulated.item_idx, simulated.timestamps) > 0.5


def test_activity_is_heavy_tailed() -> None:
    counts = data("catalog").user_counts
    assert np.quantile(counts, 0.99) > 10 * np.median(counts)


def test_without_explained_taste_topics_do_not_attract() -> None:
    """rho = 0 and lists drawn at random: whether an item has the user's topic makes no difference."""

    def topic_share(rho: float) -> float:
        exposure = {"popular": 0.0, "fresh": 0.0, "personal": 0.0, "browse": 0.0, "random": 1.0}
        knobs = resolve("catalog", {"rho": rho, "personas": 1, "n_interactions": 20_000, "n_users": 2000, **exposure})
        world = make_world(knobs, 1)
        log = simulate(world, 1)
        return float((world.users.topics[log.user, 0, 0] == world.items.topics[log.item, 0]).mean())

    world = make_world(resolve("catalog", {"personas": 1, "n_users": 2000}), 1)
    chance = (world.users.topics[:, 0, 0][:, None] == world.items.topics[:, 0][None, :]).mean()
    assert abs(topic_share(0.0) - chance) < 0.02
    assert topic_share(1.0) > 2 * chance


def test_seekers_take_postings_near_them() -> None:
    world, log = truth("jobs")
    same = (world.users.city[log.user] == world.items.city[log.item]).mean()
    apart = (world.users.city[log.user] == np.random.default_rng(0).permutation(world.items.city[log.item])).mean()
    assert same > 2 * apart


@given(
    preset=st.sampled_from(preset_names()),
    seed=st.integers(0, 2**31),
    rho=st.floats(0, 1),
    n_users=st.integers(1, 60),
    n_items=st.integers(1, 60),
    life_days=st.one_of(st.just(0), st.floats(0.5, 60)),
    list_length=st.integers(1, 8),
)
@settings(max_examples=25, deadline=None)
def test_any_knobs_give_an_honest_log(
    preset: str, seed: int, rho: float, n_users: int, n_items: int, life_days: float, list_length: int
) -> None:
    sizes = {"n_interactions": 300, "n_users": n_users, "n_items": n_items, "span_days": 20, "list_length": list_length}
    world = make_world(resolve(preset, {"rho": rho, "life_days": life_days, "fade": 0, **sizes}), seed)
    log = simulate(world, seed)
    assert (log.time >= world.users.arrived[log.user]).all()
    assert (log.time >= world.items.published[log.item]).all()
    assert (log.time < world.items.ends[log.item]).all()
    assert len(set(zip(log.user.tolist(), log.item.tolist(), strict=True))) == len(log.user)
    assert np.isfinite(log.utility[world.users.ring[log.user] < 0]).all()


@pytest.mark.parametrize(
    ("preset", "knobs", "message"),
    [
        ("job", {}, "did you mean 'jobs'"),
        ("jobs", {"n_user": 5}, "did you mean 'n_users'"),
        ("jobs", {"rho": 2.0}, "between 0 and 1"),
        ("jobs", {"n_items": 0}, "above 0"),
        ("jobs", {"n_items": "many"}, "must be like 3000"),
        ("ugc", {"life_days": 0}, "fade"),
        ("ugc", {"item_columns": ("titel",)}, "did you mean 'title'"),
        ("ugc", {"words": "jokes"}, "clips"),
        ("ugc", {"signals": [{"evnt": "like"}]}, "did you mean 'event'"),
        ("ugc", {"signals": [{"event": "like"}]}, "lacks share, slope, delay_minutes"),
        ("ugc", {"signals": ["like"]}, "a share between 0 and 1, got 'like'"),
        ("jobs", {"match": [["city"]]}, "pairs"),
    ],
)
def test_a_wrong_knob_is_refused_with_what_is_valid(preset: str, knobs: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(preset=preset, **knobs)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rhoo: 0.2", r"mine.yaml: Unknown knob 'rhoo'.*did you mean 'rho'"),
        ("rho: 2", "mine.yaml: Knob 'rho' is a share between 0 and 1"),
        ("rho: [", "mine.yaml: cannot be read as YAML"),
        ("- rho", "expected lines of 'knob: value'"),
        ("preset: min", "did you mean 'mine'"),
        ("preset: mine", "one step only"),
    ],
)
def test_a_wrong_preset_is_refused_with_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    monkeypatch.setattr("recommender.simulate.presets.FOLDER", tmp_path)
    with pytest.raises(ConfigError, match=message):
        resolve("mine", {})


def test_a_preset_may_start_from_another_and_a_given_knob_wins_over_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wide.yaml").write_text("rho: 0.1\nadapt: 0.2\nlife_days: 3")
    (tmp_path / "mine.yaml").write_text("preset: wide\nadapt: 0.4\nlife_days: 5")
    monkeypatch.setattr("recommender.simulate.presets.FOLDER", tmp_path)
    knobs = resolve("mine", {"life_days": 7})
    assert (knobs.rho, knobs.adapt, knobs.life_days) == (0.1, 0.4, 7)


def test_the_library_is_imported_without_its_configuration_and_says_so_when_a_preset_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recommender.simulate.presets.FOLDER", tmp_path)
    assert preset_names(tmp_path) == []
    with pytest.raises(ConfigError, match="Unknown preset 'ugc'"):
        load(preset="ugc")


def test_the_program_writes_a_folder_that_reads_back(tmp_path: Path) -> None:
    target = tmp_path / "set"
    settings_ = [f"--set={name}={value}" for name, value in SMALL.items()]
    program.main(["--scenario", "jobs", "--to", str(target), "--seed", "3", *settings_])
    written, direct = build(read_folder(target)), build(load(preset="jobs", seed=3, **SMALL))
    assert_frame_equal(written.interactions, direct.interactions)
    assert_frame_equal(written.items.frame, direct.items.frame)
    assert written.match == direct.match


def test_the_program_refuses_a_knob_without_a_value(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="knob=value"):
        program.main(["--scenario", "jobs", "--to", str(tmp_path / "set"), "--set", "rho"])


def test_under_attack_spam_is_among_the_most_taken_of_its_days_and_by_default_it_is_not() -> None:
    def spam_in_top(preset: str) -> int:
        world, log = truth(preset)
        lately = (log.time > 20) & (log.time <= 24)
        top = np.argsort(-np.bincount(log.item[lately], minlength=world.knobs.n_items))[:20]
        return int((world.items.ring[top] >= 0).sum())

    assert spam_in_top("ugc") == 0
    assert spam_in_top("ugc_attack") > 5
