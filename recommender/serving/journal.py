"""The journal of a running server: lines that survive a kill, until they are Parquet.

``LOG/journal/<table>-<number>.jsonl``: a JSON object per line, column -> value, or a list of values where the line
holds several rows. A line counts once its line feed is written: what a kill cut short was never acknowledged. A segment
that is full or old is sealed, written as Parquet of the same name, and removed.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Condition, Lock, Thread
from typing import Any

from recommender.errors import DataError
from recommender.files import sync_folder

log = logging.getLogger(__name__)

FOLDER = "journal"
SEGMENT_BYTES = 2**21  # of a segment: about 5,000 lists, or 15,000 events; as Parquet is written, memory holds it
SEGMENT_S = 600.0  # how old a segment becomes
MOST_SEALED = 4  # segments that wait to be Parquet; with more, whoever appends waits
RETRY_S = 1.0


def segments(folder: Path, table: str) -> list[Path]:
    """The segments of a table, oldest first."""
    named = [(int(match[1]), path) for path in folder.glob(f"{table}-*.jsonl") if (match := _numbered(table, path))]
    return [path for _, path in sorted(named)]


def rows(segment: Path) -> dict[str, list[Any]] | None:
    """The columns of a segment; {} of an empty one, None where it is gone, being Parquet now.

    Raises DataError where a line before the last is no JSON object.
    """
    try:
        return next(slices(segment, None), {})
    except FileNotFoundError:
        return None


def slices(segment: Path, lines: int | None) -> Iterator[dict[str, list[Any]]]:
    """The columns of each so many lines of a segment (None: of all). Raises DataError as ``rows``, and
    FileNotFoundError where it is gone."""
    *whole, _ = segment.read_bytes().split(b"\n")
    for start in range(0, len(whole), lines or max(len(whole), 1)):
        yield _columns(segment, whole[start : start + (lines or len(whole))], start)


def _columns(segment: Path, lines: list[bytes], before: int) -> dict[str, list[Any]]:
    """before: lines of the segment that come before these."""
    columns: dict[str, list[Any]] = {}
    for number, line in enumerate(lines, before + 1):
        try:
            values = json.loads(line).items()
        except (ValueError, AttributeError) as error:
            raise DataError(
                f"{segment} is damaged in line {number} ({error}). Restore it from a copy, or move it away to go on "
                "without its rows."
            ) from None
        n = max((len(value) for _, value in values if isinstance(value, list)), default=1)
        for column, value in values:
            columns.setdefault(column, []).extend(value if isinstance(value, list) else [value] * n)
    return columns


class Journal:
    """Appends lines for one table, and hands sealed segments to ``convert`` in a thread of its own.

    convert: writes a segment as Parquet; may be called again for the same one after a kill. Memory holds no line longer
    than its append. While ``convert`` fails (a full disk), segments wait, and then those who append.
    """

    def __init__(
        self, folder: Path, table: str, convert: Callable[[Path], None], *,
        segment_bytes: int = SEGMENT_BYTES, segment_s: float = SEGMENT_S,
    ) -> None:  # fmt: skip
        self.folder, self.table, self.convert = folder, table, convert
        self.segment_bytes, self.segment_s = segment_bytes, segment_s
        folder.mkdir(parents=True, exist_ok=True)
        self._sealed = segments(folder, table)  # what an earlier process left
        self._number = 0
        self._room, self._syncing = Condition(), Lock()
        self._written = self._synced = self._size = 0
        self._closing, self._failure = False, ""
        self._unsynced = ""  # why the disk may lack lines: it says so only once, so nothing is acknowledged any more
        self._full: list[int] = []  # files of sealed segments that are not synced
        self._open()
        self._thread = Thread(target=self._convert_all, name=f"journal-{table}", daemon=True)
        self._thread.start()

    def append(self, line: bytes, *, sync: bool) -> None:
        """Writes one line, without its line feed. sync: it is on the disk when this returns.

        Waits where too many segments wait to be Parquet. Raises OSError where the line may be lost.
        """
        with self._room:
            while len(self._sealed) >= MOST_SEALED and not self._failure:
                self._room.wait()
            if len(self._sealed) >= MOST_SEALED:
                raise OSError(f"the log cannot be written: {self._failure}")
            if self._closing:
                raise OSError("the log is closed")
            self._check_disk()
            self._write(line + b"\n")
            self._written += 1
            mine = self._written
            if self._size >= self.segment_bytes:
                self._seal()
        if sync:
            self._sync(mine)

    def close(self) -> None:
        """All that was appended is Parquet when this returns, or stays in the journal for the next start."""
        with self._room:
            first = not self._closing
            if first:
                self._seal()
            self._closing = True
            self._room.notify_all()
        self._thread.join()
        if first:
            for file in (*self._full, self._file):
                os.close(file)
            if not self._size:
                self._path.unlink()

    def _open(self) -> None:
        number = max(time.time_ns(), self._number + 1)  # no name comes twice, in later processes neither
        path = self.folder / f"{self.table}-{number}.jsonl"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._number, self._path, self._file, self._size = number, path, file, 0
        self._named = False  # whether the file's name is on the disk

    def _write(self, line: bytes) -> None:
        try:
            done = os.write(self._file, line)
            if done < len(line):
                raise OSError("no space is left for a whole line")
        except OSError:
            os.ftruncate(self._file, self._size)  # a line cut short would spoil the next one
            raise
        self._size += len(line)

    def _sync(self, written: int) -> None:
        """One call serves all who have written before it; meanwhile others append."""
        with self._syncing:
            if self._synced >= written:
                return
            self._check_disk()
            with self._room:
                latest, full, file, named = self._written, self._full[:], self._file, self._named
            try:
                for one in (*full, file):
                    os.fsync(one)
                if not named:
                    sync_folder(self.folder)
            except OSError as error:
                self._unsynced = str(error)
                raise
            self._synced = latest
            with self._room:
                self._full = self._full[len(full) :]
                self._named = self._named or file == self._file
            for one in full:
                os.close(one)

    def _seal(self) -> None:
        """Called with the room held, by those who append: the disk may take long to sync, so the file waits for it."""
        if not self._size:
            return
        full, sealed = self._file, self._path
        try:
            self._open()
        except OSError as error:  # the line of those who append is written; the next one tries again
            log.warning("no new segment can be opened beside %s (%s); it grows", sealed, error)
            return
        self._full.append(full)
        self._sealed.append(sealed)
        self._room.notify_all()

    def _check_disk(self) -> None:
        if self._unsynced:
            raise OSError(f"the disk did not keep the log ({self._unsynced}); check it, then start the server again")

    def _convert_all(self) -> None:
        while True:
            with self._room:
                if not self._sealed and not self._closing:
                    self._room.wait(self.segment_s)
                    if not self._sealed and not self._closing:
                        self._seal()
                if not self._sealed:
                    if self._closing:
                        return
                    continue
                oldest, last_try = self._sealed[0], self._closing
            if not self._converted(oldest) and last_try:
                return

    def _converted(self, segment: Path) -> bool:
        try:
            self._sync(self._written)
            self.convert(segment)
        except Exception as error:  # whatever it is: the segment stays, and those who append are told
            log.warning("%s cannot become Parquet (%s); it is tried again", segment, error)
            with self._room:
                self._failure = str(error)
                self._room.notify_all()
                self._room.wait(RETRY_S)
            return False
        with self._room:
            self._sealed.remove(segment)
            self._failure = ""
            self._room.notify_all()
        return True


def _numbered(table: str, path: Path) -> re.Match[str] | None:
    return re.fullmatch(rf"{table}-(\d+)\.jsonl", path.name)
