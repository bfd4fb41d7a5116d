"""What a service knows of its items and users: columns made from the ground truth, thinned and blurred by the knobs.

Columns show topics and niches (the explained part of taste), never scenes (the unexplained part).
Each column has a random stream of its own, so that adding one leaves the others as they are.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from recommender.data.simulate.knobs import Knobs
from recommender.data.simulate.parts import join, lists, niche_words, thinned, titles, words_of
from recommender.data.simulate.vocabulary import (
    AGE_BANDS,
    CITIES,
    COUNTRIES,
    DEVICES,
    FILMS,
    GENDERS,
    SENIORITY,
    SHARED_WORDS,
    TOPICS,
)
from recommender.data.simulate.world import NICHES, World

EMBEDDING_WIDTH = 16
Maker = Callable[[World, np.random.Generator], pl.Series]


@dataclass(frozen=True)
class Column:
    """One column of items or users; no role: a standard column."""

    name: str
    role: str | None
    make: Maker


def make_table(world: World, columns: tuple[Column, ...], seed: int) -> pl.DataFrame:
    """The columns side by side, one row per item or user of ``world``."""
    series = []
    for column in columns:
        rng = np.random.default_rng([seed, 3, zlib.crc32(column.make.__name__.encode())])
        series.append(column.make(world, rng).alias(column.name))
    return pl.DataFrame(series)


def times(days: np.ndarray, knobs: Knobs) -> pl.Series:
    """Days since the start of the data -> UTC timestamps in whole seconds, rounded down; not finite -> null.

    Interactions, availability and expiry all pass here, so their order survives the rounding.
    """
    end = pl.Series([knobs.ends]).str.to_datetime("%Y-%m-%d", time_unit="us", time_zone="UTC").dt.epoch("s").item()
    known = np.isfinite(days)
    seconds = np.floor(np.where(known, days - knobs.span_days, 0) * 86_400).astype(np.int64) + end
    stamps = pl.from_epoch(pl.Series(seconds), time_unit="s").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return pl.select(pl.when(pl.Series(known)).then(stamps)).to_series()


# --- items -----------------------------------------------------------------------------------------


def available_from(world: World, rng: np.random.Generator) -> pl.Series:
    return times(world.items.published, world.knobs)


def expires_at(world: World, rng: np.random.Generator) -> pl.Series:
    return times(world.items.ends, world.knobs)


def film_title(world: World, rng: np.random.Generator) -> pl.Series:
    """Two or three words of the film's niche and topic, some with a word that any title may have."""
    n = len(world.items.niche)
    words = niche_words(world.items.niche, 2, words_of(world.knobs.words), rng)
    shared = np.array(SHARED_WORDS)[rng.integers(len(SHARED_WORDS), size=n)]
    return join(np.column_stack([shared, words]), np.column_stack([rng.random(n) < 0.5, np.full((n, 2), True)]))


def caption(world: World, rng: np.random.Generator) -> pl.Series:
    """One to four words, every other of them of no topic; often empty (null)."""
    n = len(world.items.niche)
    words = niche_words(world.items.label, 2, words_of(world.knobs.words), rng)
    shared = np.array(SHARED_WORDS)[rng.integers(len(SHARED_WORDS), size=(n, 2))]
    text = join(np.column_stack([words, shared]), rng.random((n, 4)) < [1, 0.5, 0.6, 0.4])
    return thinned(text, world.knobs.metadata_missing, rng)


def job_title(world: World, rng: np.random.Generator) -> pl.Series:
    """Seniority (stated in most titles) and the niche's usual title."""
    items = world.items
    stated = rng.random(len(items.niche)) < 0.6
    level = np.array(SENIORITY)[items.level]
    return join(np.column_stack([level, titles()[items.niche]]), np.column_stack([stated, np.full(len(stated), True)]))


