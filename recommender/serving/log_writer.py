"""Writes the log of a running server: what was served, and what came back."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from recommender.errors import UserError
from recommender.hashing import key_of, pseudonym
from recommender.serving import journal
from recommender.serving.journal import Journal
from recommender.serving.log import TABLES, journal_frame, write_days

SLICE_LINES, PAUSE_S = 50, 0.01  # a millisecond of work, then ten for the lists
LOCK = "lock"  # in the folder of the journal, held by the one server that writes there


class LogWriter:
    """One writer for each folder. Rows are on the disk when ``feedback`` and ``interactions`` return; lists are in the
    hands of the operating system when ``served`` returns, so that a kill loses none.

    pseudonymous: user_id is written as its keyed hash. Raises UserError where another server writes to the folder,
    DataError where what an earlier one left is damaged. Appending raises OSError where the disk takes no more.
    """

    def __init__(self, folder: Path, *, pseudonymous: bool = True, **limits: Any) -> None:
        self.folder = folder
        place = folder / journal.FOLDER
        place.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(place / LOCK, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise UserError(f"{folder}: another server writes its log there. Give each server a LOG.") from None
        self._key = key_of(folder) if pseudonymous else None
        for table in TABLES:
            for segment in journal.segments(place, table):  # damage is an error now, not in the thread that converts
                journal_frame(table, journal.rows(segment) or {})
        self._journals = {name: Journal(place, name, partial(self._convert, name), **limits) for name in TABLES}

    def user(self, user_id: int | str) -> int | str:
        """What stands for this user in the log."""
        return user_id if self._key is None else pseudonym(user_id, self._key)

    def served(self, **columns: Any) -> None:
        """One list, column -> value of all its rows, or a list of one for each place. as_of: int64 microseconds."""
        self._journals["served"].append(_line(columns), sync=False)

    def feedback(self, **columns: Sequence[Any]) -> None:
        """Rows, as lists of equal length. timestamp: int64 microseconds."""
        self._journals["feedback"].append(_line(columns), sync=True)

    def interactions(self, **columns: Sequence[Any]) -> None:
        """Rows, as lists of equal length. timestamp: int64 microseconds."""
        self._journals["interactions"].append(_line(columns), sync=True)

    def close(self) -> None:
        """Everything is Parquet when it returns, or stays in the journal for the next start."""
        for one in self._journals.values():
            one.close()
        os.close(self._lock)

    def _convert(self, table: str, segment: Path) -> None:
        """In small slices with pauses: whoever reads JSON in Python keeps all other threads waiting, and lists are due
        meanwhile."""
        frames = []
        for columns in journal.slices(segment, SLICE_LINES):
            frames.append(journal_frame(table, columns))
            time.sleep(PAUSE_S)
        if frames := [frame for frame in frames if frame.height]:
            write_days(self.folder, table, pl.concat(frames), segment.stem)
        segment.unlink()


def _line(columns: dict[str, Any]) -> bytes:
    return json.dumps(columns, ensure_ascii=False, separators=(",", ":")).encode()
