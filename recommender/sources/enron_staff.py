"""Enron staff: who of 156 employees wrote to whom, with department, title, gender and seniority (Perry & Wolfe 2013).

The messages are public by FERC; no terms are stated. A link is the first message between two employees in either
direction. Nobody joins: all are there from the start, so it is for features and the audit only.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from recommender.data.spec import Features, RelationSpec, Spec, Tables
from recommender.sources.files import find, read_csv

FILES = ("employees.tsv", "messages.tsv", "recipients.tsv")
ROLES = {
    "department": "category",
    "division": "category",
    "title": "text",
    "gender": "protected",
    "seniority": "category",
}
SPEC = Spec(
    features=Features(users=ROLES),
    relation=RelationSpec(symmetric=True),
    repairs={"self_links": "drop", "link_times": "keep_first", "duplicates": "keep_first"},
)


def load(raw_dir: Path | None) -> Tables:
    """Messages as links, and every employee. Raises DataError where files are missing or unreadable."""
    folder, _ = find("enron-staff", raw_dir, ("enron_staff", "enron-staff"), {"publisher": FILES})
    staff, messages, recipients = (_read(folder / file) for file in FILES)
    users = staff.select(
        pl.col("column_0").cast(pl.Int64).alias("user_id"),
        *(pl.col(f"column_{n}").alias(role) for n, role in enumerate(ROLES, start=2)),
    )
    sent = messages.select(
        message="column_0",
        timestamp=pl.col("column_2").cast(pl.Int64).mul(1_000_000).cast(pl.Datetime("us", "UTC")),
        user_id=pl.col("column_4").cast(pl.Int64),
    )
    to = recipients.select(message="column_0", item_id=pl.col("column_2").cast(pl.Int64))
    links = sent.join(to, on="message").select("user_id", "item_id", "timestamp", event=pl.lit("message"))
    return Tables("enron-staff", links, users.rename({"user_id": "item_id"}), users, SPEC)


def _read(path: Path) -> pl.DataFrame:
    return read_csv(path, separator="\t", has_header=False, infer_schema=False, null_values=["", "NA"], quote_char=None)
