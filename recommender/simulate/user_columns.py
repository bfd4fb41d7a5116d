"""What a service knows of its users: columns made from the ground truth, thinned by the knobs."""

from __future__ import annotations

import numpy as np
import polars as pl

from recommender.simulate.column_values import ids, lists, niche_words, thinned, titles, words_of
from recommender.simulate.draw import NICHES, TOPICS
from recommender.simulate.technologies import technologies
from recommender.simulate.vocabulary import AGE_BANDS, CITIES, DEVICES
from recommender.simulate.world import World


def age_band(world: World, rng: np.random.Generator) -> pl.Series:
    """Stated by seven of ten users."""
    return thinned(pl.Series(np.array(AGE_BANDS)[world.users.age]), 0.3, rng)


def device(world: World, rng: np.random.Generator) -> pl.Series:
    """Drawn at random, so it has nothing to do with taste."""
    return pl.Series(np.array(DEVICES)[rng.choice(len(DEVICES), world.knobs.n_users, p=[0.5, 0.2, 0.1, 0.2])])


def past_positions(world: World, rng: np.random.Generator) -> pl.Series:
    """One to three titles, most of the user's own niche, the rest of the same occupation; null without a résumé."""
    niche = world.users.niche[:, [0]]
    near = niche // NICHES * NICHES + rng.integers(NICHES, size=(len(niche), 3))
    held = titles(world.knobs.words)[np.where(rng.random(near.shape) < 0.7, niche, near)]
    return _of_resumes(lists(held, rng.random(held.shape) < [1, 0.6, 0.3]), world)


def occupation(world: World, rng: np.random.Generator) -> pl.Series:
    """The title at sign-up: a profile is seldom brought up to date, and what came later would tell of the future."""
    held = pl.Series(titles(world.knobs.words)[world.users.niche[:, 0]])
    return thinned(held, world.knobs.metadata_missing, rng)


def industry(world: World, rng: np.random.Generator) -> pl.Series:
    """The field of the occupation at sign-up; one in five works in the industry of another one."""
    field = world.users.niche[:, 0] // NICHES
    elsewhere = rng.random(len(field)) < 0.2
    return pl.Series(technologies().field[np.where(elsewhere, rng.integers(TOPICS, size=len(field)), field)])


def user_skills(world: World, rng: np.random.Generator) -> pl.Series:
    """Two to five skills, most of the user's niche; null without a résumé."""
    words = niche_words(world.users.niche[:, 0], 5, words_of(world.knobs.words), rng)
    return _of_resumes(lists(words, rng.random(words.shape) < [1, 1, 0.8, 0.6, 0.4]), world)


def _of_resumes(column: pl.Series, world: World) -> pl.Series:
    return pl.select(pl.when(pl.Series(world.users.has_resume)).then(column)).to_series()


def user_location(world: World, rng: np.random.Generator) -> pl.Series:
    """The centre of the city that a seeker states."""
    point = np.array([city[2:] for city in CITIES], float)[world.users.city]
    return pl.DataFrame(point, schema=["lat", "lon"]).to_struct()


def follows(world: World, rng: np.random.Generator) -> pl.Series:
    """User ids of the accounts that each user followed at sign-up; often none."""
    import pyarrow as pa  # for simulated services of this kind only

    graph = world.follows.sorted_indices()
    followed = ids("u", world.knobs.n_users).gather(graph.indices).to_arrow()
    column = pl.from_arrow(pa.LargeListArray.from_arrays(graph.indptr.astype("int64"), followed))
    assert isinstance(column, pl.Series)
    return column
