"""What runs on the engine's workers: a task, loaded once per process, over the blocks of a partition.

Only numbers of blocks and bytes pass through the engine, so its types and the order of its rows cannot change a
value. Task and blocks lie in a folder that the driver and all workers see, or the engine carries them.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock
from typing import Protocol

import pyarrow as pa

from recommender.errors import UserError
from recommender.hashing import code_digest
from recommender.serving import persistence

SCHEMA = "block bigint, content binary, fault string"  # Spark's; fault: a message to the user, null where all is well
UNSEEN = "do not see the folder"
TASK = "task"  # folder of the saved task


class Task(Protocol):
    """One step of the work, saved without pickle by ``serving/persistence.py``."""

    def run(self, number: int, folder: Path) -> bytes:
        """The result of block ``number``, whose content is ``block(folder, number)``. Runs again where a worker dies,
        so it must not depend on what an earlier attempt wrote."""
        ...


def block(folder: Path, number: int) -> Path:
    """The file of a block."""
    return folder / f"{number:06d}.block"


def run_blocks(batches: Iterator[pa.RecordBatch], folder: str, code: str) -> Iterator[pa.RecordBatch]:
    """For ``mapInArrow``: one row in, one row out per block.

    batches: one int64 column, numbers of blocks. folder: where the task is. code: ``code_digest`` of the driver.
    """
    for batch in batches:
        for number in batch.column(0).to_pylist():
            yield _result(number, lambda n: _task(folder, code).run(n, Path(folder)))


def run_sent(
    batches: Iterator[pa.RecordBatch], archive: str, code: str, packed: bytes | None = None
) -> Iterator[pa.RecordBatch]:
    """``run_blocks`` where no folder is shared: batches have the content of each block beside its number.

    archive: name of the task's archive, which the engine has unpacked beside the worker. packed: the archive itself,
    where the engine unpacks none.
    """
    for batch in batches:
        for number, content in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield _result(number, partial(_run_sent, content, archive, code, packed))


def _run_sent(content: bytes, archive: str, code: str, packed: bytes | None, number: int) -> bytes:
    task = _brought(archive, code) if packed is None else _unpacked(archive, code, packed)
    with tempfile.TemporaryDirectory() as scratch:
        block(Path(scratch), number).write_bytes(content)
        return task.run(number, Path(scratch))


def _brought(archive: str, code: str) -> Task:
    from pyspark import SparkFiles  # of the engine's own Python; the client has none

    return _task(str(Path(SparkFiles.getRootDirectory()) / archive), code)


def _unpacked(archive: str, code: str, packed: bytes) -> Task:
    """Its arrays stay mapped into memory when its files are gone; a process holds the last two."""
    with _UNPACKING:  # workers may be threads of one process
        if archive not in _UNPACKED:
            with tempfile.TemporaryDirectory() as scratch:
                zipfile.ZipFile(io.BytesIO(packed)).extractall(scratch)
                _UNPACKED[archive] = _loaded(Path(scratch), code)
            for old in list(_UNPACKED)[:-2]:
                del _UNPACKED[old]
        return _UNPACKED[archive]


def _result(number: int, run: Callable[[int], bytes]) -> pa.RecordBatch:
    content, fault = None, None
    try:
        content = run(number)
    except UserError as error:
        fault = str(error)
    columns = {"block": [number], "content": pa.array([content], pa.binary()), "fault": pa.array([fault], pa.string())}
    return pa.RecordBatch.from_pydict(columns)


@lru_cache(maxsize=2)
def _task(folder: str, code: str) -> Task:
    if not Path(folder).is_dir():
        raise UserError(
            f"The engine's workers {UNSEEN} {folder}. Name one that they and this machine share, by the "
            "same path: SHARED=/mnt/shared."
        )
    return _loaded(Path(folder), code)


_UNPACKED: dict[str, Task] = {}
_UNPACKING = Lock()


def _loaded(folder: Path, code: str) -> Task:
    if code_digest() != code:
        raise UserError(
            "The engine's workers have another version of this package or of a library that it computes with. Install "
            "the same wheel and lock file on them."
        )
    task: Task = persistence.load(folder / TASK)
    return task