def genres(world: World, rng: np.random.Generator) -> pl.Series:
    """Names of the topics: the main one and, in three of five films, the second."""
    topics = world.items.topics.copy()
    topics[:, 0] = world.items.label // NICHES
    second = (rng.random(len(topics)) < 0.6) & (topics[:, 0] != topics[:, 1])
    names = np.array(list(FILMS))[topics]
    return thinned(
        lists(names, np.column_stack([np.full(len(topics), True), second])), world.knobs.metadata_missing, rng
    )


def tags(world: World, rng: np.random.Generator) -> pl.Series:
    """Up to three words of the niche; those of a mislabelled item belong to another topic."""
    words = niche_words(world.items.label, 3, words_of(world.knobs.words), rng)
    kept = rng.random(words.shape) < [1, 0.6, 0.3]
    return thinned(lists(words, kept), world.knobs.metadata_missing, rng)


def item_skills(world: World, rng: np.random.Generator) -> pl.Series:
    words = niche_words(world.items.niche, 4, words_of(world.knobs.words), rng)
    return thinned(lists(words, rng.random(words.shape) < [1, 1, 0.7, 0.4]), world.knobs.metadata_missing, rng)


def creator(world: World, rng: np.random.Generator) -> pl.Series:
    return _numbered("c", rng.permutation(world.knobs.n_creators)[world.items.creator])


def year(world: World, rng: np.random.Generator) -> pl.Series:
    """Release year: that of publication for new releases, up to decades earlier in the back catalogue."""
    published = available_from(world, rng).dt.year().to_numpy()
    older = np.where(world.items.published < 0, rng.exponential(12, len(published)), 0)
    return pl.Series((published - older).round().astype(np.int64))


def duration(world: World, rng: np.random.Generator) -> pl.Series:
    """Seconds; typical lengths differ by topic."""
    typical = 15 * 2 ** rng.uniform(0, 3, TOPICS)
    return pl.Series(
        (typical[world.items.topics[:, 0]] * np.exp(0.5 * rng.standard_normal(world.knobs.n_items))).round(1)
    )


def embedding(world: World, rng: np.random.Generator) -> pl.Series:
    """As a vision model would give: a random projection of topics and niche, with noise; 16 floats."""
    knobs, items = world.knobs, world.items
    of_topic = rng.standard_normal((TOPICS, EMBEDDING_WIDTH)) / 4
    of_niche = rng.standard_normal((TOPICS * NICHES, EMBEDDING_WIDTH)) / 8
    vectors = of_topic[items.topics[:, 0]] + 0.4 * of_topic[items.topics[:, 1]] + of_niche[items.niche]
    vectors += knobs.embedding_noise * rng.standard_normal(vectors.shape)
    return pl.Series(vectors.astype(np.float32)).arr.to_list()


def item_city(world: World, rng: np.random.Generator) -> pl.Series:
    return _place(world.items.city, 0)


def item_state(world: World, rng: np.random.Generator) -> pl.Series:
    return _place(world.items.city, 1)


def item_location(world: World, rng: np.random.Generator) -> pl.Series:
    """Latitude and longitude, some kilometres around the centre of the city."""
    scatter = 0.05 * rng.standard_normal((len(world.items.city), 2))
    point = np.array([city[2:] for city in CITIES], float)[world.items.city] + scatter
    return pl.DataFrame(point.round(4), schema=["lat", "lon"]).to_struct()


def item_level(world: World, rng: np.random.Generator) -> pl.Series:
    return pl.Series(np.array(SENIORITY)[world.items.level])


def salary(world: World, rng: np.random.Generator) -> pl.Series:
    """Yearly, in hundreds: what occupation and level usually pay, 15% up or down; one in five does not say."""
    usual = 40_000 * 2 ** rng.uniform(0, 1, TOPICS)
    pay = usual[world.items.topics[:, 0]] * (1 + 0.3 * world.items.level) * np.exp(0.15 * world.items.salary)
    return thinned(pl.Series(pay.round(-2)), 0.2, rng)


