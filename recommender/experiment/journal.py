"""The journal of tuning's trials: a line per step with its checksum. A kill costs one line, damage is seen."""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from recommender.errors import ConfigError
from recommender.files import put_aside
from recommender.hashing import of_name

if TYPE_CHECKING:
    from optuna.storages import JournalStorage

log = logging.getLogger(__name__)


@contextmanager
def journal(path: Path) -> Iterator[JournalStorage]:
    """The trials so far, as a storage for Optuna. One train at a time writes there; a second one waits, and then finds
    them done. A damaged journal is put aside and begun again. Raises ConfigError where ``path`` cannot be written."""
    from optuna.storages import JournalStorage  # takes half a second, and most trains do not tune

    while (steps := _steps(file := _locked(path))) is None:
        put_aside(path, "a line does not match its checksum")
        file.close()
    with file:
        yield JournalStorage(_Steps(file, steps))  # type: ignore[arg-type]


class _Steps:
    """A backend of Optuna's journal storage over a file that no other process writes."""

    def __init__(self, file: BinaryIO, steps: list[str]) -> None:
        self.file, self.steps = file, steps

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        return map(json.loads, self.steps[log_number_from:])

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        steps = [json.dumps(one) for one in logs]
        self.file.write("".join(f"{of_name(step):08x} {step}\n" for step in steps).encode())
        self.file.flush()
        os.fsync(self.file.fileno())
        self.steps += steps


def _locked(path: Path) -> BinaryIO:
    """The file, open for reading and appending, locked until it is closed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written ({error.strerror}), and tuning keeps its trials there. "
            "Train in a folder that can be written, or set tune.trials=0."
        ) from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.info("Another train is tuning the same: waiting for its trials in %s", path)
        fcntl.flock(file, fcntl.LOCK_EX)
    if path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno())):
        return file
    file.close()  # another train found it damaged and renamed it meanwhile
    return _locked(path)


def _steps(file: BinaryIO) -> list[str] | None:
    """The lines without their checksums; what a kill cut off at the end is removed. None: the file is damaged."""
    file.seek(0)
    content = file.read()
    file.truncate(content.rfind(b"\n") + 1)
    steps = []
    for line in content.splitlines()[: content.count(b"\n")]:
        sum_, _, step = line.decode(errors="replace").partition(" ")
        if f"{of_name(step):08x}" != sum_:
            return None
        steps.append(step)
    return steps
