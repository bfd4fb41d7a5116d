"""The tasks of reading: the gate's checks of single rows over parts of the table, those of repeats over users."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recommender.data import checks, gate, ids, structure
from recommender.data.dataset import Table
from recommender.data.events import taken
from recommender.data.findings import ROW
from recommender.data.forms import as_text
from recommender.data.read.table import read_file
from recommender.data.read.table_file import TableFile
from recommender.data.spec import Spec, Threshold
from recommender.data.times import parse_times
from recommender.engine.count_tasks import write_for_counting
from recommender.engine.tally import OneMachine, Tally
from recommender.engine.worker import block
from recommender.files import write_atomically
from recommender.hashing import of_values

BLOCKS = 64  # of users, by the hash of the id: fixed, so that what is summed block by block is the same everywhere
CLEAN = "clean.arrow"
_BLOCK = "__block__"


@dataclass(frozen=True)
class CheckPart:
    """Reads a part, checks its rows, and leaves what remains for each block of users in ``store``.

    files: of the table. spec: of dataset.yaml, plain values. repairs: rule -> action. exact: columns whose text must
    come back. items: ids of the items. whole: ids are integers in every table. Returns JSON (``Tally.plain``, and what
    the gate concluded from the column as a whole).
    """

    files: Sequence[str]
    spec: Mapping[str, Any]
    repairs: Mapping[str, str]
    exact: Sequence[str]
    items: pl.Series = field(default_factory=pl.Series)
    whole: bool = False
    store: str = ""

    def read(self, part: Mapping[str, int]) -> TableFile:
        """The rows of a part, as the gate would read them in the whole table."""
        file = Path(self.files[part["file"]])
        if part["rows"] < 0:
            return read_file(file, Spec.parse(self.spec).read, frozenset(self.exact))
        return TableFile(pl.scan_parquet(file).slice(part["first"], part["rows"]).collect())

    def run(self, number: int, folder: Path) -> bytes:
        part = json.loads(block(folder, number).read_bytes())
        spec, table = Spec.parse(self.spec), self.read(part)
        tally = Tally(self.repairs, {"interactions": table.place})
        try:
            seen, rows = self._checked(tally, table.frame, spec, part["before"])
        except OneMachine as reason:
            return json.dumps({"alone": str(reason)}).encode()
        users = of_values(rows["user_id"]) % BLOCKS if rows.height else np.zeros(0, np.uint64)
        for (to,), mine in rows.with_columns(pl.Series(_BLOCK, users)).partition_by(_BLOCK, as_dict=True).items():
            file = Path(self.store) / f"{to:03d}" / f"{number:06d}.arrow"
            file.parent.mkdir(exist_ok=True)
            write_atomically(file, mine.drop(_BLOCK).write_ipc)
        return json.dumps({"alone": None, "seen": seen, **tally.plain()}).encode()

    def _checked(
        self, tally: Tally, frame: pl.DataFrame, spec: Spec, before: int
    ) -> tuple[dict[str, Any], pl.DataFrame]:
        frame = structure.rename(tally, "interactions", frame, spec).with_columns(pl.col(ROW) + before)
        to = pl.Int64() if self.whole else pl.String()
        types = {key: str(frame[key].dtype) for key in ("user_id", "item_id")}
        for key in types:
            given = frame[key]
            if ids.unfit(given) is not None or given.dtype.is_float() or given.dtype == pl.UInt64:
                raise OneMachine(f"{key} is of type {given.dtype}")
            frame = frame.with_columns(ids.as_ids(given, to).alias(key))
        seen = {"types": types, **_seen(frame, spec)}
        return seen, gate.rows(tally, frame, self.items, spec)


@dataclass(frozen=True)
class CheckUsers:
    """Finds repeats among all rows of a block's users, in the order of the table, and leaves the rest in ``store``.
    Returns JSON as ``CheckPart``, with n_rows and n_users, and how many users took more than ``history_cap`` items, by
    how many together (n_long, n_left). lined: rows are shown by their lines, which only the reader
    of the whole file knows. items: sorted ids, where what was taken is to be counted. positive: plain ``Threshold``."""

    repairs: Mapping[str, str]
    store: str
    lined: bool
    items: pl.Series | None = None
    positive: Mapping[str, Any] = field(default_factory=dict)
    history_cap: int = 1000

    def run(self, number: int, folder: Path) -> bytes:
        counts = dict.fromkeys(("n_rows", "n_users", "n_long", "n_left"), 0)
        folder = Path(self.store) / f"{number:03d}"
        files = sorted(f for f in folder.glob("*.arrow") if f.name != CLEAN)
        if not files:
            return json.dumps({**counts, "alone": None, "seen": {}, **Tally({}).plain()}).encode()
        tally = Tally(self.repairs)
        rows = pl.concat([pl.read_ipc(file) for file in files]).sort(ROW)
        rows = checks.duplicates(tally, rows).sort("timestamp", ROW, nulls_last=False)
        write_atomically(folder / CLEAN, rows.write_ipc)
        if self.items is not None:
            took = rows.filter(taken(Threshold.model_validate(self.positive))).rename({ROW: "row"})
            item = Table(self.items.to_frame("item_id"), {}, "item_id").lookup(took["item_id"])
            write_for_counting(Path(self.store), number, took, item)
            lengths = took.select("user_id", "item_id").unique().group_by("user_id").len()["len"].cast(pl.Int64)
            beyond = lengths.filter(lengths > self.history_cap) - self.history_cap
            counts |= {"n_long": len(beyond), "n_left": int(beyond.sum())}
        alone = "rows are repeated" if self.lined and tally.entries else None
        counts |= {"n_rows": rows.height, "n_users": rows["user_id"].n_unique()}
        return json.dumps({"alone": alone, "seen": {}, **counts, **tally.plain()}).encode()


@dataclass(frozen=True)
class Collect:
    """The rows of a block's users in the sample, as Arrow. share: of all users."""

    store: str
    share: float

    def run(self, number: int, folder: Path) -> bytes:
        file = Path(self.store) / f"{number:03d}" / CLEAN
        buffer = io.BytesIO()
        if file.is_file():
            rows = pl.read_ipc(file)
            rows.filter(in_sample(rows["user_id"], self.share)).write_ipc(buffer, compression="zstd")
        return buffer.getvalue()