# --- users -----------------------------------------------------------------------------------------


def country(world: World, rng: np.random.Generator) -> pl.Series:
    return pl.Series(np.array(COUNTRIES)[world.users.country])


def age_band(world: World, rng: np.random.Generator) -> pl.Series:
    return thinned(pl.Series(np.array(AGE_BANDS)[world.users.age]), 0.3, rng)


def gender(world: World, rng: np.random.Generator) -> pl.Series:
    return pl.Series(np.array(GENDERS)[world.users.gender])


def device(world: World, rng: np.random.Generator) -> pl.Series:
    return pl.Series(np.array(DEVICES)[rng.choice(len(DEVICES), world.knobs.n_users, p=[0.5, 0.2, 0.1, 0.2])])


def user_city(world: World, rng: np.random.Generator) -> pl.Series:
    return _place(world.users.city, 0)


def user_state(world: World, rng: np.random.Generator) -> pl.Series:
    return _place(world.users.city, 1)


def user_level(world: World, rng: np.random.Generator) -> pl.Series:
    return pl.Series(np.array(SENIORITY)[world.users.level])


def past_positions(world: World, rng: np.random.Generator) -> pl.Series:
    """One to three titles, most of the user's own niche, the rest of the same occupation; null without a résumé."""
    own = world.users.niche[:, [0]]
    near = own // NICHES * NICHES + rng.integers(NICHES, size=(len(own), 3))
    held = titles()[np.where(rng.random(near.shape) < 0.7, own, near)]
    return _of_resumes(lists(held, rng.random(held.shape) < [1, 0.6, 0.3]), world)


def user_skills(world: World, rng: np.random.Generator) -> pl.Series:
    words = niche_words(world.users.niche[:, 0], 5, words_of(world.knobs.words), rng)
    return _of_resumes(lists(words, rng.random(words.shape) < [1, 1, 0.8, 0.6, 0.4]), world)


def _of_resumes(column: pl.Series, world: World) -> pl.Series:
    return pl.select(pl.when(pl.Series(world.users.has_resume)).then(column)).to_series()


def _place(city: np.ndarray, part: int) -> pl.Series:
    return pl.Series(np.array([place[part] for place in CITIES])[city])


def _numbered(prefix: str, numbers: np.ndarray) -> pl.Series:
    return pl.Series(numbers).cast(pl.String).str.pad_start(5, "0").str.replace("^", prefix)


ITEMS: Mapping[str, Column] = {
    "title": Column("title", "text", film_title),
    "job_title": Column("title", "text", job_title),
    "caption": Column("caption", "text", caption),
    "genres": Column("genres", "multi", genres),
    "tags": Column("tags", "multi", tags),
    "skills": Column("skills", "multi", item_skills),
    "year": Column("year", "numeric", year),
    "director": Column("director", "category", creator),
    "creator": Column("creator", "category", creator),
    "company": Column("company", "category", creator),
    "duration": Column("duration", "numeric", duration),
    "embedding": Column("embedding", "embedding", embedding),
    "city": Column("city", "category", item_city),
    "state": Column("state", "category", item_state),
    "location": Column("location", "location", item_location),
    "salary": Column("salary", "numeric", salary),
    "seniority": Column("seniority", "category", item_level),
    "available_from": Column("available_from", None, available_from),
    "expires_at": Column("expires_at", None, expires_at),
}
USERS: Mapping[str, Column] = {
    "country": Column("country", "category", country),
    "age_band": Column("age_band", "category", age_band),
    "device": Column("device", "category", device),
    "past_positions": Column("past_positions", "text", past_positions),
    "city": Column("city", "category", user_city),
    "state": Column("state", "category", user_state),
    "skills": Column("skills", "multi", user_skills),
    "seniority": Column("seniority", "category", user_level),
    "gender": Column("gender", "protected", gender),
    "age_group": Column("age_group", "protected", age_band),
}
