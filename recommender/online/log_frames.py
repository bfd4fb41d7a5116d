"""The part of a service's log that belongs to a test, and what its users did before."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from recommender.errors import ConfigError, DataError
from recommender.hashing import KEY, key_of, pseudonyms

CHAMPION, CANDIDATE = "champion", "candidate"  # the variants of make serve


def pair_of(served: pl.DataFrame, control: str | None, treated: str | None) -> tuple[str, str] | None:
    """The two variants that are compared; None where the log has no test and none is named. With two variants, the
    control is ``champion``, else the first by name. Raises ConfigError where it cannot be told."""
    there = sorted(served["variant"].unique().to_list())
    if missing := [name for name in (control, treated) if name is not None and name not in there]:
        raise ConfigError(f"The log has no variant {missing[0]!r}. There: {', '.join(map(repr, there))}.")
    if control is None and treated is None and len(named := [v for v in there if v]) == 2:
        control = CHAMPION if CHAMPION in named else named[0]
    elif control is None and treated is None and len(there) < 2:
        return None
    others = [v for v in there if v not in (control, treated)]
    if control is not None and treated is None and len(named := [v for v in others if v] or others) == 1:
        treated = named[0]
    if control is None or treated is None or control == treated:
        raise ConfigError(f"The log has the variants {', '.join(map(repr, there))}: name two, CONTROL= and TREATED=.")
    return control, treated


def parted(served: pl.DataFrame, pair: tuple[str, str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Lists of the test, which begins when both variants are shown, and all lists before it."""
    begun = served.filter(pl.col("variant").is_in(pair)).group_by("variant").agg(pl.col("as_of").min())["as_of"].max()
    return served.filter(pl.col("variant").is_in(pair), pl.col("as_of") >= begun), served.filter(
        pl.col("as_of") < begun
    )


def taken_before(interactions: pl.DataFrame, served: pl.DataFrame, log: Path) -> pl.DataFrame:
    """user_id and ``before``: how many interactions of each are earlier than the first list of ``served``. Where the
    log holds pseudonyms, ids are hashed by the key in its folder. Raises DataError where none is of the log's users."""
    rows = interactions.filter(pl.col("timestamp") < served["as_of"].min())
    if (log / KEY).exists() and served.schema["user_id"] == pl.String and not _known(rows, served):
        rows = rows.with_columns(pseudonyms(rows["user_id"], key_of(log)).alias("user_id"))
    if not _known(rows, served):
        raise DataError(
            f"BEFORE: none of its {rows.height:,} interactions before the test is of a user of "
            "the log, so they explain nothing. Give rows from before the test, with ids as the service has them."
        )
    ids = pl.col("user_id").cast(served.schema["user_id"], strict=False)
    return rows.with_columns(ids).drop_nulls("user_id").group_by("user_id").agg(pl.len().alias("before"))


def lists_before(earlier: pl.DataFrame, feedback: pl.DataFrame) -> pl.DataFrame | None:
    """user_id and ``before``: how many events of each user on the log's own lists before the test, beyond what so many
    lists bring on average. None where there are no such lists."""
    if not earlier.height:
        return None
    lists = earlier.select("list_id", "user_id").unique("list_id")
    taken = feedback.join(lists, on="list_id").group_by("user_id").agg(pl.len().alias("n"))
    users = lists.group_by("user_id").agg(pl.len().alias("lists")).join(taken, on="user_id", how="left")
    users = users.with_columns(pl.col("n").fill_null(0))
    rate = pl.col("n").sum() / pl.col("lists").sum()
    return users.select("user_id", before=pl.col("n") - rate * pl.col("lists"))


def _known(rows: pl.DataFrame, served: pl.DataFrame) -> bool:
    """Whether the log's users are those of the rows by their plain ids."""
    return bool(rows["user_id"].cast(pl.String).is_in(served["user_id"].unique().implode()).any())
