"""Removes users from everything that trains, studies and comparisons keep, in folders and in MLflow's artifacts."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlparse

import polars as pl

from recommender.data import drift
from recommender.data.ids import as_ids
from recommender.errors import UserError
from recommender.files import clear_leftovers, replacement
from recommender.hashing import KEY, pseudonyms
from recommender.serving import persistence
from recommender.serving.bundle import Bundle
from recommender.serving.forget import forget
from recommender.serving.forget_log import flush, lists_of, logs_below, rows_without
from recommender.serving.log import log_files
from recommender.studies.engine.cell import is_finished, seal_again
from recommender.tracking.store import connect, failures, sqlite_file


@dataclass
class Forgotten:
    """What was done. changed: files and models that held one of the users, which none does any more. removed_ids:
    users who were in one, as text. stale: models whose counts and factors were learned from users who have been
    removed, now or before, and how many those are."""

    changed: list[Path] = field(default_factory=list)
    removed_ids: set[str] = field(default_factory=set)
    stale: dict[Path, int] = field(default_factory=dict)


def forget_users(ids: pl.Series, roots: Sequence[Path]) -> Forgotten:
    """Removes users from every table, saved model and log of a service below ``roots``.

    All new files are written first and then put in the place of the old ones, so an error leaves everything as it was;
    whatever a kill leaves, the next call finishes. Raises UserError where a model cannot be read or changed.
    """
    done = Forgotten()
    keys = [bytes.fromhex(path.read_text()) for root in roots for path in root.rglob(KEY)]
    plain = ids.cast(pl.String)
    known = pl.concat([plain, *(pseudonyms(ids, key) for key in keys)])
    logs = list(logs_below(roots))
    for log in logs:
        flush(log)
    with ExitStack() as stack:
        steps: list[Callable[[], None]] = []
        for log in logs:
            steps += _log(log, known, done, stack)
        for folder, names in _folders(roots):
            if persistence.holds(folder):
                steps += _model(folder, known, done, stack)
                continue
            for name in names:
                if name.endswith(".parquet"):
                    steps += _table(folder / name, known, done, stack)
        for step in steps:
            step()
    who = dict(zip(known, [*plain] * (len(keys) + 1), strict=True))
    done.removed_ids = {who.get(one, one) for one in done.removed_ids}
    for folder in {path.parent for path in done.changed}:
        if is_finished(folder):
            seal_again(folder)
    return done


def artifact_folders(uri: str) -> tuple[list[Path], list[str]]:
    """Folders of the artifacts of a tracking store, and places of artifacts that are no folders of this machine.

    Raises TrackingError where the store cannot be read. A store that is not there is not made.
    """
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        return [], []
    with failures(uri):
        places = {str(experiment.artifact_location) for experiment in connect(uri).search_experiments()}
    local = {place: Path(unquote(urlparse(place).path)) for place in places if urlparse(place).scheme in ("", "file")}
    return sorted(path for path in local.values() if path.is_dir()), sorted(places - set(local))


def _folders(roots: Sequence[Path]) -> Iterator[tuple[Path, list[str]]]:
    """Every folder below the roots with the names of its files, once; links are not followed."""
    seen = set()
    for root in roots:
        for folder, _, names in os.walk(root.resolve()):
            if folder not in seen:
                seen.add(folder)
                clear_leftovers(Path(folder))
                yield Path(folder), sorted(names)


def _model(folder: Path, ids: pl.Series, done: Forgotten, stack: ExitStack) -> list[Callable[[], None]]:
    try:
        bundle = persistence.load(folder)
    except UserError as error:
        raise UserError(f"{error} It cannot be searched for users: delete it.") from None
    if not isinstance(bundle, Bundle):
        return []
    try:
        fewer = forget(bundle, ids)
    except UserError as error:
        raise UserError(f"{folder}: {error}. Delete this folder, and train again without them.") from None
    if fewer.forgotten:
        done.stale[folder] = fewer.forgotten
    if fewer is bundle:
        return []
    done.changed.append(folder)
    done.removed_ids.update(map(str, set(bundle.data.users.ids) - set(fewer.data.users.ids)))
    return [stack.enter_context(persistence.model_replacement(fewer, folder))]


def _table(path: Path, ids: pl.Series, done: Forgotten, stack: ExitStack) -> list[Callable[[], None]]:
    try:
        columns = pl.read_parquet_schema(path)
    except pl.exceptions.PolarsError as error:
        raise UserError(f"{path}: this table is damaged ({error}). Delete it, or copy it again.") from None
    if path.name == drift.IDS and path.parent.name == drift.FOLDER:
        table = pl.read_parquet(path)
        fewer = table.with_columns(pl.Series("values", [_listed(row, ids) for row in table.iter_rows(named=True)]))
    elif "user_id" in columns:
        table = pl.read_parquet(path)
        there = table["user_id"].is_in(as_ids(ids, table["user_id"].dtype).drop_nulls().implode()).fill_null(False)
        fewer = table.filter(~there)
        done.removed_ids.update(map(str, table["user_id"].filter(there)))
    else:
        return []
    if fewer.equals(table, null_equal=True):
        return []
    done.changed.append(path)
    return [stack.enter_context(replacement(path, fewer.write_parquet))]


def _log(log: Path, ids: pl.Series, done: Forgotten, stack: ExitStack) -> list[Callable[[], None]]:
    """Feedback on their lists, and rows of theirs that were sent; tables with user_id are found as everywhere."""
    steps, lists = [], pl.Series(sorted(lists_of(log, ids)), dtype=pl.String)
    for file in log_files(log, "feedback") if len(lists) else []:
        table = pl.read_parquet(file, hive_partitioning=False)
        fewer = table.filter(~pl.col("list_id").is_in(lists.implode()))
        if fewer.height < table.height:
            done.changed.append(file)
            steps.append(stack.enter_context(replacement(file, fewer.write_parquet)))
    for file in sorted((log / "rows").glob("*.json")):
        text = rows_without(file, ids)
        if text is not None:
            done.changed.append(file)
            steps.append(stack.enter_context(replacement(file, partial(_write, text))))
    return steps


def _write(text: str, path: Path) -> None:
    path.write_text(text)


def _listed(row: dict[str, str], ids: pl.Series) -> str:
    """A row of drift's reference, the list of users without these."""
    if row["column"] or row["key"] != "user_ids":
        return row["values"]
    gone = set(ids)
    return json.dumps([user for user in json.loads(row["values"]) if str(user) not in gone])
