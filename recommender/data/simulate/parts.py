"""Words into columns, and values left out."""

from __future__ import annotations

import numpy as np
import polars as pl

from recommender.data.simulate.vocabulary import CLIPS, FILMS, OCCUPATIONS
from recommender.data.simulate.world import NICHES


def words_of(vocabulary: str) -> np.ndarray:
    """Words of each topic, (TOPICS, 8); niche k of a topic owns words 2k and 2k + 1."""
    jobs = {topic: text.split("|")[1] for topic, text in OCCUPATIONS.items()}
    separator = {"films": None, "clips": None, "occupations": ","}[vocabulary]
    source = {"films": FILMS, "clips": CLIPS, "occupations": jobs}[vocabulary]
    return np.array([text.split(separator) for text in source.values()])


def titles() -> np.ndarray:
    """Job titles, (TOPICS * NICHES,)."""
    return np.array([text.split("|")[0].split(", ") for text in OCCUPATIONS.values()]).ravel()


def niche_words(niche: np.ndarray, n: int, words: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``n`` words for each niche (rows,), four of five its own, the rest of its topic; (rows, n), repeats occur."""
    topic = niche[:, None] // NICHES
    own = niche[:, None] % NICHES * 2 + rng.integers(2, size=(len(niche), n))
    of_topic = rng.integers(words.shape[1], size=own.shape)
    return np.asarray(words[topic, np.where(rng.random(own.shape) < 0.8, own, of_topic)])


def lists(words: np.ndarray, kept: np.ndarray) -> pl.Series:
    """The kept words of each row (n, m) as a list without repeats."""
    return (
        _masked(words, kept)
        .select(pl.concat_list(pl.all()).list.drop_nulls().list.unique(maintain_order=True))
        .to_series()
    )


def join(words: np.ndarray, kept: np.ndarray) -> pl.Series:
    """The kept words of each row (n, m) as one string without repeats, capitalised."""
    return lists(words, kept).list.join(" ").str.to_titlecase()


def _masked(words: np.ndarray, kept: np.ndarray) -> pl.DataFrame:
    frame = pl.DataFrame(
        [pl.Series(f"w{i}", np.asarray(words[:, i], dtype=object), pl.String) for i in range(words.shape[1])]
    )
    return frame.select(
        pl.when(pl.Series(kept[:, i])).then(pl.col(f"w{i}")).alias(f"w{i}") for i in range(words.shape[1])
    )


def thinned(column: pl.Series, missing: float, rng: np.random.Generator) -> pl.Series:
    """``column`` with some values null."""
    return pl.select(pl.when(pl.Series(rng.random(len(column)) >= missing)).then(column)).to_series()
