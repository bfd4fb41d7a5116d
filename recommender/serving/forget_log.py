"""Removes users from the log of a service: their lists, what became of them, their events, and rows they sent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from recommender.data.ids import as_ids
from recommender.errors import UserError
from recommender.hashing import KEY
from recommender.serving import journal
from recommender.serving.log import log_files
from recommender.serving.log_writer import LOCK, LogWriter


def logs_below(roots: Sequence[Path]) -> Iterator[Path]:
    """Folders of logs: those with a journal, and those that only hold lists."""
    folders = {p.parent.resolve() for root in roots for p in root.rglob(journal.FOLDER) if (p / LOCK).exists()}
    folders |= {p.resolve().parent for root in roots for p in (root, *root.rglob("served")) if p.name == "served"}
    yield from sorted(folders)


def flush(log: Path) -> None:
    """Turns what lies in the journal into Parquet. Raises UserError where a server is writing to the log."""
    if not (log / journal.FOLDER).is_dir():
        return
    try:
        LogWriter(log, pseudonymous=(log / KEY).exists()).close()
    except UserError as error:
        raise UserError(f"{error} Stop the server before its users are forgotten.") from None


def lists_of(log: Path, ids: pl.Series) -> set[str]:
    """list_id of everything that these users were shown. ids: as text, pseudonyms too."""
    list_ids: set[str] = set()
    for file in log_files(log, "served"):
        table = pl.read_parquet(file, columns=["list_id", "user_id"], hive_partitioning=False)
        theirs = table["user_id"].is_in(as_ids(ids, table["user_id"].dtype).drop_nulls().implode())
        list_ids.update(table["list_id"].filter(theirs.fill_null(False)))
    return list_ids


def rows_without(file: Path, ids: pl.Series) -> str | None:
    """A file of rows that were sent to the server, without these users; None where it holds none of them."""
    tree, gone = json.loads(file.read_text()), set(ids)
    staying = [row for row in tree["users"] if str(row.get("user_id")) not in gone]
    return None if len(staying) == len(tree["users"]) else json.dumps({**tree, "users": staying})
