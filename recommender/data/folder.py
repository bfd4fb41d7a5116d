"""Dataset folders: interactions, items and users in files or a database, and an optional dataset.yaml."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl
import yaml

from recommender.config.yaml_text import read_yaml
from recommender.data import memory
from recommender.data.dataset import Dataset
from recommender.data.gate import STANDARD, Spec, Tables, tables_of
from recommender.data.implied_items import implied_items
from recommender.data.notes import Note
from recommender.data.read.database import read_query
from recommender.data.read.table import EXACT, endings, is_address, read_address, read_file
from recommender.data.read.table_file import TableFile
from recommender.data.relation import LISTS
from recommender.data.spec import Origin
from recommender.errors import DataError, UserError
from recommender.files import whole_folder

_YAML = ("dataset.yaml", "dataset.yml")
_NEARLY = {  # what a file of each table is called where it has not the right name
    "interactions": r"interaction|rating|event|click|view|log|purchase|order|transaction|feedback",
    "items": r"item|movie|film|book|product|job|article|catalog|content|metadata",
    "users": r"user|customer|member|applicant|profile|people",
}


def read_folder(path: Path, interactions: tuple[Path, TableFile] | None = None) -> Tables:
    """The tables of a dataset folder, not yet checked; other files in it are ignored.

    interactions: their file and what was read of it; it is then not read here.

    ``interactions`` has no columns where nothing holds them (the gate refuses that but on day zero).
    Raises DataError naming every file that is missing or cannot be read, and what to do; ConfigError
    for an unknown key in dataset.yaml.
    """
    if not path.is_dir():
        raise DataError(f"{path}: no such folder. A dataset folder holds interactions, items and perhaps users.")
    notes: list[Note] = []
    spec = _read_spec(path, notes)
    faults: list[str] = []
    read: dict[str, TableFile | None] = {}
    for table in STANDARD:
        try:
            given = interactions if table == "interactions" else None
            read[table] = _read_one(path, table, spec, notes) if given is None else _noted(table, *given, notes)
        except DataError as error:
            faults.append(str(error))
    if not faults and read["items"] is None and read["interactions"] is None:
        faults.append(f"{path}: there is no items file and no interactions file.{_nearly(path, 'items')}")
    if faults:
        raise DataError("\n".join(faults))
    frames = {table: file.frame for table, file in read.items() if file is not None}
    if "interactions" not in frames:
        notes.append(Note("interactions", None, f"there is no file interactions.*.{_nearly(path, 'interactions')}"))
    if "items" not in frames:
        frames["items"], implied = implied_items(frames.get("interactions", pl.DataFrame()), frames.get("users"), spec)
        notes.extend(replace(note, text=note.text + _nearly(path, "items")) for note in implied)
    blocks, contacts = (_list_of(path, name, spec, notes) for name in ("blocks", "contacts"))
    return Tables(
        path.resolve().name,
        frames.get("interactions", pl.DataFrame()),
        frames["items"],
        frames.get("users"),
        spec,
        notes=notes,
        place={table: file.place for table, file in read.items() if file is not None},
        blocks=blocks,
        contacts=contacts,
    )


def interactions_file(path: Path) -> tuple[Path, Spec, frozenset[str]] | None:
    """The file of interactions (or the folder of its Parquet files), what dataset.yaml says, and the columns whose text
    must come back as it is. None where this is no dataset folder with both interactions and items in files, or where
    its items are its users."""
    if not path.is_dir():
        return None
    spec = _read_spec(path, [])
    files = [_file_of(path, table) for table in ("interactions", "items")]
    if spec.interactions is not None or spec.relation is not None or files[0] is None or files[1] is None:
        return None
    return files[0], spec, _exact(spec, "interactions")


def _exact(spec: Spec, table: str) -> frozenset[str]:
    """Columns of a file whose text must come back as it is."""
    stated: dict[str, str] = getattr(spec.features, table, {})
    named = {spec.names(table).get(c, c) for c in STANDARD[table] if c != "weight"}
    return EXACT | named | {c for c, role in stated.items() if role not in ("numeric", "embedding", "location")}


def _list_of(folder: Path, name: str, spec: Spec, notes: list[Note]) -> pl.DataFrame | None:
    """A table that only members have: whom they block, or their address books."""
    if spec.relation is None or (path := _file_of(folder, name)) is None:
        return None
    file = read_file(path, spec.read, EXACT | {LISTS[name]})
    notes.extend(Note(name, None, text) for text in file.notes)
    return file.frame


def _read_one(folder: Path, table: str, spec: Spec, notes: list[Note]) -> TableFile | None:
    origin: Origin | None = getattr(spec, table)
    exact = _exact(spec, table)
    if origin is not None:
        return _noted(table, None, _read_origin(folder, table, origin, spec, exact), notes)
    path = _file_of(folder, table)
    if path is not None and table == "interactions":
        memory.check_reading(path)
    return None if path is None else _noted(table, path, read_file(path, spec.read, exact), notes)


def _noted(table: str, path: Path | None, file: TableFile, notes: list[Note]) -> TableFile:
    """What was read, with its notes among ``notes``."""
    if path is not None and (endings(path.name)[0] or path.name != path.name.lower()):
        notes.append(Note(table, None, f"read from {path.name}"))
    notes.extend(Note(table, None, text) for text in file.notes)
    return file


def _read_origin(folder: Path, table: str, origin: Origin, spec: Spec, exact: frozenset[str]) -> TableFile:
    if (origin.sql is None) == (origin.file is None):
        raise DataError(f"{table}: dataset.yaml: state either 'sql' with 'connection', or 'file'.")
    if origin.sql is not None:
        return read_query(table, origin.sql, origin.connection)
    assert origin.file is not None
    if is_address(origin.file):
        return read_address(origin.file, spec.read, exact)
    return read_file(folder / origin.file, spec.read, exact)


def _file_of(folder: Path, table: str) -> Path | None:
    """The file of a table: its name in any case, with any ending that can be read."""
    files = [f for f in sorted(folder.iterdir()) if f.name.lower().split(".", 1)[0] == table]
    files = [f for f in files if f.is_file() or (f.is_dir() and f.name.lower() == f"{table}.parquet")]
    readable = [f for f in files if endings(f.name)[1] and f.name.lower().count(".") == 1 + bool(endings(f.name)[0])]
    if len(readable) > 1:
        raise DataError(f"{folder}: both {' and '.join(f.name for f in readable)} are there. Remove all but one.")
    if files and not readable:
        names = ", ".join(f.name for f in files)
        raise DataError(f"{folder}: found {names}, which cannot be read. Save it as {table}.csv or {table}.parquet.")
    return readable[0] if readable else None


def _nearly(folder: Path, table: str) -> str:
    """A sentence with the files that may be meant, empty where there are none."""
    others = [f.name for f in sorted(folder.iterdir()) if f.is_file() and f.name.lower() not in _YAML]
    others = [name for name in others if name.lower().split(".", 1)[0] not in STANDARD and endings(name)[1]]
    close = [name for name in others if re.search(_NEARLY[table], name.lower())] or others
    if not close:
        return ""
    some = ", ".join(close[:5]) + (", ..." if len(close) > 5 else "")
    parts = " put parts together, or" if len(close) > 1 else ""
    return (
        f" Found {some}: rename it to {table} (with its ending),{parts} name it in dataset.yaml: "
        f"'{table}: {{file: {close[0]}}}'."
    )


def stated_problem(source: str) -> dict[str, str] | None:
    """What the dataset folder ``source`` says that its data are for; None where it says nothing, or is no folder."""
    if not source or not Path(source).is_dir():
        return None
    problem = _read_spec(Path(source), []).problem
    return None if problem is None else problem.model_dump()


def _read_spec(folder: Path, notes: list[Note]) -> Spec:
    files = [f for f in sorted(folder.iterdir()) if f.is_file() and f.name.lower() in _YAML]
    if not files:
        return Spec()
    if len(files) > 1:
        raise DataError(f"{folder}: both {' and '.join(f.name for f in files)} are there. Remove all but one.")
    tree = read_yaml(files[0])
    if tree is not None and not isinstance(tree, dict):
        raise DataError(f"{files[0]}: expected keys such as 'columns:' and 'features:', found {type(tree).__name__}.")
    if files[0].name != _YAML[0]:
        notes.append(Note("dataset", None, f"read from {files[0].name}"))
    return Spec.parse(tree, where=str(files[0]))


def write_folder(data: Dataset | Tables, path: Path, also: Callable[[Path], None] | None = None) -> None:
    """Writes a dataset folder (Parquet and dataset.yaml), at once or not at all.

    also: is called with the folder, unfinished and under another name, to put more into it.

    A Dataset is written so that reading it back gives the same one. Raises UserError where ``path``
    exists or cannot be written.
    """
    if path.exists():
        raise UserError(f"{path}: is there already. Name another folder, or remove it.")
    tables = tables_of(data) if isinstance(data, Dataset) else data
    frames: Mapping[str, pl.DataFrame | None] = {
        "interactions": tables.interactions,
        "items": tables.items,
        "users": tables.users,
        "blocks": tables.blocks,
        "contacts": tables.contacts,
    }
    try:
        with whole_folder(path) as part:
            for name, frame in frames.items():
                if frame is not None and frame.width:
                    frame.write_parquet(part / f"{name}.parquet")
            content = tables.spec.model_dump(exclude_defaults=True, exclude={*STANDARD})  # the tables are in it
            (part / "dataset.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
            if also is not None:
                also(part)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error}). Choose another place, or make room there.") from None
