"""What a service knows of its items: columns made from the ground truth, thinned and blurred by the knobs.

Columns show topics and niches (the explained part of taste), never scenes (the unexplained part).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from recommender.simulate.column_values import (
    join,
    lists,
    niche_words,
    numbered,
    people_of,
    thinned,
    times,
    titles,
    words_of,
)
from recommender.simulate.draw import NICHES
from recommender.simulate.technologies import technologies
from recommender.simulate.vocabulary import CITIES, FILMS, SENIORITY, SHARED_WORDS, TOPICS
from recommender.simulate.world import World

EMBEDDING_WIDTH = 16
RECODED, REWORKED = 0.02, 0.1  # change of the embedding of a cloned video, and of one that is meant to hide it


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
    return thinned(text, world.knobs.metadata_missing, rng)[_looks_like(world)]


def job_title(world: World, rng: np.random.Generator) -> pl.Series:
    """Seniority (stated in most titles) and the niche's usual title."""
    items = world.items
    stated = rng.random(len(items.niche)) < 0.6
    level = np.array(SENIORITY)[items.level]
    return join(
        np.column_stack([level, titles(world.knobs.words)[items.niche]]),
        np.column_stack([stated, np.full(len(stated), True)]),
    )


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
    shown = rng.random(words.shape) < [1, 0.6, 0.3]
    return thinned(lists(words, shown), world.knobs.metadata_missing, rng)[_looks_like(world)]


def item_skills(world: World, rng: np.random.Generator) -> pl.Series:
    """Two to four skills, most of the posting's niche."""
    words = niche_words(world.items.niche, 4, words_of(world.knobs.words), rng)
    return thinned(lists(words, rng.random(words.shape) < [1, 1, 0.7, 0.4]), world.knobs.metadata_missing, rng)


def skill(world: World, rng: np.random.Generator) -> pl.Series:
    """The technology's name; where it comes again, with a number."""
    technology = world.items.technology
    again = np.arange(len(technology)) // len(technologies().name) + 1
    named = pl.DataFrame({"name": technologies().name[technology], "again": again})
    numbered = pl.when(pl.col("again") > 1).then(pl.format("{} {}", "name", "again")).otherwise("name")
    return named.select(numbered.alias("skill"))["skill"]


def skill_category(world: World, rng: np.random.Generator) -> pl.Series:
    """O*NET's category of the technology."""
    return pl.Series(technologies().category[world.items.technology])


def used_by(world: World, rng: np.random.Generator) -> pl.Series:
    """Titles of the occupations that use the technology; of a mislabelled one, the title of another niche alone."""
    table, items = technologies(), world.items
    right = pl.Series([np.unique(table.occupation[uses]).tolist() for uses in table.uses])
    shown = right.gather(items.technology)
    wrong = pl.DataFrame({"label": table.occupation[items.label]}).select(pl.concat_list("label"))["label"]
    column = pl.select(pl.when(pl.Series(items.label == items.niche)).then(shown).otherwise(wrong)).to_series()
    return thinned(column, world.knobs.metadata_missing, rng)


def creator(world: World, rng: np.random.Generator) -> pl.Series:
    """Ids of creators, numbered at random."""
    return numbered("c", rng.permutation(world.items.creator.max() + 1)[world.items.creator])


def year(world: World, rng: np.random.Generator) -> pl.Series:
    """Release year: that of publication for new releases, up to decades earlier in the back catalogue."""
    published = times(world.items.published, world.knobs).dt.year().to_numpy()
    older = np.where(world.items.published < 0, rng.exponential(12, len(published)), 0)
    return pl.Series((published - older).round().astype(np.int64))


def duration(world: World, rng: np.random.Generator) -> pl.Series:
    """Seconds; typical lengths differ by topic."""
    typical = 15 * 2 ** rng.uniform(0, 3, TOPICS)
    return pl.Series(
        (typical[world.items.topics[:, 0]] * np.exp(0.5 * rng.standard_normal(world.knobs.n_items))).round(1)
    )


def embedding(world: World, rng: np.random.Generator) -> pl.Series:
    """Like a vision model's: a random projection of topics and niche, with noise; 16 floats."""
    knobs, items = world.knobs, world.items
    of_topic = rng.standard_normal((TOPICS, EMBEDDING_WIDTH)) / 4
    of_niche = rng.standard_normal((TOPICS * NICHES, EMBEDDING_WIDTH)) / 8
    vectors = of_topic[items.topics[:, 0]] + 0.4 * of_topic[items.topics[:, 1]] + of_niche[items.niche]
    vectors += knobs.embedding_noise * rng.standard_normal(vectors.shape)
    changed = np.where(items.generation > 0, REWORKED, RECODED) * (items.source != np.arange(len(vectors)))
    vectors = vectors[items.source] + changed[:, None] * rng.standard_normal(vectors.shape)
    return pl.Series(vectors.astype(np.float32)).arr.to_list()


def item_location(world: World, rng: np.random.Generator) -> pl.Series:
    """Latitude and longitude, some kilometres around the centre of the city."""
    scatter = 0.05 * rng.standard_normal((len(world.items.city), 2))
    point = np.array([city[2:] for city in CITIES], float)[world.items.city] + scatter
    return pl.DataFrame(point.round(4), schema=["lat", "lon"]).to_struct()


def salary(world: World, rng: np.random.Generator) -> pl.Series:
    """Yearly, in hundreds: what occupation and level usually pay, 15% up or down; null for one in five."""
    usual = 40_000 * 2 ** rng.uniform(0, 1, TOPICS)
    pay = usual[world.items.topics[:, 0]] * (1 + 0.3 * world.items.level) * np.exp(0.15 * world.items.salary)
    return thinned(pl.Series(pay.round(-2)), 0.2, rng)


def people(world: World, rng: np.random.Generator) -> pl.Series:
    """Two to four names, most of them known for this kind of film."""
    names = people_of(world.items.label, 4, rng)
    return thinned(lists(names, rng.random(names.shape) < [1, 1, 0.6, 0.3]), world.knobs.metadata_missing, rng)


def editorial_rank(world: World, rng: np.random.Generator) -> pl.Series:
    """1 for the editors' first choice ...; null for what they did not choose. They see quality with an error."""
    seen = world.items.quality + world.knobs.quality_sd * rng.standard_normal(world.knobs.n_items)
    rank = np.empty(len(seen), np.int64)
    rank[np.argsort(-seen)] = np.arange(1, len(seen) + 1)
    return pl.select(pl.when(pl.Series(rank <= world.knobs.editorial)).then(pl.Series(rank))).to_series()


def _looks_like(world: World) -> np.ndarray:
    """The item whose words each item shows: a clone those of its original, unless its ring has learned to reword."""
    items = world.items
    return np.where(items.generation > 0, np.arange(len(items.source)), items.source)
