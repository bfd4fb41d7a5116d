"""Job views: which job ads applicants of a US job board opened, and what these applicants had told of themselves.

Published on Kaggle; no terms are stated. View end and duration are not used: they are null in 15% of
the rows and reach 37 days in others. A job's own features are those of its first view, though they never
change in this data; when a job was first viewed is not when it was published, so no availability is stated.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from recommender.data.gate import Features, MatchSpec, Spec, Tables
from recommender.data.notes import Repair
from recommender.sources.files import find, parse_utc, read_csv

FILES = ("Job_Views.csv", "Experience.csv", "Positions_Of_Interest.csv")
FOLDERS = ("job-views", "job-recommendation-datasets")
VIEW_COLUMNS = ["Applicant.ID", "Job.ID", "Position", "Company", "City", "State.Code", "Industry", "View.Start"]
NULLS = ["NA", "", "none", "None", "n/a", "N/A"]  # words typed into a field that had to be filled among them
ABOUT = {  # file -> its column -> the user feature
    "Experience.csv": {"Position.Name": "past_positions", "City": "past_cities", "State.Code": "past_states"},
    "Positions_Of_Interest.csv": {"Position.Of.Interest": "wanted_positions"},
}
SPEC = Spec(
    features=Features(
        items={"title": "text", "company": "category", "city": "category", "state": "category", "industry": "category"},
        users={"past_positions": "text", "wanted_positions": "text", "past_cities": "multi", "past_states": "multi"},
    ),
    match=[
        MatchSpec(user="past_positions", item="title"),
        MatchSpec(user="wanted_positions", item="title"),
        MatchSpec(user="past_cities", item="city"),
        MatchSpec(user="past_states", item="state"),
    ],
    repairs={"duplicates": "keep_first"},
    positive=["view"],
)


def load(raw_dir: Path | None) -> Tables:
    """Views as interactions (repeats kept), jobs, and every viewer with what they had entered by their first view.

    User features are lists of distinct texts in alphabetical order, null where nothing was entered.
    Raises DataError where files are missing or unreadable.
    """
    folder, _ = find("job-views", raw_dir, FOLDERS, {"publisher": FILES})
    path = folder / "Job_Views.csv"
    views = parse_utc(_read(path, VIEW_COLUMNS), "View.Start", path)
    views = views.rename({"Applicant.ID": "user_id", "Job.ID": "item_id", "View.Start": "timestamp"})
    first_views = views.sort("timestamp", maintain_order=True).unique("item_id", keep="first", maintain_order=True)
    items = first_views.select(
        "item_id", title="Position", company="Company", city="City", state="State.Code", industry="Industry"
    )
    users, repairs = _users(folder, views.group_by("user_id").agg(first=pl.col("timestamp").min()))
    interactions = views.select("user_id", "item_id", "timestamp", event=pl.lit("view"))
    return Tables("job-views", interactions, items.sort("item_id"), users, SPEC, repairs)


def _read(path: Path, columns: list[str]) -> pl.DataFrame:
    text = read_csv(path, needs=columns, infer_schema=False, null_values=NULLS).select(columns)
    return text.with_columns(pl.col("^(Applicant|Job).ID$").cast(pl.Int64, strict=False))


def _users(folder: Path, viewers: pl.DataFrame) -> tuple[pl.DataFrame, list[Repair]]:
    """viewers: user_id and the time of their ``first`` view."""
    users, repairs = viewers.select("user_id"), []
    for file, columns in ABOUT.items():
        path = folder / file
        answers = parse_utc(_read(path, ["Applicant.ID", "Created.At", *columns]), "Created.At", path)
        answers = answers.rename({"Applicant.ID": "user_id"}).join(viewers, on="user_id")
        late = answers.filter(pl.col("Created.At") > pl.col("first"))
        if late.height:
            reason = f"{file}: entered after the applicant's first view; a feature may not tell what came later"
            shown = tuple(late.select(pl.format("applicant {}: {}", "user_id", "Created.At")).to_series().head(3))
            repairs.append(Repair("users", "entered_after_first_view", "drop", late.height, reason, shown))
        known = answers.filter(pl.col("Created.At") <= pl.col("first"))
        lists = known.group_by("user_id").agg(pl.col(list(columns)).str.strip_chars().drop_nulls().unique().sort())
        lists = lists.with_columns(pl.when(pl.col(list(columns)).list.len() > 0).then(pl.col(list(columns))))
        users = users.join(lists.rename(columns), on="user_id", how="left")
    return users.sort("user_id"), repairs
