"""Any site of Stack Exchange as skills: a tag first used by a member, in a question or in an answer to one.

Reads Posts and Users of the data dump (XML) or of an export from the Data Explorer (CSV with the same names). The
content is CC BY-SA. A tag's first use is not when it became available, so no availability is stated; names, places
and texts of members are not read.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from recommender.data.notes import Repair
from recommender.data.spec import Features, Spec, Tables
from recommender.errors import DataError
from recommender.sources.dump_xml import read_rows
from recommender.sources.files import find, read_csv

LAYOUTS = {"dump": ("Posts.xml", "Users.xml"), "export": ("Posts.csv", "Users.csv")}
POSTS = ("Id", "PostTypeId", "ParentId", "OwnerUserId", "CreationDate", "Tags")
USERS = ("Id", "CreationDate")
QUESTION, ANSWER = "1", "2"
SPEC = Spec(features=Features(items={"words": "text"}, users={"joined": "ignore"}), positive=["used"])


def load(raw_dir: Path | None, site: str = "stackexchange") -> Tables:
    """First uses of tags as interactions, the tags, and the members who used one with the time they joined.

    site: the folder that holds the files, such as ``cs.stackexchange.com``; ``-`` may be ``_`` there.
    Raises DataError where files are missing or unreadable, or tell no tag that a member used.
    """
    folder, layout = find(site, raw_dir, (site, site.replace("-", "_")), LAYOUTS)
    posts, members = (_read(folder / f, columns) for f, columns in zip(LAYOUTS[layout], (POSTS, USERS), strict=True))
    uses, repairs = _uses(posts)
    if not len(uses):
        raise DataError(f"{folder}: no post of a known member has a tag. Fetch the original again.")
    first = uses.sort("timestamp", maintain_order=True).unique(
        ("user_id", "item_id"), keep="first", maintain_order=True
    )
    items = first.select("item_id").unique().sort("item_id")
    joined = members.select(user_id="Id", joined=_time("CreationDate")).unique("user_id", keep="first")
    users = first.select("user_id").unique().join(joined, on="user_id", how="left").sort("user_id")
    words = pl.col("item_id").str.replace_all("-", " ", literal=True)
    return Tables(site, first.with_columns(event=pl.lit("used")), items.with_columns(words=words), users, SPEC, repairs)


def _read(path: Path, columns: tuple[str, ...]) -> pl.DataFrame:
    if path.suffix == ".xml":
        return read_rows(path, columns)
    return read_csv(path, needs=columns, infer_schema=False, null_values=[""]).select(columns)


def _uses(posts: pl.DataFrame) -> tuple[pl.DataFrame, list[Repair]]:
    """user_id, item_id, timestamp of every use; an answer uses the tags of its question."""
    tags = pl.col("Tags").str.extract_all(r"[^<>|]+")  # "<a><b>", in later dumps "|a|b|"
    questions = posts.filter(pl.col("PostTypeId") == QUESTION).with_columns(tags)
    answered = posts.filter(pl.col("PostTypeId") == ANSWER).drop("Tags")
    answered = answered.join(questions.select(ParentId="Id", Tags="Tags"), on="ParentId", how="left")
    both = pl.concat([questions.select(*POSTS), answered.select(*POSTS)])
    repairs = []
    for rule, column, reason in (
        ("posts_without_owner", "OwnerUserId", "posts of deleted members: nobody gained a skill"),
        ("answers_without_question", "Tags", "answers to questions that are not in the file: no tags are known"),
    ):
        lacking = both.filter(pl.col(column).is_null())
        if len(lacking):
            shown = tuple(lacking.select(pl.format("post {}", "Id")).to_series().head(3))
            repairs.append(Repair("interactions", rule, "drop", len(lacking), reason, shown))
        both = both.filter(pl.col(column).is_not_null())
    uses = both.select(user_id="OwnerUserId", item_id="Tags", timestamp=_time("CreationDate"))
    return uses.explode("item_id").drop_nulls("item_id"), repairs


def _time(column: str) -> pl.Expr:
    """2018-03-12T17:00:45.567, or with a space, as UTC; what is not such a time is null, which the gate reports."""
    text = pl.col(column).str.replace(" ", "T").str.strip_suffix("Z")
    return text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", strict=False, time_unit="us").dt.replace_time_zone("UTC")
