"""How a service writes things down: ids, timestamps, places, words drawn from a vocabulary, values left out."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import polars as pl

from recommender.data.table import Table
from recommender.simulate.draw import NICHES, TOPICS
from recommender.simulate.technologies import technologies
from recommender.simulate.vocabulary import CITIES, CLIPS, FILMS, FIRST_NAMES, LAST_NAMES, OCCUPATIONS


def words_of(vocabulary: str) -> np.ndarray:
    """Words of each topic, (TOPICS, 8); niche k of a topic owns words 2k and 2k + 1."""
    if vocabulary == "technologies":
        table = technologies()
        return np.array(
            [table.name[np.flatnonzero(table.uses[:, n])[:2]] for n in range(len(table.occupation))]
        ).reshape(TOPICS, -1)
    jobs = {topic: text.split("|")[1] for topic, text in OCCUPATIONS.items()}
    separator = {"films": None, "clips": None, "occupations": ","}[vocabulary]
    source = {"films": FILMS, "clips": CLIPS, "occupations": jobs}[vocabulary]
    return np.array([text.split(separator) for text in source.values()])


def titles(vocabulary: str) -> np.ndarray:
    """Job titles, (TOPICS * NICHES,): O*NET's beside its technologies."""
    if vocabulary == "technologies":
        return technologies().occupation
    return np.array([text.split("|")[0].split(", ") for text in OCCUPATIONS.values()]).ravel()


def niche_words(niche: np.ndarray, n: int, words: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``n`` words for each niche (rows,), four of five its own, the rest of its topic; (rows, n), repeats occur."""
    topic = niche[:, None] // NICHES
    of_niche = niche[:, None] % NICHES * 2 + rng.integers(2, size=(len(niche), n))
    of_topic = rng.integers(words.shape[1], size=of_niche.shape)
    return np.asarray(words[topic, np.where(rng.random(of_niche.shape) < 0.8, of_niche, of_topic)])


def lists(words: np.ndarray, mask: np.ndarray) -> pl.Series:
    """The words of each row (n, m) where ``mask`` is true, as a list without repeats."""
    columns = [
        pl.when(pl.Series(mask[:, i])).then(pl.Series(np.asarray(words[:, i], dtype=object), dtype=pl.String))
        for i in range(words.shape[1])
    ]
    return pl.select(pl.concat_list(columns).list.drop_nulls().list.unique(maintain_order=True)).to_series()


def join(words: np.ndarray, mask: np.ndarray) -> pl.Series:
    """The words of each row (n, m) where ``mask`` is true, as one string without repeats, capitalised."""
    return lists(words, mask).list.join(" ").str.to_titlecase()


def thinned(column: pl.Series, missing: float, rng: np.random.Generator) -> pl.Series:
    """``column`` with some values null."""
    return pl.select(pl.when(pl.Series(rng.random(len(column)) >= missing)).then(column)).to_series()


class Period(Protocol):
    """Knobs that say when the data end and how long they are."""

    @property
    def ends(self) -> str: ...
    @property
    def span_days(self) -> float: ...


def times(days: np.ndarray, knobs: Period) -> pl.Series:
    """Days since the start of the data -> UTC timestamps in whole seconds, rounded down; not finite -> null.

    Interactions, availability and expiry all pass here, so their order survives the rounding.
    """
    end = pl.Series([knobs.ends]).str.to_datetime("%Y-%m-%d", time_unit="us", time_zone="UTC").dt.epoch("s").item()
    known = np.isfinite(days)
    seconds = np.floor(np.where(known, days - knobs.span_days, 0) * 86_400).astype(np.int64) + end
    stamps = pl.from_epoch(pl.Series(seconds), time_unit="s").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return pl.select(pl.when(pl.Series(known)).then(stamps)).to_series()


def days(microseconds: np.ndarray, knobs: Period) -> np.ndarray:
    """The inverse of ``times``, float64."""
    end = pl.Series([knobs.ends]).str.to_datetime("%Y-%m-%d", time_unit="us", time_zone="UTC").dt.epoch("us").item()
    return np.asarray((microseconds - end) / 86_400_000_000 + knobs.span_days)


def place(city: np.ndarray, field: int) -> pl.Series:
    """A field of each city: 0 its name, 1 its state."""
    return pl.Series(np.array([place[field] for place in CITIES])[city])


def numbered(prefix: str, numbers: np.ndarray) -> pl.Series:
    """Names like ``c00042``."""
    return pl.Series(numbers).cast(pl.String).str.pad_start(5, "0").str.replace("^", prefix)


def ids(prefix: str, n: int) -> pl.Series:
    """Numbers with leading zeros, so that ids sort as rows do; the order of rows has nothing to do with time."""
    return pl.Series(np.arange(n)).cast(pl.String).str.pad_start(len(str(n - 1)), "0").str.replace("^", prefix)


def rows_of(known: pl.Series, wanted: pl.Series) -> np.ndarray:
    """Row of each id among the known ones, int64 (n,); -1 where unknown."""
    return Table(known.alias("id").to_frame(), {}, "id").lookup(wanted)


def people_of(niche: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """``n`` names for each niche (rows,), two of three of people who mostly work in it; (rows, n), repeats occur."""
    names = np.array([f"{first} {last}" for last in LAST_NAMES for first in FIRST_NAMES])
    niches = TOPICS * NICHES
    number = np.minimum(rng.geometric(0.15, (len(niche), n)) - 1, len(names) // niches - 1)  # few get most parts
    niche_word = number * niches + niche[:, None]
    return np.asarray(
        names[
            np.where(rng.random(niche_word.shape) < 0.67, niche_word, rng.integers(len(names), size=niche_word.shape))
        ]
    )
