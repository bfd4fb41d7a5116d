"""The columns that ``item_columns`` and ``user_columns`` of the knobs may name.

Each column has a random stream of its own, so that adding one leaves the others as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from recommender.errors import ConfigError, nearest
from recommender.hashing import of_name
from recommender.simulate import item_columns as item
from recommender.simulate import user_columns as user
from recommender.simulate.knobs import Knobs
from recommender.simulate.world import World

Maker = Callable[[World, np.random.Generator], pl.Series]


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
    return {column.name: column.role for column in chosen if column.role is not None}


ITEMS: Mapping[str, Column] = {
    "title": Column("title", "text", item.film_title),
    "job_title": Column("title", "text", item.job_title),
    "caption": Column("caption", "text", item.caption),
    "genres": Column("genres", "multi", item.genres),
    "tags": Column("tags", "multi", item.tags),
    "people": Column("people", "multi", item.people),
    "skills": Column("skills", "multi", item.item_skills),
    "year": Column("year", "numeric", item.year),
    "director": Column("director", "category", item.creator),
    "creator": Column("creator", "category", item.creator),
    "company": Column("company", "category", item.creator),
    "duration": Column("duration", "numeric", item.duration),
    "embedding": Column("embedding", "embedding", item.embedding),
    "city": Column("city", "category", item.item_city),
    "state": Column("state", "category", item.item_state),
    "location": Column("location", "location", item.item_location),
    "remote": Column("remote", "category", item.remote),
    "salary": Column("salary", "numeric", item.salary),
    "seniority": Column("seniority", "category", item.item_level),
    "education": Column("education", "category", item.item_degree),
    "vacancies": Column("vacancies", "ignore", item.vacancies),
    "editorial_rank": Column("editorial_rank", "ignore", item.editorial_rank),
    "available_from": Column("available_from", None, item.available_from),
    "expires_at": Column("expires_at", None, item.expires_at),
    "moderated_at": Column("moderated_at", "ignore", item.moderated_at),
}
USERS: Mapping[str, Column] = {
    "country": Column("country", "category", user.country),
    "age_band": Column("age_band", "category", user.age_band),
    "device": Column("device", "category", user.device),
    "past_positions": Column("past_positions", "text", user.past_positions),
    "city": Column("city", "category", user.user_city),
    "state": Column("state", "category", user.user_state),
    "user_location": Column("location", "location", user.user_location),
    "willing_to_move": Column("willing_to_move", "ignore", user.willing_to_move),
    "skills": Column("skills", "multi", user.user_skills),
    "seniority": Column("seniority", "category", user.user_level),
    "education": Column("education", "category", user.user_degree),
    "gender": Column("gender", "protected", user.gender),
    "age_group": Column("age_group", "protected", user.age_band),
    "follows": Column("follows", "ignore", user.follows),
    "signed_up_at": Column("signed_up_at", "ignore", user.signed_up_at),
}
