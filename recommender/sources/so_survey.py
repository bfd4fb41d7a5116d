"""Stack Overflow's survey of developers, 2019, in the normalised subset of an IBM course: who works with what.

The file is long: row k of a respondent holds the k-th value of each column, and columns have nothing to do with one
another. It states no times, so only a random split can be made of it. ODbL, as Stack Overflow publishes the survey.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from recommender.data.notes import Repair
from recommender.data.spec import Features, Spec, Tables
from recommender.sources.files import find, read_csv

FILE = "m5_survey_data_technologies_normalised.csv"
CATEGORIES = ("Language", "Database", "Platform", "WebFrame")
EVENTS = {"WorkedWith": "worked_with", "DesireNextYear": "wished"}  # suffix of a column -> event
MEMBER = {"DevEnviron": "environments", "OpSys": "systems", "Containers": "containers"}
UNNAMED = "Other(s):"
SPEC = Spec(
    features=Features(items={"name": "text", "category": "category"}, users=dict.fromkeys(MEMBER.values(), "multi")),
    positive=["worked_with"],
)


def load(raw_dir: Path | None) -> Tables:
    """What each respondent worked with, and wished to in the next year (a signal where it is new to them).

    Raises DataError where the file is missing or unreadable.
    """
    folder, _ = find("so-survey2019", raw_dir, ("so-survey2019", "so_survey2019"), {"normalised": (FILE,)})
    needs = ["Respondent", *(f"{category}{suffix}" for category in CATEGORIES for suffix in EVENTS)]
    table = read_csv(folder / FILE, needs=needs, infer_schema=False).filter(pl.col("Respondent").is_not_null())
    table = table.with_columns(pl.col("Respondent").cast(pl.Int64, strict=False))
    parts = [
        table.select(
            user_id="Respondent", item_id=f"{category}{suffix}", category=pl.lit(category), event=pl.lit(event)
        )
        for category in CATEGORIES
        for suffix, event in EVENTS.items()
    ]
    rows = pl.concat(parts).drop_nulls("item_id")
    unnamed = rows.filter(pl.col("item_id") == UNNAMED)
    rows = rows.filter(pl.col("item_id") != UNNAMED).unique(("user_id", "item_id"), keep="first", maintain_order=True)
    reason = f"'{UNNAMED}' names no technology that could be suggested"
    repairs = [Repair("interactions", "unnamed", "drop", len(unnamed), reason)] if len(unnamed) else []
    items = rows.select("item_id", name="item_id", category="category").unique("item_id", keep="first").sort("item_id")
    stated = [c for c in MEMBER if c in table.columns and table[c].null_count() < len(table)]
    lists = table.group_by("Respondent").agg(pl.col(stated).drop_nulls().unique().sort())
    lists = lists.with_columns(pl.when(pl.col(stated).list.len() > 0).then(pl.col(stated))).rename(MEMBER, strict=False)
    users = lists.rename({"Respondent": "user_id"}).sort("user_id")
    roles = {role: "multi" for column, role in MEMBER.items() if column in stated}
    spec = SPEC.model_copy(update={"features": Features(items=SPEC.features.items, users=roles)})
    return Tables("so-survey2019", rows.drop("category"), items, users, spec, repairs)
