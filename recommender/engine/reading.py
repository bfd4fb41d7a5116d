"""Interactions read and checked on the engine, by the gate's own functions: part by part, then user by user.

The tasks of the two passes are in ``checking.py``. What depends on more than a part and its users is left to one
machine, so a word of the gate is never a guess.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from recommender.data.dataset import Dataset
from recommender.data.findings import ROW, Findings
from recommender.data.folder import interactions_file, read_folder
from recommender.data.gate import build
from recommender.data.read.table import parts
from recommender.data.read.table_file import TableFile
from recommender.data.spec import STANDARD, Spec, Threshold
from recommender.engine.checking import BLOCKS, CheckPart, CheckUsers, Collect, FirstRows, in_sample, share_of
from recommender.engine.counting import EngineCounts
from recommender.engine.session import Engine
from recommender.engine.tables import copied, is_address
from recommender.engine.tally import OneMachine, merge
from recommender.errors import UserError
from recommender.sources import SOURCES
from recommender.sources.load import load, weighed

log = logging.getLogger(__name__)

ROWS = 1_000_000  # of a part, about; whole row groups


@dataclass(frozen=True)
class EngineReader:
    """Reads tables on the engine, in place of ``sources/load.py::load``.

    sample_users: about so many users, by the hash of their id; None: all. history_cap: see ``CountPairs``.
    Without a shared folder, and with a sample, tasks run here, part by part."""

    engine: Engine
    sample_users: int | None = None
    history_cap: int = 1000

    def __call__(self, data: str, *, raw_dir: Path | None, **loading: Any) -> Dataset:
        """The Dataset that ``load`` gives, or of it the sampled users. Raises as ``load``."""
        if is_address(data):
            scratch = self.engine.closing.enter_context(self.engine.folder())
            data = str(copied(self.engine, data, scratch, in_passes=self.sample_users is not None))
        folder = Path(data).expanduser()
        located = None if data in SOURCES else interactions_file(folder)
        if located is not None:
            try:
                if self.engine.shared is None and self.sample_users is None:
                    raise OneMachine("all are to come here, and no folder is shared with the workers (SHARED=)")
                return self._read(folder, *located, loading)
            except OneMachine as reason:
                log.info("interactions: %s, so this machine reads and checks them", reason)
        return sampled(load(data, raw_dir=raw_dir, **loading), self.sample_users)

    def _read(self, folder: Path, file: Path, spec: Spec, exact: frozenset[str], loading: Mapping[str, Any]) -> Dataset:
        chunks = parts_of(file)
        actions = {**spec.repairs, **(loading.get("repairs") or {})}
        check = CheckPart([str(f) for f in _files(file)], spec.model_dump(), actions, sorted(exact))
        checking = _Checking(self.engine, check, chunks, self.sample_users, self.history_cap)
        try:
            notes, few = self.engine.run_on_rows(FirstRows(check), [json.dumps(chunks[0]).encode()] * 2)
            witness = TableFile(pl.read_ipc(io.BytesIO(few)), json.loads(notes))
            data = build(
                replace(read_folder(folder, (file, witness)), elsewhere=checking),
                extra_repairs=loading.get("repairs"), positive=loading.get("positive"),
                require_interactions=loading.get("require_interactions", True),
            )  # fmt: skip
        except UserError:
            if checking.called:
                raise
            raise OneMachine("the folder has faults that are none of single rows") from None
        data = weighed(data, loading.get("event_weights") or {})
        everyone = None if checking.everyone is None else replace(checking.everyone, users=data.users)
        return replace(data, everyone=everyone, sample=checking.sample)


class _Checking:
    """What the gate calls in place of its own checks of interactions (``spec.py::Elsewhere``)."""

    def __init__(
        self, engine: Engine, check: CheckPart, chunks: Sequence[Mapping[str, int]], sample_users: int | None,
        history_cap: int,
    ) -> None:  # fmt: skip
        self.engine, self.check, self.chunks, self.sample_users = engine, check, chunks, sample_users
        self.history_cap = history_cap
        self.sample = ""
        self.called = False
        self.everyone: EngineCounts | None = None

    def __call__(self, findings: Findings, spec: Spec, items: pl.Series, positive: Threshold) -> pl.DataFrame:
        self.called = True
        ids = None if self.sample_users is None else items.unique().sort()  # of what is counted as the train goes on
        with ExitStack() as reading:
            store = (reading if ids is None else self.engine.closing).enter_context(self.engine.folder())
            task = replace(self.check, items=items, whole=items.dtype.is_integer(), store=str(store))
            checked = _json(self.engine.run_on_rows(task, [json.dumps(chunk).encode() for chunk in self.chunks]))
            _agree(checked)
            merge(findings, checked)
            numbers = [str(block).encode() for block in range(BLOCKS)]
            lined = self.chunks[0]["rows"] < 0
            repeats = CheckUsers(task.repairs, str(store), lined, ids, positive.model_dump(), self.history_cap)
            users = _json(self.engine.run_on_rows(repeats, numbers))
            _agree(users)
            merge(findings, [block for block in users if block["n_rows"]])
            n_users, n_rows = (sum(block[n] for block in users) for n in ("n_users", "n_rows"))
            share = share_of(self.sample_users, n_users)
            contents = self.engine.run_on_rows(Collect(str(store), share), numbers)
        frames = [pl.read_ipc(io.BytesIO(content)) for content in contents if content]
        if not frames:
            raise OneMachine("no row is left")
        rows = pl.concat(frames).sort("timestamp", ROW, nulls_last=False)
        if ids is not None:
            n_long, n_left = (sum(block[n] for block in users) for n in ("n_long", "n_left"))
            counted = f"{COUNTED} {about_pairs(self.history_cap, n_long, n_left)}"
            self.sample = about_sample(rows["user_id"].n_unique(), n_users, rows.height, n_rows, counted)
            self.everyone = EngineCounts(self.engine, store, ids, self.history_cap, positive=positive.model_dump())
        return rows.select(STANDARD["interactions"])


def parts_of(file: Path) -> list[dict[str, int]]:
    """Which rows each task reads: number of the file, first row in it, rows (-1: all), rows of the table before."""
    chunks: list[dict[str, int]] = []
    before = 0
    for number, path in enumerate(_files(file)):
        if path.suffix.lower() != ".parquet":
            return [{"file": number, "first": 0, "rows": -1, "before": 0}]  # text has no rows to count ahead of reading
        try:
            about = pq.ParquetFile(path).metadata
        except Exception as error:
            raise OneMachine(f"{path} cannot be read as Parquet ({type(error).__name__})") from None
        first, rows = 0, 0
        for group in range(about.num_row_groups):
            rows += about.row_group(group).num_rows
            if rows >= ROWS or group == about.num_row_groups - 1:
                chunks.append({"file": number, "first": first, "rows": rows, "before": before + first})
                first, rows = first + rows, 0
        before += about.num_rows
    if not before:
        raise OneMachine("the table is empty")
    return chunks


def sampled(data: Dataset, sample_users: int | None) -> Dataset:
    """The data of about ``sample_users`` users, as the engine chooses them. None: all."""
    if sample_users is None:
        return data
    active = data.interactions["user_id"].unique()
    share = share_of(sample_users, len(active))
    rows = data.interactions.filter(in_sample(data.interactions["user_id"], share))
    of = data.interactions.height
    sample = about_sample(rows["user_id"].n_unique(), len(active), rows.height, of, "Popularity is that among them.")
    signals = data.signals
    if signals.width:
        signals = signals.filter(in_sample(signals["user_id"], share))
    return replace(data, interactions=rows, signals=signals, sample=sample)


COUNTED = (
    "Popularity (of segments too), trending, item_knn, ease, content_popularity, the completion order, which items are "
    "new and the origins are counted over all users."
)


def about_pairs(history_cap: int, n_long: int, n_left: int) -> str:
    """What the report says of the users whose pairs of items are not all counted."""
    if not n_long:
        return f"No user took more than {history_cap:,} items (engine.history_cap), so all pairs of items count."
    return (
        f"Of {n_long:,} users who took more, pairs are those of the latest {history_cap:,} items (engine.history_cap); "
        f"{n_left:,} older ones make no pair."
    )


def about_sample(n_users: int, of_users: int, n_rows: int, of_rows: int, counted: str) -> str:
    """What the report says of a sample. counted: whose interactions make the counts."""
    return (
        f"Models are fitted on {n_users:,} of {of_users:,} users, drawn by the hash of their id (engine.sample_users), "
        f"with {n_rows:,} of {of_rows:,} rows. The decision rests on their queries; every other user is folded in. "
        f"{counted}"
    )


def _files(file: Path) -> list[Path]:
    return parts(file) if file.is_dir() else [file]


def _json(contents: Sequence[bytes]) -> list[dict[str, Any]]:
    return [json.loads(content) for content in contents]


def _agree(checked: Sequence[Mapping[str, Any]]) -> None:
    """Raises OneMachine where the gate, seeing the whole table, would read a part of it in another way."""
    for part in checked:
        if part["alone"] is not None:
            raise OneMachine(part["alone"])
    for name in checked[0]["seen"]:
        if len({json.dumps(part["seen"][name]) for part in checked}) > 1:
            raise OneMachine(f"parts of the table differ in their {name}")
