"""The OUT folder of a train: made first, marked until it is complete, gone when the user must mend something."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import polars as pl

from recommender.errors import ConfigError, TrackingError, UserError
from recommender.files import TOO_LITTLE, ran_out

ARTIFACTS = Path("artifacts")
MARKER = "INCOMPLETE"  # a file that only the folder of an unfinished train holds


@contextmanager
def out_folder(wanted: str | None, name: str) -> Iterator[Path]:
    """A new folder: ``wanted``, else ``artifacts/<name>-<time>/`` with the link ``artifacts/latest``.

    Raises ConfigError where it exists or cannot be written. A UserError inside removes it again; any
    other end before the last step leaves the marker file in it.
    """
    out = _make(wanted, name)
    marker = out / MARKER
    try:
        with disk_faults(out):
            marker.write_text("This train has not finished. Its results cannot be trusted; delete this folder.\n")
        yield out
        _finish(out, wanted)
    except UserError:
        shutil.rmtree(out, ignore_errors=True)
        raise
    except TrackingError:
        _finish(out, wanted)  # the results are complete, only the tracking server failed
        raise


@contextmanager
def disk_faults(out: Path) -> Iterator[None]:
    """A full disk, or a folder that may not be written, becomes a ConfigError that names ``out``; memory that ran out
    becomes a UserError."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not ran_out(error):
            raise
        raise UserError(TOO_LITTLE) from None
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = disk_fault(error)
        if reason is None:
            raise
        raise ConfigError(f"{out}: cannot be written ({reason}). Free space or set OUT=<another folder>.") from None


def finished(out: Path) -> Path:
    """``out``, the OUT folder of a finished train. Raises UserError where it is none."""
    if not out.is_dir():
        raise UserError(f"{out}: no such folder. Name the OUT folder of a finished train.")
    if (out / MARKER).exists():
        raise UserError(f"{out}: this train has not finished, so its results cannot be trusted. Train again.")
    return out


def disk_fault(error: Exception) -> str | None:
    """What is wrong with the disk or its permissions, such as ``No space left on device``; None: something else.

    Polars names faults of the disk only in the text of its errors, of its OSErrors too. NumPy names none.
    """
    if isinstance(error, OSError) and re.fullmatch(r"\d+ requested and \d+ written", str(error)):
        return "a file was written in part"
    number = re.search(r"\(os error (\d+)\)", str(error))
    code = int(number[1]) if number else getattr(error, "errno", None)
    faults = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG, errno.EISDIR)
    return os.strerror(code) if code in faults else None


def _finish(out: Path, wanted: str | None) -> None:
    (out / MARKER).unlink()
    if wanted is None:
        _link_latest(out)


def _make(wanted: str | None, name: str) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    names = (ARTIFACTS / f"{name}-{stamp}{f'-{n}' if n else ''}" for n in count())
    for out in [Path(wanted)] if wanted else names:
        try:
            out.mkdir(parents=True)
            return out
        except FileExistsError:
            if wanted:
                raise ConfigError(f"OUT={out} exists already. Name a new folder, or remove that one.") from None
        except OSError as error:
            raise ConfigError(
                f"{out}: cannot be made ({error.strerror}). Set OUT=<a folder that can be written>."
            ) from None
    raise AssertionError("names never end")


def _link_latest(out: Path) -> None:
    scratch = ARTIFACTS / f".latest-{os.getpid()}"
    scratch.symlink_to(out.name)
    os.replace(scratch, ARTIFACTS / "latest")
