"""The columns that ``item_columns`` and ``user_columns`` of the knobs may name.

Each column has a random stream of its own, seeded by the name of its function, so that adding one leaves the others as
they are. Columns that are an array of the world as it is stand here in one line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from recommender.errors import ConfigError, nearest
from recommender.hashing import of_name
from recommender.simulate import item_columns as item
from recommender.simulate import user_columns as user
from recommender.simulate.column_values import place, times
from recommender.simulate.knobs import Knobs
from recommender.simulate.vocabulary import COUNTRIES, EDUCATION, GENDERS, SENIORITY
from recommender.simulate.world import World

Maker = Callable[[World, np.random.Generator], pl.Series]


def _word(words: Sequence[str], number: np.ndarray) -> pl.Series:
    return pl.Series(np.array(words)[number])


@dataclass(frozen=True)
class Column:
    """One column of items or users; no role: a standard column."""

    name: str
    role: str | None
    make: Maker


def make_table(world: World, ids: pl.Series, columns: tuple[Column, ...], seed: int) -> pl.DataFrame:
    """The ids and the columns side by side, one row per item or user of ``world``."""
    series = [ids]
    for column in columns:
        rng = np.random.default_rng([seed, 3, of_name(column.make.__name__)])
        series.append(column.make(world, rng).alias(column.name))
    return pl.DataFrame(series)


def chosen(registry: Mapping[str, Column], names: tuple[str, ...], kind: str) -> tuple[Column, ...]:
    """The named columns. Raises ConfigError naming the nearest valid name."""
    for name in names:
        if name not in registry:
            raise ConfigError(f"The simulator has no {kind} column '{name}'{nearest(name, registry)}")
    return tuple(registry[name] for name in names)


def check(knobs: Knobs) -> None:
    """Raises ConfigError for a column that there is not."""
    chosen(ITEMS, knobs.item_columns, "item")
    chosen(USERS, knobs.user_columns, "user")


def roles(chosen: tuple[Column, ...]) -> dict[str, str]:
    """Role of each column, as dataset.yaml states them; standard columns have none."""
    return {column.name: column.role for column in chosen if column.role is not None}


ITEMS: Mapping[str, Column] = {
    "title": Column("title", "text", item.film_title),
    "job_title": Column("title", "text", item.job_title),
    "caption": Column("caption", "text", item.caption),
    "genres": Column("genres", "multi", item.genres),
    "tags": Column("tags", "multi", item.tags),
    "people": Column("people", "multi", item.people),
    "skills": Column("skills", "multi", item.item_skills),
    "skill": Column("skill", "text", item.skill),
    "skill_category": Column("category", "category", item.skill_category),
    "used_by": Column("occupations", "multi", item.used_by),
    "year": Column("year", "numeric", item.year),
    "director": Column("director", "category", item.creator),
    "creator": Column("creator", "category", item.creator),
    "company": Column("company", "category", item.creator),
    "duration": Column("duration", "numeric", item.duration),
    "embedding": Column("embedding", "embedding", item.embedding),
    "city": Column("city", "category", lambda w, _: place(w.items.city, 0)),
    "state": Column("state", "category", lambda w, _: place(w.items.city, 1)),
    "location": Column("location", "location", item.item_location),
    "remote": Column("remote", "category", lambda w, _: pl.Series(w.items.remote)),
    "salary": Column("salary", "numeric", item.salary),
    "seniority": Column("seniority", "category", lambda w, _: _word(SENIORITY, w.items.level)),
    "education": Column("education", "category", lambda w, _: _word(EDUCATION, w.items.education)),
    "vacancies": Column("vacancies", "ignore", lambda w, _: pl.Series(w.items.vacancies)),
    "editorial_rank": Column("editorial_rank", "ignore", item.editorial_rank),
    "available_from": Column("available_from", None, lambda w, _: times(w.items.published, w.knobs)),
    "expires_at": Column("expires_at", None, lambda w, _: times(w.items.ends, w.knobs)),
    # when moderators confirmed a violation; null: not within the data. Before that time nobody knows
    "moderated_at": Column("moderated_at", "ignore", lambda w, _: times(w.items.moderated, w.knobs)),
}
USERS: Mapping[str, Column] = {
    "country": Column("country", "category", lambda w, _: _word(COUNTRIES, w.users.country)),
    "age_band": Column("age_band", "category", user.age_band),
    "device": Column("device", "category", user.device),
    "occupation": Column("occupation", "category", user.occupation),
    "industry": Column("industry", "category", user.industry),
    "past_positions": Column("past_positions", "text", user.past_positions),
    "city": Column("city", "category", lambda w, _: place(w.users.city, 0)),
    "state": Column("state", "category", lambda w, _: place(w.users.city, 1)),
    "user_location": Column("location", "location", user.user_location),
    "willing_to_move": Column("willing_to_move", "ignore", lambda w, _: pl.Series(w.users.willing)),
    "skills": Column("skills", "multi", user.user_skills),
    "seniority": Column("seniority", "category", lambda w, _: _word(SENIORITY, w.users.level)),
    "education": Column("education", "category", lambda w, _: _word(EDUCATION, w.users.education)),
    "gender": Column("gender", "protected", lambda w, _: _word(GENDERS, w.users.gender)),
    "age_group": Column("age_group", "protected", user.age_band),
    "follows": Column("follows", "ignore", user.follows),
    "signed_up_at": Column("signed_up_at", "ignore", lambda w, _: times(w.users.signed_up, w.knobs)),
}