@dataclass(frozen=True)
class FirstRows:
    """A few rows of a part, by which the gate knows the columns and their types. Returns JSON of the notes for block 0,
    the rows as Arrow for block 1; the content of both is the part."""

    check: CheckPart

    def run(self, number: int, folder: Path) -> bytes:
        part = json.loads(block(folder, number).read_bytes())
        table = self.check.read({**part, "rows": min(part["rows"], 3)})
        if number == 0:
            return json.dumps(table.notes).encode()
        buffer = io.BytesIO()
        table.frame.head(3).write_ipc(buffer)
        return buffer.getvalue()


def share_of(sample_users: int | None, n_users: int) -> float:
    """Share of the users that are about ``sample_users``; None: all."""
    return 1.0 if sample_users is None else min(1.0, sample_users / max(n_users, 1))


def in_sample(users: pl.Series, share: float) -> pl.Series:
    """Whether each id belongs to a sample of ``share`` of all ids; of the upper bits, blocks have the lower ones."""
    return pl.Series((of_values(users) >> np.uint64(32)) / 2**32 < share)


def _seen(frame: pl.DataFrame, spec: Spec) -> dict[str, Any]:
    """What the gate concludes from a whole column: all parts must agree."""
    unit, times, events = "", True, True
    if "timestamp" in frame.columns:
        parsed = parse_times(frame["timestamp"], spec.times.get("timestamp"))
        unit, times = ("", True) if parsed is None else (parsed.unit, bool(parsed.values.is_null().all()))
    if "event" in frame.columns:
        text = as_text(frame["event"])
        events = text is not None and bool((text.is_null() | (text == "")).all())
    return {"unit": unit, "times": times, "events": events}
