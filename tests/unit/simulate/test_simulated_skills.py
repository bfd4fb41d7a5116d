"""The preset ``skills``: O*NET decides who uses what, careers move, skills rise and fade."""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl
import pytest

from recommender.simulate import SimulatedTruth, observed, play
from recommender.simulate.column_values import ids
from recommender.simulate.draw import NICHES, TOPICS
from recommender.simulate.technologies import TABLE, draw, technologies

SMALL = {"n_interactions": 8000, "n_users": 800, "block_hours": 240}


@cache
def everyone_moves() -> SimulatedTruth:
    return play(preset="skills", moves=1.0, **SMALL)


def used(truth: SimulatedTruth, niche: np.ndarray) -> np.ndarray:
    """Whether the people of ``niche`` (one for each row of the log) use the item that was taken, by O*NET's table."""
    return np.asarray(technologies().uses[truth.world.items.technology[truth.log.item], niche])


def test_the_extract_is_a_table_of_occupations_and_technologies_with_its_licence() -> None:
    table, notice = technologies(), (TABLE.parent / "LICENSE.txt").read_text()
    assert table.uses.shape == (len(table.name), TOPICS * NICHES)
    assert len(set(table.name)) == len(table.name) == len(table.category)
    assert table.uses.any(axis=1).all()
    assert table.uses.any(axis=0).all()
    assert len(table.field) == TOPICS
    assert "CC BY 4.0" in notice
    assert "has not approved, endorsed, or tested" in notice
    rows = pl.read_csv(TABLE, separator="\t", quote_char=None)
    for code, occupation in rows.select("code", "occupation").unique().rows():
        assert len(code) == 10, occupation


@pytest.mark.parametrize("n", [50, 336, 1000])
def test_every_technology_comes_once_before_any_comes_twice_and_has_a_niche_that_uses_it(n: int) -> None:
    technology, niche, topics = draw(n, np.random.default_rng(0))
    counts = np.bincount(technology, minlength=len(technologies().name))
    assert counts.max() - counts.min() <= 1
    assert technologies().uses[technology, niche].all()
    assert (topics[:, 0] == niche // NICHES).all()


def test_members_take_what_their_occupation_uses_and_change_that_when_they_move() -> None:
    truth = everyone_moves()
    user, careers = truth.log.user, truth.world.careers
    assert careers is not None
    after = truth.log.time > careers.moved[user]
    changed = careers.niche[user, 0] // 2 != truth.world.users.niche[user, 0] // 2  # two niches, one occupation
    old, new = used(truth, truth.world.users.niche[user, 0]), used(truth, careers.niche[user, 0])
    assert old[~after & changed].mean() > new[~after & changed].mean() + 0.2
    assert new[after & changed].mean() > old[after & changed].mean() + 0.2


def test_a_burst_of_skills_follows_a_move() -> None:
    truth = everyone_moves()
    careers = truth.world.careers
    assert careers is not None
    since = truth.log.time - careers.moved[truth.log.user]
    assert ((since >= 0) & (since < 30)).sum() > 1.5 * ((since < 0) & (since >= -30)).sum()


def test_nobody_has_careers_where_nobody_moves() -> None:
    assert play(preset="skills", moves=0.0, **SMALL).world.careers is None
    assert play(preset="jobs", n_interactions=500, n_users=100, n_items=100).world.careers is None


@pytest.mark.parametrize(("sd", "rises"), [(0.0, False), (6.0, True)])
def test_what_rises_is_taken_later(sd: float, rises: bool) -> None:
    truth = play(preset="skills", rise_sd=sd, back_catalogue=1.0, **SMALL)
    items, n = truth.world.items, truth.world.knobs.n_items
    count, late = (np.bincount(truth.log.item, w, n) for w in (None, truth.log.time))
    seen = count >= 10
    mean_time = late[seen] / count[seen]
    if rises:
        assert np.corrcoef(mean_time, items.rise[seen])[0, 1] > 0.5
    else:
        assert not items.rise.any()


def test_the_stated_occupation_is_that_at_sign_up() -> None:
    truth = everyone_moves()
    users = observed(truth).users
    assert users is not None
    first = technologies().occupation[truth.world.users.niche[:, 0]]
    stated = users["occupation"].is_not_null().to_numpy()
    assert stated.mean() > 0.9
    assert (users["occupation"].to_numpy()[stated] == first[stated]).all()
    assert (users["user_id"] == ids("u", len(users))).all()


def test_the_truth_knows_the_taste_of_the_occupation_of_the_moment() -> None:
    truth = everyone_moves()
    careers = truth.world.careers
    assert careers is not None
    user = np.flatnonzero(np.isfinite(careers.moved))[:50]
    before, after = (truth.world.present("taste", user, careers.moved[user] + step) for step in (-0.5, 0.0))
    np.testing.assert_array_equal(before, truth.world.users.taste[user])
    np.testing.assert_array_equal(after, careers.taste[user])
    assert np.abs(truth.taste(user, careers.moved[user]) - after).mean() < np.abs(before - after).mean()


def test_items_beyond_the_table_are_named_apart() -> None:
    items = observed(play(preset="skills", n_interactions=500, n_users=100, n_items=700)).items
    assert items["skill"].n_unique() == 700
    assert items.filter(pl.col("occupations").is_null()).height < 0.1 * len(items)
